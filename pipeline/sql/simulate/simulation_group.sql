-- simulation_group: one row per proposal and group (grain: proposal, group_code), with the cases that change their class.
SELECT c.proposal, c.key AS group_code, n.name, c.* EXCLUDE (proposal_no, proposal, by_what, key, insurance_type),
    coalesce(x.cases, 0) AS crossed_cases
FROM compared c
LEFT JOIN group_names n ON n.group_code = c.key
LEFT JOIN (
    SELECT proposal_no, group_code, sum(cases)::BIGINT AS cases
    FROM crossings WHERE class_before <> class_after GROUP BY ALL
) x ON x.proposal_no = c.proposal_no AND x.group_code = c.key
WHERE c.by_what = 'group'
ORDER BY c.proposal_no, c.key
