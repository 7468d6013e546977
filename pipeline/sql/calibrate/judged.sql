-- judged: one row per history row (grain: input_row), with why it is left out; null where it may be used.
-- DESIGN §5, §3: the first reason in this order counts, so that every row is told once.
SELECT h.input_row, h.hospital, h.level, h.month, h.diagnosis, h.procedure, h.others, h.fee_fen,
    CASE
        WHEN h.case_id IS NULL THEN 'no_case_id'
        WHEN r.differs THEN 'repeated_differing'
        WHEN r.kept_row <> h.input_row THEN 'repeated_alike'
        WHEN h.reverses IS NOT NULL THEN 'reversal'
        WHEN x.case_id IS NOT NULL THEN 'reversed'
        ELSE h.reason
    END AS reason
FROM history h
LEFT JOIN repeated r ON r.case_id = h.case_id
LEFT JOIN reversals x ON x.case_id = h.case_id
