-- platform_case_fen: one row per row of platform_case_text; yuan text as whole fen, null where it is no amount.
-- decimal(16,2) yuan: at most 14 digits before the point, two after it, further ones only if zero; commas by three.
WITH amounts AS (
    SELECT
        pos, medfee_sumamt, fulamt_ownpay_amt, overlmt_selfpay, preselfpay_amt, inscp_scp_amt, act_pay_dedc,
        hifp_pay, cvlserv_pay, hifes_pay, hifmi_pay, hifob_pay, maf_pay, oth_pay, hosp_part_amt,
        fund_pay_sumamt, psn_part_amt
    FROM platform_case_text
),
plain AS (
    SELECT
        pos,
        translate(COLUMNS (* EXCLUDE (pos)), '０１２３４５６７８９．，＋－', '0123456789.,+-') AS "\0"
    FROM amounts
)
SELECT
    pos,
    CASE
        WHEN regexp_full_match(
            COLUMNS (* EXCLUDE (pos)),
            '[+-]?(([0-9]{1,14}|[0-9]{1,3}(,[0-9]{3}){1,4})(\.[0-9]{1,2}0*)?|\.[0-9]{1,2}0*)'
        )
            -- DECIMAL × integer is exact; the text has no digit that the cast to two places could round.
            THEN CAST(TRY_CAST(replace(COLUMNS (* EXCLUDE (pos)), ',', '') AS DECIMAL(16, 2)) * 100 AS BIGINT)
    END AS "\0"
FROM plain
ORDER BY pos
