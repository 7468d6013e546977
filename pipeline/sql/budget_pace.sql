-- budget_pace: one row per hospital and insurance type (grain: hospital_id, insurance_type); '' is the region.
-- DESIGN §1, 序时进度: the fund of the year so far (the current publications of its earlier months, and this month) beside
-- the year's budget and beside the months gone ÷ 12. An insurance type without any budget has no rows; a hospital
-- without one of its own has its share of the region's fund so far.
-- used, gone and share are kept to four digits, half away from zero; gap = used − gone of the kept ones, and the level
-- follows the gap as it is printed: above the pack's bounds watch or alarm. Where months are missing below the gap only
-- grows, so too little says nothing: `incomplete`, not `normal`.
WITH earlier AS (
    SELECT * FROM earlier_months
    WHERE left(period, 4) = left($period::VARCHAR, 4) AND period < $period::VARCHAR
),
year_gone AS (
    SELECT right($period::VARCHAR, 2)::HUGEINT AS months,
        (SELECT count(DISTINCT period) FROM earlier)::HUGEINT + 1 AS months_counted
),
spent AS (
    SELECT hospital_id, insurance_type, sum(fund_fen)::HUGEINT AS fund_fen
    FROM (
        SELECT hospital_id, insurance_type, fund_fen FROM earlier
        UNION ALL
        SELECT hospital_id, insurance_type, fund_fen FROM hospital_payment
    )
    GROUP BY ALL
),
in_region AS (SELECT insurance_type, sum(fund_fen)::HUGEINT AS fund_fen FROM spent GROUP BY ALL),
budgeted AS (
    SELECT '' AS hospital_id, insurance_type, fund_fen AS budget_fen FROM budgets
    UNION ALL
    SELECT hospital_id, insurance_type, fund_fen FROM hospital_budgets
),
listed AS (
    SELECT hospital_id, insurance_type FROM budgeted
    UNION
    SELECT hospital_id, insurance_type FROM spent WHERE insurance_type IN (SELECT insurance_type FROM budgeted)
),
measured AS (
    SELECT l.hospital_id, l.insurance_type, y.months, y.months_counted, b.budget_fen,
        CASE WHEN l.hospital_id = '' THEN coalesce(r.fund_fen, 0) ELSE coalesce(s.fund_fen, 0) END AS spent_fen,
        CASE WHEN r.fund_fen > 0 THEN half_away(spent_fen * 10000, r.fund_fen) END AS share_e4,
        CASE WHEN b.budget_fen > 0 THEN half_away(spent_fen * 10000, b.budget_fen) END AS used_e4,
        half_away(y.months * 10000, 12) AS gone_e4
    FROM listed l
    CROSS JOIN year_gone y
    LEFT JOIN spent s ON s.hospital_id = l.hospital_id AND s.insurance_type = l.insurance_type
    LEFT JOIN in_region r ON r.insurance_type = l.insurance_type
    LEFT JOIN budgeted b ON b.hospital_id = l.hospital_id AND b.insurance_type = l.insurance_type
)
SELECT hospital_id, insurance_type, months::INTEGER AS months, months_counted::INTEGER AS months_counted,
    spent_fen::BIGINT AS fund_so_far_fen, share_e4::BIGINT AS region_share_e4, budget_fen::BIGINT AS budget_fen,
    used_e4::BIGINT AS used_e4, gone_e4::BIGINT AS gone_e4, (used_e4 - gone_e4)::BIGINT AS gap_e4,
    CASE
        WHEN used_e4 IS NULL OR $watch_over_e4::BIGINT IS NULL THEN NULL
        WHEN used_e4 - gone_e4 > $alarm_over_e4::BIGINT THEN 'alarm'
        WHEN used_e4 - gone_e4 > $watch_over_e4::BIGINT THEN 'watch'
        WHEN months_counted < months THEN 'incomplete'
        ELSE 'normal'
    END AS level,
    $watch_over_e4::BIGINT AS watch_over_e4, $alarm_over_e4::BIGINT AS alarm_over_e4
FROM measured
ORDER BY hospital_id, insurance_type
