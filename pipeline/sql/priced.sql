-- priced: one row per case that has a price (grain: input_row).
-- DESIGN §6 in the one form of price_rules.py: points T = (m·c + m₀)·W·a + k·(F/Q)·cⁱ·aʲ + B, amount = T·P + n·F + I.
-- All over one denominator, kept as the fraction amount_top / amount_bottom: the fund amount comes from it unrounded.
-- Most cases have one part of it alone: what is nothing is not multiplied, for these products are most of the work.
WITH parts AS (
    SELECT *,
        -- Q and a coefficient below the line enter the denominator only where the rule uses them.
        (CASE WHEN k_num <> 0 THEN q_num::HUGEINT ELSE 1 END)
            * (CASE WHEN coefficient_power < 0 THEN coefficient_num ELSE 1 END) AS below,
        value_unit * coefficient_unit * auxiliary_unit * below AS scale,
        (CASE WHEN m_num = 0 AND m0_num = 0 THEN 0::HUGEINT ELSE value_num * auxiliary_num * below END) AS value_top
    FROM decided
    WHERE refusal IS NULL
),
terms_of_points AS (
    SELECT *,
        m_num * coefficient_num * value_top AS standard_top,
        CASE WHEN k_num = 0 THEN 0::HUGEINT ELSE
            k_num * fee_fen::HUGEINT * q_den * value_unit
            * (CASE WHEN auxiliary_power = 1 THEN auxiliary_num ELSE auxiliary_unit END)
            * (CASE coefficient_power WHEN 1 THEN coefficient_num WHEN 0 THEN coefficient_unit
                                      ELSE coefficient_unit * coefficient_unit::HUGEINT END)
        END AS of_fee_top,
        CASE WHEN m0_num = 0 THEN of_fee_top
             ELSE m0_num * coefficient_unit::HUGEINT * value_top + of_fee_top END AS beside_top,
        floored AND beside_top <= 0 AS floored_away
    FROM parts
),
amounts AS (
    SELECT *,
        standard_top + (CASE WHEN floored_away THEN 0::HUGEINT ELSE beside_top END)
            + (CASE WHEN item_points_e4 = 0 THEN 0::HUGEINT ELSE item_points_e4 * scale END) AS points_top,
        scale * rule_unit * price_unit AS amount_bottom,
        (CASE WHEN n_num = 0 THEN 0::HUGEINT ELSE n_num * fee_fen::HUGEINT * scale * price_unit END)
            + (CASE WHEN item_fen = 0 THEN 0::HUGEINT ELSE item_fen * amount_bottom END) AS apart_top,
        points_top * price_num + apart_top AS amount_top,
        -- What does not move with the point value, or with the rates: a share of the fee moves with points alone.
        apart_top + CASE WHEN by_points OR floored_away OR of_fee_top = 0 THEN 0::HUGEINT
                         ELSE of_fee_top * price_num END AS unmoved_top
    FROM terms_of_points
)
SELECT
    input_row, case_id, case_count, reverses, hospital_id, insurance_type, level, discharge_date, settlement_date,
    pricing_date, stay_days, principal_dx, terms_id, mdc, dip_kind, group_code, status,
    weight_num, rate_num, price_num, q_num, q_den, coefficient_num, auxiliary_num, subtype, is_base, budget_line,
    price_class, rule_id, family, total_fee_fen, pool_fund_fen, separate_items_fen, own_parts_fen, reference_fen,
    ratio_e4, fund_method, fund_of, negative_kept, benefit_e4, amount_top, amount_bottom,
    CASE WHEN by_points THEN half_away(points_top * points_unit, scale * rule_unit)::BIGINT END AS points_num,
    CASE WHEN unmoved_top = 0 THEN 0 ELSE half_away(unmoved_top, amount_bottom)::BIGINT END AS apart_fen,
    half_away(amount_top, amount_bottom)::BIGINT AS standard_fen,
    half_away(separate_items_fen * coalesce(separate_share_e4, 0), 10000)::BIGINT AS separate_fen
FROM amounts
