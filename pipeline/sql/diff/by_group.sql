-- by_group: one row per group that differs between two runs (grain: group_code), before and after.
-- A case that moved from one group to another is among the changed of both.
WITH sums AS (
    SELECT side, group_code, sum(case_count)::BIGINT AS cases, sum(weight * case_count)::DECIMAL(38, 9) AS weight,
        sum(standard_fen)::HUGEINT AS standard_fen, sum(fund_fen)::HUGEINT AS fund_fen
    FROM scored
    GROUP BY ALL
),
moves AS (
    SELECT group_code, count(*) AS changed
    FROM (
        SELECT b.group_code AS group_code FROM changed WHERE b.group_code IS NOT NULL
        UNION ALL
        SELECT a.group_code FROM changed WHERE a.group_code IS DISTINCT FROM b.group_code AND a.group_code IS NOT NULL
    )
    GROUP BY ALL
)
SELECT
    coalesce(a.group_code, b.group_code) AS group_code, n.name AS group_name, coalesce(m.changed, 0) AS changed,
    coalesce(b.cases, 0) AS cases_before, coalesce(a.cases, 0) AS cases_after, cases_after - cases_before AS cases,
    coalesce(b.weight, 0)::DECIMAL(38, 9) AS weight_before, coalesce(a.weight, 0)::DECIMAL(38, 9) AS weight_after,
    (weight_after - weight_before)::DECIMAL(38, 9) AS weight,
    coalesce(b.standard_fen, 0) AS standard_before_fen, coalesce(a.standard_fen, 0) AS standard_after_fen,
    standard_after_fen - standard_before_fen AS standard_fen,
    coalesce(b.fund_fen, 0) AS fund_before_fen, coalesce(a.fund_fen, 0) AS fund_after_fen,
    fund_after_fen - fund_before_fen AS fund_fen
FROM (FROM sums WHERE side = 'before') b
FULL JOIN (FROM sums WHERE side = 'after') a ON a.group_code = b.group_code
LEFT JOIN moves m ON m.group_code = coalesce(a.group_code, b.group_code)
LEFT JOIN group_names n ON n.group_code = coalesce(a.group_code, b.group_code)
WHERE coalesce(m.changed, 0) > 0
ORDER BY abs(coalesce(a.fund_fen, 0) - coalesce(b.fund_fen, 0)) DESC, 1
