-- candidate_cases: one row per case of a finished run that may be reviewed (grain: input_row), as it is priced now.
-- Not: reversals, cases taken back, cases whose standard is their fee already or a decision's; with them, those held for review.
SELECT s.input_row, s.case_id, s.hospital_id, s.insurance_type, s.level, s.group_code, s.discharge_date,
    s.settlement_date, s.pricing_date, s.stay_days, s.price_class, s.total_fee_fen, s.pool_fund_fen,
    s.total_fee_fen - s.separate_items_fen AS fee_fen, s.standard_fen, s.separate_fen, s.share_fund_fen,
    s.share_fee_fen, s.fund_fen, v.new_tech_flag, v.ward_transfers,
    v.ownpay_fee_fen + v.overlimit_fee_fen + v.firstpay_fee_fen + v.deductible_fen AS own_parts_fen, false AS held
FROM scored s
JOIN validated v USING (input_row)
WHERE s.reverses IS NULL AND s.family NOT IN ('by_item', 'actual', 'special_by_item', 'special_adjusted')
    AND s.case_id NOT IN (SELECT reverses FROM scored WHERE reverses IS NOT NULL)
UNION ALL BY NAME
SELECT v.input_row, v.case_id, v.hospital_id, v.insurance_type, h.level, f.value AS group_code, v.discharge_date,
    v.settlement_date, d.pricing_date, v.stay_days, 'case_review' AS price_class, v.total_fee_fen, v.pool_fund_fen,
    v.total_fee_fen - CASE WHEN t.separate_share_e4 IS NULL THEN 0 ELSE coalesce(v.separate_items_fen, 0) END AS fee_fen,
    half_away(coalesce(v.separate_items_fen, 0) * coalesce(t.separate_share_e4, 0), 10000)::BIGINT AS separate_fen,
    CASE WHEN t.fund_method = 'ratio' AND t.fund_of = 'case' THEN v.pool_fund_fen END AS share_fund_fen,
    CASE WHEN t.fund_method = 'ratio' AND t.fund_of = 'case' THEN v.total_fee_fen END AS share_fee_fen,
    v.new_tech_flag, v.ward_transfers,
    v.ownpay_fee_fen + v.overlimit_fee_fen + v.firstpay_fee_fen + v.deductible_fen AS own_parts_fen, true AS held
FROM case_payment c
JOIN validated v USING (input_row)
JOIN (SELECT input_row, min(value) AS value FROM findings WHERE code = 'case_review' GROUP BY input_row) f USING (input_row)
CROSS JOIN LATERAL (
    SELECT CASE WHEN $pricing_by = 'discharge_date' THEN v.discharge_date ELSE v.settlement_date END AS pricing_date
) d
LEFT JOIN fund_terms t ON d.pricing_date BETWEEN t.valid_from AND t.valid_to
LEFT JOIN hospital_levels h ON h.hospital_id = v.hospital_id AND d.pricing_date BETWEEN h.valid_from AND h.valid_to
WHERE c.door = 'held' AND c.code = 'case_review'
