-- judged: one row per history row, repeated ones once (grain: settlement), with why it is left out; null where it counts.
-- DESIGN §3, §7: the first reason in this order counts, so that every row is told once. `place` numbers the groups.
WITH told AS (
    SELECT h.*, r.differs, r.row_count
    FROM history_rows h
    LEFT JOIN repeated r ON r.case_id = h.case_id
    WHERE r.case_id IS NULL OR r.differs
    UNION ALL
    SELECT DISTINCT h.* REPLACE (r.counted_on AS counted_on), r.differs, r.row_count
    FROM history_rows h
    JOIN repeated r ON r.case_id = h.case_id
    WHERE NOT r.differs
)
SELECT
    g.place::INTEGER AS place, p.hospital::SMALLINT AS hospital, p.level::TINYINT AS level,
    i.insurance::TINYINT AS insurance,
    (year(t.counted_on) * 12 + month(t.counted_on) - 1)::INTEGER AS month,
    t.fee_fen::BIGINT AS fee_fen, t.pool_fund_fen::BIGINT AS pool_fund_fen, t.separate_fen::BIGINT AS separate_fen,
    t.aux_e4::INTEGER AS aux_e4,
    (CASE
        WHEN t.case_id IS NULL THEN 'no_case_id'
        WHEN t.differs THEN 'repeated_differing'
        WHEN t.reverses IS NOT NULL THEN 'reversal'
        WHEN x.case_id IS NOT NULL THEN 'reversed'
        WHEN t.discharge_date IS NULL OR t.counted_on IS NULL THEN 'no_date'
        WHEN p.hospital IS NULL THEN 'unknown_hospital'
        WHEN i.insurance IS NULL THEN 'unknown_insurance'
        WHEN t.group_code IS NULL THEN 'no_group'
        WHEN t.fee_fen IS NULL OR t.fee_fen <= 0 THEN 'no_fee'
        WHEN t.fee_fen > $most_fen THEN 'absurd_fee'
    END)::reason AS reason
FROM told t
LEFT JOIN reversals x ON x.case_id = t.case_id
LEFT JOIN dated_hospitals p ON p.hospital_id = t.hospital_id AND t.discharge_date BETWEEN p.first_day AND p.last_day
LEFT JOIN insurances i ON i.insurance_type = t.insurance_type
LEFT JOIN known_groups g ON g.group_code = t.group_code
