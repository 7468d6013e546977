-- 病例之和等于医院结算：各医院、险种的应付基金
SELECT coalesce(h.hospital_id, c.hospital_id) || '、' || coalesce(h.insurance_type, c.insurance_type) AS subject,
    coalesce(c.fund_fen, 0) AS expected, coalesce(h.fund_fen, 0)::HUGEINT AS found
FROM hospital_payment h
FULL JOIN (
    SELECT hospital_id, insurance_type, sum(fund_fen)::HUGEINT AS fund_fen
    FROM case_payment WHERE door = 'paid' GROUP BY ALL
) c ON c.hospital_id = h.hospital_id AND c.insurance_type = h.insurance_type
WHERE coalesce(h.fund_fen, 0) <> coalesce(c.fund_fen, 0)
ORDER BY subject
