-- review_verdict: one row per decision (grain: case_id): applied | refused_quota | rejected | case_not_found, with the
-- numbers. `place` is that of an approval among all of its quota, earlier months' included; the lowest rank comes first.
WITH asked AS (
    SELECT c.*, m.review_from, coalesce(m.conditions, []::VARCHAR[]) AS conditions,
        coalesce(m.reasons, '') AS reasons, year(c.pricing_date) AS quota_year,
        c.why IS NULL AND c.decision <> 'rejected' AS asks
    FROM review_cases c
    LEFT JOIN conditions_met m USING (input_row)
),
placed AS (
    SELECT a.*, q.share_e4, coalesce(q.discharges_before + q.discharges, 0) AS discharges,
        coalesce(q.approvals_before, 0) AS approvals_before, coalesce(q.quota, 0) AS quota,
        coalesce(q.approvals_before, 0) + sum(asks::INT) OVER (
            PARTITION BY a.quota_year, a.review_from ORDER BY a.rank, a.decided_on, a.case_id
            ROWS UNBOUNDED PRECEDING) AS place
    FROM asked a
    LEFT JOIN review_quota q ON q.quota_year = a.quota_year AND q.review_from = a.review_from
)
SELECT * EXCLUDE (asks, place, new_tech_flag, ward_transfers),
    CASE WHEN asks THEN place::BIGINT END AS place,
    CASE
        WHEN why IS NOT NULL THEN 'case_not_found'
        WHEN decision = 'rejected' THEN 'rejected'
        WHEN review_from IS NULL OR place > quota THEN 'refused_quota' -- a day without a rule has no quota
        ELSE 'applied'
    END AS outcome
FROM placed
