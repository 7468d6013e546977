-- reclassified: one row per case whose class was decided otherwise (grain: case_id), its part of the fund before and after.
-- Before: in its old class at the value first found; after: in its new class at the value of the second clearing.
SELECT c.*, b.fund_from_points_fen AS fund_before_fen, a.fund_from_points_fen AS fund_after_fen
FROM changed c
JOIN first_cases b USING (case_id)
JOIN case_clearing a USING (case_id)
ORDER BY c.hospital_id, c.insurance_type, c.case_id
