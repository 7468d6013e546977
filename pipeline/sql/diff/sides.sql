-- sides: one row per case of each of two runs (grain: side, case_id), with every factor of its price.
-- A case_id is paid at most once in a run; of rows that were only refused or held the first of the milder door stands for it.
SELECT
    side, case_id, input_row, hospital_id, insurance_type, 'paid' AS door, NULL::VARCHAR AS code, reverses,
    case_count, total_fee_fen, pool_fund_fen, group_code, status, level, weight, rate, point_scale, point_value,
    reference_price, coefficient, auxiliary, subtype, is_base, price_class, rule_id, family, reference_fen, points,
    standard_fen, separate_fen, share_fund_fen, share_fee_fen, fund_fen
FROM scored
UNION ALL BY NAME
SELECT side, coalesce(case_id, '') AS case_id, input_row, hospital_id, insurance_type, door, code
FROM case_payment c
WHERE door <> 'paid' AND NOT EXISTS (FROM scored s WHERE s.side = c.side AND s.case_id = c.case_id)
QUALIFY row_number() OVER (PARTITION BY side, coalesce(case_id, '') ORDER BY door, input_row) = 1
