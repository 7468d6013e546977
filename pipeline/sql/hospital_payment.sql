-- hospital_payment: one row per hospital and insurance type (grain: hospital_id, insurance_type).
-- DESIGN §7, month: prepaid = Σ fund × prepay ratio; payable = prepaid − audit deductions − revolving − deposit;
-- deposit = rate × max(0, Σ fund × prepay ratio), each rounded once where it is stored.
-- settled is before revolving money and deposit, due after them: both of this month alone. What the month before carried
-- and what months computed again are short of come in beside it. A negative payable is carried to the next month in its
-- own column, down to the pack's limit; what lies below it is paid back now.
WITH paid AS (
    SELECT hospital_id, insurance_type,
        sum(case_count)::BIGINT AS cases,
        sum(CASE WHEN price_class = 'low' THEN case_count ELSE 0 END)::BIGINT AS low_cases,
        sum(CASE WHEN price_class = 'high' THEN case_count ELSE 0 END)::BIGINT AS high_cases,
        sum(CASE WHEN status = 'ungrouped' THEN case_count ELSE 0 END)::BIGINT AS ungrouped_cases,
        sum(CASE WHEN status = 'ambiguous' THEN case_count ELSE 0 END)::BIGINT AS ambiguous_cases,
        (sum(weight * case_count) * 1000000000)::HUGEINT AS weight_e9,
        sum(points) AS points_total, -- a reversal's are negative; none by the rate method
        sum(total_fee_fen)::HUGEINT AS total_fee_fen,
        sum(pool_fund_fen)::HUGEINT AS pool_fund_fen,
        sum(standard_fen)::HUGEINT AS standard_fen,
        sum(fund_fen)::HUGEINT AS fund_fen
    FROM scored
    GROUP BY ALL
),
taken_back AS (
    -- A reversal has its own class, so the class of what it takes back is counted off here.
    SELECT o.hospital_id, o.insurance_type,
        count(*) FILTER (o.price_class = 'low') AS low_cases, count(*) FILTER (o.price_class = 'high') AS high_cases
    FROM (SELECT reverses FROM scored WHERE reverses IS NOT NULL) r
    JOIN scored o ON o.case_id = r.reverses AND o.reverses IS NULL
    GROUP BY ALL
),
taken_back_of_all AS (
    SELECT hospital_id, insurance_type, sum(low_cases) AS low_cases, sum(high_cases) AS high_cases
    FROM (
        FROM taken_back
        UNION ALL
        SELECT hospital_id, insurance_type, (original_class = 'low')::INT, (original_class = 'high')::INT
        FROM earlier_turned
    )
    GROUP BY ALL
),
turned_away AS (
    SELECT hospital_id, insurance_type,
        count(*) FILTER (door = 'refused') AS rejected_rows,
        count(*) FILTER (door = 'held') AS held_rows
    FROM case_payment
    WHERE hospital_id IN (SELECT hospital_id FROM hospitals)
        AND insurance_type IN (SELECT insurance_type FROM insurance_types)
    GROUP BY ALL
),
deducted AS (
    SELECT hospital_id, insurance_type,
        sum(CASE WHEN kind = 'audit_deduction' THEN amount_fen ELSE 0 END)::HUGEINT AS audit_deduction_fen,
        sum(CASE WHEN kind = 'revolving_offset' THEN amount_fen ELSE 0 END)::HUGEINT AS revolving_offset_fen
    FROM period_amounts
    GROUP BY ALL
),
listed AS (
    SELECT hospital_id, insurance_type FROM paid
    UNION SELECT hospital_id, insurance_type FROM turned_away
    UNION SELECT hospital_id, insurance_type FROM deducted
    UNION SELECT hospital_id, insurance_type FROM carried_in
    UNION SELECT hospital_id, insurance_type FROM adjustments_in
),
steps AS (
    SELECT l.hospital_id, l.insurance_type,
        coalesce(p.cases, 0) AS cases,
        coalesce(t.rejected_rows, 0) AS rejected_rows, coalesce(t.held_rows, 0) AS held_rows,
        coalesce(p.low_cases, 0) - coalesce(b.low_cases, 0) AS low_cases,
        coalesce(p.high_cases, 0) - coalesce(b.high_cases, 0) AS high_cases,
        coalesce(p.ungrouped_cases, 0) AS ungrouped_cases, coalesce(p.ambiguous_cases, 0) AS ambiguous_cases,
        coalesce(p.weight_e9, 0) AS weight_e9, p.points_total,
        coalesce(p.total_fee_fen, 0) AS total_fee_fen, coalesce(p.pool_fund_fen, 0) AS pool_fund_fen,
        coalesce(p.standard_fen, 0) AS standard_fen, coalesce(p.fund_fen, 0) AS fund_fen,
        half_away(coalesce(p.fund_fen, 0) * $prepay_ratio_e4, e4()) AS prepay_fen,
        half_away(greatest(0::HUGEINT, coalesce(p.fund_fen, 0) * $prepay_ratio_e4) * $deposit_rate_e4,
                  e4() * e4()) AS deposit_fen,
        coalesce(d.audit_deduction_fen, 0) AS audit_deduction_fen,
        coalesce(d.revolving_offset_fen, 0) AS revolving_offset_fen,
        coalesce(c.amount_fen, 0) AS carried_in_fen, coalesce(a.amount_fen, 0) AS adjustment_in_fen
    FROM listed l
    LEFT JOIN paid p USING (hospital_id, insurance_type)
    LEFT JOIN taken_back_of_all b USING (hospital_id, insurance_type)
    LEFT JOIN turned_away t USING (hospital_id, insurance_type)
    LEFT JOIN deducted d USING (hospital_id, insurance_type)
    LEFT JOIN carried_in c USING (hospital_id, insurance_type)
    LEFT JOIN adjustments_in a USING (hospital_id, insurance_type)
),
sums AS (
    SELECT *, prepay_fen - audit_deduction_fen AS settled_fen,
        settled_fen - revolving_offset_fen - deposit_fen AS due_fen,
        due_fen + carried_in_fen + adjustment_in_fen AS balance_fen,
        -- no limit: all of a negative balance is carried
        greatest(least(0, balance_fen), -coalesce($most_owed_fen, abs(balance_fen))) AS carried_fen
    FROM steps
)
SELECT
    s.hospital_id, h.name AS hospital_name, h.level, s.insurance_type, i.name AS insurance_name,
    s.cases, s.rejected_rows, s.held_rows, s.low_cases, s.high_cases, s.ungrouped_cases, s.ambiguous_cases,
    (half_away(s.weight_e9, 100000)::DECIMAL(22, 4) * 0.0001)::DECIMAL(18, 4) AS weight_total,
    CASE WHEN s.cases > 0
         THEN (half_away(s.weight_e9, 100000 * s.cases)::DECIMAL(14, 4) * 0.0001)::DECIMAL(10, 4) END AS cmi,
    s.points_total::DECIMAL(24, 6) AS points_total,
    s.total_fee_fen::BIGINT AS total_fee_fen, s.pool_fund_fen::BIGINT AS pool_fund_fen,
    s.standard_fen::BIGINT AS standard_fen, s.fund_fen::BIGINT AS fund_fen,
    s.prepay_fen::BIGINT AS prepay_fen, s.audit_deduction_fen::BIGINT AS audit_deduction_fen,
    s.settled_fen::BIGINT AS settled_fen,
    s.revolving_offset_fen::BIGINT AS revolving_offset_fen,
    s.deposit_fen::BIGINT AS deposit_fen, s.due_fen::BIGINT AS due_fen,
    s.carried_in_fen::BIGINT AS carried_in_fen, s.adjustment_in_fen::BIGINT AS adjustment_in_fen,
    (s.balance_fen - s.carried_fen)::BIGINT AS payable_fen, s.carried_fen::BIGINT AS carried_fen
FROM sums s
JOIN hospitals h USING (hospital_id)
JOIN insurance_types i USING (insurance_type)
ORDER BY s.hospital_id, s.insurance_type
