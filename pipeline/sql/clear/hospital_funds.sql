-- hospital_funds: one row per hospital and insurance type with cases (grain: hospital_id, insurance_type).
-- At the prices of the months: the sums of its cases (see as_priced).
SELECT hospital_id::VARCHAR AS hospital_id, insurance_type::VARCHAR AS insurance_type,
    sum(standard_fen)::BIGINT AS standard_fen, sum(fund_from_points_fen)::BIGINT AS fund_from_points_fen
FROM cleared
GROUP BY ALL
