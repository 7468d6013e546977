-- exact_cases: one row per case of a solved pool (grain: row_id of year_cases), its exact fund amount at the cleared value.
-- α + β·value = floor_fen + (remainder + part_left/value_den)/share_unit. β·value is a long multiplication by
-- `radix`, since the whole product would not fit; `value_whole`, `value_rest`/`value_den` are the value of one unit.
WITH parts AS (
    SELECT c.rowid AS row_id, c.*, v.share_unit, v.value_whole, v.value_rest, v.value_den, v.radix,
        CASE WHEN c.by_ratio THEN c.share_e12 ELSE v.share_unit END::HUGEINT AS share,
        c.separate_fen * v.share_unit + CASE
            WHEN c.by_ratio THEN share * c.apart_fen
            ELSE (c.apart_fen - (c.total_fee_fen - c.pool_fund_fen)) * v.share_unit END AS alpha,
        share * (c.units // v.unit_size) AS beta,
        abs(beta) AS size
    FROM year_cases c
    JOIN cleared_values v ON v.insurance_type = c.insurance_type::VARCHAR AND v.budget_line = c.budget_line::VARCHAR
),
multiplied AS (
    SELECT *,
        (size // radix) * value_rest AS high_top, high_top // value_den AS high,
        (high_top - high * value_den) * radix + (size % radix) * value_rest AS low_top, low_top // value_den AS low,
        low_top - low * value_den AS rest,
        high * radix + low + size * value_whole AS whole
    FROM parts
),
placed AS (
    SELECT *,
        CASE WHEN beta >= 0 THEN alpha + whole WHEN rest = 0 THEN alpha - whole ELSE alpha - whole - 1 END AS top,
        CASE WHEN beta < 0 AND rest > 0 THEN value_den - rest ELSE rest END AS part_left,
        CASE WHEN top >= 0 THEN top // share_unit ELSE -((share_unit - 1 - top) // share_unit) END AS floor_fen
    FROM multiplied
)
SELECT row_id, case_id, hospital_id, insurance_type, budget_line, paired, part_left,
    (top - floor_fen * share_unit)::BIGINT AS remainder,
    -- A reversal and its original take no part in the fen that are missing: each is rounded half away from zero, so that
    -- they sum to nothing. To a half it wants `short` of the share unit, of which part_left/value_den is there.
    share_unit - 2 * (top - floor_fen * share_unit) AS short,
    (floor_fen + CASE
        WHEN NOT paired THEN 0
        WHEN floor_fen >= 0 THEN (short <= 0 OR (short = 1 AND 2 * part_left >= value_den))::INT
        ELSE (short < 0 OR (short = 0 AND part_left > 0) OR (short = 1 AND 2 * part_left > value_den))::INT
    END)::BIGINT AS fen
FROM placed
