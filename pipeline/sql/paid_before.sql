-- paid_before: one row per input row whose case_id was paid in another month (grain: file, file_row).
-- DESIGN §3: a case_id is unique for ever; one that stands in the current publication of another period is refused.
SELECT n.filename, n.file_row_number, min(e.period || ' 批次 ' || e.run_id) AS paid_where
FROM numbered n
JOIN earlier_payments e ON e.case_id = n.case_id
GROUP BY ALL
