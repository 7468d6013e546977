-- turned: one row per reversal that passed validation (grain: input_row), beside the discharge that it takes back.
-- DESIGN §7: `nth` counts only reversals that mirror the original: one held for its amounts takes nothing back.
SELECT
    v.input_row, v.case_id, v.hospital_id, v.insurance_type, v.settlement_date, v.reverses,
    v.total_fee_fen, v.pool_fund_fen, o.input_row AS original_row,
    v.total_fee_fen = -o.total_fee_fen AND v.pool_fund_fen = -o.pool_fund_fen
        AND v.hospital_id = o.hospital_id AND v.insurance_type = o.insurance_type AS mirrors,
    row_number() OVER (PARTITION BY v.reverses, mirrors ORDER BY v.settlement_date, v.case_id) AS nth
FROM validated o
RIGHT JOIN (FROM validated WHERE reverses IS NOT NULL) v ON o.case_id = v.reverses AND o.reverses IS NULL
