-- indicators: one row per hospital and insurance type (grain: hospital_id, insurance_type); '' is all of them together,
-- so that ('', '') is the region. Reversals take their originals out: cases −1, fee and days with the sign turned.
-- CHS-DRG 分组与付费技术规范（2019 年）：CMI = Σ weight ÷ cases, of all cases. As DRG performance is usually measured
-- (vector K01): 费用消耗指数 = Σ over the groups of (the hospital's mean fee ÷ the region's mean fee of the group) × its
-- cases, ÷ Σ its cases; 时间消耗指数 the same with days.
-- The region's mean is that of this run over all insurance types, so that one group has one yardstick. Only `grouped`
-- cases count: what was not grouped is no group that a mean could stand for.
-- Digits: a group's part, mean ÷ mean × cases = fee × N ÷ Σ fee (N, Σ fee: the region's), is kept to nine digits, the
-- index to four, each half away from zero. A group whose region has no positive mean (no case left, no fee, all stays
-- of the same day) is left out and counted (cost_left_out_groups, time_left_out_groups).
-- Parts of the fee: shares per mille over the cases whose column is filled; null where none is.
WITH known AS (
    -- A reversal takes out what its original's row says, since its own columns may be empty; one whose original lies in
    -- another month's folder is in neither sum.
    SELECT s.hospital_id, s.insurance_type,
        sum(v.drug_fee_fen * s.case_count)::HUGEINT AS drug_fee_fen,
        sum(CASE WHEN v.drug_fee_fen IS NOT NULL THEN s.total_fee_fen END)::HUGEINT AS fee_beside_drugs_fen,
        sum(v.consumable_fee_fen * s.case_count)::HUGEINT AS consumable_fee_fen,
        sum(CASE WHEN v.consumable_fee_fen IS NOT NULL THEN s.total_fee_fen END)::HUGEINT AS fee_beside_consumables_fen
    FROM scored s
    LEFT JOIN turned r USING (input_row)
    JOIN validated v ON v.input_row = CASE WHEN s.reverses IS NULL THEN s.input_row ELSE r.original_row END
    WHERE v.drug_fee_fen IS NOT NULL OR v.consumable_fee_fen IS NOT NULL
    GROUP BY ALL
),
by_group AS (
    SELECT hospital_id, insurance_type, group_code, status = 'grouped' AS is_grouped,
        sum(case_count)::HUGEINT AS cases,
        (sum(weight * case_count) * 1000000000)::HUGEINT AS weight_e9,
        sum(total_fee_fen)::HUGEINT AS fee_fen,
        sum(stay_days)::HUGEINT AS stay_days
    FROM scored
    GROUP BY ALL
),
of_region AS (
    SELECT group_code, sum(cases)::HUGEINT AS cases, sum(fee_fen)::HUGEINT AS fee_fen,
        sum(stay_days)::HUGEINT AS stay_days
    FROM by_group
    WHERE is_grouped
    GROUP BY ALL
),
parts AS (
    SELECT g.*,
        coalesce(r.cases > 0 AND r.fee_fen > 0, false) AS has_cost,
        coalesce(r.cases > 0 AND r.stay_days > 0, false) AS has_time,
        g.is_grouped AND (g.cases <> 0 OR g.fee_fen <> 0 OR g.stay_days <> 0) AS counts,
        CASE WHEN has_cost THEN half_away(g.fee_fen * r.cases * 1000000000, r.fee_fen) END AS cost_e9,
        CASE WHEN has_time THEN half_away(g.stay_days * r.cases * 1000000000, r.stay_days) END AS time_e9
    FROM by_group g
    LEFT JOIN of_region r USING (group_code)
),
summed AS (
    SELECT coalesce(hospital_id, '') AS hospital_id, coalesce(insurance_type, '') AS insurance_type,
        sum(cases)::HUGEINT AS cases, sum(weight_e9)::HUGEINT AS weight_e9,
        sum(fee_fen)::HUGEINT AS fee_fen, sum(stay_days)::HUGEINT AS stay_days,
        sum(cost_e9)::HUGEINT AS cost_e9, coalesce(sum(cases) FILTER (has_cost), 0)::HUGEINT AS cost_cases,
        count(DISTINCT group_code) FILTER (counts AND NOT has_cost) AS cost_left_out_groups,
        sum(time_e9)::HUGEINT AS time_e9, coalesce(sum(cases) FILTER (has_time), 0)::HUGEINT AS time_cases,
        count(DISTINCT group_code) FILTER (counts AND NOT has_time) AS time_left_out_groups
    FROM parts
    GROUP BY GROUPING SETS ((hospital_id, insurance_type), (hospital_id), (insurance_type), ())
    HAVING count(*) > 0 -- the last set would have a row of nothing where nothing was paid
),
classed AS (
    SELECT coalesce(hospital_id, '') AS hospital_id, coalesce(insurance_type, '') AS insurance_type,
        sum(low_cases)::HUGEINT AS low_cases, sum(high_cases)::HUGEINT AS high_cases
    FROM hospital_payment
    GROUP BY GROUPING SETS ((hospital_id, insurance_type), (hospital_id), (insurance_type), ())
),
told AS (
    SELECT coalesce(hospital_id, '') AS hospital_id, coalesce(insurance_type, '') AS insurance_type,
        sum(drug_fee_fen)::HUGEINT AS drug_fee_fen, sum(fee_beside_drugs_fen)::HUGEINT AS fee_beside_drugs_fen,
        sum(consumable_fee_fen)::HUGEINT AS consumable_fee_fen,
        sum(fee_beside_consumables_fen)::HUGEINT AS fee_beside_consumables_fen
    FROM known
    GROUP BY GROUPING SETS ((hospital_id, insurance_type), (hospital_id), (insurance_type), ())
)
SELECT
    s.hospital_id, s.insurance_type, s.cases::BIGINT AS cases,
    CASE WHEN s.cases > 0
         THEN (half_away(s.weight_e9, 100000 * s.cases)::DECIMAL(14, 4) * 0.0001)::DECIMAL(10, 4) END AS cmi,
    CASE WHEN s.cost_cases > 0 THEN half_away(s.cost_e9, 100000 * s.cost_cases) END::BIGINT AS cost_index_e4,
    CASE WHEN s.time_cases > 0 THEN half_away(s.time_e9, 100000 * s.time_cases) END::BIGINT AS time_index_e4,
    CASE WHEN s.cases > 0 THEN half_away(s.fee_fen, s.cases) END::BIGINT AS mean_fee_fen,
    CASE WHEN s.cases > 0 THEN half_away(100 * s.stay_days, s.cases) END::BIGINT AS mean_stay_e2,
    CASE WHEN s.cases > 0 THEN half_away(10000 * c.low_cases, s.cases) END::BIGINT AS low_share_e4,
    CASE WHEN s.cases > 0 THEN half_away(10000 * c.high_cases, s.cases) END::BIGINT AS high_share_e4,
    CASE WHEN t.fee_beside_drugs_fen > 0
         THEN half_away(1000 * t.drug_fee_fen, t.fee_beside_drugs_fen) END::BIGINT AS drug_share_e3,
    CASE WHEN t.fee_beside_consumables_fen > 0
         THEN half_away(1000 * t.consumable_fee_fen, t.fee_beside_consumables_fen) END::BIGINT AS consumable_share_e3,
    s.fee_fen::BIGINT AS total_fee_fen, s.stay_days::BIGINT AS stay_days,
    s.cost_cases::BIGINT AS cost_cases, s.cost_left_out_groups,
    s.time_cases::BIGINT AS time_cases, s.time_left_out_groups
FROM summed s
JOIN classed c USING (hospital_id, insurance_type)
LEFT JOIN told t USING (hospital_id, insurance_type)
ORDER BY s.hospital_id, s.insurance_type
