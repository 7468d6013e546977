-- as_cleared: one row per case of the year (grain: case_id), the fund amount at the value that uses up the year's fund.
SELECT c.*, g.fund_from_points_fen
FROM year_cases c
JOIN given_fen g ON g.row_id = c.rowid
UNION ALL -- the pools whose value is not solved keep the prices of their months
SELECT p.*
FROM as_priced p
ANTI JOIN cleared_values v ON v.insurance_type = p.insurance_type::VARCHAR AND v.budget_line = p.budget_line::VARCHAR
