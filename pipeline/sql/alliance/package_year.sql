-- package_year: one row per alliance and insurance type with a package (grain: alliance_id, insurance_type).
-- DESIGN §7 医共体: (insured × per-capita − serious-illness premium) × (1 − risk reserve), or a share of the region's
-- budget; rounded once, in the total, and the risk reserve is what is left.
SELECT alliance_id, insurance_type, form, by_county,
    CASE WHEN form = 'per_capita' THEN income_fen::BIGINT END AS income_fen,
    CASE WHEN form = 'per_capita' THEN serious_illness_fen::BIGINT END AS serious_illness_fen,
    CASE WHEN form = 'per_capita' THEN (income_fen - serious_illness_fen - kept_fen)::BIGINT END AS risk_reserve_fen,
    CASE WHEN form = 'per_capita' THEN kept_fen ELSE share_fen END::BIGINT AS package_year_fen
FROM (
    SELECT p.*, insured * per_capita_fen AS income_fen, insured * p.serious_illness_per_head_fen AS serious_illness_fen,
        half_away(insured * (per_capita_fen - p.serious_illness_per_head_fen) * (e4() - risk_reserve_e4), e4()) AS kept_fen,
        half_away(b.fund_fen::HUGEINT * budget_share_e6, 1000000::HUGEINT) AS share_fen
    FROM alliance_packages p
    -- The type's budget is that of all its pools, as its cases are: main pool and budget lines (预算单列).
    LEFT JOIN (SELECT insurance_type, sum(fund_fen)::BIGINT AS fund_fen FROM budgets GROUP BY ALL) b USING (insurance_type) -- a share of a budget that is not there is refused before: alliance.py
)
ORDER BY alliance_id, insurance_type
