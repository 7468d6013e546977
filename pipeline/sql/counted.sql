-- counted: two rows per discharge that a reversal takes back (grain: original_row, case_count): +1 itself, −1 the
-- reversal, with what is the reversal's own. DESIGN §7: the first that mirrors the original counts.
SELECT original_row, 1 AS case_count, original_row AS input_row, NULL::VARCHAR AS case_id, NULL::DATE AS settlement_date,
    NULL::VARCHAR AS reverses
FROM turned WHERE mirrors AND nth = 1
UNION ALL
SELECT original_row, -1, input_row, case_id, settlement_date, reverses
FROM turned WHERE mirrors AND nth = 1
