-- fund_shares: one row per insurance type and unit (grain: fund_of, insurance_type, unit) whose cases share a ratio.
-- DESIGN §6: fund share = Σ fund recorded / Σ total fee of the priced cases; a reversal takes its original out.
WITH net AS (
    SELECT fund_of, insurance_type, hospital_id, group_code, pool_fund_fen, total_fee_fen
    FROM decided WHERE refusal IS NULL AND fund_of <> 'case'
    UNION ALL
    SELECT p.fund_of, p.insurance_type, p.hospital_id, p.group_code, -p.pool_fund_fen, -p.total_fee_fen
    FROM decided p JOIN reversed r ON r.original_row = p.input_row
    WHERE r.code IS NULL AND p.fund_of <> 'case'
)
SELECT fund_of, insurance_type,
    CASE fund_of WHEN 'group' THEN group_code WHEN 'hospital' THEN hospital_id ELSE '' END AS unit,
    sum(pool_fund_fen)::HUGEINT AS share_num, sum(total_fee_fen)::HUGEINT AS share_den
FROM net
GROUP BY ALL
