-- reversed: one row per reversal that passed validation (grain: input_row), with its door.
-- DESIGN §7: it takes the original's priced row with the sign turned; refused with a refused original;
-- held where the original is unknown or the amounts are not the exact negative; a second one is refused.
WITH turned AS (
    -- `nth` counts only reversals that mirror the original: one held for its amounts takes nothing back.
    SELECT v.*,
        o.input_row AS original_row,
        v.total_fee_fen = -o.total_fee_fen AND v.pool_fund_fen = -o.pool_fund_fen
            AND v.hospital_id = o.hospital_id AND v.insurance_type = o.insurance_type AS mirrors,
        row_number() OVER (PARTITION BY v.reverses, mirrors ORDER BY v.settlement_date, v.case_id) AS nth
    FROM validated v
    LEFT JOIN validated o ON o.case_id = v.reverses AND o.reverses IS NULL
    WHERE v.reverses IS NOT NULL
)
SELECT
    v.input_row, v.case_id, v.hospital_id, v.insurance_type, v.settlement_date, v.reverses,
    v.total_fee_fen, v.pool_fund_fen, v.original_row,
    CASE
        WHEN gone.door = 'refuse' AND v.original_row IS NULL THEN 'reversal_of_refused'
        WHEN v.original_row IS NULL THEN 'reversal_without_original'
        WHEN late.refusal = 'case_review' THEN 'reversal_without_original' -- held with its original
        WHEN late.refusal IS NOT NULL THEN 'reversal_of_refused'
        WHEN NOT v.mirrors THEN 'reversal_unlike'
        WHEN v.nth > 1 THEN 'second_reversal'
    END AS code
FROM turned v
LEFT JOIN decided late ON late.input_row = v.original_row AND late.refusal IS NOT NULL
LEFT JOIN (SELECT case_id, min(door) AS door FROM arrivals WHERE door <> 'on' GROUP BY case_id) gone
    ON gone.case_id = v.reverses
