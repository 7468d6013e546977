-- 结转一分不少：下一个发布的月份接过的，等于上一个发布的月份留下的；清算结清的除外
SELECT n.publication_id || '、' || h.hospital_id || '、' || h.insurance_type AS subject,
    coalesce(b.carried_fen, 0) AS expected, h.carried_in_fen AS found
FROM publication n
JOIN hospital_result h ON h.run_id = n.run_id
LEFT JOIN publication l ON l.region = n.region AND l.kind = 'month' AND l.version = 1 AND l.published_at = (
    SELECT max(q.published_at) FROM publication q
    WHERE q.region = n.region AND q.kind = 'month' AND q.version = 1 AND q.published_at < n.published_at)
LEFT JOIN hospital_result b ON b.run_id = l.run_id AND b.hospital_id = h.hospital_id
    AND b.insurance_type = h.insurance_type
WHERE n.region = :region AND n.kind = 'month' AND n.version = 1 AND h.carried_in_fen <> coalesce(b.carried_fen, 0)
    AND NOT EXISTS (
        SELECT 1 FROM publication c WHERE c.region = n.region AND c.kind = 'clear' AND c.published_at < n.published_at
            AND c.published_at > l.published_at)
ORDER BY 1
