-- 清算的拨付等于清算结果：一年清算历次版本的拨付，逐院（医共体）逐险种等于现行版本的清算额（医共体是留用减分担）
SELECT d.period || '、' || d.holder_id || '、' || d.insurance_type AS subject,
    sum(d.cleared_fen) AS expected, sum(d.paid_fen) AS found
FROM (
    SELECT p.period, h.hospital_id AS holder_id, h.insurance_type, h.payable_fen AS cleared_fen, 0 AS paid_fen
    FROM publication p JOIN hospital_result h ON h.run_id = p.run_id
    WHERE p.region = :region AND p.kind = 'clear' AND p.version = (
        SELECT max(q.version) FROM publication q WHERE q.region = p.region AND q.period = p.period)
    UNION ALL
    SELECT p.period, a.alliance_id, a.insurance_type, a.kept_fen, 0
    FROM publication p JOIN alliance_result a ON a.run_id = p.run_id
    WHERE p.region = :region AND p.kind = 'clear' AND p.version = (
        SELECT max(q.version) FROM publication q WHERE q.region = p.region AND q.period = p.period)
    UNION ALL
    -- a hospital's clearing may go to the lead of its alliance, to itself, or in part to each
    SELECT p.period, m.hospital_id, m.insurance_type, 0, m.amount_fen
    FROM publication p JOIN payment m ON m.publication_id = p.publication_id
    WHERE p.region = :region AND p.kind = 'clear'
) d
GROUP BY d.period, d.holder_id, d.insurance_type
HAVING sum(d.cleared_fen) <> sum(d.paid_fen)
ORDER BY 1
