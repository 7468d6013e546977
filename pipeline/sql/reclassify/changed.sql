-- changed: one row per case whose ratio class is another at the rates found (grain: case_id), a case taken back too.
SELECT s.case_id, s.hospital_id, s.insurance_type, s.budget_line, s.period, s.group_code,
    s.price_class AS class_before, r.price_class AS class_after, s.rule_id AS rule_before, r.rule_id AS rule_after
FROM year_scored s
JOIN repriced r USING (case_id)
WHERE s.reverses IS NULL AND s.rule_id <> r.rule_id
ORDER BY s.hospital_id, s.insurance_type, s.case_id
