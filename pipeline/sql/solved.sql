-- solved: one row per pool (grain: insurance_type, budget_line; '' is the main pool): what the cases of a run ask of its fund.
-- DESIGN §6: with classes frozen the fund owes α + β·value. `units` are points, or the standards at a multiplier of 1
-- by the rate method; `apart` is paid independently of the value. A reversal takes its original out.
SELECT s.insurance_type, s.budget_line,
    CASE WHEN max(s.point_value) IS NULL THEN sum(s.standard_fen - s.apart_fen)::DECIMAL(38, 0)
         ELSE (sum(s.points) * 1000000)::DECIMAL(38, 0) END AS units, -- points in millionths
    max(s.point_value) IS NOT NULL AS by_points,
    sum(s.apart_fen)::DECIMAL(38, 0) AS apart_fen, sum(s.separate_fen)::DECIMAL(38, 0) AS separate_fen,
    sum(s.total_fee_fen)::DECIMAL(38, 0) AS total_fee_fen, sum(s.pool_fund_fen)::DECIMAL(38, 0) AS pool_fund_fen,
    -- a region's fund share is that of all cases of the insurance type, whichever budget pays them
    sum(sum(s.total_fee_fen)) OVER (PARTITION BY s.insurance_type)::DECIMAL(38, 0) AS share_fee_fen,
    sum(sum(s.pool_fund_fen)) OVER (PARTITION BY s.insurance_type)::DECIMAL(38, 0) AS share_fund_fen,
    min(r.fund_method) AS fund_method, max(r.fund_method) AS other_method,
    coalesce(max(r.fund_of), '') AS fund_of, bool_and(r.negative_kept) AS negative_kept
FROM scored s
JOIN rules_used r USING (rule_id)
GROUP BY s.insurance_type, s.budget_line
ORDER BY s.insurance_type, s.budget_line
