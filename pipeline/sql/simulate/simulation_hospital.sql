-- simulation_hospital: one row per proposal, hospital and insurance type (grain: these three).
-- fund_neutral: what the hospital gets where the price is cut or raised until the present pool is used up; dilution is
-- what that takes from the proposal's figure; null where the fund does not follow the price in proportion.
SELECT c.proposal, c.key AS hospital_id, h.name, h.level, c.insurance_type,
    c.* EXCLUDE (proposal_no, proposal, by_what, key, insurance_type),
    coalesce(x.cases, 0) AS crossed_cases,
    n.fund_neutral_fen, n.fund_neutral_fen - c.fund_after_fen AS dilution_fen,
    n.fund_neutral_fen - c.fund_before_fen AS net_change_fen
FROM compared c
LEFT JOIN hospitals h ON h.hospital_id = c.key
LEFT JOIN neutral_funds n
    ON n.proposal_no = c.proposal_no AND n.hospital_id = c.key AND n.insurance_type = c.insurance_type
LEFT JOIN (
    SELECT proposal_no, hospital_id, insurance_type, sum(cases)::BIGINT AS cases
    FROM crossings WHERE class_before <> class_after GROUP BY ALL
) x ON x.proposal_no = c.proposal_no AND x.hospital_id = c.key AND x.insurance_type = c.insurance_type
WHERE c.by_what = 'hospital'
ORDER BY c.proposal_no, c.key, c.insurance_type
