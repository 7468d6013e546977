-- 同一结算ID全年只清算一次
SELECT hospital_id || ' 的重复结算ID个数' AS subject, 0 AS expected, count(*) AS found
FROM (SELECT case_id, min(hospital_id) AS hospital_id FROM case_clearing GROUP BY case_id HAVING count(*) > 1)
GROUP BY hospital_id
