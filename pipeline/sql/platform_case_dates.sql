-- platform_case_dates: one row per row of platform_case_text; the day of each time, null where it is none.
-- 2025-10-03 14:22:01, 2025-10-03, 2025/10/3, 20251003, 20251003142201.
WITH times AS (SELECT pos, adm_time, dscg_time, setl_time, brdy FROM platform_case_text),
plain AS (
    SELECT
        pos, translate(COLUMNS (* EXCLUDE (pos)), '０１２３４５６７８９－／：', '0123456789-/:') AS "\0"
    FROM times
)
SELECT
    pos,
    CASE
        WHEN regexp_full_match(
            COLUMNS (* EXCLUDE (pos)), '[0-9]{8}(([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9])?'
        )
            THEN TRY_CAST(
                regexp_replace(
                    COLUMNS (* EXCLUDE (pos)), '^([0-9]{4})([0-9]{2})([0-9]{2}).*$', '\1-\2-\3'
                ) AS DATE
            )
        WHEN regexp_full_match(
            COLUMNS (* EXCLUDE (pos)),
            '[0-9]{4}(-[0-9]{1,2}-|/[0-9]{1,2}/)[0-9]{1,2}([ T]+([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?)?'
        )
            THEN TRY_CAST(
                replace(regexp_extract(COLUMNS (* EXCLUDE (pos)), '^[0-9]+[-/][0-9]+[-/][0-9]+'), '/', '-') AS DATE
            )
    END AS "\0"
FROM plain
ORDER BY pos
