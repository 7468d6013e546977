-- paid_since: rows not paid by the stored run that another month has paid since (grain: input_row).
SELECT a.input_row, a.case_id, a.hospital_id, 'case_id' AS "column", min(e.period || ' 批次 ' || e.run_id) AS value
FROM arrivals a
JOIN stored_payment c ON c.input_row = a.input_row AND c.code IS DISTINCT FROM 'already_paid'
JOIN earlier_payments e ON e.case_id = a.case_id
WHERE a.code = 'already_paid'
GROUP BY ALL
ORDER BY a.input_row
