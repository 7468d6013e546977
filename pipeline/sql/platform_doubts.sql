-- platform_doubts: one row per inpatient settlement of platform_case_text and doubt, with found and expected as text.
-- brdy, act_ipt_days, inscp_scp_amt and fund_pay_sumamt only check other fields; no later stage sees them.
WITH cases AS (
    SELECT
        t.*,
        n.age AS age_years, n.act_ipt_days AS days, f.inscp_scp_amt AS scope_fen, f.fund_pay_sumamt AS fund_fen,
        date_sub('year', d.brdy, coalesce(d.adm_time, d.setl_time)) AS years_by_birth,
        d.dscg_time - d.adm_time AS stay_days,
        f.medfee_sumamt - f.fulamt_ownpay_amt - f.overlmt_selfpay - f.preselfpay_amt AS scope_expected,
        f.hifp_pay + f.maf_pay + coalesce(f.hifmi_pay, 0) + coalesce(f.hifob_pay, 0)
        + coalesce(f.cvlserv_pay, 0) + coalesce(f.hifes_pay, 0) + coalesce(f.oth_pay, 0) AS fund_expected,
        p.place, dx.main_codes AS dx_mains, px.main_codes AS px_mains
    FROM platform_case_text AS t
    JOIN platform_case_fen AS f USING (pos)
    JOIN platform_case_dates AS d USING (pos)
    JOIN platform_case_numbers AS n USING (pos)
    LEFT JOIN platform_place_codes AS p ON p.pay_loc = t.pay_loc
    LEFT JOIN platform_case_diagnoses AS dx ON dx.case_pos = t.pos
    LEFT JOIN platform_case_procedures AS px ON px.case_pos = t.pos
),
doubts AS (
    SELECT pos, 'no_list_row' AS code, 'setl_id' AS field, NULL AS found, NULL AS expected
    FROM cases WHERE list_rows = 0
    UNION ALL
    SELECT pos, 'two_list_rows', 'setl_id', CAST(list_rows AS VARCHAR), CAST(list_kinds AS VARCHAR)
    FROM cases WHERE list_rows > 1
    UNION ALL
    SELECT pos, 'no_principal_flag', 'maindiag_flag', NULL, NULL FROM cases WHERE coalesce(dx_mains, 0) = 0
    UNION ALL
    SELECT pos, 'several_principals', 'maindiag_flag', CAST(dx_mains AS VARCHAR), '1' FROM cases WHERE dx_mains > 1
    UNION ALL
    SELECT pos, 'no_principal_flag', 'oprn_oprt_type', NULL, NULL FROM cases WHERE px_mains = 0
    UNION ALL
    SELECT pos, 'several_principals', 'oprn_oprt_type', CAST(px_mains AS VARCHAR), '1' FROM cases WHERE px_mains > 1
    UNION ALL
    SELECT pos, 'bad_value', 'refd_setl_flag', refd_setl_flag, '0、1'
    FROM cases WHERE refd_setl_flag NOT IN ('0', '1', 'false', 'true')
    UNION ALL
    SELECT pos, 'no_original', 'init_setl_id', NULL, NULL
    FROM cases WHERE refd_setl_flag IN ('1', 'true') AND init_setl_id IS NULL
    UNION ALL
    SELECT pos, 'unknown_place', 'pay_loc', pay_loc, NULL FROM cases WHERE pay_loc IS NOT NULL AND place IS NULL
    UNION ALL
    SELECT pos, 'age_mismatch', 'age', CAST(age_years AS VARCHAR), CAST(years_by_birth AS VARCHAR)
    FROM cases WHERE abs(age_years - years_by_birth) > 1
    UNION ALL
    SELECT pos, 'stay_mismatch', 'act_ipt_days', CAST(days AS VARCHAR), CAST(stay_days AS VARCHAR)
    FROM cases WHERE days <> stay_days AND NOT (days = 1 AND stay_days = 0)  -- a zero-day stay is one bed-day
    UNION ALL
    SELECT
        pos, 'scope_mismatch', 'inscp_scp_amt',
        CAST(CAST(scope_fen AS DECIMAL(20, 0)) * 0.01 AS VARCHAR),
        CAST(CAST(scope_expected AS DECIMAL(20, 0)) * 0.01 AS VARCHAR)
    FROM cases WHERE scope_fen <> scope_expected
    UNION ALL
    SELECT
        pos, 'fund_sum_mismatch', 'fund_pay_sumamt',
        CAST(CAST(fund_fen AS DECIMAL(20, 0)) * 0.01 AS VARCHAR),
        CAST(CAST(fund_expected AS DECIMAL(20, 0)) * 0.01 AS VARCHAR)
    FROM cases WHERE fund_fen <> fund_expected
)
SELECT doubts.*, cases.setl_id, cases.fixmedins_code
FROM doubts
JOIN platform_case_text AS cases USING (pos)
ORDER BY pos, code, field
