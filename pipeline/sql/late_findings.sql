-- late_findings: one row per case that loses its way after validation (grain: input_row, code).
SELECT input_row, case_id, hospital_id, refusal AS code,
    CASE refusal WHEN 'no_terms' THEN 'discharge_date' WHEN 'no_weight' THEN 'group_code'
        WHEN 'no_coefficient' THEN 'group_code' ELSE 'insurance_type' END AS "column",
    CASE refusal
        WHEN 'no_terms' THEN CAST(pricing_date AS VARCHAR)
        WHEN 'no_weight' THEN group_code
        WHEN 'no_coefficient' THEN hospital_id || '、' || group_code
        ELSE hospital_id || '、' || insurance_type
    END AS value
FROM priced WHERE refusal IS NOT NULL
UNION ALL
SELECT input_row, case_id, hospital_id, code, 'reverses', reverses FROM reversed WHERE code IS NOT NULL
ORDER BY input_row, code
