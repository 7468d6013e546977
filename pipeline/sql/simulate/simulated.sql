-- simulated: one row per discharge or reversal that one proposal pays (grain: input_row), what a simulation adds up.
SELECT input_row, case_id, reverses, hospital_id, insurance_type, level, terms_id,
    coalesce(mdc, dip_kind, '') AS mdc, group_code, price_class, case_count, weight, rate, point_value, points,
    standard_fen, apart_fen, separate_fen, share_fund_fen, share_fee_fen, fund_fen, total_fee_fen, pool_fund_fen
FROM scored
