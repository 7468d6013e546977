-- group_summary: one row per hospital and group (grain: hospital_id, group_code, weight); reversals count −1.
SELECT s.hospital_id, s.group_code, n.name AS group_name,
    sum(s.case_count)::BIGINT AS cases, s.weight,
    sum(s.total_fee_fen)::BIGINT AS total_fee_fen, sum(s.standard_fen)::BIGINT AS standard_fen,
    sum(s.fund_fen)::BIGINT AS fund_fen, sum(s.stay_days)::BIGINT AS stay_days
FROM scored s
JOIN group_names n USING (group_code)
GROUP BY ALL
ORDER BY s.hospital_id, s.group_code, weight
