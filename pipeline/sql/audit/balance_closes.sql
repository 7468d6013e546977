-- 收支核对表合拢：按医院与去向的行数之和等于到达的行数
WITH counted AS (
    SELECT (SELECT count(*) FROM arrivals) AS arrived,
        (SELECT coalesce(sum(rows), 0)::BIGINT FROM balance WHERE door IN ('paid', 'refused', 'held')) AS listed
)
SELECT '全部' AS subject, arrived AS expected, listed AS found FROM counted WHERE arrived <> listed
