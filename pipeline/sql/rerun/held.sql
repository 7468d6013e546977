-- held: the rows that are offered again to the next month, as the stored run has them (grain: input row).
SELECT h.* FROM stored_held h
JOIN case_payment c ON c.case_id = h.case_id AND c.door = 'held'
UNION ALL BY NAME
SELECT v.* EXCLUDE (input_row, stay_days), $period AS held_since
FROM stored_validated v
JOIN case_payment c ON c.input_row = v.input_row AND c.door = 'held'
WHERE v.case_id NOT IN (SELECT case_id FROM stored_held)
ORDER BY case_id
