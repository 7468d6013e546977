-- year_sums: one row per hospital and pool with cases (grain: hospital_id, insurance_type, budget_line).
-- Σ α and Σ β of the fund amounts of year_cases, both times 10^12, and what the standards are made of.
SELECT hospital_id::VARCHAR AS hospital_id, insurance_type::VARCHAR AS insurance_type, budget_line::VARCHAR AS budget_line,
    sum(case_count)::BIGINT AS cases,
    sum(separate_fen * 1000000000000::HUGEINT + CASE
        WHEN by_ratio THEN share_e12 * apart_fen::HUGEINT
        ELSE (apart_fen - (total_fee_fen - pool_fund_fen)) * 1000000000000::HUGEINT END)::HUGEINT AS alpha_e12,
    sum(share_e12 * units::HUGEINT)::HUGEINT AS beta_e12,
    sum(units)::HUGEINT AS units, sum(apart_fen)::HUGEINT AS apart_fen, sum(separate_fen)::HUGEINT AS separate_fen,
    sum(standard_fen)::HUGEINT AS standard_fen, sum(fund_fen)::HUGEINT AS month_fund_fen,
    sum(total_fee_fen)::HUGEINT AS total_fee_fen, sum(pool_fund_fen)::HUGEINT AS pool_fund_fen,
    max(abs(share_e12 * units::HUGEINT))::HUGEINT AS largest_beta_e12,
    -- the share that all its cases have in common, where they have one
    CASE WHEN bool_and(by_ratio) AND min(share_e12) = max(share_e12) THEN min(share_e12) END AS share_e12,
    bool_or(by_points) AS by_points, bool_or(NOT by_points) AS by_rate,
    bool_or(by_ratio) AS by_ratio, bool_or(NOT by_ratio) AS by_difference, bool_or(bent) AS bent,
    bool_and(units % 100 = 0) AS of_four_digits
FROM year_cases
GROUP BY ALL
ORDER BY hospital_id, insurance_type, budget_line
