-- as_cleared: one row per case of the year (grain: case_id), the fund amount at the value that uses up the year's fund.
SELECT c.*, g.fund_from_points_fen
FROM year_cases c
JOIN given_fen g ON g.row_id = c.rowid
