-- attributed: one row per hospital, insurance type and reason (grain: these): what each gained or lost by it.
-- A case that moved from one hospital to another is taken off the one and added to the other.
SELECT hospital_id, insurance_type, reason, count(DISTINCT case_id) AS changed, sum(cases)::BIGINT AS cases,
    sum(standard_fen)::HUGEINT AS standard_fen, sum(fund_fen)::HUGEINT AS fund_fen
FROM (
    SELECT case_id, reason, b.hospital_id AS hospital_id, b.insurance_type AS insurance_type,
        -coalesce(b.case_count, 0) AS cases, -coalesce(b.standard_fen, 0) AS standard_fen,
        -coalesce(b.fund_fen, 0) AS fund_fen
    FROM changed WHERE in_before
    UNION ALL
    SELECT case_id, reason, a.hospital_id, a.insurance_type, coalesce(a.case_count, 0), coalesce(a.standard_fen, 0),
        coalesce(a.fund_fen, 0)
    FROM changed WHERE in_after
)
GROUP BY ALL
