-- 十二个月的打包额合起来等于年度打包总额
SELECT y.alliance_id || '、' || y.insurance_type AS subject, y.package_year_fen::HUGEINT AS expected, sum(m.package_fen)::HUGEINT AS found
FROM package_year y JOIN package_months m USING (alliance_id, insurance_type)
GROUP BY ALL
HAVING sum(m.package_fen) <> y.package_year_fen
ORDER BY subject
