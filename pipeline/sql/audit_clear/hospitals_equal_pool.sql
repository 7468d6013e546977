-- 浮动、弹性清算的各医院之和等于可分配总额（预算单列的各自相等），分文不差
SELECT concat_ws('、', p.insurance_type, nullif(p.budget_line, '')) || ' 的清算基金' AS subject,
    p.pool_fen AS expected, coalesce(h.fen, 0) AS found
FROM pools p
LEFT JOIN (
    SELECT insurance_type, budget_line, sum(fund_from_points_fen) AS fen FROM pool_clearing GROUP BY ALL
) h USING (insurance_type, budget_line)
WHERE p.pool_fen <> coalesce(h.fen, 0)
