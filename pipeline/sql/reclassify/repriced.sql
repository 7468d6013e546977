-- repriced: one row per case of the solved pools of a budget line (grain: case_id), at the rates that the clearing found.
-- DESIGN §6, `reclassify: once`: priced by the statements of a month, so that classes and amounts are decided alike.
SELECT s.case_id, s.rule_id, s.price_class, s.standard_fen, s.apart_fen, t.fund_method, t.fund_of, t.negative_kept
FROM scored s
JOIN terms t ON t.terms_id::VARCHAR = s.terms_id
WHERE s.reverses IS NULL AND s.budget_line = $line
    AND s.insurance_type IN (SELECT insurance_type FROM solved_types)
