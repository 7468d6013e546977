-- inputs: one row per case of each run that may be asked for its data (grain: side, case_id), as a hash of what arrived.
-- A reversal takes its price from what it takes back, so that is asked for too. Two rows that differ have one hash in
-- 1.8e19 times; then a case would be told by another reason, its money by the same.
WITH asked AS (
    SELECT case_id FROM moved WHERE b.door = 'paid' AND a.door = 'paid'
    UNION SELECT b.reverses FROM moved WHERE b.reverses IS NOT NULL
)
SELECT v.side, v.case_id, hash(*COLUMNS(v.* EXCLUDE (side, input_row))) AS content
FROM validated v
WHERE v.case_id IN (FROM asked)
