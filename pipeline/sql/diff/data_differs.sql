-- data_differs: one row per case whose own data differ between two runs (grain: case_id).
SELECT DISTINCT b.case_id
FROM inputs b
JOIN inputs a ON a.case_id = b.case_id AND a.side = 'after'
WHERE b.side = 'before' AND b.content <> a.content
