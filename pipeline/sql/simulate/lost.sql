-- lost: one row per reason and value (grain: code, value) of the cases paid at present and refused by a proposal.
-- A reversal follows its original; a case that the rules take out of scope or hold for review has an answer, not a gap.
SELECT l.code, l.value, count(*) AS cases, min(l.case_id) AS case_id
FROM late_found l
JOIN present p USING (input_row)
WHERE l.code NOT IN ('out_of_scope', 'case_review', 'reversal_of_refused', 'reversal_without_original')
GROUP BY ALL
ORDER BY l.code, l.value
