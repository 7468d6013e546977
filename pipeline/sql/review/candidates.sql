-- candidates: one row per case that a hospital may apply for (grain: input_row): it meets a condition, or is held for review.
-- What the fund would owe by item follows the pack's way from S to the fund with S = F (DESIGN §6); null where a share of
-- the month's cases is not known, since the case is not among them. Ordered by money at stake, F − S.
WITH by_item AS (
    SELECT c.*, coalesce(m.reasons, '') AS reasons,
        c.separate_fen + CASE
            WHEN t.fund_method = 'difference' THEN CASE
                WHEN t.negative_kept THEN c.fee_fen - (c.total_fee_fen - c.pool_fund_fen)
                ELSE greatest(0, c.fee_fen - (c.total_fee_fen - c.pool_fund_fen)) END
            WHEN t.fund_method = 'policy'
                THEN half_away(greatest(0, c.fee_fen - c.own_parts_fen) * b.benefit_e4::HUGEINT, 10000)::BIGINT
            WHEN c.share_fee_fen > 0 THEN shared(c.fee_fen, 1, c.share_fund_fen, c.share_fee_fen)::BIGINT
        END AS fund_by_item_fen
    FROM candidate_cases c
    LEFT JOIN conditions_met m USING (input_row)
    LEFT JOIN fund_terms t ON c.pricing_date BETWEEN t.valid_from AND t.valid_to
    LEFT JOIN benefits b ON b.valid_from = t.valid_from AND b.insurance_type = c.insurance_type AND b.level = c.level
    WHERE c.held OR len(m.conditions) > 0
)
SELECT input_row, case_id, hospital_id, insurance_type, group_code, discharge_date, settlement_date, stay_days,
    price_class, held, fee_fen, standard_fen,
    CASE WHEN standard_fen > 0 THEN half_away(fee_fen::HUGEINT * 100, standard_fen)::BIGINT END AS over_e2,
    fee_fen - standard_fen AS at_stake_fen, fund_fen, fund_by_item_fen,
    fund_by_item_fen - coalesce(fund_fen, 0) AS fund_more_fen,
    concat_ws('；', CASE WHEN held THEN '该病组须逐例评议' END, nullif(reasons, '')) AS reasons
FROM by_item
ORDER BY coalesce(fee_fen - standard_fen, fee_fen) DESC, case_id
