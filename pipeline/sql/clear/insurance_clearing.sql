-- insurance_clearing: one row per insurance type (grain: insurance_type): the balance of its fund.
-- DESIGN §7: fund_from_points uses up the budget where the value floats; what bands, assessment, audit and the deposit
-- leave in the fund (positive) or take from it (negative) stands beside.
SELECT t.insurance_type, b.fund_fen::BIGINT AS budget_fen, b.version AS budget_version,
    t.hospitals, t.cases, t.points_total, v.value_num, v.value_den, v.value,
    v.base_points, v.fixed_value, v.added_points, v.added_value,
    t.standard_fen, t.month_fund_fen, t.fund_from_points_fen, (b.fund_fen - t.fund_from_points_fen)::BIGINT AS undistributed_fen,
    t.banded_fen, t.fund_from_points_fen - t.banded_fen AS left_by_bands_fen,
    t.assessed_fen, t.banded_fen - t.assessed_fen AS left_by_assessment_fen,
    t.audit_fen AS left_by_audit_fen, t.entitlement_fen,
    t.deposit_fen - t.deposit_returned_fen AS left_by_deposit_fen,
    (b.fund_fen - t.entitlement_fen + t.deposit_fen - t.deposit_returned_fen)::BIGINT AS left_in_fund_fen,
    t.cash_fen, t.advanced_fen - t.returned_fen AS advances_out_fen, t.clearing_fen
FROM (
    SELECT k.insurance_type, count(DISTINCT h.hospital_id)::BIGINT AS hospitals, coalesce(sum(h.cases), 0)::BIGINT AS cases,
        sum(h.points_total)::DECIMAL(30, 6) AS points_total,
        coalesce(sum(h.standard_fen), 0)::BIGINT AS standard_fen,
        coalesce(sum(h.month_fund_fen), 0)::BIGINT AS month_fund_fen,
        coalesce(sum(h.fund_from_points_fen), 0)::BIGINT AS fund_from_points_fen,
        coalesce(sum(h.banded_fen), 0)::BIGINT AS banded_fen,
        coalesce(sum(h.assessed_fen), 0)::BIGINT AS assessed_fen,
        coalesce(sum(h.audit_fen), 0)::BIGINT AS audit_fen,
        coalesce(sum(h.entitlement_fen), 0)::BIGINT AS entitlement_fen,
        coalesce(sum(h.deposit_fen), 0)::BIGINT AS deposit_fen,
        coalesce(sum(h.deposit_returned_fen), 0)::BIGINT AS deposit_returned_fen,
        coalesce(sum(h.cash_fen), 0)::BIGINT AS cash_fen,
        coalesce(sum(h.advanced_fen), 0)::BIGINT AS advanced_fen,
        coalesce(sum(h.returned_fen), 0)::BIGINT AS returned_fen,
        coalesce(sum(h.clearing_fen), 0)::BIGINT AS clearing_fen
    FROM (SELECT insurance_type FROM hospital_clearing UNION SELECT insurance_type FROM budgets) k
    LEFT JOIN hospital_clearing h USING (insurance_type)
    GROUP BY ALL
) t
LEFT JOIN ( -- the type's money in all its pools; a pool without a budget leaves the sum unknown
    SELECT insurance_type, CASE WHEN count(*) = count(budget_fen) THEN sum(budget_fen) END AS fund_fen,
        max(budget_version) FILTER (budget_line = '') AS version
    FROM pool_balance GROUP BY ALL
) b USING (insurance_type)
LEFT JOIN value_shown v ON v.insurance_type = t.insurance_type AND v.budget_line = ''
ORDER BY t.insurance_type
