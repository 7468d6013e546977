-- platform_case_numbers: one row per row of platform_case_text; whole numbers, null where the text is none.
-- age: decimal(4,1) years, floored. vent_used_dura: d/h/m text as hours, floored (1/13/24 = 37).
WITH counts AS (
    SELECT pos, age, vent_used_dura, act_ipt_days, nwb_age, nwb_bir_wt, nwb_adm_wt FROM platform_case_text
),
plain AS (
    SELECT pos, translate(COLUMNS (* EXCLUDE (pos)), '０１２３４５６７８９．－／', '0123456789.-/') AS "\0" FROM counts
)
SELECT
    pos,
    CASE
        WHEN regexp_full_match(age, '[0-9]{1,3}(\.[0-9]+)?') THEN CAST(split_part(age, '.', 1) AS INTEGER)
    END AS age,
    CASE
        WHEN regexp_full_match(vent_used_dura, '[0-9]{1,5}/[0-9]{1,5}/[0-9]{1,6}')
            THEN CAST(
                (
                    CAST(split_part(vent_used_dura, '/', 1) AS BIGINT) * 1440
                    + CAST(split_part(vent_used_dura, '/', 2) AS BIGINT) * 60
                    + CAST(split_part(vent_used_dura, '/', 3) AS BIGINT)
                ) // 60 AS INTEGER
            )
    END AS vent_used_dura,
    CASE
        WHEN regexp_full_match(COLUMNS (* EXCLUDE (pos, age, vent_used_dura)), '-?[0-9]{1,9}(\.0+)?')
            THEN CAST(split_part(COLUMNS (* EXCLUDE (pos, age, vent_used_dura)), '.', 1) AS INTEGER)
    END AS "\0"
FROM plain
ORDER BY pos
