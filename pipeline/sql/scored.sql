-- scored: `payable` by hospital in input order, so that one hospital's cases lie together (grain: input_row).
-- The numbers become texts again before they are written: the dictionary of a number's type would differ with the
-- thread that wrote it, and so the bytes of the file.
SELECT * REPLACE (
        hospital_id::VARCHAR AS hospital_id, insurance_type::VARCHAR AS insurance_type, level::VARCHAR AS level,
        principal_dx::VARCHAR AS principal_dx, terms_id::VARCHAR AS terms_id, mdc::VARCHAR AS mdc,
        dip_kind::VARCHAR AS dip_kind, group_code::VARCHAR AS group_code, status::VARCHAR AS status,
        budget_line::VARCHAR AS budget_line, price_class::VARCHAR AS price_class, rule_id::VARCHAR AS rule_id,
        family::VARCHAR AS family)
FROM ordered
