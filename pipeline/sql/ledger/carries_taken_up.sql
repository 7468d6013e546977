-- 结转一分不少：下一个发布的月份接过的，等于上一个发布的月份留下的；清算结清的除外
SELECT c.publication_id || '、' || c.hospital_id || '、' || c.insurance_type AS subject,
    sum(c.left_fen) AS expected, sum(c.taken_fen) AS found
FROM (
    -- what the first version published before left, were its hospital not in the next one either
    SELECT n.publication_id, b.hospital_id, b.insurance_type, b.carried_fen AS left_fen, 0 AS taken_fen
    FROM publication n
    JOIN publication l ON l.region = n.region AND l.kind = 'month' AND l.version = 1 AND l.published_at = (
        SELECT max(q.published_at) FROM publication q
        WHERE q.region = n.region AND q.kind = 'month' AND q.version = 1 AND q.published_at < n.published_at)
    JOIN hospital_result b ON b.run_id = l.run_id
    WHERE n.region = :region AND n.kind = 'month' AND n.version = 1 AND NOT EXISTS (
        SELECT 1 FROM publication c WHERE c.region = n.region AND c.kind = 'clear' AND c.published_at < n.published_at
            AND c.published_at > l.published_at)
    UNION ALL
    SELECT n.publication_id, h.hospital_id, h.insurance_type, 0, h.carried_in_fen
    FROM publication n JOIN hospital_result h ON h.run_id = n.run_id
    WHERE n.region = :region AND n.kind = 'month' AND n.version = 1
) c
GROUP BY c.publication_id, c.hospital_id, c.insurance_type
HAVING sum(c.left_fen) <> sum(c.taken_fen)
ORDER BY 1
