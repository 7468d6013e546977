-- simulation_total: one row per proposal, way of adding up and key (grain: proposal, by_what, key): the region, levels,
-- insurance types, MDC (kinds of disease by DIP) and alliances; the key '' of alliances is every hospital outside them.
SELECT c.* EXCLUDE (proposal_no, insurance_type), n.fund_neutral_fen
FROM compared c
LEFT JOIN (
    SELECT proposal_no, 'insurance_type' AS by_what, insurance_type AS key, sum(fund_neutral_fen)::BIGINT AS fund_neutral_fen
    FROM neutral_funds GROUP BY ALL
) n USING (proposal_no, by_what, key)
WHERE by_what IN ('region', 'level', 'insurance_type', 'mdc', 'alliance')
ORDER BY c.proposal_no, list_position(['region', 'level', 'insurance_type', 'mdc', 'alliance'], c.by_what), c.key
