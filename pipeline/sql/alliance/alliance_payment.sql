-- alliance_payment: one row per alliance, member and insurance type (grain: alliance_id, hospital_id, insurance_type).
-- DESIGN §7: the month is settled with the lead for all members; from this table the lead pays them. Members without
-- business in the month stand here too, with nothing.
SELECT a.alliance_id, a.alliance_name, l.hospital_id AS lead_id, a.hospital_id, h.name AS hospital_name, h.level, a.role,
    t.insurance_type, t.insurance_name,
    coalesce(p.cases, 0)::BIGINT AS cases, coalesce(p.total_fee_fen, 0)::BIGINT AS total_fee_fen,
    coalesce(p.fund_fen, 0)::BIGINT AS fund_fen,
    coalesce(i.inside_fund_fen, 0)::BIGINT AS inside_fund_fen,
    coalesce(i.outsider_fund_fen, 0)::BIGINT AS outsider_fund_fen,
    coalesce(p.payable_fen, 0)::BIGINT AS payable_fen,
    CAST($lead_due_on AS DATE) AS lead_due_on, CAST($member_due_on AS DATE) AS member_due_on
FROM alliances a
JOIN alliances l ON l.alliance_id = a.alliance_id AND l.role = 'lead'
JOIN hospitals h ON h.hospital_id = a.hospital_id
CROSS JOIN alliance_types t
LEFT JOIN hospital_payment p ON p.hospital_id = a.hospital_id AND p.insurance_type = t.insurance_type
LEFT JOIN alliance_inpatient i ON i.hospital_id = a.hospital_id AND i.insurance_type = t.insurance_type
ORDER BY a.alliance_id, a.role, a.hospital_id, t.insurance_type
