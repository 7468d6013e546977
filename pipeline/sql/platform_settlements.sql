-- platform_settlements: one row per row of the platform's settlement table, file order.
-- inpatient: 21 普通住院 22 外伤住院 23 转外 24 急诊转住院 51 52 生育 (med_type); anything else is not ours.
SELECT *, coalesce(med_type IN ('21', '22', '23', '24', '51', '52'), false) AS inpatient
FROM settlement_source
