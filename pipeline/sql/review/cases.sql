-- cases: one row per discharge of this run with a decision (grain: input_row), to be priced without it first.
SELECT v.* REPLACE (v.hospital_id::hospital_code AS hospital_id, v.insurance_type::insurance_code AS insurance_type),
    CASE WHEN c.pricing_by = 'discharge_date' THEN v.discharge_date ELSE v.settlement_date END AS pricing_date,
    v.input_row AS priced_row, 1 AS case_count
FROM validated v
JOIN decisions d USING (case_id)
CROSS JOIN conventions c
WHERE v.reverses IS NULL
