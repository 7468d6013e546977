-- 每一行只走一道门：到达的行数等于付费、退回与暂挂之和，且没有一行走两道
SELECT coalesce(hospital_id, '（空）') AS subject, sum(arrived)::HUGEINT AS expected, sum(left_by)::HUGEINT AS found
FROM (
    SELECT hospital_id, count(*) AS arrived, 0 AS left_by FROM arrivals GROUP BY ALL
    UNION ALL
    SELECT hospital_id, 0, count(*) FROM case_payment WHERE door IN ('paid', 'refused', 'held') GROUP BY ALL
)
GROUP BY hospital_id
HAVING sum(arrived) <> sum(left_by)
UNION ALL
SELECT '输入第 ' || (input_row + 1) || ' 行', 1, count(*)
FROM case_payment GROUP BY input_row HAVING count(*) <> 1
ORDER BY subject
