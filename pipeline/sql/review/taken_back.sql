-- taken_back: one row per discharge whose reversal is in the same input (grain: input_row); both come to nothing.
-- The same mirror as in reversed.sql, which cannot be asked yet: it waits for the prices that the decisions change.
SELECT DISTINCT p.input_row
FROM validated v
JOIN priced p ON p.case_id = v.reverses
WHERE v.reverses IS NOT NULL AND v.total_fee_fen = -p.total_fee_fen AND v.pool_fund_fen = -p.pool_fund_fen
    AND v.hospital_id = p.hospital_id AND v.insurance_type = p.insurance_type
