-- 各原因之和等于两个批次之差：每个医院与险种的例数、支付标准、核定统筹基金；各医院、各病组之和等于全区
WITH wanted AS (
    SELECT hospital_id, insurance_type,
        sum(CASE side WHEN 'after' THEN cases ELSE -cases END)::HUGEINT AS cases,
        sum(CASE side WHEN 'after' THEN standard_fen ELSE -standard_fen END)::HUGEINT AS standard_fen,
        sum(CASE side WHEN 'after' THEN fund_fen ELSE -fund_fen END)::HUGEINT AS fund_fen
    FROM hospital_payment
    GROUP BY ALL
),
told AS (
    SELECT hospital_id, insurance_type, sum(cases)::HUGEINT AS cases, sum(standard_fen)::HUGEINT AS standard_fen,
        sum(fund_fen)::HUGEINT AS fund_fen
    FROM attributed
    GROUP BY ALL
    HAVING sum(abs(cases)) + sum(abs(standard_fen)) + sum(abs(fund_fen)) > 0
),
each AS (
    SELECT coalesce(w.hospital_id, t.hospital_id) || '、' || coalesce(w.insurance_type, t.insurance_type) AS subject,
        w.cases AS cases_expected, t.cases AS cases_found, w.standard_fen AS standard_expected,
        t.standard_fen AS standard_found, w.fund_fen AS fund_expected, t.fund_fen AS fund_found
    FROM wanted w
    FULL JOIN told t ON t.hospital_id = w.hospital_id AND t.insurance_type = w.insurance_type
    UNION ALL
    SELECT '全区（按原因）', m.cases, r.cases, m.standard_fen, r.standard_fen, m.fund_fen, r.fund_fen
    FROM manifest_difference m,
        (SELECT sum(cases) AS cases, sum(standard_fen) AS standard_fen, sum(fund_fen) AS fund_fen FROM by_reason) r
    UNION ALL
    SELECT '全区（按医院）', m.cases, h.cases, m.standard_fen, h.standard_fen, m.fund_fen, h.fund_fen
    FROM manifest_difference m,
        (SELECT sum(cases) AS cases, sum(standard_fen) AS standard_fen, sum(fund_fen) AS fund_fen FROM by_hospital) h
    UNION ALL
    SELECT '全区（按病组）', m.cases, g.cases, m.standard_fen, g.standard_fen, m.fund_fen, g.fund_fen
    FROM manifest_difference m,
        (SELECT sum(cases) AS cases, sum(standard_fen) AS standard_fen, sum(fund_fen) AS fund_fen FROM by_group) g
),
measured AS (
    SELECT subject || ' 例数' AS subject, cases_expected AS expected, cases_found AS found FROM each
    UNION ALL SELECT subject || ' 支付标准', standard_expected, standard_found FROM each
    UNION ALL SELECT subject || ' 核定统筹基金', fund_expected, fund_found FROM each
)
SELECT subject, coalesce(expected, 0)::HUGEINT AS expected, coalesce(found, 0)::HUGEINT AS found
FROM measured
WHERE coalesce(expected, 0) <> coalesce(found, 0)
ORDER BY subject
