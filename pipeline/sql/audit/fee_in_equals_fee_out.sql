-- 费用收支相等：到达的医疗费总额等于各道门之和
SELECT coalesce(hospital_id, '（空）') AS subject, sum(fee_in)::HUGEINT AS expected, sum(fee_out)::HUGEINT AS found
FROM (
    SELECT hospital_id, coalesce(sum(total_fee_fen), 0) AS fee_in, 0 AS fee_out FROM arrivals GROUP BY ALL
    UNION ALL
    SELECT hospital_id, 0, coalesce(sum(total_fee_fen), 0) FROM scored GROUP BY ALL
    UNION ALL
    SELECT hospital_id, 0, coalesce(sum(total_fee_fen), 0)
    FROM case_payment WHERE door IN ('refused', 'held') GROUP BY ALL
)
GROUP BY hospital_id
HAVING sum(fee_in) <> sum(fee_out)
ORDER BY subject
