-- 冲销与原记录相抵：支付标准与应付基金之和为零
SELECT r.case_id AS subject, 0 AS expected, (r.fund_fen + o.fund_fen) + (r.standard_fen + o.standard_fen) AS found
FROM scored r
JOIN scored o ON o.case_id = r.reverses AND o.reverses IS NULL
WHERE r.reverses IS NOT NULL
    AND (r.fund_fen + o.fund_fen <> 0 OR r.standard_fen + o.standard_fen <> 0 OR r.case_count + o.case_count <> 0)
ORDER BY subject
