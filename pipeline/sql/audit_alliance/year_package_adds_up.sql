-- 医共体年度清算加得起来：支出合计、结余与超支、留用与分配、牵头医院清算额
WITH line AS (
    SELECT *, alliance_id || '、' || insurance_type AS named,
        inpatient_fen + outpatient_per_head_fen + chronic_outpatient_fen + bed_day_fen + out_of_county_fen
            + dual_channel_fen + tumour_outpatient_fen + family_doctor_fen + other_deduction_fen AS kinds_fen
    FROM alliance_clearing
)
SELECT named || ' 的支出合计' AS subject, kinds_fen::HUGEINT AS expected, spending_fen::HUGEINT AS found
FROM line WHERE kinds_fen <> spending_fen
UNION ALL
SELECT named || ' 的结余减超支', coalesce(package_fen - spending_fen, 0), coalesce(surplus_fen - overspend_fen, 0)
FROM line WHERE package_fen - spending_fen IS DISTINCT FROM surplus_fen - overspend_fen
UNION ALL
SELECT named || ' 的留用与交回', coalesce(surplus_fen, 0), coalesce(retained_fen + returned_fen, 0)
FROM line WHERE surplus_fen IS DISTINCT FROM retained_fen + returned_fen
UNION ALL
SELECT named || ' 的县、乡、村分配', coalesce(retained_fen, 0), coalesce(county_fen + township_fen + village_fen, 0)
FROM line WHERE retained_fen IS DISTINCT FROM county_fen + township_fen + village_fen
UNION ALL
SELECT named || ' 的超支承担', coalesce(overspend_fen, 0), coalesce(borne_fen + fund_bears_fen, 0)
FROM line WHERE overspend_fen IS DISTINCT FROM borne_fen + fund_bears_fen
UNION ALL
SELECT named || ' 的牵头清算额', members_clearing_fen + coalesce(retained_fen, 0) - coalesce(borne_fen, 0), lead_clearing_fen
FROM line WHERE lead_clearing_fen <> members_clearing_fen + coalesce(retained_fen, 0) - coalesce(borne_fen, 0)
ORDER BY subject
