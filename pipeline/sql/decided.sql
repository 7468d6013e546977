-- decided: `priced` with the approved special cases (特例单议) applied (grain: input_row), before the fund conversion.
-- DESIGN §6: an approved special case replaces the amount: by item S = F, adjusted S = the amount given; neither moves
-- with the point value or the rates, so all of it is `apart`. A case held for its review is priced so.
SELECT p.* REPLACE (
    CASE WHEN o.case_id IS NULL THEN p.refusal END AS refusal,
    CASE WHEN o.case_id IS NULL THEN p.price_class ELSE 'special_review' END AS price_class,
    CASE WHEN o.case_id IS NULL THEN p.rule_id
         ELSE (p.terms_id || '/decision/' || o.decision)::rule_name END AS rule_id,
    CASE WHEN o.case_id IS NULL THEN p.family ELSE ('special_' || o.decision)::family_name END AS family,
    CASE WHEN o.case_id IS NULL THEN p.amount_top ELSE o.amount_fen END AS amount_top,
    CASE WHEN o.case_id IS NULL THEN p.amount_bottom ELSE 1 END AS amount_bottom,
    CASE WHEN o.case_id IS NULL THEN p.points_num WHEN c.by_points THEN 0 END AS points_num,
    CASE WHEN o.case_id IS NULL THEN p.apart_fen ELSE o.amount_fen END AS apart_fen,
    CASE WHEN o.case_id IS NULL THEN p.standard_fen ELSE o.amount_fen END AS standard_fen,
    CASE WHEN o.case_id IS NULL THEN p.separate_fen
         ELSE half_away(p.separate_items_fen * coalesce(t.separate_share_e4, 0), 10000)::BIGINT END AS separate_fen
)
FROM priced p
CROSS JOIN conventions c
LEFT JOIN (
    SELECT input_row, case_id, decision,
        CASE WHEN decision = 'by_item' THEN fee_fen ELSE given_fen END AS amount_fen
    FROM review_verdict WHERE outcome = 'applied'
) o USING (input_row)
LEFT JOIN terms t ON t.terms_id = p.terms_id::VARCHAR
