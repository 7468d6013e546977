-- left_out: rows and their cost by reason (grain: reason), repeated rows and those before the first window included.
SELECT reason::VARCHAR AS reason, count(*) AS row_count, coalesce(sum(fee_fen), 0)::HUGEINT AS fee_fen
FROM judged
WHERE reason IS NOT NULL
GROUP BY reason
UNION ALL
SELECT 'repeated_alike', sum(row_count - 1), 0
FROM repeated
WHERE NOT differs
HAVING count(*) > 0
UNION ALL
SELECT 'too_old', count(*), coalesce(sum(fee_fen), 0)::HUGEINT
FROM judged
WHERE reason IS NULL AND month <= $last_month - $months
HAVING count(*) > 0
ORDER BY reason
