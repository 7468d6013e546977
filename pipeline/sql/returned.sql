-- returned: one row per refused or held input row (grain: input_row), by hospital, with its first reason.
WITH reasons AS (
    SELECT input_row, code, min(message) AS message FROM findings GROUP BY input_row, code
)
SELECT c.input_row, c.case_id, c.hospital_id, c.door, c.code, coalesce(r.message, c.code) AS message,
    c.total_fee_fen, c.pool_fund_fen
FROM case_payment c
LEFT JOIN reasons r ON r.input_row = c.input_row AND r.code = c.code
WHERE c.door <> 'paid'
ORDER BY c.hospital_id, c.input_row
