-- 以前各月每个医共体、险种只有一行，不重复累计
SELECT alliance_id || '、' || insurance_type || '、' || period AS subject, 1 AS expected, count(*) AS found
FROM earlier_alliance_months
GROUP BY alliance_id, insurance_type, period
HAVING count(*) > 1
ORDER BY subject
