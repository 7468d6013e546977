-- changed: one row per case whose result differs between two runs (grain: case_id), with the one main reason.
-- The first that holds, in the order in which a case is made: it arrives, it passes, its data, its decision, its group,
-- weight, rate or point value, coefficients, class or rule, fund share. `other`: the same factors, another amount.
SELECT m.*,
    coalesce(a.case_count, 0) - coalesce(b.case_count, 0) AS cases,
    coalesce(a.weight * a.case_count, 0) - coalesce(b.weight * b.case_count, 0) AS weight,
    coalesce(a.standard_fen, 0) - coalesce(b.standard_fen, 0) AS standard_fen,
    coalesce(a.fund_fen, 0) - coalesce(b.fund_fen, 0) AS fund_fen,
    CASE
        WHEN NOT in_before THEN 'arrived'
        WHEN NOT in_after THEN 'gone'
        WHEN b.door <> a.door AND 'case_review' IN (b.code, a.code)
            AND 'special_review' IN (b.price_class, a.price_class) THEN 'decision'
        WHEN b.door <> a.door OR b.code IS DISTINCT FROM a.code THEN 'door'
        WHEN d.case_id IS NOT NULL OR o.case_id IS NOT NULL THEN 'data'
        WHEN 'special_review' IN (b.price_class, a.price_class) THEN 'decision'
        WHEN b.group_code IS DISTINCT FROM a.group_code OR b.status IS DISTINCT FROM a.status THEN 'scheme'
        WHEN b.weight IS DISTINCT FROM a.weight THEN 'weight'
        WHEN b.rate IS DISTINCT FROM a.rate OR b.point_scale IS DISTINCT FROM a.point_scale
            OR b.point_value IS DISTINCT FROM a.point_value OR b.reference_price IS DISTINCT FROM a.reference_price
            THEN 'rate'
        WHEN b.coefficient IS DISTINCT FROM a.coefficient OR b.auxiliary IS DISTINCT FROM a.auxiliary
            OR b.subtype IS DISTINCT FROM a.subtype THEN 'coefficient'
        WHEN b.price_class IS DISTINCT FROM a.price_class OR b.family IS DISTINCT FROM a.family
            OR b.is_base IS DISTINCT FROM a.is_base OR b.reference_fen IS DISTINCT FROM a.reference_fen
            OR rb.formula IS DISTINCT FROM ra.formula
            OR (ra.formula.of_item AND b.standard_fen <> a.standard_fen) THEN 'rule'
        WHEN b.share_fund_fen IS DISTINCT FROM a.share_fund_fen OR b.share_fee_fen IS DISTINCT FROM a.share_fee_fen
            OR b.separate_fen IS DISTINCT FROM a.separate_fen OR rb.funding IS DISTINCT FROM ra.funding
            OR b.standard_fen = a.standard_fen THEN 'fund'
        ELSE 'other'
    END AS reason
FROM moved m
LEFT JOIN data_differs d ON d.case_id = m.case_id
LEFT JOIN data_differs o ON o.case_id = b.reverses
LEFT JOIN rules rb ON rb.side = 'before' AND rb.rule_id = b.rule_id
LEFT JOIN rules ra ON ra.side = 'after' AND ra.rule_id = a.rule_id
