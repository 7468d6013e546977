-- totals: one row per run (grain: side): what its statements add up to.
SELECT s.side, coalesce(p.cases, 0) AS cases, coalesce(w.weight, 0)::DECIMAL(38, 9) AS weight,
    coalesce(p.standard_fen, 0) AS standard_fen, coalesce(p.fund_fen, 0) AS fund_fen, coalesce(p.due_fen, 0) AS due_fen
FROM (VALUES ('before'), ('after')) s(side)
LEFT JOIN (
    SELECT side, sum(cases)::BIGINT AS cases, sum(standard_fen)::HUGEINT AS standard_fen,
        sum(fund_fen)::HUGEINT AS fund_fen, sum(due_fen)::HUGEINT AS due_fen
    FROM hospital_payment GROUP BY side
) p USING (side)
LEFT JOIN (SELECT side, sum(weight * case_count)::DECIMAL(38, 9) AS weight FROM scored GROUP BY side) w USING (side)
