-- 每个结算病例、每条冲销清算一次，月度核定基金不变
SELECT coalesce(s.hospital_id, c.hospital_id) || '、' || coalesce(s.insurance_type, c.insurance_type) || ' 的例数或月度核定基金' AS subject,
    CASE WHEN s.cases IS DISTINCT FROM c.cases THEN coalesce(s.cases, 0) ELSE coalesce(s.fund, 0) END AS expected,
    CASE WHEN s.cases IS DISTINCT FROM c.cases THEN coalesce(c.cases, 0) ELSE coalesce(c.fund, 0) END AS found
FROM (SELECT hospital_id, insurance_type, count(*) AS cases, sum(fund_fen) AS fund FROM year_scored GROUP BY ALL) s
FULL JOIN (SELECT hospital_id, insurance_type, count(*) AS cases, sum(fund_fen) AS fund FROM case_clearing GROUP BY ALL) c
    USING (hospital_id, insurance_type)
WHERE s.cases IS DISTINCT FROM c.cases OR s.fund IS DISTINCT FROM c.fund
