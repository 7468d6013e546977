-- pool_balance: one row per pool with cases or a budget (grain: insurance_type, budget_line): budget, value, what it became.
-- DESIGN §6, §7: a solved pool uses up its own budget to the fen; where amounts are taken as they are the budget is only
-- what they are compared with. Its value stands in value_shown.
SELECT k.insurance_type, k.budget_line, b.fund_fen::BIGINT AS budget_fen, b.version AS budget_version,
    coalesce(p.hospitals, 0) AS hospitals, coalesce(p.cases, 0) AS cases, p.points_total,
    v.value_num, v.value_den, v.value, v.base_points, v.fixed_value, v.added_points, v.added_value,
    coalesce(p.standard_fen, 0) AS standard_fen, coalesce(p.month_fund_fen, 0) AS month_fund_fen,
    coalesce(p.fund_from_points_fen, 0) AS fund_from_points_fen,
    (b.fund_fen - coalesce(p.fund_from_points_fen, 0))::BIGINT AS undistributed_fen
FROM (
    SELECT insurance_type, budget_line FROM pool_clearing
    UNION SELECT insurance_type, budget_line FROM budgets
    UNION SELECT insurance_type, '' FROM judged
) k
LEFT JOIN (
    SELECT insurance_type, budget_line, count(DISTINCT hospital_id)::BIGINT AS hospitals, sum(cases)::BIGINT AS cases,
        sum(points_total)::DECIMAL(30, 6) AS points_total, sum(standard_fen)::BIGINT AS standard_fen,
        sum(month_fund_fen)::BIGINT AS month_fund_fen, sum(fund_from_points_fen)::BIGINT AS fund_from_points_fen
    FROM pool_clearing GROUP BY ALL
) p USING (insurance_type, budget_line)
LEFT JOIN budgets b USING (insurance_type, budget_line)
LEFT JOIN value_shown v USING (insurance_type, budget_line)
ORDER BY k.insurance_type, k.budget_line
