-- arrivals: one row per input row that a stored run turned away before pricing (grain: input_row), its door then.
-- Pricing asks it only for originals that never arrived; whatever reached pricing then reaches it again.
SELECT c.input_row, c.case_id, c.hospital_id, c.insurance_type, c.total_fee_fen, c.pool_fund_fen,
    CASE c.door WHEN 'refused' THEN 'refuse' ELSE 'hold' END AS door, c.code
FROM stored_payment c
WHERE c.door <> 'paid' AND c.input_row NOT IN (SELECT input_row FROM validated)
