-- funded: one row per priced case (grain: input_row), with what the fund owes of its unrounded standard.
-- DESIGN §6: difference S − (F − recorded fund); ratio S × fund share; policy max(0, S − own parts) × benefit ratio.
-- Separately paid items come beside it. No case without a fee is paid by ratio, so a unit whose fees sum to nothing has
-- had all its cases taken back: then 0 and its negative cancel whatever the share was.
WITH owed AS (
    SELECT p.*, s.share_num, s.share_den,
        -- Whole fen taken from S leave its rounding as it was, as long as neither side of the sum is below zero.
        CASE WHEN fund_method = 'difference' AND amount_top >= 0 AND standard_fen > total_fee_fen - pool_fund_fen
             THEN standard_fen - (total_fee_fen - pool_fund_fen) END AS plain_fen,
        CASE WHEN plain_fen IS NOT NULL THEN NULL
             WHEN fund_method = 'difference' THEN amount_top - (total_fee_fen - pool_fund_fen) * amount_bottom
             WHEN fund_method = 'policy' THEN amount_top - own_parts_fen * amount_bottom END AS over_top,
        CASE WHEN over_top < 0 AND (fund_method = 'policy' OR NOT negative_kept) THEN 0::HUGEINT
             WHEN fund_method = 'policy' THEN over_top * benefit_e4
             ELSE over_top END AS owed_top,
        CASE fund_method WHEN 'policy' THEN amount_bottom * 10000 ELSE amount_bottom END AS owed_bottom
    FROM priced p
    LEFT JOIN fund_shares s ON s.fund_of = p.fund_of AND s.insurance_type = p.insurance_type
        AND s.unit = CASE p.fund_of WHEN 'group' THEN p.group_code WHEN 'hospital' THEN p.hospital_id ELSE '' END
)
SELECT * EXCLUDE (share_num, share_den, plain_fen, over_top, owed_top, owed_bottom),
    CASE WHEN fund_method = 'ratio' THEN CASE WHEN fund_of = 'case' THEN pool_fund_fen ELSE share_num END::BIGINT END
        AS share_fund_fen,
    CASE WHEN fund_method = 'ratio' THEN CASE WHEN fund_of = 'case' THEN total_fee_fen ELSE share_den END::BIGINT END
        AS share_fee_fen,
    separate_fen + CASE
        WHEN plain_fen IS NOT NULL THEN plain_fen
        WHEN fund_method <> 'ratio' THEN half_away(owed_top, owed_bottom)
        WHEN fund_of = 'case' THEN shared(amount_top, amount_bottom, pool_fund_fen, total_fee_fen)
        WHEN share_den > 0 THEN shared(amount_top, amount_bottom, share_num, share_den)
        ELSE 0 END::BIGINT AS fund_fen
FROM owed
