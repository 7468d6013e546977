-- alliance_member_clearing: one row per alliance, hospital and insurance type (grain: alliance_id, hospital_id, insurance_type).
-- The months in which a hospital belonged to the alliance, and what of its year they are; settled with the lead of the
-- alliance's last month. Its other months are its own.
WITH led AS (
    SELECT alliance_id, arg_max(hospital_id, period) AS lead_id FROM alliance_months WHERE role = 'lead' GROUP BY ALL
),
belonged AS (
    SELECT alliance_id, hospital_id, count(*) AS months, string_agg(period, ',' ORDER BY period) AS periods
    FROM alliance_months GROUP BY ALL
)
SELECT b.alliance_id, n.alliance_name, l.lead_id, b.hospital_id, h.name AS hospital_name, h.level,
    CASE WHEN b.hospital_id = l.lead_id THEN 'lead' ELSE 'member' END AS role,
    b.months, b.periods, t.insurance_type, t.insurance_name,
    coalesce(sum(c.cases), 0)::BIGINT AS cases, coalesce(sum(c.unknown_area_cases), 0)::BIGINT AS unknown_area_cases,
    coalesce(sum(c.outsider_cases), 0)::BIGINT AS outsider_cases,
    coalesce(sum(p.inside_fen), 0)::BIGINT AS inside_entitlement_fen,
    coalesce(sum(p.outsider_fen), 0)::BIGINT AS outsider_entitlement_fen,
    coalesce(sum(p.inside_fen + p.outsider_fen), 0)::BIGINT AS entitlement_fen,
    coalesce(sum(p.settled_fen), 0)::BIGINT AS settled_fen, coalesce(sum(p.clearing_fen), 0)::BIGINT AS clearing_fen
FROM belonged b
JOIN led l USING (alliance_id)
JOIN alliance_names n USING (alliance_id)
JOIN hospitals h ON h.hospital_id = b.hospital_id
CROSS JOIN alliance_types t
JOIN alliance_months m ON m.alliance_id = b.alliance_id AND m.hospital_id = b.hospital_id
LEFT JOIN alliance_year_parts p
    ON p.hospital_id = b.hospital_id AND p.insurance_type = t.insurance_type AND p.period = m.period
LEFT JOIN alliance_year_cases c
    ON c.hospital_id = b.hospital_id AND c.insurance_type = t.insurance_type AND c.period = m.period
GROUP BY ALL
ORDER BY b.alliance_id, role, b.hospital_id, t.insurance_type
