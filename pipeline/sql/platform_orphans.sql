-- platform_orphans: one row per list, diagnosis, procedure or icu row whose setl_id has no settlement.
SELECT rows.source, rows.pos, rows.setl_id
FROM (
    SELECT 'list' AS source, pos, setl_id FROM list_source
    UNION ALL
    SELECT 'diagnosis', pos, setl_id FROM diagnosis_source
    UNION ALL
    SELECT 'procedure', pos, setl_id FROM procedure_source
    UNION ALL
    SELECT 'icu', pos, setl_id FROM icu_source
) AS rows
ANTI JOIN settlement_source AS cases ON cases.setl_id = rows.setl_id
ORDER BY rows.source, rows.pos
