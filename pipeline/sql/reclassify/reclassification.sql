-- reclassification: one row per solved pool (grain: insurance_type, budget_line): the value by which its cases were classed anew.
-- The value of the second clearing is a multiplier of the rates so found: see insurance_clearing, pool_balance.
SELECT p.insurance_type, p.budget_line, p.first_num, p.first_den, p.first_value, count(c.case_id)::BIGINT AS changed_cases
FROM first_values p
LEFT JOIN changed c ON c.insurance_type = p.insurance_type AND c.budget_line = p.budget_line
GROUP BY ALL
ORDER BY p.insurance_type, p.budget_line
