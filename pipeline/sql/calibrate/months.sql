-- months: usable cases and cost by month of discharge (grain: month), with how many hospitals they come from.
SELECT month, count(*) AS cases, sum(fee_fen)::HUGEINT AS fee_fen, list(DISTINCT hospital) AS hospitals
FROM usable
GROUP BY month
ORDER BY month
