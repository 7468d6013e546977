-- cases: one row per discharge, and per first reversal that mirrors one (grain: input_row).
-- DESIGN §7: a reversal is its original's case once more (`priced_row`), counted −1: the same price by the same rule.
WITH discharges AS (
    SELECT v.*, CASE WHEN c.pricing_by = 'discharge_date' THEN discharge_date ELSE settlement_date END AS pricing_date
    FROM validated v, conventions c -- one row: what the region pack chooses for the whole run
    WHERE reverses IS NULL
)
SELECT *, input_row AS priced_row, 1 AS case_count FROM discharges
UNION ALL
SELECT o.* REPLACE (t.input_row AS input_row, t.case_id AS case_id, t.settlement_date AS settlement_date,
        t.reverses AS reverses),
    t.original_row AS priced_row, -1 AS case_count
FROM turned t
JOIN discharges o ON o.input_row = t.original_row
WHERE t.mirrors AND t.nth = 1
