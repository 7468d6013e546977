-- year_shares: one row per insurance type and unit whose cases share a fund share (grain: fund_of, insurance_type, unit).
-- DESIGN §6: a share of hospital, group or region is that of the year for the clearing. A reversal of an earlier year's
-- case is no case of this year: it takes back what it was paid by its own share and moves nobody else's.
SELECT r.fund_of, s.insurance_type::VARCHAR AS insurance_type,
    CASE r.fund_of WHEN 'group' THEN s.group_code WHEN 'hospital' THEN s.hospital_id ELSE '' END AS unit,
    sum(s.pool_fund_fen)::HUGEINT AS unit_fund_fen, sum(s.total_fee_fen)::HUGEINT AS unit_fee_fen
FROM year_scored s
JOIN year_rules r USING (rule_id)
WHERE r.fund_method = 'ratio' AND r.fund_of <> 'case'
    AND (s.reverses IS NULL OR s.case_id IN (SELECT case_id FROM year_pairs))
GROUP BY ALL
