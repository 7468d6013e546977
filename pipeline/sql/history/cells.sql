-- cells: cases and cost of a group in a year, all and within the bounds (grain: place, year). Exact integers: fen, fen².
SELECT u.place, u.year, any_value(b.lowest) AS lowest, any_value(b.highest) AS highest,
    count(*) AS cases, sum(u.fee_fen)::HUGEINT AS fee_fen,
    sum(u.fee_fen::HUGEINT * u.fee_fen)::HUGEINT AS squares,
    count(*) FILTER (b.lowest IS NULL OR u.fee_fen BETWEEN b.lowest AND b.highest) AS kept,
    coalesce(sum(u.fee_fen) FILTER (b.lowest IS NULL OR u.fee_fen BETWEEN b.lowest AND b.highest), 0)::HUGEINT
        AS kept_fen,
    coalesce(sum(u.fee_fen::HUGEINT * u.fee_fen)
        FILTER (b.lowest IS NULL OR u.fee_fen BETWEEN b.lowest AND b.highest), 0)::HUGEINT AS kept_squares
FROM used u
LEFT JOIN bounds b ON b.place = u.place AND b.year = u.year
GROUP BY u.place, u.year
ORDER BY u.place, u.year
