-- strange_groups: one row per group of the history that the scheme cannot yield (grain: group_code).
SELECT h.group_code, count(*) AS cases
FROM history_rows h
LEFT JOIN known_groups g USING (group_code)
WHERE h.group_code IS NOT NULL AND g.group_code IS NULL
GROUP BY h.group_code
ORDER BY cases DESC, h.group_code
