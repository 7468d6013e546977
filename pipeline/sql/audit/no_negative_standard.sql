-- 支付标准不为负（冲销除外）
SELECT case_id AS subject, 0 AS expected, standard_fen AS found
FROM scored
WHERE reverses IS NULL AND standard_fen < 0
ORDER BY subject
