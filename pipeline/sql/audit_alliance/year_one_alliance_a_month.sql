-- 一家医院一个月至多属于一个医共体，一个医共体一个月有且只有一家牵头
SELECT hospital_id || '、' || period AS subject, 1 AS expected, count(*) AS found
FROM alliance_months GROUP BY hospital_id, period HAVING count(*) <> 1
UNION ALL
SELECT alliance_id || '、' || period || ' 的牵头', 1, count(*) FILTER (role = 'lead')
FROM alliance_months GROUP BY alliance_id, period HAVING count(*) FILTER (role = 'lead') <> 1
ORDER BY subject
