-- 冲销与原病例的清算基金相抵为零
SELECT p.original_id || ' 与其冲销' AS subject, 0 AS expected, c.fund_from_points_fen + p.fen AS found
FROM (
    SELECT y.original_id, sum(c.fund_from_points_fen) AS fen
    FROM year_pairs y JOIN case_clearing c USING (case_id) GROUP BY ALL
) p
JOIN case_clearing c ON c.case_id = p.original_id
WHERE c.fund_from_points_fen + p.fen <> 0
