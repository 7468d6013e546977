-- refused: one row per discharge that has no price (grain: input_row), and why.
SELECT input_row, case_id, hospital_id, insurance_type, group_code, pricing_date, total_fee_fen, separate_items_fen,
    refusal
FROM ruled
WHERE refusal IS NOT NULL AND reverses IS NULL
