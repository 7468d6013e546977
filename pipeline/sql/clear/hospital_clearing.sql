-- hospital_clearing: one row per hospital and insurance type (grain: hospital_id, insurance_type), every step a column.
-- DESIGN §7, year: fund_from_points → bands → × assessment → − audit = entitlement; clearing = entitlement − settled
-- − money still out + deposit × return + unpaid. Rounded half away from zero once where it is stored.
-- Bands look at the main pool alone: what a budget line (预算单列) pays goes past them. See pool_clearing for the pools.
WITH cases AS (
    SELECT hospital_id, insurance_type, sum(cases) AS cases, bool_or(by_points) AS by_points, bool_or(by_rate) AS by_rate,
        CASE WHEN count(*) = count(share_e12) AND min(share_e12) = max(share_e12) THEN min(share_e12) END AS share_e12,
        sum(units) FILTER (by_points) AS points_units, sum(units) FILTER (by_rate) AS moving_units,
        sum(apart_fen) AS apart_fen, sum(separate_fen) AS separate_fen, sum(month_fund_fen) AS month_fund_fen,
        sum(total_fee_fen) AS total_fee_fen, sum(pool_fund_fen) AS pool_fund_fen,
        sum(total_fee_fen) FILTER (budget_line = '') AS main_fee_fen,
        sum(pool_fund_fen) FILTER (budget_line = '') AS main_recorded_fen
    FROM year_sums GROUP BY ALL
),
funds AS (
    SELECT hospital_id, insurance_type, sum(standard_fen) AS standard_fen,
        sum(fund_from_points_fen) AS fund_from_points_fen,
        sum(standard_fen) FILTER (budget_line = '') AS main_standard_fen,
        sum(fund_from_points_fen) FILTER (budget_line = '') AS main_fund_fen
    FROM hospital_funds GROUP BY ALL
),
paid AS (
    SELECT hospital_id, insurance_type, sum(settled_fen) AS settled_fen, sum(revolving_offset_fen) AS revolving_offset_fen,
        sum(deposit_fen) AS deposit_fen, sum(due_fen) AS due_fen
    FROM year_paid GROUP BY ALL
),
cash AS (SELECT hospital_id, insurance_type, sum(cash_fen) AS cash_fen FROM year_cash GROUP BY ALL),
lent AS (
    SELECT hospital_id, insurance_type, sum(advanced_fen) AS advanced_fen, sum(returned_fen) AS returned_fen
    FROM year_advances GROUP BY ALL
),
audited AS (SELECT hospital_id, insurance_type, sum(audit_fen) AS audit_fen FROM year_audits GROUP BY ALL),
brought AS (
    SELECT j.hospital_id, j.insurance_type,
        coalesce(j.coefficient_e4, $else_e4)::BIGINT AS coefficient_e4,
        coalesce(j.deposit_return_e4, $else_e4)::BIGINT AS deposit_return_e4,
        coalesce(s.cases, 0) AS cases, s.by_points, s.by_rate, s.share_e12,
        s.points_units, s.moving_units, coalesce(s.apart_fen, 0)::HUGEINT AS apart_fen,
        coalesce(s.separate_fen, 0)::HUGEINT AS separate_fen,
        coalesce(s.total_fee_fen, 0)::HUGEINT AS total_fee_fen, coalesce(s.pool_fund_fen, 0)::HUGEINT AS pool_fund_fen,
        coalesce(s.month_fund_fen, 0)::HUGEINT AS month_fund_fen,
        coalesce(f.standard_fen, 0)::HUGEINT AS standard_fen,
        coalesce(f.fund_from_points_fen, 0)::HUGEINT AS fund_from_points_fen,
        coalesce(p.settled_fen, 0)::HUGEINT AS settled_fen,
        coalesce(p.revolving_offset_fen, 0)::HUGEINT AS revolving_offset_fen,
        coalesce(p.deposit_fen, 0)::HUGEINT AS deposit_fen, coalesce(p.due_fen, 0)::HUGEINT AS due_fen,
        coalesce(c.cash_fen, 0)::HUGEINT AS cash_fen,
        coalesce(l.advanced_fen, 0)::HUGEINT AS advanced_fen, coalesce(l.returned_fen, 0)::HUGEINT AS returned_fen,
        coalesce(a.audit_fen, 0)::HUGEINT AS audit_fen,
        coalesce(f.main_fund_fen, 0)::HUGEINT AS main_fund_fen,
        CASE $measure WHEN 'fund' THEN coalesce(s.main_recorded_fen, 0) WHEN 'total' THEN coalesce(s.main_fee_fen, 0)
        END::HUGEINT AS spent_fen,
        CASE $measure WHEN 'fund' THEN coalesce(f.main_fund_fen, 0)
            WHEN 'total' THEN coalesce(f.main_standard_fen, 0) END::HUGEINT AS granted_fen
    FROM judged j
    LEFT JOIN cases s USING (hospital_id, insurance_type)
    LEFT JOIN funds f USING (hospital_id, insurance_type)
    LEFT JOIN paid p USING (hospital_id, insurance_type)
    LEFT JOIN cash c USING (hospital_id, insurance_type)
    LEFT JOIN lent l USING (hospital_id, insurance_type)
    LEFT JOIN audited a USING (hospital_id, insurance_type)
),
banded AS (
    SELECT b.*, e.base_e4 AS band_base_e4, e.share_e4 AS band_share_e4, e.lo_e4 AS band_lo_e4,
        CASE WHEN granted_fen > 0 THEN half_away(spent_fen * 10000, granted_fen) END AS spent_ratio_e4,
        -- amount = base·S + share·(F − lo·S), over 10^8; by total fee it is a multiple of S that the fund amount takes.
        fund_from_points_fen - main_fund_fen + CASE WHEN e.base_e4 IS NULL THEN main_fund_fen
            WHEN $measure = 'fund' THEN half_away(
                e.base_e4 * 10000 * granted_fen + e.share_e4 * (spent_fen * 10000 - e.lo_e4 * granted_fen), e4() * e4())
            ELSE half_away(
                main_fund_fen
                * (e.base_e4 * 10000 * granted_fen + e.share_e4 * (spent_fen * 10000 - e.lo_e4 * granted_fen)),
                e4() * e4() * granted_fen)
        END AS banded_fen
    FROM brought b
    LEFT JOIN clearing_bands e ON granted_fen > 0 AND spent_fen * 10000 >= e.lo_e4 * granted_fen
        AND (e.hi_e4 IS NULL OR spent_fen * 10000 < e.hi_e4 * granted_fen)
),
steps AS (
    SELECT *, half_away(banded_fen * coefficient_e4, e4()) AS assessed_fen, assessed_fen - audit_fen AS entitlement_fen,
        advanced_fen - returned_fen - revolving_offset_fen AS still_out_fen,
        half_away(deposit_fen * deposit_return_e4, e4()) AS deposit_returned_fen,
        due_fen - cash_fen AS unpaid_fen,
        entitlement_fen - settled_fen - still_out_fen + deposit_returned_fen + unpaid_fen AS clearing_fen
    FROM banded
)
SELECT s.hospital_id, h.name AS hospital_name, h.level, s.insurance_type, s.cases::BIGINT AS cases,
    s.total_fee_fen::BIGINT AS total_fee_fen, s.pool_fund_fen::BIGINT AS pool_fund_fen,
    s.month_fund_fen::BIGINT AS month_fund_fen,
    CASE WHEN s.by_points THEN (s.points_units::DECIMAL(24, 0) * 0.000001)::DECIMAL(24, 6) END AS points_total,
    CASE WHEN s.by_rate THEN s.moving_units::BIGINT END AS moving_fen,
    s.apart_fen::BIGINT AS apart_fen, s.standard_fen::BIGINT AS standard_fen,
    (s.share_e12::DECIMAL(20, 0) * 0.000000000001)::DECIMAL(20, 12) AS fund_share,
    s.separate_fen::BIGINT AS separate_fen, s.fund_from_points_fen::BIGINT AS fund_from_points_fen,
    s.spent_ratio_e4::BIGINT AS spent_ratio_e4, s.band_lo_e4, s.band_base_e4, s.band_share_e4,
    s.banded_fen::BIGINT AS banded_fen, s.coefficient_e4, s.assessed_fen::BIGINT AS assessed_fen,
    s.audit_fen::BIGINT AS audit_fen, s.entitlement_fen::BIGINT AS entitlement_fen,
    s.settled_fen::BIGINT AS settled_fen, s.advanced_fen::BIGINT AS advanced_fen,
    s.returned_fen::BIGINT AS returned_fen, s.revolving_offset_fen::BIGINT AS revolving_offset_fen,
    s.still_out_fen::BIGINT AS still_out_fen, s.deposit_fen::BIGINT AS deposit_fen, s.deposit_return_e4,
    s.deposit_returned_fen::BIGINT AS deposit_returned_fen, s.due_fen::BIGINT AS due_fen,
    s.cash_fen::BIGINT AS cash_fen, s.unpaid_fen::BIGINT AS unpaid_fen, s.clearing_fen::BIGINT AS clearing_fen
FROM steps s
LEFT JOIN hospitals h USING (hospital_id)
ORDER BY s.hospital_id, s.insurance_type
