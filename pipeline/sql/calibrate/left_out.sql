-- left_out: rows and their cost by reason (grain: reason), those before the first window included.
SELECT reason, count(*) AS row_count, coalesce(sum(fee_fen), 0)::HUGEINT AS fee_fen
FROM judged
WHERE reason IS NOT NULL
GROUP BY reason
UNION ALL
SELECT 'too_old', count(*), coalesce(sum(fee_fen), 0)::HUGEINT
FROM usable
WHERE month <= $last_month - $months
HAVING count(*) > 0
ORDER BY reason
