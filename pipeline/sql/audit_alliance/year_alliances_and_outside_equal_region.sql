-- 医共体之内与之外合起来等于全区：各险种的应得与清算额
WITH own AS ( -- months in no alliance; a hospital that never belonged to one is cleared whole
    SELECT p.insurance_type, p.inside_fen + p.outsider_fen AS entitlement_fen, p.clearing_fen
    FROM alliance_year_parts p
    LEFT JOIN alliance_months m ON m.hospital_id = p.hospital_id AND m.period = p.period
    WHERE m.hospital_id IS NULL
),
both_sides AS (
    SELECT insurance_type, entitlement_fen::HUGEINT AS entitlement_fen, clearing_fen::HUGEINT AS clearing_fen,
        0 AS part_entitlement, 0 AS part_clearing
    FROM hospital_clearing
    UNION ALL
    SELECT insurance_type, 0, 0, entitlement_fen, clearing_fen FROM alliance_member_clearing
    UNION ALL
    SELECT insurance_type, 0, 0, entitlement_fen, clearing_fen FROM own
),
summed AS (
    SELECT insurance_type, sum(entitlement_fen) AS entitlement_fen, sum(clearing_fen) AS clearing_fen,
        sum(part_entitlement) AS part_entitlement, sum(part_clearing) AS part_clearing
    FROM both_sides GROUP BY ALL
)
SELECT '险种 ' || insurance_type || ' 的应得' AS subject, entitlement_fen AS expected, part_entitlement AS found
FROM summed WHERE entitlement_fen <> part_entitlement
UNION ALL
SELECT '险种 ' || insurance_type || ' 的清算额', clearing_fen, part_clearing FROM summed WHERE clearing_fen <> part_clearing
ORDER BY subject
