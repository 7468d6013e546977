-- repeated: one row per case_id that occurs more than once (grain: case_id).
-- DESIGN §3: rows that are equal in all that is used count once; if they differ all of them are left out.
WITH shared AS (
    SELECT case_id FROM history WHERE case_id IS NOT NULL GROUP BY case_id HAVING count(*) > 1
)
SELECT case_id, min(input_row) AS kept_row,
    count(DISTINCT (hospital, day, diagnosis, reason, procedure, others, fee_fen, reverses)) > 1 AS differs
FROM history
JOIN shared USING (case_id)
GROUP BY case_id
