-- diverted: one row per case that a scope or special rule takes (grain: input_row), with its path.
-- DESIGN §6: scope goes before all else; of rules the first that a case meets counts; a missing value meets nothing.
WITH first_met AS (
    SELECT m.input_row, m.terms_id,
        min(r.rule_order) FILTER (r.is_scope) AS scope_order,
        min(r.rule_order) FILTER (NOT r.is_scope) AS special_order
    FROM measured m
    JOIN special_rules r ON r.terms_id = m.terms_id
        AND (r.place IS NULL OR list_contains(r.place, m.place))
        AND (r.care_type IS NULL OR list_contains(r.care_type, m.care_type))
        AND (r.groups IS NULL OR list_contains(r.groups, m.group_code))
        AND (r.mdc IS NULL OR list_contains(r.mdc, m.mdc))
        AND (r.level IS NULL OR list_contains(r.level, m.level))
        AND (r.insurance_type IS NULL OR list_contains(r.insurance_type, m.insurance_type))
        AND (r.discharge_way IS NULL OR list_contains(r.discharge_way, m.discharge_way))
        AND (r.principal_dx IS NULL OR regexp_matches(m.principal_dx, r.principal_dx))
        AND (r.principal_px IS NULL OR regexp_matches(m.principal_px, r.principal_px))
        AND (r.stay_from IS NULL OR m.stay_days >= r.stay_from)
        AND (r.stay_to IS NULL OR m.stay_days <= r.stay_to)
        -- Without weight, mean or (where it enters) coefficient a case has no x.
        AND (coalesce(r.x_from_e4, r.x_to_e4) IS NULL
             OR m.reference_top > 0 AND (m.coefficient_known OR m.reference <> 'with_coefficient'))
        AND (r.x_from_e4 IS NULL OR m.x_top > r.x_from_e4 * m.reference_top
             OR (r.x_from_inclusive AND m.x_top = r.x_from_e4 * m.reference_top))
        AND (r.x_to_e4 IS NULL OR m.x_top < r.x_to_e4 * m.reference_top
             OR (r.x_to_inclusive AND m.x_top = r.x_to_e4 * m.reference_top))
        AND (coalesce(r.tcm_from_e4, r.tcm_below_e4) IS NULL OR m.total_fee_fen > 0)
        AND (r.tcm_from_e4 IS NULL OR m.tcm_fee_fen * 10000 >= r.tcm_from_e4 * m.total_fee_fen)
        AND (r.tcm_below_e4 IS NULL OR m.tcm_fee_fen * 10000 < r.tcm_below_e4 * m.total_fee_fen)
    GROUP BY ALL
)
SELECT f.input_row, coalesce(a.path, b.path) AS path, coalesce(a.budget_line, '')::budget_name AS budget_line,
    coalesce(a.excluded, false) AS excluded, a.path IS NULL AND coalesce(b.held, false) AS held
FROM first_met f
LEFT JOIN special_rules a ON a.terms_id = f.terms_id AND a.rule_order = f.scope_order
LEFT JOIN special_rules b ON b.terms_id = f.terms_id AND b.rule_order = f.special_order
