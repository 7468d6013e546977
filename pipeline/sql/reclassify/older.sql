-- older: one row per reversal in a solved pool whose original is no case of this year (grain: case_id).
SELECT s.case_id, s.insurance_type, s.budget_line, s.standard_fen, s.apart_fen
FROM year_scored s
JOIN first_values p ON p.insurance_type = s.insurance_type AND p.budget_line = s.budget_line
ANTI JOIN (SELECT case_id FROM year_scored WHERE reverses IS NULL) o ON o.case_id = s.reverses
WHERE s.reverses IS NOT NULL
ORDER BY s.case_id
