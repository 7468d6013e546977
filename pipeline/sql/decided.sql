-- decided: `ruled` with the approved special cases (特例单议) applied (grain: input_row), before amounts and the fund.
-- DESIGN §6: an approved special case replaces the amount: by item S = F, adjusted S = the amount given; neither moves
-- with the point value or the rates, so it is an amount beside the points. A case held for its review is priced so.
SELECT p.* REPLACE (
    CASE WHEN o.input_row IS NULL THEN p.refusal END AS refusal,
    CASE WHEN o.input_row IS NULL THEN p.price_class ELSE 'special_review'::class_name END AS price_class,
    CASE WHEN o.input_row IS NULL THEN p.rule_id
         ELSE (p.terms_id || '/decision/' || o.decision)::rule_name END AS rule_id,
    CASE WHEN o.input_row IS NULL THEN p.family ELSE ('special_' || o.decision)::family_name END AS family,
    CASE WHEN o.input_row IS NULL THEN p.rule_unit ELSE 1 END AS rule_unit,
    CASE WHEN o.input_row IS NULL THEN p.m_num ELSE 0 END AS m_num,
    CASE WHEN o.input_row IS NULL THEN p.m0_num ELSE 0 END AS m0_num,
    CASE WHEN o.input_row IS NULL THEN p.k_num ELSE 0 END AS k_num,
    CASE WHEN o.input_row IS NULL THEN p.n_num ELSE 0 END AS n_num,
    CASE WHEN o.input_row IS NULL THEN p.coefficient_power ELSE 0 END AS coefficient_power,
    CASE WHEN o.input_row IS NULL THEN p.auxiliary_power ELSE 0 END AS auxiliary_power,
    CASE WHEN o.input_row IS NULL THEN p.floored ELSE false END AS floored,
    CASE WHEN o.input_row IS NULL THEN p.item_fen ELSE o.amount_fen END AS item_fen,
    CASE WHEN o.input_row IS NULL THEN p.item_points_e4 ELSE 0 END AS item_points_e4
)
FROM ruled p
LEFT JOIN (
    SELECT input_row, decision, CASE WHEN decision = 'by_item' THEN fee_fen ELSE given_fen END AS amount_fen
    FROM review_verdict WHERE outcome = 'applied'
) o USING (input_row)
