-- repeated: one row per case_id that occurs more than once (grain: case_id).
-- DESIGN §3: rows that are equal in all that is used count once; if they differ all of them are left out.
-- A table without settlement dates and a run may both have a case: it counts in the later month of the two.
SELECT case_id, count(*) AS row_count, max(counted_on) AS counted_on,
    count(DISTINCT (hospital_id, discharge_date, insurance_type, group_code, fee_fen, pool_fund_fen, separate_fen, aux_e4,
        reverses)) > 1 AS differs
FROM history_rows
WHERE case_id IS NOT NULL AND hash(case_id) IN (SELECT mark FROM suspects)
GROUP BY case_id
HAVING count(*) > 1
