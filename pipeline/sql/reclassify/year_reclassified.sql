-- year_reclassified: one row per case or reversal of the year (grain: case_id): year_scored in the new classes.
-- A reversal takes back its original's new amounts. `fund_fen` stays what the month has published. No case of a solved pool
-- is missed (see lost); the others keep the prices of their months.
SELECT s.* REPLACE (
    coalesce(n.rule_id, o.rule_id, s.rule_id) AS rule_id,
    coalesce(n.price_class, s.price_class) AS price_class,
    coalesce(n.apart_fen, -o.apart_fen, s.apart_fen) AS apart_fen,
    coalesce(n.standard_fen, -o.standard_fen, m.standard_fen, s.standard_fen) AS standard_fen)
FROM year_scored s
LEFT JOIN repriced n ON s.reverses IS NULL AND n.case_id = s.case_id
LEFT JOIN repriced o ON o.case_id = s.reverses
LEFT JOIN moved m ON m.case_id = s.case_id
