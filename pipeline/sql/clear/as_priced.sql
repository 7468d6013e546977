-- as_priced: one row per case of the year (grain: case_id), the fund amount at the prices of its month.
-- DESIGN §6: a share of hospital, group or region is that of the year, taken of the standard to the fen.
SELECT *, CASE
    WHEN NOT of_unit THEN fund_fen
    WHEN share_den > 0
        THEN separate_fen + half_away(standard_fen * share_num::HUGEINT, share_den::HUGEINT)
    ELSE separate_fen
    END::BIGINT AS fund_from_points_fen
FROM year_cases
