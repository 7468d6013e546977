-- platform_discharges: one row per inpatient settlement of platform_case_text, the discharges contract (DESIGN §3).
-- Funds that are sums: an absent part counts 0, an unreadable part makes the sum null, so that it is refused.
WITH icu AS (
    -- minutes are summed per case and floored once; one unreadable stay leaves the sum unknown
    SELECT case_pos, CASE WHEN count(*) = count(minutes) THEN sum(minutes) // 60 END AS icu_hours
    FROM platform_icu_minutes
    GROUP BY case_pos
)
SELECT
    t.setl_id AS case_id,
    t.fixmedins_code AS hospital_id,
    t.psn_no AS person_id,
    t.insutype AS insurance_type,
    t.gend AS sex,
    n.age AS age_years,
    n.nwb_age AS age_days,
    n.nwb_bir_wt AS birth_weight_g,
    n.nwb_adm_wt AS admission_weight_g,
    d.adm_time AS admission_date,
    d.dscg_time AS discharge_date,
    d.setl_time AS settlement_date,
    t.dscg_way AS discharge_way,
    t.ipt_med_type AS care_type,
    t.trt_type AS treatment_kind,
    t.dscg_caty AS department,
    coalesce(dx.dx_codes, ['']) AS dx_codes,
    coalesce(px.px_codes, []) AS px_codes,
    CAST(icu.icu_hours AS INTEGER) AS icu_hours,
    n.vent_used_dura AS ventilator_hours,
    f.medfee_sumamt AS total_fee_fen,
    f.fulamt_ownpay_amt AS ownpay_fee_fen,
    f.overlmt_selfpay AS overlimit_fee_fen,
    f.preselfpay_amt AS firstpay_fee_fen,
    f.act_pay_dedc AS deductible_fen,
    f.hifp_pay AS pool_fund_fen,
    CASE WHEN t.hifmi_pay IS NULL THEN 0 ELSE f.hifmi_pay END
    + CASE WHEN t.hifob_pay IS NULL THEN 0 ELSE f.hifob_pay END AS serious_illness_fund_fen,
    f.maf_pay AS medical_aid_fund_fen,
    CASE WHEN t.cvlserv_pay IS NULL THEN 0 ELSE f.cvlserv_pay END
    + CASE WHEN t.hifes_pay IS NULL THEN 0 ELSE f.hifes_pay END
    + CASE WHEN t.oth_pay IS NULL THEN 0 ELSE f.oth_pay END AS other_fund_fen,
    f.psn_part_amt AS personal_paid_fen,
    NULL AS drug_fee_fen,
    NULL AS consumable_fee_fen,
    NULL AS service_fee_fen,
    coalesce(p.place, t.pay_loc) AS place,  -- an unknown code stays, with the finding unknown_place
    CASE WHEN t.refd_setl_flag IN ('1', 'true') THEN t.init_setl_id END AS reverses,
    t.insuplc AS insured_area,
    NULL AS separate_items_fen,
    NULL AS tcm_fee_fen,
    f.hosp_part_amt AS hospital_borne_fen,
    NULL AS new_tech_flag,
    NULL AS ward_transfers
FROM platform_case_text AS t
JOIN platform_case_fen AS f USING (pos)
JOIN platform_case_dates AS d USING (pos)
JOIN platform_case_numbers AS n USING (pos)
LEFT JOIN platform_case_diagnoses AS dx ON dx.case_pos = t.pos
LEFT JOIN platform_case_procedures AS px ON px.case_pos = t.pos
LEFT JOIN icu ON icu.case_pos = t.pos
LEFT JOIN platform_place_codes AS p ON p.pay_loc = t.pay_loc
ORDER BY t.pos
