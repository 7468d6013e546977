-- late_findings: one row per case that loses its way after validation (grain: input_row, code).
SELECT input_row, case_id, hospital_id, refusal AS code,
    CASE refusal
        WHEN 'no_terms' THEN 'discharge_date'
        WHEN 'no_rate' THEN 'insurance_type'
        WHEN 'out_of_scope' THEN 'place'
        WHEN 'no_fee' THEN 'total_fee_fen'
        WHEN 'separate_over_total' THEN 'separate_items_fen'
        ELSE 'group_code'
    END AS "column",
    CASE refusal
        WHEN 'no_terms' THEN CAST(pricing_date AS VARCHAR)
        WHEN 'no_rate' THEN hospital_id || '、' || insurance_type
        WHEN 'no_coefficient' THEN hospital_id || '、' || group_code
        WHEN 'no_amount' THEN hospital_id || '、' || group_code
        WHEN 'out_of_scope' THEN hospital_id
        WHEN 'no_fee' THEN CAST(total_fee_fen AS VARCHAR)
        WHEN 'separate_over_total' THEN CAST(separate_items_fen - total_fee_fen AS VARCHAR)
        ELSE group_code
    END AS value
FROM refused
UNION ALL
SELECT input_row, case_id, hospital_id, code, 'reverses', reverses FROM reversed WHERE code IS NOT NULL
ORDER BY input_row, code
