-- offered: one row per discharge that may be priced (grain: input_row), with the prices that meet it.
-- DESIGN §7: the pricing date chooses the terms. A look-up that finds nothing becomes a refusal, never a zero.
SELECT
    v.input_row, v.case_id, v.hospital_id, v.insurance_type, v.admission_date, v.discharge_date,
    v.settlement_date, v.stay_days, g.principal_dx, v.total_fee_fen, v.pool_fund_fen,
    v.priced_on AS pricing_date, g.mdc, g.drg, g.status, d.terms_id, p.* EXCLUDE (terms_id, drg), h.level, h.rate_e6,
    h.coefficient_e8, t.reference_with_coefficient, t.negative_kept,
    CASE
        WHEN d.terms_id IS NULL THEN 'no_terms'
        WHEN p.weight_e9 IS NULL THEN 'no_weight'
        WHEN h.rate_e6 IS NULL THEN 'no_rate'
    END AS refusal
FROM (
    SELECT *, CASE WHEN c.pricing_by = 'discharge_date' THEN discharge_date ELSE settlement_date END AS priced_on
    FROM validated, conventions c -- one row: what the region pack chooses for the whole run
    WHERE reverses IS NULL
) v
LEFT JOIN grouped g USING (input_row) -- a date without a scheme has no group: refused below, never lost
LEFT JOIN days d ON d.day = v.priced_on
LEFT JOIN terms t ON t.terms_id = d.terms_id
LEFT JOIN group_prices p ON p.terms_id = d.terms_id AND p.drg = g.drg
LEFT JOIN hospital_prices h
    ON h.terms_id = d.terms_id AND h.hospital_id = v.hospital_id
    AND h.insurance_type = v.insurance_type AND h.is_base = p.is_base
