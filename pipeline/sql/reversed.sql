-- reversed: one row per reversal that passed validation (grain: input_row), with its door.
-- DESIGN §7: it takes the original's priced row with the sign turned; refused with a refused original;
-- of this input or of a published month; held where the original is unknown or the amounts are not the exact negative; a second one is refused.
SELECT
    t.input_row, t.case_id, t.hospital_id, t.reverses,
    CASE
        WHEN gone.door = 'refuse' AND t.original_row IS NULL THEN 'reversal_of_refused'
        WHEN t.original_row IS NULL AND b.input_row IS NULL THEN 'reversal_without_original'
        WHEN t.original_row IS NULL AND NOT b.mirrors THEN 'reversal_unlike'
        WHEN t.original_row IS NULL AND (b.taken OR b.nth > 1) THEN 'second_reversal'
        WHEN t.original_row IS NULL THEN NULL -- a published month's case, taken back at that month's price
        WHEN late.refusal = 'case_review' THEN 'reversal_without_original' -- held with its original
        WHEN late.refusal IS NOT NULL THEN 'reversal_of_refused'
        WHEN NOT t.mirrors THEN 'reversal_unlike'
        WHEN t.nth > 1 THEN 'second_reversal'
    END AS code
FROM turned t
LEFT JOIN turned_before b ON b.input_row = t.input_row
LEFT JOIN refused late ON late.input_row = t.original_row
LEFT JOIN (SELECT case_id, min(door) AS door FROM arrivals WHERE door <> 'on' GROUP BY case_id) gone
    ON gone.case_id = t.reverses
