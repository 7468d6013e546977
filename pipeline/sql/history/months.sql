-- months: cases that count, and their cost, by month, of the date by which the region counts (grain: month; months since the year 0).
SELECT month, count(*) AS cases, sum(fee_fen)::HUGEINT AS fee_fen
FROM judged
WHERE reason IS NULL
GROUP BY month
ORDER BY month
