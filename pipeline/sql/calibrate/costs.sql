-- costs: cases and cost of a group by year and hospital level, all and trimmed (grain: member_of, year, level).
-- DESIGN §5: trimmed per group and year by nearest rank, rank = ceil(p·n), two-sided, none under $least cases.
WITH members AS (
    SELECT m.member_of, c.year, c.level, c.fee_fen
    FROM membership m
    JOIN cases c USING (combination)
),
ranked AS (
    SELECT member_of, year, fee_fen,
        row_number() OVER (PARTITION BY member_of, year ORDER BY fee_fen) AS place,
        count(*) OVER (PARTITION BY member_of, year) AS n
    FROM members
),
bounds AS (
    SELECT member_of, year,
        max(fee_fen) FILTER (place = greatest(1, ($low * n + 9999) // 10000)) AS lowest,
        max(fee_fen) FILTER (place = ($high * n + 9999) // 10000) AS highest
    FROM ranked
    WHERE n >= $least
    GROUP BY member_of, year
)
SELECT m.member_of, m.year, m.level,
    count(*) AS cases,
    sum(m.fee_fen)::HUGEINT AS fee_fen,
    count(*) FILTER (b.lowest IS NULL OR m.fee_fen BETWEEN b.lowest AND b.highest) AS kept_cases,
    coalesce(sum(m.fee_fen) FILTER (b.lowest IS NULL OR m.fee_fen BETWEEN b.lowest AND b.highest), 0)::HUGEINT
        AS kept_fen,
    coalesce(sum(m.fee_fen::HUGEINT * m.fee_fen)
        FILTER (b.lowest IS NULL OR m.fee_fen BETWEEN b.lowest AND b.highest), 0)::HUGEINT AS kept_squares
FROM members m
LEFT JOIN bounds b ON b.member_of = m.member_of AND b.year = m.year
GROUP BY m.member_of, m.year, m.level
ORDER BY m.member_of, m.year, m.level
