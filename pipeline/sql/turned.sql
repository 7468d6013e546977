-- turned: one row per reversal that passed validation (grain: input_row), beside the discharge that it takes back.
-- DESIGN §7: `nth` counts only reversals that mirror the original: one held for its amounts takes nothing back.
-- The originals are found first by their names alone: joined at once, every discharge of the month would be hashed.
WITH reversing AS MATERIALIZED (
    SELECT input_row, case_id, hospital_id, insurance_type, settlement_date, reverses, total_fee_fen, pool_fund_fen
    FROM validated WHERE reverses IS NOT NULL
),
originals AS MATERIALIZED (
    SELECT input_row, case_id, hospital_id, insurance_type, total_fee_fen, pool_fund_fen
    FROM validated WHERE reverses IS NULL AND case_id IN (SELECT reverses FROM reversing)
)
SELECT
    v.input_row, v.case_id, v.hospital_id, v.insurance_type, v.settlement_date, v.reverses,
    v.total_fee_fen, v.pool_fund_fen, o.input_row AS original_row,
    v.total_fee_fen = -o.total_fee_fen AND v.pool_fund_fen = -o.pool_fund_fen
        AND v.hospital_id = o.hospital_id AND v.insurance_type = o.insurance_type AS mirrors,
    row_number() OVER (PARTITION BY v.reverses, mirrors ORDER BY v.settlement_date, v.case_id) AS nth
FROM reversing v
LEFT JOIN originals o ON o.case_id = v.reverses
