-- priced: one row per discharge that may be priced, reversals not yet among them (grain: input_row); a row with
-- a `refusal` has no amounts.
-- DESIGN §6, rate method: S = weight × rate × coefficient; amount = multiple·S + fee share·F;
-- fund (difference) = amount − (F − recorded fund). All over one denominator, rounded once where stored.
WITH exact AS (
    -- S in fen is standard_num / 10^21 (factors of 10^9, 10^6 and 10^8, yuan to fen 10^2).
    SELECT *,
        weight_e9::HUGEINT * rate_e6 * coefficient_e8 AS standard_num,
        weight_e9::HUGEINT * rate_e6
            * (CASE WHEN reference_with_coefficient THEN coefficient_e8 ELSE 100000000 END) AS reference_num,
        total_fee_fen * e25() AS fee_num
    FROM offered
),
classed AS (
    SELECT *,
        CASE
            WHEN NOT on_path THEN CASE status WHEN 'grouped' THEN 'special' ELSE status END
            WHEN fee_num < low_e4 * reference_num THEN 'low'
            WHEN fee_num = low_e4 * reference_num AND low_inclusive THEN 'low'
            WHEN fee_num > high_e4 * reference_num THEN 'high'
            WHEN fee_num = high_e4 * reference_num AND high_inclusive THEN 'high'
            ELSE 'normal'
        END AS price_class
    FROM exact
),
ruled AS (
    SELECT *,
        CASE price_class WHEN 'low' THEN low_family WHEN 'high' THEN high_family ELSE family END AS rule,
        CASE price_class WHEN 'low' THEN low_multiple_e4 WHEN 'high' THEN high_multiple_e4
                         ELSE multiple_e4 END AS m_e4,
        CASE price_class WHEN 'low' THEN low_fee_share_e4 WHEN 'high' THEN high_fee_share_e4
                         ELSE fee_share_e4 END AS n_e4,
        CASE price_class WHEN 'low' THEN low_share_by_coefficient WHEN 'high' THEN high_share_by_coefficient
                         ELSE share_by_coefficient END AS n_by_coefficient
    FROM classed
),
amounts AS (
    SELECT *,
        m_e4 * standard_num
            + n_e4 * total_fee_fen::HUGEINT
            * (CASE WHEN n_by_coefficient THEN coefficient_e8 * e13() ELSE e21() END) AS amount_num
    FROM ruled
)
SELECT
    input_row, case_id, hospital_id, insurance_type, level, discharge_date, settlement_date, pricing_date,
    stay_days, principal_dx, terms_id, mdc, drg, status, refusal,
    1 AS case_count,
    weight_e9, rate_e6, coefficient_e8, is_base, price_class, rule,
    m_e4 AS multiple_e4, n_e4 AS fee_share_e4, n_by_coefficient AS share_by_coefficient,
    total_fee_fen, pool_fund_fen,
    half_away(reference_num, e21())::BIGINT AS reference_fen,
    CASE WHEN on_path AND reference_num > 0
         THEN half_away(fee_num, reference_num)::BIGINT END AS ratio_e4,
    half_away(amount_num, e25())::BIGINT AS standard_fen,
    half_away(
        CASE WHEN negative_kept THEN amount_num - (total_fee_fen - pool_fund_fen) * e25()
             ELSE greatest(0::HUGEINT, amount_num - (total_fee_fen - pool_fund_fen) * e25()) END,
        e25()
    )::BIGINT AS fund_fen
FROM amounts
