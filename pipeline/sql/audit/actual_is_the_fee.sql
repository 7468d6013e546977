-- 据实与按项目的病例：支付标准等于医疗费总额减除外支付的项目
SELECT case_id AS subject, total_fee_fen - separate_items_fen AS expected, standard_fen AS found
FROM scored
WHERE family IN ('actual', 'by_item', 'special_by_item') AND standard_fen <> total_fee_fen - separate_items_fen
ORDER BY subject
