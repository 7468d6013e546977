-- ruled: one row per case (grain: input_row), with the rule that prices it, or why it has no price.
-- A threshold belongs to its class where the rule says so. A look-up that found nothing is a refusal, never a zero.
WITH led AS (
    SELECT m.* EXCLUDE (path, held),
        coalesce(d.path, m.path) AS path, d.path IS NULL AND m.on_path AS classed,
        coalesce(d.excluded, false) AS out_of_scope, coalesce(d.budget_line, ''::budget_name) AS budget_line,
        coalesce(d.held, false) OR (d.path IS NULL AND m.held) AS awaits_review
    FROM measured m
    LEFT JOIN diverted d USING (input_row)
)
SELECT l.* EXCLUDE (path, out_of_scope, awaits_review, subtype_unknown, coefficient_known, q_num, q_den,
        reference_num, reference_den),
    CASE WHEN reference_top > 0 THEN half_away(reference_top, reference_bottom)::BIGINT END AS reference_fen,
    CASE WHEN classed AND reference_top > 0 THEN half_away(x_top, reference_top)::BIGINT END AS ratio_e4,
    CASE WHEN r.price_class = 'special' AND l.status <> 'grouped' THEN l.status ELSE r.price_class END AS price_class,
    r.rule_id, r.family, r.rule_unit, r.m_num, r.m0_num, r.k_num, r.n_num, r.coefficient_power, r.auxiliary_power,
    r.floored,
    CASE WHEN r.family = 'share_of_benchmark' THEN l.reference_num ELSE l.q_num END AS q_num,
    CASE WHEN r.family = 'share_of_benchmark' THEN l.reference_den ELSE l.q_den END AS q_den,
    CASE WHEN r.of_item THEN coalesce(a.item_fen, b.before_fen + (days - b.from_day + 1) * b.day_fen, 0)
         ELSE 0 END AS item_fen,
    CASE WHEN r.of_item THEN coalesce(b.before_points_e4 + (days - b.from_day + 1) * b.day_points_e4, 0)
         ELSE 0 END AS item_points_e4,
    CASE
        WHEN l.terms_id IS NULL THEN 'no_terms'
        WHEN out_of_scope THEN 'out_of_scope'
        WHEN l.separate_items_fen > l.total_fee_fen THEN 'separate_over_total'
        WHEN l.rate_num IS NULL THEN 'no_rate'
        WHEN awaits_review THEN 'case_review'
        WHEN l.path IS NULL OR (coalesce(r.needs_weight, classed) AND coalesce(l.weight_num, 0) = 0) THEN 'no_weight'
        WHEN classed AND coalesce(reference_top, 0) <= 0 THEN 'no_reference'
        WHEN r.needs_coefficient AND (NOT coefficient_known OR subtype_unknown) THEN 'no_coefficient'
        WHEN r.points_e4 <> 0 AND r.family <> 'share_of_benchmark' AND coalesce(l.q_num, 0) <= 0 THEN 'no_reference'
        WHEN r.of_item AND a.item_fen IS NULL AND b.from_day IS NULL THEN 'no_amount'
        WHEN fund_method = 'ratio' AND l.total_fee_fen = 0 THEN 'no_fee' -- then no unit's fees sum to nothing
        WHEN r.rule_id IS NULL THEN 'no_amount'
    END AS refusal
FROM (SELECT *, greatest(1, stay_days) AS days FROM led) l
LEFT JOIN price_rules r ON r.terms_id = l.terms_id AND r.path = l.path AND (r.level IS NULL OR r.level = l.level)
    -- The edge between low and normal lies on the low reference, all others on the reference.
    AND (r.x_from_e4 IS NULL
         OR x_top > r.x_from_e4 * (CASE WHEN r.price_class = 'normal' THEN low_top ELSE reference_top END)
         OR (r.x_from_inclusive
             AND x_top = r.x_from_e4 * (CASE WHEN r.price_class = 'normal' THEN low_top ELSE reference_top END)))
    AND (r.x_to_e4 IS NULL
         OR x_top < r.x_to_e4 * (CASE WHEN r.price_class = 'low' THEN low_top ELSE reference_top END)
         OR (r.x_to_inclusive
             AND x_top = r.x_to_e4 * (CASE WHEN r.price_class = 'low' THEN low_top ELSE reference_top END)))
LEFT JOIN path_amounts a ON r.family = 'fixed_amount' AND a.terms_id = l.terms_id AND a.path = l.path
    AND a.level = l.level AND (a.group_code IS NULL OR a.group_code = l.group_code)
LEFT JOIN bed_day_tiers b ON r.family = 'bed_day' AND b.terms_id = l.terms_id AND b.level = l.level
    AND b.insurance_type = l.insurance_type AND l.days >= b.from_day AND (b.to_day IS NULL OR l.days <= b.to_day)
