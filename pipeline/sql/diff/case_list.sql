-- case_list: one row per case whose result differs (grain: case_id), the largest difference of the fund first.
-- `detail` names every factor that differs, not the main reason alone.
SELECT
    c.case_id, c.reason,
    concat_ws('；',
        CASE WHEN c.reason = 'data' THEN coalesce('数据：' || d.columns, '数据：被冲销的原记录') END,
        step('机构', b.hospital_id, a.hospital_id), step('险种', b.insurance_type, a.insurance_type),
        step('病组', b.group_code, a.group_code), step('入组', status_word(b.status), status_word(a.status)), step('级别', b.level, a.level),
        step('权重', plain(b.weight), plain(a.weight)), step('费率', plain(b.rate), plain(a.rate)),
        step('点数尺度', b.point_scale::VARCHAR, a.point_scale::VARCHAR),
        step('点值', plain(b.point_value), plain(a.point_value)),
        step('参照点值', plain(b.reference_price), plain(a.reference_price)),
        step('系数', plain(b.coefficient), plain(a.coefficient)),
        step('辅助系数', plain(b.auxiliary), plain(a.auxiliary)),
        step('分类', class_word(b.price_class), class_word(a.price_class)),
        step('规则', family_word(b.family), family_word(a.family)),
        -- the reference follows weight and rate; told where it moved by itself
        CASE WHEN c.reason = 'rule' THEN step('参照标准', yuan(b.reference_fen), yuan(a.reference_fen)) END,
        step('基金份额', yuan(abs(b.share_fund_fen)) || '/' || yuan(abs(b.share_fee_fen)),
             yuan(abs(a.share_fund_fen)) || '/' || yuan(abs(a.share_fee_fen)))
    ) AS detail,
    coalesce(a.hospital_id, b.hospital_id) AS hospital_id,
    coalesce(a.insurance_type, b.insurance_type) AS insurance_type,
    b.door AS door_before, b.code AS code_before, a.door AS door_after, a.code AS code_after,
    b.group_code AS group_before, a.group_code AS group_after, b.weight AS weight_before, a.weight AS weight_after,
    b.standard_fen AS standard_before_fen, a.standard_fen AS standard_after_fen, c.standard_fen,
    b.fund_fen AS fund_before_fen, a.fund_fen AS fund_after_fen, c.fund_fen
FROM changed c
LEFT JOIN data_columns d USING (case_id)
ORDER BY abs(c.fund_fen) DESC, abs(c.standard_fen) DESC, c.case_id
