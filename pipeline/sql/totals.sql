-- totals: one row (grain: the run): what the summary line and the manifest say.
SELECT
    (SELECT count(*) FROM case_payment) AS rows_in,
    (SELECT count(*) FROM case_payment WHERE door = 'paid') AS paid,
    (SELECT count(*) FROM case_payment WHERE door = 'refused') AS refused,
    (SELECT count(*) FROM case_payment WHERE door = 'held') AS held,
    coalesce(sum(case_count), 0)::BIGINT AS cases,
    coalesce(sum(CASE WHEN status = 'grouped' THEN case_count ELSE 0 END), 0)::BIGINT AS grouped,
    coalesce(sum(CASE WHEN status = 'ambiguous' THEN case_count ELSE 0 END), 0)::BIGINT AS ambiguous,
    coalesce(sum(CASE WHEN status = 'ungrouped' THEN case_count ELSE 0 END), 0)::BIGINT AS ungrouped,
    coalesce(sum(CASE WHEN status = 'excluded' THEN case_count ELSE 0 END), 0)::BIGINT AS excluded,
    coalesce(sum(CASE WHEN dip_kind = 'core' THEN case_count ELSE 0 END), 0)::BIGINT AS core,
    coalesce(sum(CASE WHEN dip_kind = 'pooled' THEN case_count ELSE 0 END), 0)::BIGINT AS pooled,
    CASE WHEN sum(case_count) > 0
         THEN (half_away((sum(weight * case_count) * 1000000000)::HUGEINT, 100000 * sum(case_count))
               ::DECIMAL(14, 4) * 0.0001)::DECIMAL(10, 4) END AS cmi,
    coalesce(sum(total_fee_fen), 0)::BIGINT AS total_fee_fen,
    coalesce(sum(standard_fen), 0)::BIGINT AS standard_fen,
    coalesce(sum(fund_fen), 0)::BIGINT AS fund_fen,
    (SELECT coalesce(sum(payable_fen), 0)::BIGINT FROM hospital_payment) AS payable_fen
FROM scored
