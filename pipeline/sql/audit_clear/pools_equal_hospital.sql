-- 医院各险种的主体与预算单列之和等于其清算基金
SELECT h.hospital_id || '、' || h.insurance_type || ' 各单列的清算基金' AS subject,
    h.fund_from_points_fen AS expected, coalesce(p.fen, 0) AS found
FROM hospital_clearing h
LEFT JOIN (
    SELECT hospital_id, insurance_type, sum(fund_from_points_fen) AS fen FROM pool_clearing GROUP BY ALL
) p USING (hospital_id, insurance_type)
WHERE h.fund_from_points_fen <> coalesce(p.fen, 0)
