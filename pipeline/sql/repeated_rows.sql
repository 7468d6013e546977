-- repeated_rows: one row per input row whose case_id occurs more than once (grain: file, file_row).
-- DESIGN §3: rows equal in every column count once; if they differ all of them are refused.
WITH shared AS (
    SELECT case_id FROM discharges WHERE case_id IS NOT NULL GROUP BY case_id HAVING count(*) > 1
),
copies AS (
    SELECT d.* FROM numbered d JOIN shared USING (case_id)
),
versions AS (
    SELECT case_id, count(*) AS versions
    FROM (SELECT DISTINCT * EXCLUDE (filename, file_row_number) FROM copies)
    GROUP BY case_id
)
SELECT c.filename, c.file_row_number, v.versions > 1 AS differs,
    row_number() OVER (PARTITION BY c.case_id ORDER BY f.place, c.file_row_number) AS nth
FROM copies c
JOIN versions v USING (case_id)
JOIN input_files f ON f.filename = c.filename
