-- platform_case_procedures: one row per case in [$first, $last) that has procedures; principal first, then file order.
-- Principal: oprn_oprt_type 1 or 主要; of several the first in file order, without one the file order itself,
-- both with a finding (a case may go without a principal procedure, so nothing is refused here).
WITH codes AS (
    SELECT
        case_pos, pos, coalesce(oprn_oprt_code, '') AS code,
        coalesce(oprn_oprt_type IN ('1', '主要'), false) AS main
    FROM platform_procedure_rows
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
        coalesce(codes.pos = principals.main_pos, false) AS first
    FROM codes
    LEFT JOIN principals USING (case_pos)
)
SELECT case_pos, max(main_codes) AS main_codes, list(code ORDER BY first DESC, pos) AS px_codes
FROM ordered
GROUP BY case_pos
ORDER BY case_pos
