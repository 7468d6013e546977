-- 医共体打包使用情况加得起来：各类支出之和是支出合计，打包减支出是结余，累计是以前各月加本月
WITH summed AS (
    SELECT p.*, p.alliance_id || '、' || p.insurance_type AS line,
        p.inpatient_fen + p.outpatient_per_head_fen + p.chronic_outpatient_fen + p.bed_day_fen + p.out_of_county_fen
            + p.dual_channel_fen + p.tumour_outpatient_fen + p.family_doctor_fen + p.other_deduction_fen AS kinds_fen,
        p.spending_fen + coalesce(e.spending_fen, 0) AS to_date_fen
    FROM alliance_package p
    LEFT JOIN (
        SELECT f.alliance_id, f.insurance_type, sum(f.spending_fen) AS spending_fen
        FROM earlier_alliance_months f
        JOIN alliance_package n ON n.alliance_id = f.alliance_id AND n.insurance_type = f.insurance_type
            AND f.period < n.period AND left(f.period, 4) = left(n.period, 4)
        GROUP BY ALL
    ) e ON e.alliance_id = p.alliance_id AND e.insurance_type = p.insurance_type
)
SELECT line || ' 的支出合计' AS subject, kinds_fen::HUGEINT AS expected, spending_fen::HUGEINT AS found
FROM summed WHERE kinds_fen <> spending_fen
UNION ALL
SELECT line || ' 的本期结余', coalesce(package_fen - spending_fen, 0), coalesce(difference_fen, 0)
FROM summed WHERE difference_fen IS DISTINCT FROM package_fen - spending_fen
UNION ALL
SELECT line || ' 的累计支出', to_date_fen, spending_to_date_fen FROM summed WHERE to_date_fen <> spending_to_date_fen
ORDER BY subject
