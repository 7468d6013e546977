-- placed: one row per matched discharge (grain: input_row), by a DIP catalogue.
-- DESIGN §5: an excluded case has no disease; of several auxiliary subtypes the highest counts; one that is met
-- without a known coefficient makes the price unknown.
SELECT input_row, principal_dx::dx_code AS principal_dx, NULL::VARCHAR AS mdc, dip_kind::dip_kind_name AS dip_kind,
    coalesce(dip_code, 'excluded')::group_name AS group_code, status::class_name AS status,
    aux_coefficient AS aux_e4, aux_subtype, own_coefficient AS own_e4, own_subtype,
    aux_coefficient IS NULL OR own_unknown AS aux_unknown
FROM grouped
