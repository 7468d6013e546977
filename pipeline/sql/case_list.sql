-- case_list: one row per paid case with its names (grain: input_row), by hospital, for workbooks and CSV.
SELECT
    s.input_row, s.case_id, s.hospital_id, s.insurance_type, s.discharge_date, s.settlement_date,
    s.drg, n.name AS drg_name, s.status, s.price_class, v.dx_codes[1] AS principal_dx,
    s.weight, s.rate, s.coefficient, s.total_fee_fen,
    (s.ratio_e4::DECIMAL(18, 0) * 0.0001)::DECIMAL(18, 4) AS ratio,
    s.standard_fen, s.pool_fund_fen, s.fund_fen,
    r.name || CASE WHEN s.is_base THEN '（基础病组）' ELSE '' END AS rule_text
FROM scored s
JOIN validated v USING (input_row)
JOIN group_names n ON n.drg = s.drg
JOIN rule_names r ON r.rule = s.rule
ORDER BY s.hospital_id, s.input_row
