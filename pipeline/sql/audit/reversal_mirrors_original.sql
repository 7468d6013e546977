-- 冲销与原记录相抵：支付标准、应付基金与例数之和为零
SELECT r.case_id AS subject, 0 AS expected,
    abs(r.fund_fen + o.fund_fen) + abs(r.standard_fen + o.standard_fen) + abs(r.case_count + o.case_count) AS found
FROM scored r
JOIN scored o ON o.case_id = r.reverses AND o.reverses IS NULL
WHERE r.reverses IS NOT NULL AND found <> 0
ORDER BY subject
