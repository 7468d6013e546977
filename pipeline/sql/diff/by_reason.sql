-- by_reason: one row per reason (grain: reason): how many cases, and what they come to.
FROM (
    SELECT reason, count(*) AS changed, sum(cases)::BIGINT AS cases, sum(weight)::DECIMAL(38, 9) AS weight,
        sum(standard_fen)::HUGEINT AS standard_fen, sum(fund_fen)::HUGEINT AS fund_fen
    FROM changed
    GROUP BY reason
)
ORDER BY abs(fund_fen) DESC, changed DESC, reason
