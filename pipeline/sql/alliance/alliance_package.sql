-- alliance_package: one row per alliance and insurance type with a package or spending (grain: alliance_id, insurance_type).
-- DESIGN §7: what the month used of the package: inpatient care of the own insured as priced, the other kinds as given;
-- outsiders stand beside it. Without a package its columns are empty, never zero; so are the sums of the year so far
-- where a month of them had none.
WITH inpatient AS (
    SELECT alliance_id, insurance_type, sum(inside_cases) AS inside_cases, sum(unknown_area_cases) AS unknown_area_cases,
        sum(outsider_cases) AS outsider_cases, sum(inside_fund_fen) AS inside_fund_fen,
        sum(outsider_fund_fen) AS outsider_fund_fen
    FROM alliance_inpatient GROUP BY ALL
),
given AS (SELECT * FROM alliance_kinds WHERE period = $period),
earlier AS (
    SELECT alliance_id, insurance_type, count(*) AS months, count(*) = count(package_fen) AS all_packaged,
        sum(package_fen) AS package_fen, sum(spending_fen) AS spending_fen
    FROM earlier_alliance_months
    WHERE left(period, 4) = left($period, 4) AND period < $period
    GROUP BY ALL
),
steps AS (
    SELECT a.alliance_id, a.alliance_name, a.hospital_id AS lead_id, t.insurance_type, t.insurance_name,
        y.form, y.income_fen, y.serious_illness_fen, y.risk_reserve_fen, y.package_year_fen, m.package_fen,
        coalesce(i.inside_cases, 0) AS inpatient_cases, coalesce(i.unknown_area_cases, 0) AS unknown_area_cases,
        coalesce(i.inside_fund_fen, 0) AS inpatient_fen,
        coalesce(g.outpatient_per_head_fen, 0) AS outpatient_per_head_fen,
        coalesce(g.chronic_outpatient_fen, 0) AS chronic_outpatient_fen, coalesce(g.bed_day_fen, 0) AS bed_day_fen,
        coalesce(g.out_of_county_fen, 0) AS out_of_county_fen, coalesce(g.dual_channel_fen, 0) AS dual_channel_fen,
        coalesce(g.tumour_outpatient_fen, 0) AS tumour_outpatient_fen,
        coalesce(g.family_doctor_fen, 0) AS family_doctor_fen, coalesce(g.other_deduction_fen, 0) AS other_deduction_fen,
        coalesce(i.inside_fund_fen, 0) + coalesce(g.kinds_fen, 0) AS spending_fen,
        coalesce(i.outsider_cases, 0) AS outsider_cases, coalesce(i.outsider_fund_fen, 0) AS outsider_inpatient_fen,
        coalesce(g.outsiders_fen, 0) AS outsider_other_fen,
        coalesce(e.months, 0) + 1 AS months, coalesce(e.all_packaged, true) AS all_packaged,
        coalesce(e.package_fen, 0) AS earlier_package_fen, coalesce(e.spending_fen, 0) AS earlier_spending_fen
    FROM alliances a
    CROSS JOIN alliance_types t
    LEFT JOIN package_year y ON y.alliance_id = a.alliance_id AND y.insurance_type = t.insurance_type
    LEFT JOIN package_months m
        ON m.alliance_id = a.alliance_id AND m.insurance_type = t.insurance_type AND m.period = $period
    LEFT JOIN inpatient i ON i.alliance_id = a.alliance_id AND i.insurance_type = t.insurance_type
    LEFT JOIN given g ON g.alliance_id = a.alliance_id AND g.insurance_type = t.insurance_type
    LEFT JOIN earlier e ON e.alliance_id = a.alliance_id AND e.insurance_type = t.insurance_type
    WHERE a.role = 'lead' AND coalesce(y.alliance_id, i.alliance_id, g.alliance_id, e.alliance_id) IS NOT NULL
),
summed AS (
    SELECT *, earlier_spending_fen + spending_fen AS spending_to_date_fen,
        CASE WHEN all_packaged THEN earlier_package_fen + package_fen END AS package_to_date_fen
    FROM steps
)
SELECT alliance_id, alliance_name, lead_id, insurance_type, insurance_name, $period AS period, form, income_fen, serious_illness_fen,
    risk_reserve_fen, package_year_fen, package_fen, inpatient_cases::BIGINT AS inpatient_cases,
    unknown_area_cases::BIGINT AS unknown_area_cases, inpatient_fen::BIGINT AS inpatient_fen,
    outpatient_per_head_fen::BIGINT AS outpatient_per_head_fen, chronic_outpatient_fen::BIGINT AS chronic_outpatient_fen,
    bed_day_fen::BIGINT AS bed_day_fen, out_of_county_fen::BIGINT AS out_of_county_fen,
    dual_channel_fen::BIGINT AS dual_channel_fen, tumour_outpatient_fen::BIGINT AS tumour_outpatient_fen,
    family_doctor_fen::BIGINT AS family_doctor_fen, other_deduction_fen::BIGINT AS other_deduction_fen,
    spending_fen::BIGINT AS spending_fen, (package_fen - spending_fen)::BIGINT AS difference_fen,
    outsider_cases::BIGINT AS outsider_cases, outsider_inpatient_fen::BIGINT AS outsider_inpatient_fen,
    outsider_other_fen::BIGINT AS outsider_other_fen, months::BIGINT AS months,
    package_to_date_fen::BIGINT AS package_to_date_fen, spending_to_date_fen::BIGINT AS spending_to_date_fen,
    (package_to_date_fen - spending_to_date_fen)::BIGINT AS difference_to_date_fen,
    CASE WHEN package_to_date_fen > 0
         THEN half_away(spending_to_date_fen * 10000, package_to_date_fen::HUGEINT)::BIGINT END AS used_to_date_e4
FROM summed
ORDER BY alliance_id, insurance_type
