-- cleared_values: one row per pool whose value floats (grain: insurance_type, budget_line), its numbers as integers.
-- From clear_value.py, which has them exactly; `value_whole` + `value_rest`/`value_den` fen per `unit_size` units.
SELECT insurance_type, budget_line, share_unit::HUGEINT AS share_unit, unit_size::BIGINT AS unit_size,
    value_whole::HUGEINT AS value_whole, value_rest::HUGEINT AS value_rest, value_den::HUGEINT AS value_den,
    radix::HUGEINT AS radix
FROM solved_values
