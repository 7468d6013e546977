-- control_gaps: one row per hospital and insurance type whose input differs from the control totals.
-- DESIGN §3: count, fee and fund are compared before anything else.
SELECT coalesce(c.hospital_id, d.hospital_id) AS hospital_id,
    coalesce(c.insurance_type, d.insurance_type) AS insurance_type,
    coalesce(c.cases, 0) AS cases, coalesce(d.cases, 0) AS cases_found,
    coalesce(c.total_fee_fen, 0) AS total_fee_fen, coalesce(d.total_fee_fen, 0) AS total_fee_found_fen,
    coalesce(c.pool_fund_fen, 0) AS pool_fund_fen, coalesce(d.pool_fund_fen, 0) AS pool_fund_found_fen
FROM control_totals c
FULL JOIN (
    SELECT hospital_id, insurance_type, count(*) AS cases,
        sum(total_fee_fen)::HUGEINT AS total_fee_fen, sum(pool_fund_fen)::HUGEINT AS pool_fund_fen
    FROM discharges GROUP BY ALL
) d ON d.hospital_id = c.hospital_id AND d.insurance_type = c.insurance_type
WHERE c.cases IS DISTINCT FROM d.cases
    OR c.total_fee_fen IS DISTINCT FROM d.total_fee_fen
    OR c.pool_fund_fen IS DISTINCT FROM d.pool_fund_fen
ORDER BY ALL
