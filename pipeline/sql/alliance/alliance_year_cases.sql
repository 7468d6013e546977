-- alliance_year_cases: one row per hospital, insurance type and month with cases (grain: hospital_id, insurance_type, period).
-- Whose month it is by the membership of that month; inside and outside the package as in alliance_inpatient.
WITH funded AS (
    SELECT hospital_id, insurance_type, period, sum(fund_from_points_fen)::HUGEINT AS fund_fen
    FROM case_clearing GROUP BY ALL
),
counted AS (
    SELECT hospital_id, insurance_type, period, sum(case_count) AS cases FROM year_scored GROUP BY ALL
),
looked_at AS ( -- only where a package tells its own insured from outsiders
    SELECT s.case_id, s.hospital_id, s.insurance_type, s.period, s.case_count, p.alliance_id,
        nullif(trim(CASE WHEN o.case_id IS NULL THEN v.insured_area ELSE w.insured_area END), '') AS insured_area
    FROM year_scored s
    JOIN alliance_months m ON m.hospital_id = s.hospital_id AND m.period = s.period
    JOIN package_year p ON p.alliance_id = m.alliance_id AND p.insurance_type = s.insurance_type AND p.by_county
    JOIN year_validated v ON v.period = s.period AND v.input_row = s.input_row
    LEFT JOIN year_scored o ON o.case_id = s.reverses AND o.reverses IS NULL
    LEFT JOIN year_validated w ON w.period = o.period AND w.input_row = o.input_row
),
outsiders AS (
    SELECT l.hospital_id, l.insurance_type, l.period,
        coalesce(sum(l.case_count) FILTER (l.insured_area IS NULL), 0) AS unknown_area_cases,
        coalesce(sum(l.case_count) FILTER (l.insured_area IS NOT NULL AND c.county IS NULL), 0) AS outsider_cases,
        coalesce(sum(f.fund_from_points_fen) FILTER (l.insured_area IS NOT NULL AND c.county IS NULL), 0)
            AS outsider_fund_fen
    FROM looked_at l
    JOIN case_clearing f USING (case_id)
    LEFT JOIN alliance_counties c
        ON c.alliance_id = l.alliance_id AND c.insurance_type = l.insurance_type AND c.county = l.insured_area
    GROUP BY ALL
)
SELECT f.hospital_id, f.insurance_type, f.period, c.cases,
    coalesce(o.unknown_area_cases, 0) AS unknown_area_cases, coalesce(o.outsider_cases, 0) AS outsider_cases,
    f.fund_fen - coalesce(o.outsider_fund_fen, 0) AS inside_fund_fen, coalesce(o.outsider_fund_fen, 0) AS outsider_fund_fen
FROM funded f
JOIN counted c USING (hospital_id, insurance_type, period)
LEFT JOIN outsiders o USING (hospital_id, insurance_type, period)
ORDER BY f.hospital_id, f.insurance_type, f.period
