-- compared: one row per proposal, way of adding up, key and insurance type (grain: these four), present beside proposed.
-- A key that one side does not pay at all counts 0 there: both sides name the same cases otherwise (`crossings`).
WITH tagged AS (
    SELECT 'region' AS by_what, '' AS key, '' AS insurance_type, * EXCLUDE (insurance_type) FROM lines
    UNION ALL BY NAME
    SELECT 'insurance_type' AS by_what, insurance_type AS key, '' AS insurance_type, * EXCLUDE (insurance_type) FROM lines
    UNION ALL BY NAME
    SELECT 'level' AS by_what, level AS key, '' AS insurance_type, * EXCLUDE (insurance_type) FROM lines
    UNION ALL BY NAME
    SELECT 'mdc' AS by_what, mdc AS key, '' AS insurance_type, * EXCLUDE (insurance_type) FROM lines
    UNION ALL BY NAME
    SELECT 'group' AS by_what, group_code AS key, '' AS insurance_type, * EXCLUDE (insurance_type) FROM lines
    UNION ALL BY NAME
    SELECT 'hospital' AS by_what, hospital_id AS key, * FROM lines
    UNION ALL BY NAME
    SELECT 'alliance' AS by_what, coalesce(m.alliance_id, '') AS key, '' AS insurance_type, l.* EXCLUDE (insurance_type)
    FROM lines l
    LEFT JOIN memberships m USING (period, hospital_id)
    WHERE EXISTS (SELECT 1 FROM memberships)
),
summed AS (
    SELECT proposal_no, by_what, key, insurance_type, sum(cases)::BIGINT AS cases,
        sum(weight)::DECIMAL(38, 9) AS weight, sum(points)::DECIMAL(38, 6) AS points,
        sum(standard_fen)::BIGINT AS standard_fen, sum(fund_fen)::BIGINT AS fund_fen
    FROM tagged
    GROUP BY ALL
),
sides AS (
    SELECT o.proposal_no, o.proposal, k.by_what, k.key, k.insurance_type,
        coalesce(b.cases, 0) AS cases_before, coalesce(a.cases, 0) AS cases_after,
        coalesce(b.weight, 0) AS weight_before, coalesce(a.weight, 0) AS weight_after,
        b.points AS points_before, a.points AS points_after,
        coalesce(b.standard_fen, 0) AS standard_before_fen, coalesce(a.standard_fen, 0) AS standard_after_fen,
        coalesce(b.fund_fen, 0) AS fund_before_fen, coalesce(a.fund_fen, 0) AS fund_after_fen
    FROM (SELECT DISTINCT by_what, key, insurance_type FROM summed) k
    CROSS JOIN (SELECT * FROM proposals WHERE proposal_no > 0) o
    LEFT JOIN summed b
        ON b.proposal_no = 0 AND b.by_what = k.by_what AND b.key = k.key AND b.insurance_type = k.insurance_type
    LEFT JOIN summed a
        ON a.proposal_no = o.proposal_no AND a.by_what = k.by_what AND a.key = k.key
        AND a.insurance_type = k.insurance_type
)
SELECT s.*, fund_after_fen - fund_before_fen AS fund_change_fen,
    CASE WHEN fund_before_fen <> 0
         THEN half_away((fund_after_fen - fund_before_fen)::HUGEINT * 1000000 * sign(fund_before_fen)::HUGEINT,
                        abs(fund_before_fen))::BIGINT END AS change_e6,
    CASE WHEN t.before_fen > 0 THEN half_away(fund_before_fen::HUGEINT * 1000000, t.before_fen)::BIGINT END AS share_before_e6,
    CASE WHEN t.after_fen > 0 THEN half_away(fund_after_fen::HUGEINT * 1000000, t.after_fen)::BIGINT END AS share_after_e6
FROM sides s
JOIN (
    SELECT o.proposal_no, (SELECT sum(fund_fen) FROM lines WHERE proposal_no = 0) AS before_fen, sum(l.fund_fen) AS after_fen
    FROM proposals o
    LEFT JOIN lines l USING (proposal_no)
    GROUP BY ALL
) t USING (proposal_no)
