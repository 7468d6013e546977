-- platform_not_inpatient: one row per settlement in [$first, $last) that is no inpatient stay and is left out.
SELECT pos, setl_id, fixmedins_code, med_type
FROM platform_settlements
WHERE pos >= $first AND pos < $last AND NOT inpatient
ORDER BY pos
