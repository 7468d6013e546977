-- 付出去的钱等于该付的钱：各月拨付＋尚未结清的结转与补差，等于各月现行版本净额之和
SELECT d.hospital_id || '、' || d.insurance_type AS subject, sum(d.due_fen) AS expected, sum(d.settled_fen) AS found
FROM (
    SELECT h.hospital_id, h.insurance_type, h.due_fen, 0 AS settled_fen
    FROM publication p JOIN hospital_result h ON h.run_id = p.run_id
    WHERE p.region = :region AND p.kind = 'month' AND p.version = (
        SELECT max(q.version) FROM publication q WHERE q.region = p.region AND q.period = p.period)
    UNION ALL
    SELECT m.hospital_id, m.insurance_type, 0, m.amount_fen
    FROM publication p JOIN payment m ON m.publication_id = p.publication_id
    WHERE p.region = :region AND p.kind = 'month'
    UNION ALL
    -- what every first version carried, less what a later one took up
    SELECT h.hospital_id, h.insurance_type, 0, h.carried_fen - h.carried_in_fen
    FROM publication p JOIN hospital_result h ON h.run_id = p.run_id
    WHERE p.region = :region AND p.kind = 'month' AND p.version = 1
    UNION ALL
    SELECT a.hospital_id, a.insurance_type, 0, a.difference_fen
    FROM adjustment a JOIN publication p ON p.publication_id = a.publication_id
    WHERE p.region = :region AND p.kind = 'month' AND a.publication_id NOT IN (
        SELECT t.adjusted_publication_id FROM adjustment_paid t)
    UNION ALL
    -- what a month of this kind left to a clearing
    SELECT a.hospital_id, a.insurance_type, 0, a.difference_fen
    FROM adjustment a
    JOIN adjustment_paid t ON t.adjusted_publication_id = a.publication_id
    JOIN publication p ON p.publication_id = t.publication_id
    WHERE p.region = :region AND p.kind = 'clear'
) d
GROUP BY d.hospital_id, d.insurance_type
HAVING sum(d.due_fen) <> sum(d.settled_fen)
ORDER BY 1
