-- crosswalk: one row per group at present, group by another scheme, and whether it has a price (grain: these three).
-- A case that the other scheme cannot price keeps its new group beside its present weight and money.
SELECT coalesce(b.group_code, '') AS group_before,
    coalesce(a.group_code, p.group_code, '') AS group_after, a.input_row IS NOT NULL AS has_price,
    sum(coalesce(b.case_count, a.case_count))::BIGINT AS cases,
    sum(coalesce(b.weight, 0))::DECIMAL(38, 9) AS weight_before, sum(coalesce(a.weight, 0))::DECIMAL(38, 9) AS weight_after,
    sum(coalesce(b.fund_fen, 0))::BIGINT AS fund_before_fen, sum(coalesce(a.fund_fen, 0))::BIGINT AS fund_after_fen
FROM present b
FULL JOIN classed a USING (input_row)
LEFT JOIN placed p ON p.input_row = b.input_row
GROUP BY ALL
