-- lost: one row where cases of a solved pool have no price at the rates found, or have one and were not paid; else none.
SELECT min(case_id) AS case_id, count(*) AS cases
FROM (
    SELECT coalesce(s.case_id, r.case_id) AS case_id
    FROM (
        SELECT s.case_id FROM year_scored s
        JOIN first_values p ON p.insurance_type = s.insurance_type AND p.budget_line = s.budget_line
        WHERE s.reverses IS NULL
    ) s
    FULL JOIN repriced r USING (case_id)
    WHERE s.case_id IS NULL OR r.case_id IS NULL
)
HAVING count(*) > 0
