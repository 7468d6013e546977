-- 浮动、弹性清算的各医院之和等于可分配总额，分文不差
SELECT p.insurance_type || ' 的清算基金' AS subject, p.pool_fen AS expected, coalesce(h.fen, 0) AS found
FROM pools p
LEFT JOIN (
    SELECT insurance_type, sum(fund_from_points_fen) AS fen FROM hospital_clearing GROUP BY ALL
) h USING (insurance_type)
WHERE p.pool_fen <> coalesce(h.fen, 0)
