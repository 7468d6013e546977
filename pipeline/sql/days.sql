-- days: one row per pricing date that occurs and is covered (grain: day), with the terms that hold on it.
WITH occurring AS (
    SELECT DISTINCT CASE WHEN c.pricing_by = 'discharge_date' THEN v.discharge_date ELSE v.settlement_date END AS day
    FROM validated v, conventions c
)
SELECT o.day, t.* EXCLUDE (valid_from, valid_to, scheme)
FROM occurring o
JOIN terms t ON o.day BETWEEN t.valid_from AND t.valid_to
