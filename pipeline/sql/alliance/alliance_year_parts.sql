-- alliance_year_parts: one row per hospital, insurance type and month of the year (grain: hospital_id, insurance_type, period).
-- A hospital that joins in July has two owners of its year, so its entitlement and clearing are divided by month: the
-- month's cases at the cleared value, and of what bands, assessment and audit add or take the part of its cases (by the
-- size of their fund; where there are none, alike). Clearing: the same less what the month was settled. Floors of
-- exact quotients, missing fen to the largest remainders, ties to the earlier month, inside before outside: Σ = year.
WITH months AS (SELECT $year || '-' || lpad(number::VARCHAR, 2, '0') AS period FROM range(1, 13) m(number)),
sides AS (
    SELECT h.hospital_id, h.insurance_type, m.period, s.inside, h.entitlement_fen::HUGEINT AS entitlement_fen,
        coalesce(CASE WHEN s.inside THEN y.inside_fund_fen ELSE y.outsider_fund_fen END, 0)::HUGEINT AS fund_fen
    FROM hospital_clearing h
    CROSS JOIN months m
    CROSS JOIN (VALUES (true), (false)) s(inside)
    LEFT JOIN alliance_year_cases y
        ON y.hospital_id = h.hospital_id AND y.insurance_type = h.insurance_type AND y.period = m.period
),
weighed AS (
    SELECT *, entitlement_fen - sum(fund_fen) OVER whole AS rest,
        CASE WHEN sum(abs(fund_fen)) OVER whole > 0 THEN abs(fund_fen) WHEN inside THEN 1 ELSE 0 END AS weight
    FROM sides
    WINDOW whole AS (PARTITION BY hospital_id, insurance_type)
),
shared_out AS (
    SELECT *, floored(rest * weight, sum(weight) OVER (PARTITION BY hospital_id, insurance_type)) AS part,
        rest * weight - floored(rest * weight, sum(weight) OVER (PARTITION BY hospital_id, insurance_type))
            * sum(weight) OVER (PARTITION BY hospital_id, insurance_type) AS remainder
    FROM weighed
),
ranked AS (
    SELECT *, rest - sum(part) OVER (PARTITION BY hospital_id, insurance_type) AS missing,
        row_number() OVER (
            PARTITION BY hospital_id, insurance_type ORDER BY remainder DESC, period, inside DESC
        ) AS nth
    FROM shared_out
),
entitled AS (
    SELECT hospital_id, insurance_type, period, sum(abs(fund_fen)) AS fund_size,
        sum(fund_fen + part + (nth <= missing)::INT) FILTER (inside) AS inside_fen,
        sum(fund_fen + part + (nth <= missing)::INT) FILTER (NOT inside) AS outsider_fen
    FROM ranked GROUP BY ALL
),
months_left AS (
    SELECT e.*, coalesce(p.settled_fen, 0)::HUGEINT AS settled_fen,
        h.clearing_fen - sum(e.inside_fen + e.outsider_fen - coalesce(p.settled_fen, 0)) OVER whole AS rest,
        CASE WHEN sum(e.fund_size) OVER whole > 0 THEN e.fund_size ELSE 1 END AS weight
    FROM entitled e
    JOIN hospital_clearing h USING (hospital_id, insurance_type)
    LEFT JOIN (SELECT hospital_id, insurance_type, period, sum(settled_fen) AS settled_fen FROM year_paid GROUP BY ALL) p
        ON p.hospital_id = e.hospital_id AND p.insurance_type = e.insurance_type AND p.period = e.period
    WINDOW whole AS (PARTITION BY e.hospital_id, e.insurance_type)
),
cleared AS (
    SELECT *, floored(rest * weight, sum(weight) OVER (PARTITION BY hospital_id, insurance_type)) AS part,
        rest * weight - floored(rest * weight, sum(weight) OVER (PARTITION BY hospital_id, insurance_type))
            * sum(weight) OVER (PARTITION BY hospital_id, insurance_type) AS remainder
    FROM months_left
)
SELECT hospital_id, insurance_type, period, inside_fen::BIGINT AS inside_fen, outsider_fen::BIGINT AS outsider_fen,
    settled_fen::BIGINT AS settled_fen,
    (inside_fen + outsider_fen - settled_fen + part + (
        row_number() OVER (PARTITION BY hospital_id, insurance_type ORDER BY remainder DESC, period)
        <= rest - sum(part) OVER (PARTITION BY hospital_id, insurance_type)
    )::INT)::BIGINT AS clearing_fen
FROM cleared
ORDER BY hospital_id, insurance_type, period
