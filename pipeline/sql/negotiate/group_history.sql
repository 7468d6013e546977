-- group_history: one row per group (grain: group_code) of the cases paid in the window, reversed ones taken out.
-- Sums are exact integers: fen, and fen² for the coefficient of variation. DESIGN §8.
SELECT
    s.group_code, count(*) AS cases, sum(s.total_fee_fen)::HUGEINT AS fee_fen,
    sum(s.total_fee_fen::HUGEINT * s.total_fee_fen)::HUGEINT AS squares
FROM window_cases s
WHERE s.reverses IS NULL
    AND NOT EXISTS (SELECT 1 FROM window_cases r WHERE r.reverses = s.case_id)
GROUP BY s.group_code
ORDER BY s.group_code
