-- arrivals: one row per input row of the run that is priced anew (grain: input_row), its door before pricing.
-- A row that found its way to pricing goes on again, except one that was not paid then and was paid elsewhere since.
SELECT c.input_row, c.case_id, c.hospital_id, c.insurance_type, c.total_fee_fen, c.pool_fund_fen,
    CASE WHEN e.case_id IS NOT NULL THEN 'refuse'
         WHEN v.input_row IS NOT NULL THEN 'on'
         WHEN c.door = 'refused' THEN 'refuse'
         ELSE 'hold' END AS door,
    CASE WHEN e.case_id IS NOT NULL THEN 'already_paid' WHEN v.input_row IS NULL THEN c.code END AS code
FROM stored_payment c
LEFT JOIN stored_validated v USING (input_row)
LEFT JOIN (SELECT DISTINCT case_id FROM earlier_payments) e ON e.case_id = c.case_id AND c.door <> 'paid'
