-- returned: one row per refused or held input row (grain: input_row), by hospital, with its first reason.
SELECT c.input_row, c.case_id, c.hospital_id, c.door, c.code,
    coalesce(min(f.message), c.code) AS message, c.total_fee_fen, c.pool_fund_fen
FROM case_payment c
LEFT JOIN findings f ON f.input_row = c.input_row AND f.code = c.code
WHERE c.door <> 'paid'
GROUP BY ALL
ORDER BY c.hospital_id, c.input_row
