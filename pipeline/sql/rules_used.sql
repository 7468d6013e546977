-- rules_used: one row per pricing rule that paid a case (grain: rule_id), so that `explain` needs no region pack.
SELECT
    r.rule_id, r.price_class, r.family, r.x_from_e4, r.x_from_inclusive, r.x_to_e4, r.x_to_inclusive,
    r.standard_e4, r.value_e4, r.points_e4, r.fee_e4, r.coefficient_power, r.auxiliary_power, r.floored, r.of_item,
    t.reference, t.fund_method, t.fund_of, t.negative_kept
FROM price_rules r
JOIN terms t USING (terms_id)
WHERE r.rule_id IN (SELECT rule_id FROM scored)
ORDER BY r.rule_id
