-- usable: one row per history row that nothing speaks against (grain: input_row).
SELECT hospital, level, month, diagnosis, procedure, others, fee_fen
FROM judged
WHERE reason IS NULL
