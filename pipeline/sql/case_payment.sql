-- case_payment: one row per input row (grain: input_row), the door it left by and what it is paid.
SELECT
    a.input_row, a.case_id, a.hospital_id, a.insurance_type, a.total_fee_fen, a.pool_fund_fen,
    CASE
        WHEN s.input_row IS NOT NULL THEN 'paid'
        WHEN a.door = 'refuse' OR l.severity = 'refuse' THEN 'refused'
        WHEN a.door = 'hold' OR l.severity = 'hold' THEN 'held'
    END AS door,
    coalesce(a.code, l.code) AS code,
    s.group_code, s.standard_fen, s.fund_fen
FROM arrivals a
LEFT JOIN scored s USING (input_row)
LEFT JOIN late_doors l USING (input_row)
ORDER BY a.input_row
