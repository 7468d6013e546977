-- crossings: one row per hospital, insurance type, group and pair of ratio classes (grain: these five), of a month.
-- The class is decided anew by each proposal; a side that does not pay a case says so, and is never a zero in silence.
SELECT coalesce(b.hospital_id, a.hospital_id) AS hospital_id,
    coalesce(b.insurance_type, a.insurance_type) AS insurance_type,
    coalesce(b.group_code, a.group_code) AS group_code,
    coalesce(b.class, 'unpaid') AS class_before, coalesce(a.class, 'unpaid') AS class_after,
    sum(coalesce(b.case_count, a.case_count))::BIGINT AS cases,
    sum(coalesce(b.fund_fen, 0))::BIGINT AS fund_before_fen, sum(coalesce(a.fund_fen, 0))::BIGINT AS fund_after_fen
FROM present b
FULL JOIN classed a USING (input_row)
GROUP BY ALL
