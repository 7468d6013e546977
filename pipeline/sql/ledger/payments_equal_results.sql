-- 拨付清单等于结算：每个月第一版的拨付逐院逐险种等于结算的应付，以后的版本自己不付
SELECT d.publication_id || '、' || d.hospital_id || '、' || d.insurance_type AS subject,
    sum(d.payable_fen) AS expected, sum(d.paid_fen) AS found
FROM (
    SELECT p.publication_id, h.hospital_id, h.insurance_type, h.payable_fen, 0 AS paid_fen
    FROM publication p JOIN hospital_result h ON h.run_id = p.run_id
    WHERE p.region = :region AND p.kind = 'month' AND p.version = 1
    UNION ALL
    SELECT p.publication_id, m.hospital_id, m.insurance_type, 0, m.amount_fen
    FROM publication p JOIN payment m ON m.publication_id = p.publication_id
    WHERE p.region = :region AND p.kind = 'month'
) d
GROUP BY d.publication_id, d.hospital_id, d.insurance_type
HAVING sum(d.payable_fen) <> sum(d.paid_fen)
ORDER BY 1
