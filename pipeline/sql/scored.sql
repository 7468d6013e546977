-- scored: one row per discharge or reversal that is paid (grain: input_row), by hospital in input order,
-- so that one hospital's cases lie together.
SELECT
    input_row, case_id, hospital_id, insurance_type, level, discharge_date, settlement_date, pricing_date,
    stay_days, principal_dx, terms_id, mdc, drg, status, case_count::INTEGER AS case_count,
    (weight_e9::DECIMAL(18, 0) * 0.000000001)::DECIMAL(18, 9) AS weight,
    (rate_e6::DECIMAL(18, 0) * 0.000001)::DECIMAL(18, 6) AS rate,
    (coefficient_e8::DECIMAL(18, 0) * 0.00000001)::DECIMAL(18, 8) AS coefficient,
    is_base, price_class, rule,
    multiple_e4, fee_share_e4, share_by_coefficient,
    total_fee_fen, pool_fund_fen, reference_fen, ratio_e4, standard_fen, fund_fen, reverses
FROM (
    SELECT *, NULL::VARCHAR AS reverses FROM priced WHERE refusal IS NULL
    UNION ALL BY NAME
    SELECT p.* REPLACE (
            r.input_row AS input_row, r.case_id AS case_id, r.settlement_date AS settlement_date,
            -p.case_count AS case_count, 'reversal' AS price_class, -p.stay_days AS stay_days,
            -p.total_fee_fen AS total_fee_fen, -p.pool_fund_fen AS pool_fund_fen,
            -p.standard_fen AS standard_fen, -p.fund_fen AS fund_fen),
        r.reverses
    FROM reversed r
    JOIN priced p ON p.input_row = r.original_row
    WHERE r.code IS NULL
)
ORDER BY hospital_id, input_row
