-- platform_orphan_findings: one row per orphan, or one per table (setl_id null) with more than $most of them.
WITH counted AS (SELECT source, count(*) AS rows FROM platform_orphans GROUP BY source)
SELECT source, pos, setl_id, 1 AS rows
FROM platform_orphans
JOIN counted USING (source)
WHERE counted.rows <= $most
UNION ALL
SELECT source, NULL, NULL, rows FROM counted WHERE rows > $most
ORDER BY source, pos
