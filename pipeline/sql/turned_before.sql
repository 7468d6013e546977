-- turned_before: one row per reversal whose original was paid by a published month (grain: input_row).
-- DESIGN §7: from the published run that the ledger names; `taken`: another month has taken the original back already.
SELECT t.input_row,
    t.total_fee_fen = -e.total_fee_fen AND t.pool_fund_fen = -e.pool_fund_fen
        AND t.hospital_id = e.hospital_id AND t.insurance_type = e.insurance_type AS mirrors,
    EXISTS (SELECT 1 FROM earlier_scored b WHERE b.reverses = e.case_id) AS taken,
    row_number() OVER (PARTITION BY t.reverses, mirrors ORDER BY t.settlement_date, t.case_id) AS nth
FROM turned t
JOIN earlier_scored e ON e.case_id = t.reverses AND e.reverses IS NULL
WHERE t.original_row IS NULL
