-- 按现行参数模拟等于批次所存：各医院、险种的病例、标准、基金
SELECT coalesce(p.hospital_id, s.hospital_id) || ' ' || coalesce(p.insurance_type, s.insurance_type) AS subject,
    coalesce(s.fen, 0) AS expected, coalesce(p.fen, 0) AS found
FROM (
    SELECT hospital_id::VARCHAR AS hospital_id, insurance_type::VARCHAR AS insurance_type, what, fen
    FROM (SELECT hospital_id, insurance_type, sum(case_count)::HUGEINT AS cases, sum(standard_fen) AS standard,
              sum(fund_fen) AS fund, sum(apart_fen) AS apart FROM simulated GROUP BY ALL)
    UNPIVOT (fen FOR what IN (cases, standard, fund, apart))
) p
FULL JOIN (
    SELECT hospital_id, insurance_type, what, fen
    FROM (SELECT hospital_id, insurance_type, sum(case_count)::HUGEINT AS cases, sum(standard_fen) AS standard,
              sum(fund_fen) AS fund, sum(apart_fen) AS apart FROM stored_scored GROUP BY ALL)
    UNPIVOT (fen FOR what IN (cases, standard, fund, apart))
) s USING (hospital_id, insurance_type, what)
WHERE p.fen IS DISTINCT FROM s.fen
ORDER BY ALL
