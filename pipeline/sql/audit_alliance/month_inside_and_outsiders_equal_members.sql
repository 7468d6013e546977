-- 包内住院与外来就医合起来等于成员的核定统筹基金
SELECT m.alliance_id || '、' || m.insurance_type AS subject, m.fund_fen AS expected,
    coalesce(p.inpatient_fen + p.outsider_inpatient_fen, 0)::HUGEINT AS found
FROM (SELECT alliance_id, insurance_type, sum(fund_fen)::HUGEINT AS fund_fen FROM alliance_payment GROUP BY ALL) m
LEFT JOIN alliance_package p ON p.alliance_id = m.alliance_id AND p.insurance_type = m.insurance_type
WHERE m.fund_fen <> coalesce(p.inpatient_fen + p.outsider_inpatient_fen, 0)
ORDER BY subject
