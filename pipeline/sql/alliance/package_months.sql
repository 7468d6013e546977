-- package_months: one row per package and month of the year (grain: alliance_id, insurance_type, period).
-- A twelfth of the year's package, rounded half away; December takes the rest, so that twelve months are the year.
SELECT alliance_id, insurance_type, $year || '-' || lpad(number::VARCHAR, 2, '0') AS period,
    CASE WHEN number < 12 THEN twelfth_fen ELSE package_year_fen - 11 * twelfth_fen END::BIGINT AS package_fen
FROM (SELECT *, half_away(package_year_fen, 12::HUGEINT) AS twelfth_fen FROM package_year), range(1, 13) months(number)
ORDER BY alliance_id, insurance_type, period
