-- review_outcome: one row per decision (grain: case_id), what became of it and of the case's price.
SELECT r.case_id, r.hospital_id, r.insurance_type, r.group_code, r.input_row, r.outcome, r.why,
    r.decision, r.rank, r.reviewer, r.decided_on, r.reason, r.document,
    r.conditions, r.reasons, r.held, r.stay_days, r.fee_fen,
    r.standard_fen AS standard_before_fen, s.standard_fen AS standard_after_fen, s.fund_fen,
    r.quota_year, r.review_from, r.share_e4, r.discharges, r.quota, r.approvals_before, r.place
FROM review_verdict r
LEFT JOIN scored s USING (input_row)
ORDER BY r.case_id
