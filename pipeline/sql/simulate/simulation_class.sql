-- simulation_class: one row per proposal, hospital, insurance type and pair of classes (grain: these), unchanged ones too.
SELECT o.proposal, x.hospital_id, x.insurance_type, x.class_before, x.class_after,
    sum(x.cases)::BIGINT AS cases, sum(x.fund_before_fen)::BIGINT AS fund_before_fen,
    sum(x.fund_after_fen)::BIGINT AS fund_after_fen
FROM crossings x
JOIN proposals o USING (proposal_no)
GROUP BY ALL
ORDER BY min(o.proposal_no), x.hospital_id, x.insurance_type, x.class_before, x.class_after
