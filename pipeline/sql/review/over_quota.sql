-- over_quota: one row per approval that the quota refuses (grain: input_row), as a finding: the case keeps its price.
SELECT input_row, case_id, hospital_id, 'review_over_quota' AS code, 'case_id' AS "column",
    CASE WHEN review_from IS NULL THEN '当日没有 review 参数，限额 0 例'
         ELSE '第 ' || place || ' 例，限额 ' || quota || ' 例' END AS value
FROM review_verdict
WHERE outcome = 'refused_quota'
ORDER BY input_row
