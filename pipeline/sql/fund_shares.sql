-- fund_shares: one row per insurance type and unit (grain: fund_of, insurance_type, unit) whose cases share a ratio.
-- DESIGN §6: fund share = Σ fund recorded / Σ total fee of the priced cases; a reversal takes its original out.
SELECT fund_of, insurance_type,
    CASE fund_of WHEN 'group' THEN group_code WHEN 'hospital' THEN hospital_id ELSE '' END AS unit,
    sum(case_count * pool_fund_fen)::HUGEINT AS share_num, sum(case_count * total_fee_fen)::HUGEINT AS share_den
FROM priced
WHERE fund_of <> 'case'
GROUP BY ALL
