-- 每个病例只定价一次
SELECT case_id AS subject, 1 AS expected, count(*) AS found
FROM scored GROUP BY case_id HAVING count(*) <> 1
ORDER BY subject
