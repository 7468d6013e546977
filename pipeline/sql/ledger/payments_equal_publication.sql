-- 每次发布的拨付总额等于它的各笔之和，且没有一笔在结算之外
SELECT p.publication_id AS subject, p.paid_fen AS expected, coalesce(sum(m.amount_fen), 0) AS found
FROM publication p
LEFT JOIN payment m ON m.publication_id = p.publication_id
WHERE p.region = :region
GROUP BY p.publication_id, p.paid_fen
HAVING p.paid_fen <> coalesce(sum(m.amount_fen), 0)
ORDER BY 1
