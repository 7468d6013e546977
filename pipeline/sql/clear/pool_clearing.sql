-- pool_clearing: one row per hospital and pool with cases (grain: hospital_id, insurance_type, budget_line).
-- DESIGN §6: a budget line (预算单列) is taken out of its insurance type's pool; '' is the main pool. Up to
-- fund_from_points every pool for itself; what follows belongs to hospital and insurance type (hospital_clearing).
SELECT s.hospital_id, h.name AS hospital_name, h.level, s.insurance_type, s.budget_line, s.cases,
    s.total_fee_fen::BIGINT AS total_fee_fen, s.pool_fund_fen::BIGINT AS pool_fund_fen,
    s.month_fund_fen::BIGINT AS month_fund_fen,
    CASE WHEN s.by_points THEN (s.units::DECIMAL(24, 0) * 0.000001)::DECIMAL(24, 6) END AS points_total,
    CASE WHEN NOT s.by_points THEN s.units::BIGINT END AS moving_fen,
    s.apart_fen::BIGINT AS apart_fen, f.standard_fen,
    (s.share_e12::DECIMAL(20, 0) * 0.000000000001)::DECIMAL(20, 12) AS fund_share,
    s.separate_fen::BIGINT AS separate_fen, f.fund_from_points_fen
FROM year_sums s
JOIN hospital_funds f USING (hospital_id, insurance_type, budget_line)
LEFT JOIN hospitals h USING (hospital_id)
ORDER BY s.hospital_id, s.insurance_type, s.budget_line
