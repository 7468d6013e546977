-- offered: one row per discharge that may be priced (grain: input_row), with the prices that meet it.
-- DESIGN §7: the pricing date chooses the terms. A look-up that finds nothing becomes a refusal, never a zero.
-- A subtype with level coefficients of its own stands in place of coefficient × auxiliary where it is higher.
WITH met AS (
    SELECT
        v.input_row, v.case_id, v.hospital_id, v.insurance_type, v.admission_date, v.discharge_date,
        v.settlement_date, v.stay_days, v.total_fee_fen, v.pool_fund_fen, v.priced_on AS pricing_date,
        g.principal_dx, g.mdc, g.dip_kind, g.group_code, g.status, g.aux_subtype, g.own_e4, g.own_subtype,
        CASE WHEN v.by_points AND p.on_path THEN g.aux_e4 ELSE v.auxiliary_unit END AS aux_num,
        d.terms_id, p.path, p.on_path, p.weight_num, p.is_base, h.level, h.rate_num, h.price_num, h.reference_num,
        h.reference_den, t.reference_with_coefficient, t.negative_kept,
        v.weight_unit, v.rate_unit, v.price_unit, v.coefficient_unit, v.auxiliary_unit,
        CASE WHEN NOT t.by_group_level OR (p.is_base AND t.base_coefficient)
             THEN h.coefficient_num ELSE gc.coefficient_num END AS plain_num,
        g.own_e4 * (v.coefficient_unit // 10000) AS own_num,
        p.on_path AND own_num IS NOT NULL
            AND (plain_num IS NULL OR own_num::HUGEINT * v.auxiliary_unit >= plain_num::HUGEINT * aux_num) AS own_counts,
        CASE
            WHEN d.terms_id IS NULL THEN 'no_terms'
            WHEN p.path IS NULL THEN 'no_weight'
            WHEN h.rate_num IS NULL THEN 'no_rate'
            WHEN p.on_path AND g.aux_unknown THEN 'no_coefficient'
            WHEN p.needs_coefficient AND plain_num IS NULL AND NOT own_counts THEN 'no_coefficient'
        END AS refusal
    FROM (
        SELECT *, CASE WHEN c.pricing_by = 'discharge_date' THEN discharge_date ELSE settlement_date END AS priced_on
        FROM validated, conventions c -- one row: what the region pack chooses for the whole run
        WHERE reverses IS NULL
    ) v
    LEFT JOIN placed g USING (input_row) -- a date without a scheme has no group: refused below, never lost
    LEFT JOIN days d ON d.day = v.priced_on
    LEFT JOIN terms t ON t.terms_id = d.terms_id
    LEFT JOIN group_prices p ON p.terms_id = d.terms_id AND p.group_code = g.group_code
    LEFT JOIN hospital_prices h
        ON h.terms_id = d.terms_id AND h.hospital_id = v.hospital_id
        AND h.insurance_type = v.insurance_type AND h.is_base = p.is_base
    LEFT JOIN group_coefficients gc
        ON gc.terms_id = d.terms_id AND gc.group_code = g.group_code AND gc.level = h.level
)
SELECT * EXCLUDE (plain_num, own_num, own_e4, aux_num, aux_subtype, own_subtype),
    CASE WHEN own_counts THEN own_num ELSE coalesce(plain_num, coefficient_unit) END AS coefficient_num,
    CASE WHEN own_counts THEN auxiliary_unit ELSE aux_num END AS auxiliary_num,
    CASE WHEN on_path THEN CASE WHEN own_counts THEN own_subtype ELSE aux_subtype END END AS subtype
FROM met
