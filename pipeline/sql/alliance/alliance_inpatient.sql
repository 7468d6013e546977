-- alliance_inpatient: one row per member and insurance type with cases (grain: hospital_id, insurance_type).
-- DESIGN §7: care for the alliance's own insured is inside the package, care for outsiders is paid beside it. Without
-- the package's counties no distinction is made; a case of unknown area is inside and counted. A reversal goes where
-- its original went, whatever it says of the area itself.
WITH own AS (
    SELECT a.alliance_id, s.hospital_id, s.insurance_type, s.case_count, s.fund_fen, coalesce(p.by_county, false) AS by_county,
        nullif(trim(CASE WHEN o.input_row IS NULL THEN v.insured_area ELSE w.insured_area END), '') AS insured_area
    FROM scored s
    JOIN alliances a USING (hospital_id)
    JOIN validated v USING (input_row)
    LEFT JOIN package_year p ON p.alliance_id = a.alliance_id AND p.insurance_type = s.insurance_type
    LEFT JOIN scored o ON o.case_id = s.reverses AND o.reverses IS NULL
    LEFT JOIN validated w ON w.input_row = o.input_row
),
placed AS (
    SELECT o.*, NOT o.by_county OR o.insured_area IS NULL OR c.county IS NOT NULL AS inside
    FROM own o
    LEFT JOIN alliance_counties c
        ON c.alliance_id = o.alliance_id AND c.insurance_type = o.insurance_type AND c.county = o.insured_area
)
SELECT alliance_id, hospital_id, insurance_type,
    coalesce(sum(case_count) FILTER (inside), 0)::BIGINT AS inside_cases,
    coalesce(sum(case_count) FILTER (by_county AND insured_area IS NULL), 0)::BIGINT AS unknown_area_cases,
    coalesce(sum(case_count) FILTER (NOT inside), 0)::BIGINT AS outsider_cases,
    coalesce(sum(fund_fen) FILTER (inside), 0)::BIGINT AS inside_fund_fen,
    coalesce(sum(fund_fen) FILTER (NOT inside), 0)::BIGINT AS outsider_fund_fen
FROM placed
GROUP BY ALL
ORDER BY alliance_id, hospital_id, insurance_type
