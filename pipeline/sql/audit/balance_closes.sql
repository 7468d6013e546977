-- 收支核对表合拢：按医院与去向的行数之和等于到达的行数
SELECT '全部' AS subject, (SELECT count(*) FROM arrivals) AS expected,
    (SELECT count(*) FROM case_payment WHERE door IS NOT NULL) AS found
WHERE (SELECT count(*) FROM arrivals) <> (SELECT count(*) FROM case_payment WHERE door IS NOT NULL)
