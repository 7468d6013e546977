-- hospital_funds: one row per hospital and pool with cases (grain: hospital_id, insurance_type, budget_line).
-- Solved pools by largest remainder (clear_value.py); others at the prices of the months, the sums of their cases.
SELECT hospital_id, insurance_type, budget_line, standard_fen, fund_from_points_fen
FROM solved_funds
UNION ALL
SELECT hospital_id::VARCHAR, insurance_type::VARCHAR, budget_line::VARCHAR,
    sum(standard_fen)::BIGINT, sum(fund_from_points_fen)::BIGINT
FROM as_priced p
WHERE (insurance_type::VARCHAR, budget_line::VARCHAR) NOT IN (SELECT (insurance_type, budget_line) FROM solved_funds)
GROUP BY ALL
