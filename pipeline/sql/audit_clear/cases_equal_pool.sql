-- 病例的清算基金之和等于医院的每个主体、每个预算单列
SELECT concat_ws('、', coalesce(p.hospital_id, c.hospital_id), coalesce(p.insurance_type, c.insurance_type),
        nullif(coalesce(p.budget_line, c.budget_line), '')) || ' 的病例' AS subject,
    coalesce(p.fund_from_points_fen, 0) AS expected, coalesce(c.fen, 0) AS found
FROM pool_clearing p
FULL JOIN (
    SELECT hospital_id, insurance_type, budget_line, sum(fund_from_points_fen) AS fen FROM case_clearing GROUP BY ALL
) c USING (hospital_id, insurance_type, budget_line)
WHERE p.fund_from_points_fen IS DISTINCT FROM c.fen
