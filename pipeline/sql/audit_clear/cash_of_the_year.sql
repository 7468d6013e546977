-- 全年现金（各月拨付＋未收回的预付＋清算）等于应得总额减不退的保证金
SELECT h.hospital_id || '、' || h.insurance_type || ' 全年的现金' AS subject,
    h.entitlement_fen - (coalesce(p.deposit, 0) - h.deposit_returned_fen) AS expected,
    coalesce(c.cash, 0) + coalesce(a.still_out, 0) + h.clearing_fen AS found
FROM hospital_clearing h
LEFT JOIN (SELECT hospital_id, insurance_type, sum(deposit_fen) AS deposit FROM year_paid GROUP BY ALL) p
    USING (hospital_id, insurance_type)
LEFT JOIN (SELECT hospital_id, insurance_type, sum(cash_fen) AS cash FROM year_cash GROUP BY ALL) c
    USING (hospital_id, insurance_type)
LEFT JOIN (
    SELECT hospital_id, insurance_type, sum(advanced_fen - returned_fen) AS still_out FROM year_advances GROUP BY ALL
) a USING (hospital_id, insurance_type)
WHERE expected <> found
