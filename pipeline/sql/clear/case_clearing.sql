-- case_clearing: one row per case or reversal of the year (grain: case_id), its part of what its hospital is entitled to.
-- DESIGN §7: Σ cases = hospital in fund_from_points; bands, assessment and audit belong to the hospital.
SELECT case_id, hospital_id::VARCHAR AS hospital_id, insurance_type::VARCHAR AS insurance_type,
    period::VARCHAR AS period, budget_line::VARCHAR AS budget_line, group_code::VARCHAR AS group_code, units, apart_fen, separate_fen,
    CASE WHEN by_ratio THEN share_num END AS share_num, CASE WHEN by_ratio THEN share_den END AS share_den,
    standard_fen, fund_fen, fund_from_points_fen
FROM cleared
ORDER BY cleared.hospital_id, cleared.insurance_type, case_id
