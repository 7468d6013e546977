-- 医共体成员表的每个成员与医院结算一致：本期应付
SELECT coalesce(a.hospital_id, p.hospital_id) || '、' || coalesce(a.insurance_type, p.insurance_type) AS subject,
    coalesce(p.payable_fen, 0)::HUGEINT AS expected, coalesce(a.payable_fen, 0)::HUGEINT AS found
FROM (SELECT hospital_id, insurance_type, sum(payable_fen) AS payable_fen FROM alliance_payment GROUP BY ALL) a
FULL JOIN (SELECT * FROM hospital_payment WHERE hospital_id IN (SELECT hospital_id FROM alliances)) p
    ON p.hospital_id = a.hospital_id AND p.insurance_type = a.insurance_type
WHERE coalesce(p.payable_fen, 0) <> coalesce(a.payable_fen, 0)
ORDER BY subject
