-- cases: one row per case of the windows (grain: case); `year` is its place among the year weights, oldest first.
-- Windows are twelve months long and end with the last month of the history.
SELECT c.combination, (($months - 1 - ($last_month - u.month)) // 12)::TINYINT AS year, u.level, u.fee_fen
FROM usable u
JOIN combinations c USING (diagnosis, procedure, others)
WHERE u.month > $last_month - $months
