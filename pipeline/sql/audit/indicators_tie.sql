-- 运行指标与支付表一致：每家医院、每个险种的病例数、医疗费相同，预算进度里的全区等于各院之和
WITH figures AS (
    SELECT coalesce(h.hospital_id, i.hospital_id) || '、' || coalesce(h.insurance_type, i.insurance_type) AS subject,
        coalesce(h.cases, 0) AS cases, coalesce(h.total_fee_fen, 0) AS fee_fen,
        coalesce(i.cases, 0) AS cases_shown, coalesce(i.total_fee_fen, 0) AS fee_shown_fen
    FROM hospital_payment h
    FULL JOIN (SELECT * FROM indicators WHERE hospital_id <> '' AND insurance_type <> '') i
        ON i.hospital_id = h.hospital_id AND i.insurance_type = h.insurance_type
)
SELECT subject || ' 的病例数' AS subject, cases AS expected, cases_shown AS found
FROM figures WHERE cases <> cases_shown
UNION ALL
SELECT subject || ' 的医疗费', fee_fen, fee_shown_fen FROM figures WHERE fee_fen <> fee_shown_fen
UNION ALL
SELECT '全区、' || insurance_type || ' 的基金',
    sum(fund_so_far_fen) FILTER (hospital_id <> '')::BIGINT, sum(fund_so_far_fen) FILTER (hospital_id = '')::BIGINT
FROM budget_pace GROUP BY insurance_type
HAVING count(*) FILTER (hospital_id = '') > 0
    AND coalesce(sum(fund_so_far_fen) FILTER (hospital_id <> ''), 0) <> sum(fund_so_far_fen) FILTER (hospital_id = '')
ORDER BY subject
