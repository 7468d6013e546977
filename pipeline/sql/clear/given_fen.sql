-- given_fen: one row per case of a solved pool (grain: row_id of year_cases), its fund amount in whole fen.
-- DESIGN §7: inside a hospital's part of a pool the missing fen go one each to the largest remainders, ties to the smaller case_id.
WITH missing AS (
    SELECT e.hospital_id, e.insurance_type, e.budget_line, any_value(h.fund_from_points_fen) - sum(e.fen) AS fen
    FROM exact_cases e
    JOIN solved_funds h ON h.hospital_id = e.hospital_id::VARCHAR AND h.insurance_type = e.insurance_type::VARCHAR
        AND h.budget_line = e.budget_line::VARCHAR
    GROUP BY ALL
)
SELECT e.row_id,
    (e.fen + CASE WHEN NOT e.paired AND e.place <= m.fen THEN 1 ELSE 0 END)::BIGINT AS fund_from_points_fen
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY hospital_id, insurance_type, budget_line, paired ORDER BY remainder DESC, part_left DESC, case_id) AS place
    FROM exact_cases
) e
JOIN missing m USING (hospital_id, insurance_type, budget_line)
