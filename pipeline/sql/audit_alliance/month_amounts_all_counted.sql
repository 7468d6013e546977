-- 本月其他支出一笔不漏：支出表的合计等于打包使用情况里的合计
WITH given AS (
    SELECT coalesce(sum(amount_fen), 0)::HUGEINT AS fen FROM alliance_amounts
),
shown AS (
    SELECT coalesce(sum(spending_fen - inpatient_fen + outsider_other_fen), 0)::HUGEINT AS fen FROM alliance_package
)
SELECT '本月其他支出' AS subject, given.fen AS expected, shown.fen AS found FROM given, shown WHERE given.fen <> shown.fen
