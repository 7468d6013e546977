-- platform_case_text: one row per inpatient settlement in [$first, $last), text as the platform gave it.
-- Equal list rows of one case count once; where they differ none is taken, so that their order cannot matter.
WITH listed AS (
    SELECT * EXCLUDE (pos, setl_id) FROM platform_list_rows WHERE case_pos >= $first AND case_pos < $last
),
kinds AS (SELECT DISTINCT * FROM listed),
counted AS (
    SELECT case_pos, count(*) AS list_rows, any_value(kinds_of_case.list_kinds) AS list_kinds
    FROM listed
    JOIN (SELECT case_pos, count(*) AS list_kinds FROM kinds GROUP BY case_pos) AS kinds_of_case USING (case_pos)
    GROUP BY case_pos
),
taken AS (SELECT kinds.* FROM kinds JOIN counted USING (case_pos) WHERE counted.list_kinds = 1)
SELECT
    cases.*,
    coalesce(counted.list_rows, 0) AS list_rows,
    coalesce(counted.list_kinds, 0) AS list_kinds,
    taken.* EXCLUDE (case_pos)
FROM platform_settlements AS cases
LEFT JOIN counted ON counted.case_pos = cases.pos  -- a case without a list row gets the finding no_list_row
LEFT JOIN taken ON taken.case_pos = cases.pos  -- one with rows that differ the finding two_list_rows
WHERE cases.pos >= $first AND cases.pos < $last AND cases.inpatient
ORDER BY cases.pos
