-- funded: one row per priced discharge (grain: input_row), with what the fund owes of its unrounded standard.
-- DESIGN §6: difference S − (F − recorded fund); ratio S × fund share; policy max(0, S − own parts) × benefit ratio.
-- Separately paid items come beside it. No case without a fee is paid by ratio, so a unit whose fees sum to nothing has
-- had all its cases taken back: then 0 and its negative cancel whatever the share was.
SELECT p.*,
    CASE WHEN fund_method = 'ratio' THEN CASE WHEN p.fund_of = 'case' THEN pool_fund_fen ELSE s.share_num END::BIGINT END
        AS share_fund_fen,
    CASE WHEN fund_method = 'ratio' THEN CASE WHEN p.fund_of = 'case' THEN total_fee_fen ELSE s.share_den END::BIGINT END
        AS share_fee_fen,
    separate_fen + CASE fund_method
        WHEN 'difference' THEN half_away(
            CASE WHEN negative_kept THEN amount_top - (total_fee_fen - pool_fund_fen) * amount_bottom
                 ELSE greatest(0::HUGEINT, amount_top - (total_fee_fen - pool_fund_fen) * amount_bottom) END,
            amount_bottom)
        WHEN 'policy' THEN half_away(
            greatest(0::HUGEINT, amount_top - own_parts_fen * amount_bottom) * benefit_e4, amount_bottom * 10000)
        WHEN 'ratio' THEN CASE
            WHEN p.fund_of = 'case' THEN shared(amount_top, amount_bottom, pool_fund_fen, total_fee_fen)
            WHEN s.share_den > 0 THEN shared(amount_top, amount_bottom, s.share_num, s.share_den)
            ELSE 0 END
    END::BIGINT AS fund_fen
FROM decided p
LEFT JOIN fund_shares s ON s.fund_of = p.fund_of AND s.insurance_type = p.insurance_type
    AND s.unit = CASE p.fund_of WHEN 'group' THEN p.group_code WHEN 'hospital' THEN p.hospital_id ELSE '' END
WHERE refusal IS NULL
