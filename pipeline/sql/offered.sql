-- offered: one row per case (grain: input_row), with the parameters that meet it; what is unknown is null.
-- DESIGN §7: the pricing date chooses the terms. Of coefficients the most special known one counts: group × hospital,
-- group × level, hospital or level; base groups fix or cap it. A subtype with level coefficients of its own stands
-- in place of coefficient × auxiliary where it is higher.
WITH looked_up AS (
    SELECT
        v.input_row, v.case_id, v.case_count, v.reverses, v.hospital_id, v.insurance_type, v.discharge_date,
        v.settlement_date, v.stay_days, v.pricing_date, v.total_fee_fen, v.pool_fund_fen,
        CASE WHEN d.separate_share_e4 IS NULL THEN 0 ELSE coalesce(v.separate_items_fen, 0) END AS separate_items_fen,
        v.ownpay_fee_fen + v.overlimit_fee_fen + v.firstpay_fee_fen + v.deductible_fen AS own_parts_fen,
        v.tcm_fee_fen, v.place, v.care_type, v.discharge_way, v.px_codes[1] AS principal_px,
        g.principal_dx, g.mdc, g.dip_kind, g.group_code, g.status,
        d.* EXCLUDE (day),
        p.path, p.on_path, p.is_base, p.held, p.mean_fen, coalesce(p.weight_num, s.standard_num) AS weight_num,
        h.level, h.rate_num, h.price_num, h.reference_num, h.reference_den, h.benefit_e4,
        c.weight_unit, c.rate_unit, c.price_unit, c.coefficient_unit, c.auxiliary_unit, c.points_unit, c.by_points,
        g.aux_unknown AND p.on_path AS subtype_unknown,
        CASE WHEN c.by_dip AND p.on_path THEN g.aux_e4 ELSE c.auxiliary_unit END AS aux_num,
        CASE WHEN p.on_path THEN g.aux_subtype END AS aux_subtype, g.own_subtype,
        CASE WHEN p.on_path THEN g.own_e4 * (c.coefficient_unit // 10000) END AS own_num,
        CASE WHEN p.is_base AND d.base_fixed THEN h.coefficient_num
             ELSE coalesce(gh.coefficient_num, gl.coefficient_num, h.coefficient_num) END AS known_num,
        CASE WHEN p.is_base AND known_num > d.base_cap_num THEN d.base_cap_num ELSE known_num END AS plain_num
    FROM cases v
    CROSS JOIN conventions c
    LEFT JOIN placed g ON g.input_row = v.priced_row -- a date without a scheme has no group: refused later, never lost
    LEFT JOIN days d ON d.day = v.pricing_date
    LEFT JOIN group_prices p ON p.terms_id = d.terms_id AND p.group_code = g.group_code
    LEFT JOIN hospital_prices h
        ON h.terms_id = d.terms_id AND h.hospital_id = v.hospital_id
        AND h.insurance_type = v.insurance_type AND h.is_base = coalesce(p.is_base, false)
    LEFT JOIN group_standards s
        ON s.terms_id = d.terms_id AND s.group_code = g.group_code AND s.level = h.level
    LEFT JOIN group_coefficients gl
        ON gl.terms_id = d.terms_id AND gl.group_code = g.group_code AND gl.level = h.level
    LEFT JOIN group_coefficients gh
        ON gh.terms_id = d.terms_id AND gh.group_code = g.group_code AND gh.hospital_id = v.hospital_id
)
SELECT * EXCLUDE (known_num, plain_num, own_num, aux_num, aux_subtype, own_subtype),
    own_num IS NOT NULL AND (plain_num IS NULL
        OR own_num::HUGEINT * auxiliary_unit >= plain_num::HUGEINT * aux_num) AS own_counts,
    plain_num IS NOT NULL OR own_counts AS coefficient_known,
    CASE WHEN own_counts THEN own_num ELSE coalesce(plain_num, coefficient_unit) END AS coefficient_num,
    -- An unknown one refuses the case wherever it would enter (subtype_unknown); by item it does not.
    CASE WHEN own_counts THEN auxiliary_unit ELSE coalesce(aux_num, auxiliary_unit) END AS auxiliary_num,
    CASE WHEN own_counts THEN own_subtype ELSE aux_subtype END AS subtype
FROM looked_up
