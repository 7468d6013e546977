-- used: one row per case of the windows (grain: case); `year` is its place among the year weights, oldest first.
-- Windows are twelve months long and end with the last month of the history.
SELECT place, hospital, level, insurance, (($months - 1 - ($last_month - month)) // 12)::TINYINT AS year,
    fee_fen, pool_fund_fen, separate_fen, aux_e4
FROM judged
WHERE reason IS NULL AND month > $last_month - $months
