-- orphan_reversals: how many reversals (one row) cancel a case that is not in the history; they count for nothing.
SELECT count(*) AS orphans
FROM reversals x
WHERE NOT EXISTS (
    SELECT 1 FROM history_rows h WHERE h.reverses IS NULL AND h.case_id = x.case_id
)
