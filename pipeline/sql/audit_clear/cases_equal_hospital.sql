-- 病例的清算基金之和等于医院
SELECT h.hospital_id || '、' || h.insurance_type || ' 的清算基金' AS subject,
    h.fund_from_points_fen AS expected, coalesce(c.fen, 0) AS found
FROM hospital_clearing h
LEFT JOIN (
    SELECT hospital_id, insurance_type, sum(fund_from_points_fen) AS fen FROM case_clearing GROUP BY ALL
) c USING (hospital_id, insurance_type)
WHERE h.fund_from_points_fen <> coalesce(c.fen, 0)
