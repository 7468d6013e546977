-- 各月、预付、审核扣款的每一分都在清算表里，每家医院每个险种一行
WITH stated AS (
    SELECT sum(settled_fen) AS settled, sum(due_fen) AS due, sum(cash_fen) AS cash, sum(deposit_fen) AS deposit,
        sum(revolving_offset_fen) AS revolving, sum(advanced_fen) AS advanced, sum(returned_fen) AS returned,
        sum(audit_fen) AS audit, count(*) AS lines
    FROM hospital_clearing
),
brought AS (
    SELECT sum(settled_fen) AS settled, sum(due_fen) AS due, sum(deposit_fen) AS deposit,
        sum(revolving_offset_fen) AS revolving
    FROM year_paid
)
SELECT u.subject, coalesce(u.expected, 0) AS expected, coalesce(u.found, 0) AS found
FROM (
    SELECT '月度预结算' AS subject, b.settled AS expected, s.settled AS found FROM brought b, stated s
    UNION ALL SELECT '月度应付', b.due, s.due FROM brought b, stated s
    UNION ALL SELECT '保证金', b.deposit, s.deposit FROM brought b, stated s
    UNION ALL SELECT '周转金抵扣', b.revolving, s.revolving FROM brought b, stated s
    UNION ALL SELECT '月度实付', (SELECT sum(cash_fen) FROM year_cash), s.cash FROM stated s
    UNION ALL SELECT '预付金', (SELECT sum(advanced_fen) FROM year_advances), s.advanced FROM stated s
    UNION ALL SELECT '预付金收回', (SELECT sum(returned_fen) FROM year_advances), s.returned FROM stated s
    UNION ALL SELECT '审核扣款', (SELECT sum(audit_fen) FROM year_audits), s.audit FROM stated s
    UNION ALL SELECT '清算表的行数', (SELECT count(DISTINCT (hospital_id, insurance_type)) FROM judged), s.lines FROM stated s
) u
WHERE coalesce(u.expected, 0) <> coalesce(u.found, 0)
