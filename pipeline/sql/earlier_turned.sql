-- earlier_turned: one row per reversal of a case that a published month paid (grain: input_row): its row of `scored`.
-- DESIGN §7: the original's priced row with the sign turned, whatever the prices are now; `original_class` is counted off.
SELECT e.* REPLACE (
        t.input_row AS input_row, t.case_id AS case_id, t.settlement_date AS settlement_date, -1 AS case_count,
        'reversal' AS price_class, -e.stay_days AS stay_days, -e.total_fee_fen AS total_fee_fen,
        -e.pool_fund_fen AS pool_fund_fen, -e.separate_items_fen AS separate_items_fen, -e.points AS points,
        -e.apart_fen AS apart_fen, -e.standard_fen AS standard_fen, -e.separate_fen AS separate_fen,
        -e.fund_fen AS fund_fen, t.reverses AS reverses),
    e.price_class AS original_class
FROM turned_before b
JOIN turned t USING (input_row)
JOIN earlier_scored e ON e.case_id = t.reverses AND e.reverses IS NULL
WHERE b.mirrors AND NOT b.taken AND b.nth = 1
