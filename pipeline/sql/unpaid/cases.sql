-- cases: one row per discharge that `scored` does not pay (grain: input_row), to be asked once more for the reason.
SELECT v.* REPLACE (hospital_id::hospital_code AS hospital_id, insurance_type::insurance_code AS insurance_type),
    CASE WHEN c.pricing_by = 'discharge_date' THEN discharge_date ELSE settlement_date END AS pricing_date,
    input_row AS priced_row, 1 AS case_count
FROM (SELECT input_row FROM validated WHERE reverses IS NULL EXCEPT SELECT input_row FROM scored) lost
JOIN validated v USING (input_row)
CROSS JOIN conventions c
