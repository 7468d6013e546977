-- orphan_reversals: how many reversals (one row) cancel a case that was paid before the window; they count for nothing.
SELECT count(*) AS orphans
FROM window_cases r
WHERE r.reverses IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM window_cases s WHERE s.case_id = r.reverses AND s.reverses IS NULL)
