-- moved: one row per case whose result differs between two runs (grain: case_id), `b` before and `a` after.
SELECT coalesce(b.case_id, a.case_id) AS case_id, b, a, b.side IS NOT NULL AS in_before, a.side IS NOT NULL AS in_after
FROM (FROM sides WHERE side = 'before') b
FULL JOIN (FROM sides WHERE side = 'after') a ON a.case_id = b.case_id
WHERE b.side IS NULL OR a.side IS NULL
    OR b.door IS DISTINCT FROM a.door OR b.code IS DISTINCT FROM a.code
    OR b.hospital_id IS DISTINCT FROM a.hospital_id OR b.insurance_type IS DISTINCT FROM a.insurance_type
    OR b.case_count IS DISTINCT FROM a.case_count
    OR b.total_fee_fen IS DISTINCT FROM a.total_fee_fen OR b.pool_fund_fen IS DISTINCT FROM a.pool_fund_fen
    OR b.group_code IS DISTINCT FROM a.group_code OR b.status IS DISTINCT FROM a.status
    OR b.weight IS DISTINCT FROM a.weight OR b.points IS DISTINCT FROM a.points
    OR b.standard_fen IS DISTINCT FROM a.standard_fen OR b.fund_fen IS DISTINCT FROM a.fund_fen
