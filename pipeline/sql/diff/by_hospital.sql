-- by_hospital: one row per hospital and insurance type that differs between two runs (grain: these), before and after.
WITH weights AS (
    SELECT side, hospital_id, insurance_type, sum(weight * case_count)::DECIMAL(38, 9) AS weight FROM scored GROUP BY ALL
),
results AS (
    SELECT p.side, p.hospital_id, p.hospital_name, p.insurance_type, p.insurance_name, p.cases,
        coalesce(w.weight, 0)::DECIMAL(38, 9) AS weight, p.standard_fen, p.fund_fen, p.due_fen
    FROM hospital_payment p
    LEFT JOIN weights w USING (side, hospital_id, insurance_type)
),
reasons AS (
    SELECT hospital_id, insurance_type, sum(changed)::BIGINT AS changed,
        arg_max(reason, (abs(fund_fen), changed, reason)) AS main_reason
    FROM attributed
    GROUP BY ALL
)
SELECT
    coalesce(a.hospital_id, b.hospital_id) AS hospital_id, coalesce(a.hospital_name, b.hospital_name) AS hospital_name,
    coalesce(a.insurance_type, b.insurance_type) AS insurance_type,
    coalesce(a.insurance_name, b.insurance_name) AS insurance_name,
    coalesce(r.changed, 0) AS changed, r.main_reason,
    coalesce(b.cases, 0) AS cases_before, coalesce(a.cases, 0) AS cases_after, cases_after - cases_before AS cases,
    coalesce(b.weight, 0)::DECIMAL(38, 9) AS weight_before, coalesce(a.weight, 0)::DECIMAL(38, 9) AS weight_after,
    (weight_after - weight_before)::DECIMAL(38, 9) AS weight,
    coalesce(b.standard_fen, 0) AS standard_before_fen, coalesce(a.standard_fen, 0) AS standard_after_fen,
    standard_after_fen - standard_before_fen AS standard_fen,
    coalesce(b.fund_fen, 0) AS fund_before_fen, coalesce(a.fund_fen, 0) AS fund_after_fen,
    fund_after_fen - fund_before_fen AS fund_fen,
    coalesce(b.due_fen, 0) AS due_before_fen, coalesce(a.due_fen, 0) AS due_after_fen,
    due_after_fen - due_before_fen AS due_fen
FROM (FROM results WHERE side = 'before') b
FULL JOIN (FROM results WHERE side = 'after') a
    ON a.hospital_id = b.hospital_id AND a.insurance_type = b.insurance_type
LEFT JOIN reasons r ON r.hospital_id = coalesce(a.hospital_id, b.hospital_id)
    AND r.insurance_type = coalesce(a.insurance_type, b.insurance_type)
WHERE coalesce(r.changed, 0) > 0 OR cases_before <> cases_after OR weight_before <> weight_after
    OR standard_before_fen <> standard_after_fen OR fund_before_fen <> fund_after_fen OR due_before_fen <> due_after_fen
ORDER BY abs(coalesce(a.fund_fen, 0) - coalesce(b.fund_fen, 0)) DESC,
    abs(coalesce(a.due_fen, 0) - coalesce(b.due_fen, 0)) DESC, 1, 3
