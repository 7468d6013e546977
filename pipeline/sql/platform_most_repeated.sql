-- platform_most_repeated: at most one row, the settlement id that stands most often in the settlement table.
-- An id spoilt by Excel (4.10E+17) repeats without end and would join every row to every other.
SELECT setl_id, count(*) AS times
FROM settlement_source
WHERE setl_id IS NOT NULL
GROUP BY setl_id
HAVING count(*) > $most
ORDER BY times DESC, setl_id
LIMIT 1
