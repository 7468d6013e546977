-- year_cases: one row per case or reversal of the year (grain: case_id), the parts of its fund amount α + β·value.
-- DESIGN §6, §7: ratio separate + share·(apart + units·value); difference separate + (apart + units·value) − (F − recorded).
-- `units`: points in millionths, or by the rate method the standard at a multiplier of 1. `share_e12`: the share with
-- the twelve digits it is stored with, so that the value of a year is a fraction of two numbers that can be written down.
SELECT s.case_id, s.hospital_id::clear_hospital AS hospital_id, s.insurance_type::clear_insurance AS insurance_type,
    s.period::clear_period AS period, s.group_code::clear_group AS group_code,
    s.budget_line::clear_line AS budget_line, s.case_count,
    s.case_id IN (SELECT case_id FROM year_pairs UNION ALL SELECT original_id FROM year_pairs) AS paired,
    s.points IS NOT NULL AS by_points,
    CASE WHEN s.points IS NULL THEN s.standard_fen - s.apart_fen ELSE s.points::DECIMAL(38, 6) * 1000000 END::BIGINT AS units,
    s.apart_fen, s.separate_fen, s.standard_fen, s.fund_fen, s.total_fee_fen, s.pool_fund_fen,
    r.fund_method = 'ratio' AS by_ratio,
    r.fund_method = 'policy' OR (r.fund_method = 'difference' AND NOT r.negative_kept) AS bent,
    u.unit IS NOT NULL AS of_unit,
    (CASE WHEN u.unit IS NULL THEN s.share_fund_fen ELSE u.unit_fund_fen END)::BIGINT AS share_num,
    (CASE WHEN u.unit IS NULL THEN s.share_fee_fen ELSE u.unit_fee_fen END)::BIGINT AS share_den,
    CASE WHEN r.fund_method <> 'ratio' THEN 1000000000000
         WHEN share_den > 0 THEN half_away(share_num * 1000000000000::HUGEINT, share_den::HUGEINT)
         WHEN share_den < 0 THEN half_away(-share_num * 1000000000000::HUGEINT, -(share_den::HUGEINT))
         ELSE 0 -- the fees of the unit sum to nothing: all its cases were taken back
    END::BIGINT AS share_e12
FROM year_scored s
JOIN year_rules r USING (rule_id)
LEFT JOIN year_shares u ON u.fund_of = r.fund_of AND r.fund_method = 'ratio'
    AND u.insurance_type = s.insurance_type
    AND u.unit = CASE r.fund_of WHEN 'group' THEN s.group_code WHEN 'hospital' THEN s.hospital_id ELSE '' END
    AND (s.reverses IS NULL OR s.case_id IN (SELECT case_id FROM year_pairs))
