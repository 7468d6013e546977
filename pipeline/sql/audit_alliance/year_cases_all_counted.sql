-- 病例的清算基金一分不漏地落在各月：清算病例之和等于各医院、险种、月份之和
SELECT '清算病例' AS subject, c.fen AS expected, y.fen AS found
FROM (SELECT coalesce(sum(fund_from_points_fen), 0)::HUGEINT AS fen FROM case_clearing) c,
    (SELECT coalesce(sum(y.inside_fund_fen + y.outsider_fund_fen), 0)::HUGEINT AS fen
     FROM alliance_year_cases y JOIN hospital_clearing h USING (hospital_id, insurance_type)
     WHERE left(y.period, 4) IN (SELECT left(period, 4) FROM alliance_year_parts)) y
WHERE c.fen <> y.fen
