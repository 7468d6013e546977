-- payable: one row per discharge or reversal that is paid (grain: input_row), in no order, its texts still numbers.
-- DESIGN §7: a reversal is the exact negative of its original, which may be a case of this run or of a published month.
-- Numbers in their published size: yuan per weight or point, not fen.
SELECT
    s.input_row, s.case_id, s.hospital_id, s.insurance_type, s.level, s.discharge_date, s.settlement_date,
    s.pricing_date, s.case_count * s.stay_days AS stay_days, s.principal_dx, s.terms_id, s.mdc, s.dip_kind,
    s.group_code, s.status, s.case_count::INTEGER AS case_count,
    ((s.weight_num * c.weight_shown)::DECIMAL(18, 0) * 0.000000001)::DECIMAL(18, 9) AS weight,
    CASE WHEN c.by_rate
         THEN ((s.rate_num * c.rate_shown)::DECIMAL(18, 0) * 0.000001)::DECIMAL(18, 6) END AS rate,
    CASE WHEN c.by_points AND NOT c.by_dip THEN s.rate_num END AS point_scale,
    CASE WHEN c.by_points
         THEN ((s.price_num * c.price_shown)::DECIMAL(18, 0) * 0.000001)::DECIMAL(18, 6) END AS point_value,
    CASE WHEN c.by_points -- fen per point as a fraction, shown with six digits
         THEN ((s.q_num * 10000 // s.q_den)::DECIMAL(18, 0) * 0.000001)::DECIMAL(18, 6)
    END AS reference_price,
    ((s.coefficient_num * c.coefficient_shown)::DECIMAL(18, 0) * 0.00000001)::DECIMAL(18, 8) AS coefficient,
    CASE WHEN c.by_dip THEN (s.auxiliary_num::DECIMAL(18, 0) * 0.0001)::DECIMAL(18, 4) END AS auxiliary,
    s.subtype, s.is_base, s.budget_line,
    CASE WHEN s.case_count < 0 THEN 'reversal'::class_name ELSE s.price_class END AS price_class, s.rule_id, s.family,
    s.case_count * s.total_fee_fen AS total_fee_fen, s.case_count * s.pool_fund_fen AS pool_fund_fen,
    s.case_count * s.separate_items_fen AS separate_items_fen, s.reference_fen, s.ratio_e4,
    CASE WHEN c.by_points
         THEN ((s.case_count * s.points_num * c.points_shown)::DECIMAL(18, 0) * 0.000001)::DECIMAL(18, 6) END AS points,
    s.case_count * s.apart_fen AS apart_fen, s.case_count * s.standard_fen AS standard_fen,
    s.case_count * s.separate_fen AS separate_fen, s.share_fund_fen, s.share_fee_fen,
    s.case_count * s.fund_fen AS fund_fen, s.reverses
FROM funded s, conventions c
UNION ALL BY NAME
SELECT * EXCLUDE (original_class) REPLACE (
    hospital_id::hospital_code AS hospital_id, insurance_type::insurance_code AS insurance_type,
    level::level_name AS level, principal_dx::dx_code AS principal_dx, terms_id::terms_name AS terms_id,
    group_code::group_name AS group_code, status::class_name AS status,
    price_class::class_name AS price_class, budget_line::budget_name AS budget_line,
    rule_id::rule_name AS rule_id, family::family_name AS family)
FROM earlier_turned
