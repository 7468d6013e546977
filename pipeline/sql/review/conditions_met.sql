-- conditions_met: one row per reviewable case whose pricing date has a review rule (grain: input_row), with the
-- conditions of the rule that it meets: as keys, and as a sentence for the application (both empty where it meets none).
-- DESIGN §7: long stay, high cost, F above k × S, new drug or device, several specialties; any of them suffices.
WITH days AS (
    SELECT d.pricing_date, r.*
    FROM (SELECT DISTINCT pricing_date FROM reviewable) d
    JOIN review_rules r ON d.pricing_date BETWEEN r.review_from AND r.valid_to
),
judged AS (
    SELECT c.*, r.* EXCLUDE (pricing_date),
        coalesce(c.stay_days >= r.stay_ge, false) AS long_stay,
        coalesce(c.fee_fen::HUGEINT * 10000 > r.over_e4 * c.standard_fen::HUGEINT, false) AS over_standard,
        coalesce(c.fee_fen >= r.fee_ge_fen, false) AS high_cost,
        r.new_tech AND coalesce(c.new_tech_flag, false) AS new_technology,
        coalesce(c.ward_transfers >= r.transfers_ge, false) AS transferred
    FROM reviewable c
    JOIN days r USING (pricing_date)
)
SELECT input_row, review_from,
    list_filter([
        CASE WHEN long_stay THEN 'stay_days_ge' END, CASE WHEN over_standard THEN 'fee_over_standard_gt' END,
        CASE WHEN high_cost THEN 'fee_ge_yuan' END, CASE WHEN new_technology THEN 'new_tech' END,
        CASE WHEN transferred THEN 'ward_transfers_ge' END
    ], lambda key: key IS NOT NULL) AS conditions,
    concat_ws('；',
        CASE WHEN long_stay THEN '住院 ' || stay_days || ' 天（满 ' || stay_ge || ' 天）' END,
        CASE WHEN over_standard THEN '费用超过支付标准的 ' || over_text || ' 倍' END,
        CASE WHEN high_cost THEN '费用满 ' || fee_text || ' 元' END,
        CASE WHEN new_technology THEN '使用新药新技术' END,
        CASE WHEN transferred THEN '转科 ' || ward_transfers || ' 次（满 ' || transfers_ge || ' 次）' END
    ) AS reasons
FROM judged
