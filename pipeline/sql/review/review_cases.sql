-- review_cases: one row per decision (grain: case_id), with its case as it is priced without the decision.
-- `why` tells why there is nothing to decide in this run: absent, reversed, or the code by which the case was turned away.
WITH arrived AS (
    SELECT case_id, min(hospital_id) AS hospital_id, min(code) AS code
    FROM arrivals
    WHERE case_id IN (SELECT case_id FROM decisions)
    GROUP BY case_id
)
SELECT d.*, coalesce(p.hospital_id::VARCHAR, a.hospital_id) AS hospital_id, p.insurance_type::VARCHAR AS insurance_type,
    p.group_code::VARCHAR AS group_code, p.input_row, p.pricing_date, p.stay_days,
    p.total_fee_fen - p.separate_items_fen AS fee_fen, s.standard_fen, v.new_tech_flag, v.ward_transfers,
    coalesce(p.refusal = 'case_review', false) AS held,
    CASE
        WHEN p.input_row IS NULL THEN coalesce(a.code, 'absent')
        WHEN p.input_row IN (SELECT input_row FROM taken_back) THEN 'reversed'
        WHEN p.refusal <> 'case_review' THEN p.refusal
        -- the refusal that waiting for a decision has hidden
        WHEN p.refusal = 'case_review' AND p.fund_method = 'ratio' AND p.total_fee_fen = 0 THEN 'no_fee'
    END AS why
FROM decisions d
LEFT JOIN ruled p USING (case_id)
LEFT JOIN priced s ON s.input_row = p.input_row
LEFT JOIN validated v ON v.input_row = p.input_row
LEFT JOIN arrived a ON a.case_id = d.case_id
