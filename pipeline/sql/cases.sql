-- cases: one row per discharge, and per first reversal that mirrors one (grain: input_row).
-- DESIGN §7: a reversal is its original's case once more (`priced_row`), counted −1: the same price by the same rule.
SELECT v.* REPLACE (hospital_id::hospital_code AS hospital_id, insurance_type::insurance_code AS insurance_type),
    CASE WHEN c.pricing_by = 'discharge_date' THEN discharge_date ELSE settlement_date END AS pricing_date,
    input_row AS priced_row, 1 AS case_count
FROM validated v, conventions c -- one row: what the region pack chooses for the whole run
WHERE reverses IS NULL
UNION ALL
SELECT
    o.* REPLACE (o.hospital_id::hospital_code AS hospital_id, o.insurance_type::insurance_code AS insurance_type,
        t.input_row AS input_row, t.case_id AS case_id, t.settlement_date AS settlement_date, t.reverses AS reverses),
    CASE WHEN c.pricing_by = 'discharge_date' THEN o.discharge_date ELSE o.settlement_date END AS pricing_date,
    t.original_row AS priced_row, -1 AS case_count
FROM turned t
JOIN validated o ON o.input_row = t.original_row
CROSS JOIN conventions c
WHERE t.mirrors AND t.nth = 1
