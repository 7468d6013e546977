-- 每一行只走一道门：到达的行数等于付费、退回与暂挂之和
SELECT coalesce(hospital_id, '（空）') AS subject, sum(arrived)::HUGEINT AS expected, sum(left_by)::HUGEINT AS found
FROM (
    SELECT hospital_id, count(*) AS arrived, 0 AS left_by FROM arrivals GROUP BY ALL
    UNION ALL
    SELECT hospital_id, 0, count(*) FROM case_payment WHERE door IN ('paid', 'refused', 'held') GROUP BY ALL
)
GROUP BY hospital_id
HAVING sum(arrived) <> sum(left_by)
ORDER BY subject
