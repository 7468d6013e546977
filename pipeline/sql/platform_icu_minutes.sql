-- platform_icu_minutes: one row per intensive-care stay of the cases in [$first, $last); d/h/m text as minutes.
WITH stays AS (
    SELECT
        case_pos, pos, scs_cutd_sum_dura,
        translate(scs_cutd_sum_dura, '０１２３４５６７８９／', '0123456789/') AS plain
    FROM platform_icu_rows
    WHERE case_pos >= $first AND case_pos < $last
)
SELECT
    case_pos, pos, scs_cutd_sum_dura,
    CASE
        WHEN regexp_full_match(plain, '[0-9]{1,5}/[0-9]{1,5}/[0-9]{1,6}')
            THEN CAST(split_part(plain, '/', 1) AS BIGINT) * 1440
                + CAST(split_part(plain, '/', 2) AS BIGINT) * 60
                + CAST(split_part(plain, '/', 3) AS BIGINT)
    END AS minutes
FROM stays
ORDER BY case_pos, pos
