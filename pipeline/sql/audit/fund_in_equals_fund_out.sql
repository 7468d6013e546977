-- 记账基金收支相等：到达的统筹基金支出等于各道门之和
SELECT coalesce(hospital_id, '（空）') AS subject, sum(fund_in)::HUGEINT AS expected, sum(fund_out)::HUGEINT AS found
FROM (
    SELECT hospital_id, coalesce(sum(pool_fund_fen), 0) AS fund_in, 0 AS fund_out FROM arrivals GROUP BY ALL
    UNION ALL
    SELECT hospital_id, 0, coalesce(sum(pool_fund_fen), 0) FROM scored GROUP BY ALL
    UNION ALL
    SELECT hospital_id, 0, coalesce(sum(pool_fund_fen), 0)
    FROM case_payment WHERE door IN ('refused', 'held') GROUP BY ALL
)
GROUP BY hospital_id
HAVING sum(fund_in) <> sum(fund_out)
ORDER BY subject
