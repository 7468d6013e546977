-- 各月发布的核定基金之和等于病例之和
SELECT hospital_id || '、' || insurance_type || ' 全年的月度核定基金' AS subject,
    coalesce(p.fen, 0) AS expected, h.month_fund_fen AS found
FROM hospital_clearing h
LEFT JOIN (SELECT hospital_id, insurance_type, sum(fund_fen) AS fen FROM year_paid GROUP BY ALL) p
    USING (hospital_id, insurance_type)
WHERE coalesce(p.fen, 0) <> h.month_fund_fen
