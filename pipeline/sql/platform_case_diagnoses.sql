-- platform_case_diagnoses: one row per case in [$first, $last) that has diagnoses; principal first, then file order.
-- The principal is the row with the main flag (DESIGN §3). None, or two different ones: the first element is empty,
-- so that validation refuses the case as one without a principal diagnosis and no other code moves up.
WITH codes AS (
    SELECT case_pos, pos, coalesce(diag_code, '') AS code, coalesce(maindiag_flag IN ('1', 'true'), false) AS main
    FROM platform_diagnosis_rows
    WHERE case_pos >= $first AND case_pos < $last
),
principals AS (
    SELECT case_pos, count(DISTINCT code) AS main_codes, min(pos) AS main_pos
    FROM codes
    WHERE main
    GROUP BY case_pos
),
ordered AS (
    SELECT
        codes.case_pos, codes.pos, codes.code,
        coalesce(principals.main_codes, 0) AS main_codes,
        coalesce(principals.main_codes = 1 AND codes.pos = principals.main_pos, false) AS first
    FROM codes
    LEFT JOIN principals USING (case_pos)
)
SELECT
    case_pos,
    max(main_codes) AS main_codes,
    CASE WHEN max(main_codes) = 1 THEN [] ELSE [''] END || list(code ORDER BY first DESC, pos) AS dx_codes
FROM ordered
GROUP BY case_pos
ORDER BY case_pos
