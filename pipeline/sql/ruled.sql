-- ruled: one row per discharge that may be priced (grain: input_row), with the rule that it meets; none where refused.
-- DESIGN §6: x = F / reference, reference = W·Q[·c]; a threshold belongs to its class where the rule says so.
WITH measured AS (
    SELECT *,
        weight_num::HUGEINT * rate_num * reference_num
            * (CASE WHEN reference_with_coefficient THEN coefficient_num ELSE 1 END) AS reference_top,
        weight_unit::HUGEINT * rate_unit * reference_den
            * (CASE WHEN reference_with_coefficient THEN coefficient_unit ELSE 1 END) AS reference_bottom,
        total_fee_fen::HUGEINT * reference_bottom * 10000 AS x_top -- x in ten-thousandths is x_top / reference_top
    FROM offered
)
SELECT m.* EXCLUDE (path),
    half_away(reference_top, reference_bottom)::BIGINT AS reference_fen,
    CASE WHEN on_path AND reference_top > 0 THEN half_away(x_top, reference_top)::BIGINT END AS ratio_e4,
    CASE WHEN NOT on_path AND status <> 'grouped' THEN status ELSE r.price_class END AS price_class,
    r.rule_id, r.family, r.standard_e4, r.value_e4, r.points_e4, r.fee_e4, r.coefficient_power, r.auxiliary_power,
    r.floored
FROM measured m
LEFT JOIN price_rules r ON m.refusal IS NULL AND r.terms_id = m.terms_id AND r.path = m.path
    AND (r.x_from_e4 IS NULL OR m.x_top > r.x_from_e4 * m.reference_top
         OR (r.x_from_inclusive AND m.x_top = r.x_from_e4 * m.reference_top))
    AND (r.x_to_e4 IS NULL OR m.x_top < r.x_to_e4 * m.reference_top
         OR (r.x_to_inclusive AND m.x_top = r.x_to_e4 * m.reference_top))
WHERE m.refusal IS NOT NULL OR r.rule_id IS NOT NULL -- a ratio that no rule knows is lost here, and no audit passes
