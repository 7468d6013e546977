-- 拨付清单等于结算：每个月第一版的拨付逐院逐险种等于结算的应付
SELECT p.publication_id || '、' || h.hospital_id || '、' || h.insurance_type AS subject,
    h.payable_fen AS expected, coalesce(m.amount_fen, 0) AS found
FROM publication p
JOIN hospital_result h ON h.run_id = p.run_id
LEFT JOIN payment m ON m.publication_id = p.publication_id AND m.hospital_id = h.hospital_id
    AND m.insurance_type = h.insurance_type
WHERE p.region = :region AND p.kind = 'month' AND p.version = 1 AND h.payable_fen <> coalesce(m.amount_fen, 0)
ORDER BY 1
