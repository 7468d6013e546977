-- classed: one row per paid discharge or reversal (grain: input_row), a reversal in the class of what it takes back.
SELECT s.input_row, s.hospital_id::VARCHAR AS hospital_id, s.insurance_type::VARCHAR AS insurance_type,
    s.group_code::VARCHAR AS group_code, coalesce(o.price_class, s.price_class)::VARCHAR AS class,
    s.case_count, s.weight * s.case_count AS weight, s.fund_fen
FROM simulated s
LEFT JOIN (
    SELECT r.input_row, t.price_class
    FROM simulated r
    JOIN simulated t ON t.case_id = r.reverses AND t.reverses IS NULL
    WHERE r.reverses IS NOT NULL
) o USING (input_row)
