-- platform_diagnosis_rows: one row per inpatient settlement and row of the diagnoses (diseinfo) table with its setl_id.
-- case_pos: the settlement's place in file order; pos: the row's own. Sorted, so that a range of cases is one scan.
SELECT cases.pos AS case_pos, source.*
FROM diagnosis_source AS source
JOIN platform_settlements AS cases USING (setl_id)
WHERE cases.inpatient
ORDER BY case_pos, source.pos
