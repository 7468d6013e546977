-- held: the rows of this run that are offered again to the next, as they came (grain: input row), in input order.
SELECT n.* EXCLUDE (filename, file_row_number), coalesce(o.held_since, $period) AS held_since
FROM numbered n
JOIN input_files f ON f.filename = n.filename
JOIN case_payment c ON c.input_row = f.start + n.file_row_number AND c.door = 'held'
LEFT JOIN held_since o ON o.case_id = n.case_id
ORDER BY c.input_row
