-- simulation_crosswalk: one row per proposal, group at present, group by its scheme and whether that has a price (grain).
SELECT o.proposal, w.group_before, b.name AS name_before, w.group_after, a.name AS name_after, w.has_price,
    sum(w.cases)::BIGINT AS cases,
    sum(w.weight_before)::DECIMAL(38, 9) AS weight_before, sum(w.weight_after)::DECIMAL(38, 9) AS weight_after,
    sum(w.fund_before_fen)::BIGINT AS fund_before_fen, sum(w.fund_after_fen)::BIGINT AS fund_after_fen
FROM crosswalk w
JOIN proposals o USING (proposal_no)
LEFT JOIN group_names b ON b.group_code = w.group_before
LEFT JOIN group_names a ON a.group_code = w.group_after
GROUP BY ALL
ORDER BY min(o.proposal_no), w.group_before, w.group_after, w.has_price
