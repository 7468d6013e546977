-- year_pairs: one row per reversal whose original stands in the same year (grain: case_id), with the original.
-- DESIGN §7: a reversal and its original sum to nothing. A reversal of an earlier year's case has no partner here.
SELECT r.case_id, r.reverses AS original_id
FROM (SELECT case_id, reverses FROM year_scored WHERE reverses IS NOT NULL) r
JOIN year_scored o ON o.case_id = r.reverses AND o.reverses IS NULL
