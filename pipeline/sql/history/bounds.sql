-- bounds: between which costs (fen, both inclusive) a case counts (grain: place, year); no row where nothing is trimmed.
-- Nearest rank: the p-th part of n sorted costs is the one at place ceil(p·n), so that a bound is a cost that occurred.
-- percentile: from the $low to the $high part. iqr: from Q1 − k·(Q3 − Q1) to Q3 + k·(Q3 − Q1), in ten-thousandths.
WITH lists AS (
    SELECT place, year, count(*) AS n, list_sort(list(fee_fen)) AS fees
    FROM used
    WHERE $method <> 'none'
    GROUP BY place, year
    HAVING count(*) >= $least
),
ranked AS (
    SELECT place, year,
        fees[greatest(1, ($low * n + 9999) // 10000)] AS low, fees[($high * n + 9999) // 10000] AS high,
        fees[(n + 3) // 4]::HUGEINT AS q1, fees[(3 * n + 3) // 4]::HUGEINT AS q3
    FROM lists
)
SELECT place, year,
    CASE $method WHEN 'percentile' THEN low ELSE -floored(-(e4() * q1 - $k * (q3 - q1)), e4()) END::BIGINT AS lowest,
    CASE $method WHEN 'percentile' THEN high ELSE floored(e4() * q3 + $k * (q3 - q1), e4()) END::BIGINT AS highest
FROM ranked
