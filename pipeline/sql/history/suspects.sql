-- suspects: one row per hash of a case_id that occurs more than once (grain: mark): eight bytes a case instead of a text.
SELECT hash(case_id) AS mark
FROM history_rows
WHERE case_id IS NOT NULL
GROUP BY mark
HAVING count(*) > 1
