-- cases: one row per discharge, and per first reversal that mirrors one (grain: input_row).
-- DESIGN §7: a reversal is its original's case once more (`priced_row`), counted −1: the same price by the same rule.
SELECT v.* REPLACE (
        v.hospital_id::hospital_code AS hospital_id, v.insurance_type::insurance_code AS insurance_type,
        coalesce(k.input_row, v.input_row) AS input_row, coalesce(k.case_id, v.case_id) AS case_id,
        coalesce(k.settlement_date, v.settlement_date) AS settlement_date, k.reverses AS reverses),
    CASE WHEN c.pricing_by = 'discharge_date' THEN v.discharge_date ELSE v.settlement_date END AS pricing_date,
    v.input_row AS priced_row, coalesce(k.case_count, 1) AS case_count
FROM validated v
CROSS JOIN conventions c -- one row: what the region pack chooses for the whole run
LEFT JOIN counted k ON k.original_row = v.input_row
WHERE v.reverses IS NULL
