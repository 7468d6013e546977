-- kept_findings: the stored findings that pricing did not make (grain: input_row, code), and rows paid elsewhere since.
SELECT f.* FROM stored_findings f
JOIN arrivals a USING (input_row)
WHERE f.severity = 'warn' AND f.code <> 'review_over_quota' OR a.door <> 'on' AND (a.code IS DISTINCT FROM 'already_paid' OR f.code = 'already_paid')
ORDER BY f.input_row, f.code
