-- reversals: one row per settlement that was taken back (grain: case_id).
-- DESIGN §7: a reversal cancels its original; the cost of a settlement that was touched again is in no mean.
SELECT DISTINCT reverses AS case_id FROM history_rows WHERE reverses IS NOT NULL
