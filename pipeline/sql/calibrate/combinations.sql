-- combinations: one row per disease, principal procedure and set of other procedures (grain: combination).
-- DESIGN §5: the key of a disease; all that follows works on these instead of cases.
SELECT (row_number() OVER (ORDER BY diagnosis, procedure, others) - 1)::INTEGER AS combination,
    diagnosis, procedure, others, cases
FROM (
    SELECT diagnosis, procedure, others, count(*) AS cases
    FROM usable
    WHERE month > $last_month - $months
    GROUP BY diagnosis, procedure, others
)
ORDER BY combination
