-- lines: one row per hospital, insurance type, level, MDC and group (grain: these five) of one month and one proposal.
SELECT hospital_id::VARCHAR AS hospital_id, insurance_type::VARCHAR AS insurance_type, level::VARCHAR AS level,
    mdc::VARCHAR AS mdc, group_code::VARCHAR AS group_code,
    sum(case_count)::BIGINT AS cases,
    sum(weight * case_count)::DECIMAL(38, 9) AS weight, sum(points)::DECIMAL(38, 6) AS points,
    sum(standard_fen)::BIGINT AS standard_fen, sum(fund_fen)::BIGINT AS fund_fen
FROM simulated
GROUP BY ALL
