-- 特例单议不超限额：各年度、各条规则批准的例数（含往月，冲销减一）
WITH approved AS (
    SELECT year(s.pricing_date) AS quota_year, r.review_from, sum(s.case_count)::BIGINT AS approvals
    FROM scored s
    LEFT JOIN review_rules r ON s.pricing_date BETWEEN r.review_from AND r.valid_to
    WHERE s.family IN ('special_by_item', 'special_adjusted')
    GROUP BY ALL
)
SELECT a.quota_year || ' 年、' || coalesce(a.review_from::VARCHAR, '（无规则）') AS subject,
    coalesce(q.quota, 0) AS expected, coalesce(q.approvals_before, 0) + a.approvals AS found
FROM approved a
LEFT JOIN review_quota q ON q.quota_year = a.quota_year AND q.review_from = a.review_from
WHERE a.approvals > 0 AND found > expected
ORDER BY subject
