-- group_summary: one row per hospital and group (grain: hospital_id, drg, weight); reversals count −1.
SELECT s.hospital_id, s.drg, n.name AS drg_name,
    sum(s.case_count)::BIGINT AS cases, s.weight,
    sum(s.total_fee_fen)::BIGINT AS total_fee_fen, sum(s.standard_fen)::BIGINT AS standard_fen,
    sum(s.fund_fen)::BIGINT AS fund_fen, sum(s.stay_days)::BIGINT AS stay_days
FROM scored s
JOIN group_names n USING (drg)
GROUP BY ALL
ORDER BY s.hospital_id, s.drg, weight
