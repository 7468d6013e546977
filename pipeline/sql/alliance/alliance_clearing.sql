-- alliance_clearing: one row per alliance of the year and insurance type (grain: alliance_id, insurance_type).
-- DESIGN §7: package of the months in which the alliance had members − spending = surplus, of which the assessment's
-- share is kept and split county : township : village (largest remainder, ties in this order); of an overspend the
-- pack's share is borne. Without a package these are empty and the alliance's sum is its members' clearing.
WITH existing AS (SELECT DISTINCT alliance_id, period FROM alliance_months),
packaged AS (
    SELECT m.alliance_id, m.insurance_type, count(*) AS months, sum(m.package_fen) AS package_fen
    FROM package_months m JOIN existing USING (alliance_id, period) GROUP BY ALL
),
members AS (
    SELECT alliance_id, alliance_name, lead_id, insurance_type, insurance_name,
        sum(cases - outsider_cases) AS inpatient_cases, sum(unknown_area_cases) AS unknown_area_cases,
        sum(outsider_cases) AS outsider_cases, sum(inside_entitlement_fen) AS inpatient_fen,
        sum(outsider_entitlement_fen) AS outsider_inpatient_fen, sum(clearing_fen) AS members_clearing_fen
    FROM alliance_member_clearing GROUP BY ALL
),
given AS (
    SELECT alliance_id, insurance_type, sum(COLUMNS('_fen$')) FROM alliance_kinds GROUP BY alliance_id, insurance_type
),
steps AS (
    SELECT m.*, y.form, y.income_fen, y.serious_illness_fen, y.risk_reserve_fen, y.package_year_fen, p.months, p.package_fen,
        coalesce(g.outpatient_per_head_fen, 0) AS outpatient_per_head_fen,
        coalesce(g.chronic_outpatient_fen, 0) AS chronic_outpatient_fen, coalesce(g.bed_day_fen, 0) AS bed_day_fen,
        coalesce(g.out_of_county_fen, 0) AS out_of_county_fen, coalesce(g.dual_channel_fen, 0) AS dual_channel_fen,
        coalesce(g.tumour_outpatient_fen, 0) AS tumour_outpatient_fen,
        coalesce(g.family_doctor_fen, 0) AS family_doctor_fen, coalesce(g.other_deduction_fen, 0) AS other_deduction_fen,
        coalesce(g.outsiders_fen, 0) AS outsider_other_fen,
        m.inpatient_fen + coalesce(g.kinds_fen, 0) AS spending_fen,
        a.retention_e4, a.county, a.township, a.village
    FROM members m
    LEFT JOIN package_year y USING (alliance_id, insurance_type)
    LEFT JOIN packaged p USING (alliance_id, insurance_type)
    LEFT JOIN given g USING (alliance_id, insurance_type)
    LEFT JOIN alliance_assessments a USING (alliance_id) -- none is refused where there is a package: alliance.py
),
kept AS (
    SELECT *, half_away(surplus_fen * retention_e4, e4()) AS retained_fen,
        half_away(overspend_fen * $overspend_share_e4, e4()) AS borne_fen
    FROM (
        SELECT *, CASE WHEN package_fen >= spending_fen THEN package_fen - spending_fen
                       WHEN package_fen IS NOT NULL THEN 0 END::HUGEINT AS surplus_fen,
            CASE WHEN package_fen < spending_fen THEN spending_fen - package_fen
                 WHEN package_fen IS NOT NULL THEN 0 END::HUGEINT AS overspend_fen
        FROM steps
    )
),
parts AS (
    SELECT alliance_id, insurance_type, place, retained_fen * part // whole AS floor_fen,
        retained_fen - sum(retained_fen * part // whole) OVER each AS missing,
        row_number() OVER (each ORDER BY retained_fen * part % whole DESC, place) AS nth
    FROM (
        SELECT k.*, county + township + village AS whole, place,
            CASE place WHEN 1 THEN county WHEN 2 THEN township ELSE village END AS part
        FROM kept k, range(1, 4) places(place)
    )
    WINDOW each AS (PARTITION BY alliance_id, insurance_type)
),
split AS (
    SELECT alliance_id, insurance_type,
        sum(floor_fen + (nth <= missing)::INT) FILTER (place = 1) AS county_fen,
        sum(floor_fen + (nth <= missing)::INT) FILTER (place = 2) AS township_fen,
        sum(floor_fen + (nth <= missing)::INT) FILTER (place = 3) AS village_fen
    FROM parts GROUP BY ALL
)
SELECT k.alliance_id, k.alliance_name, k.lead_id, k.insurance_type, k.insurance_name, k.form, k.income_fen,
    k.serious_illness_fen, k.risk_reserve_fen, k.package_year_fen, k.months, k.package_fen::BIGINT AS package_fen,
    k.inpatient_cases::BIGINT AS inpatient_cases, k.unknown_area_cases::BIGINT AS unknown_area_cases,
    k.inpatient_fen::BIGINT AS inpatient_fen, k.outpatient_per_head_fen::BIGINT AS outpatient_per_head_fen,
    k.chronic_outpatient_fen::BIGINT AS chronic_outpatient_fen, k.bed_day_fen::BIGINT AS bed_day_fen,
    k.out_of_county_fen::BIGINT AS out_of_county_fen, k.dual_channel_fen::BIGINT AS dual_channel_fen,
    k.tumour_outpatient_fen::BIGINT AS tumour_outpatient_fen, k.family_doctor_fen::BIGINT AS family_doctor_fen,
    k.other_deduction_fen::BIGINT AS other_deduction_fen, k.spending_fen::BIGINT AS spending_fen,
    (k.package_fen - k.spending_fen)::BIGINT AS difference_fen,
    k.surplus_fen::BIGINT AS surplus_fen,
    CASE WHEN k.package_fen IS NOT NULL THEN k.retention_e4 END AS retention_e4, k.retained_fen::BIGINT AS retained_fen,
    (k.surplus_fen - k.retained_fen)::BIGINT AS returned_fen,
    s.county_fen::BIGINT AS county_fen, s.township_fen::BIGINT AS township_fen, s.village_fen::BIGINT AS village_fen,
    k.overspend_fen::BIGINT AS overspend_fen, k.borne_fen::BIGINT AS borne_fen,
    (k.overspend_fen - k.borne_fen)::BIGINT AS fund_bears_fen,
    k.outsider_cases::BIGINT AS outsider_cases, k.outsider_inpatient_fen::BIGINT AS outsider_inpatient_fen,
    k.outsider_other_fen::BIGINT AS outsider_other_fen,
    k.members_clearing_fen::BIGINT AS members_clearing_fen,
    (k.members_clearing_fen + coalesce(k.retained_fen, 0) - coalesce(k.borne_fen, 0))::BIGINT AS lead_clearing_fen
FROM kept k
JOIN split s USING (alliance_id, insurance_type)
ORDER BY k.alliance_id, k.insurance_type
