-- placed: one row per grouped discharge (grain: input_row), by a DRG scheme: no auxiliary subtypes.
SELECT input_row, principal_dx::dx_code AS principal_dx, mdc::mdc_code AS mdc, NULL::VARCHAR AS dip_kind,
    drg::group_name AS group_code, status::class_name AS status,
    NULL::BIGINT AS aux_e4, NULL::VARCHAR AS aux_subtype, NULL::BIGINT AS own_e4, NULL::VARCHAR AS own_subtype,
    false AS aux_unknown
FROM grouped
