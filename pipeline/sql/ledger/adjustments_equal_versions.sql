-- 补差等于版本之差：各月现行版本的净额减第一版的净额，等于历次补差之和
SELECT d.period || '、' || d.hospital_id || '、' || d.insurance_type AS subject,
    sum(d.version_fen) AS expected, sum(d.adjusted_fen) AS found
FROM (
    SELECT p.period, h.hospital_id, h.insurance_type, h.due_fen AS version_fen, 0 AS adjusted_fen
    FROM publication p JOIN hospital_result h ON h.run_id = p.run_id
    WHERE p.region = :region AND p.kind = 'month' AND p.version = (
        SELECT max(q.version) FROM publication q WHERE q.region = p.region AND q.period = p.period)
    UNION ALL
    SELECT p.period, h.hospital_id, h.insurance_type, -h.due_fen, 0
    FROM publication p JOIN hospital_result h ON h.run_id = p.run_id
    WHERE p.region = :region AND p.kind = 'month' AND p.version = 1
    UNION ALL
    SELECT a.period, a.hospital_id, a.insurance_type, 0, a.difference_fen
    FROM adjustment a JOIN publication p ON p.publication_id = a.publication_id
    WHERE p.region = :region AND p.kind = 'month'
) d
GROUP BY d.period, d.hospital_id, d.insurance_type
HAVING sum(d.version_fen) <> sum(d.adjusted_fen)
ORDER BY 1
