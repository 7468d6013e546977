-- 各月之和等于医院的年度清算：应得与清算额
WITH months AS (
    SELECT hospital_id, insurance_type, sum(inside_fen + outsider_fen)::HUGEINT AS entitlement_fen,
        sum(clearing_fen)::HUGEINT AS clearing_fen
    FROM alliance_year_parts GROUP BY ALL
)
SELECT h.hospital_id || '、' || h.insurance_type || ' 的应得' AS subject, h.entitlement_fen::HUGEINT AS expected,
    coalesce(m.entitlement_fen, 0) AS found
FROM hospital_clearing h LEFT JOIN months m USING (hospital_id, insurance_type)
WHERE h.entitlement_fen <> coalesce(m.entitlement_fen, 0)
UNION ALL
SELECT h.hospital_id || '、' || h.insurance_type || ' 的清算额', h.clearing_fen, coalesce(m.clearing_fen, 0)
FROM hospital_clearing h LEFT JOIN months m USING (hospital_id, insurance_type)
WHERE h.clearing_fen <> coalesce(m.clearing_fen, 0)
ORDER BY subject
