-- 补差只付一次：各月结算中的补差，等于它所带走的历次重算的差额之和
SELECT d.publication_id || '、' || d.hospital_id || '、' || d.insurance_type AS subject,
    sum(d.owed_fen) AS expected, sum(d.taken_fen) AS found
FROM (
    SELECT t.publication_id, a.hospital_id, a.insurance_type, a.difference_fen AS owed_fen, 0 AS taken_fen
    FROM adjustment_paid t
    JOIN adjustment a ON a.publication_id = t.adjusted_publication_id
    JOIN publication p ON p.publication_id = t.publication_id
    WHERE p.region = :region AND p.kind = 'month'
    UNION ALL
    SELECT p.publication_id, h.hospital_id, h.insurance_type, 0, h.adjustment_in_fen
    FROM publication p JOIN hospital_result h ON h.run_id = p.run_id
    WHERE p.region = :region AND p.kind = 'month' AND p.version = 1
) d
GROUP BY d.publication_id, d.hospital_id, d.insurance_type
HAVING sum(d.owed_fen) <> sum(d.taken_fen)
ORDER BY 1
