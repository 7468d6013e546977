-- quota_before: one row per year of the pricing date and review rule (grain: quota_year, review_from): what the
-- published months counted and approved, reversals −1. `published` is their scored.parquet.
SELECT year(p.pricing_date) AS quota_year, r.review_from,
    coalesce(sum(p.case_count) FILTER (split_part(p.rule_id, '/', 2) <> 'scope'), 0)::BIGINT AS discharges,
    coalesce(sum(p.case_count) FILTER (p.family IN ('special_by_item', 'special_adjusted')), 0)::BIGINT AS approvals
FROM published p
JOIN review_rules r ON p.pricing_date BETWEEN r.review_from AND r.valid_to
GROUP BY ALL
ORDER BY quota_year, review_from
