-- review_quota: one row per year of the pricing date and review rule (grain: quota_year, review_from): how many special
-- cases may be approved, and how many the earlier months have.
-- DESIGN §7: floor(share × discharges in scope of the region), reversals −1; 医保办发〔2024〕9号: 5 % by DRG, 5 ‰ by DIP.
-- Months are settled one by one, so the discharges are those of the year so far. Floors of a year's rules never add up
-- to more than the floor of the whole, so a region that keeps each quota keeps the year's.
WITH by_day AS (
    SELECT pricing_date, count(*) AS discharges
    FROM ruled
    WHERE refusal IS NULL AND reverses IS NULL AND input_row NOT IN (SELECT input_row FROM taken_back)
        AND split_part(rule_id::VARCHAR, '/', 2) <> 'scope' -- paid outside the scope of DRG or DIP
    GROUP BY pricing_date
),
here AS (
    SELECT year(d.pricing_date) AS quota_year, r.review_from, sum(d.discharges)::BIGINT AS discharges
    FROM by_day d
    JOIN review_rules r ON d.pricing_date BETWEEN r.review_from AND r.valid_to
    GROUP BY ALL
)
SELECT quota_year, review_from, r.share_e4,
    coalesce(b.discharges, 0)::BIGINT AS discharges_before, coalesce(h.discharges, 0)::BIGINT AS discharges,
    coalesce(b.approvals, 0)::BIGINT AS approvals_before,
    (greatest(0, coalesce(b.discharges, 0) + coalesce(h.discharges, 0)) * r.share_e4 // 10000)::BIGINT AS quota
FROM here h
FULL JOIN quota_before b USING (quota_year, review_from)
JOIN review_rules r USING (review_from)
ORDER BY quota_year, review_from
