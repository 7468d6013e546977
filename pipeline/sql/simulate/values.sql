-- values: one row per insurance type, hospital, price and fund share (grain: these), of a month and a proposal.
-- What the fund owes is linear in the price as long as classes stand: alpha + beta × the multiplier of the price. By points
-- beta counts points, as the value is published for them; else what of the standards moves with the rates. `fixed`: what
-- takes back the case of an earlier publication has that month's price, which nothing moves any more.
SELECT s.insurance_type::VARCHAR AS insurance_type, s.hospital_id::VARCHAR AS hospital_id,
    t.fund_method, t.fund_of, t.negative_kept, s.reverses IS NOT NULL AND o.case_id IS NULL AS fixed,
    coalesce(s.point_value, s.rate) AS price, s.point_value IS NOT NULL AS by_points,
    CASE WHEN t.fund_of <> 'case' THEN s.share_fund_fen END AS share_fund_fen,
    CASE WHEN t.fund_of <> 'case' THEN s.share_fee_fen END AS share_fee_fen,
    sum(s.case_count)::BIGINT AS cases,
    (coalesce(sum(s.points), 0) * 1000000)::DECIMAL(38, 0) AS points_e6,
    sum(s.standard_fen)::BIGINT AS standard_fen, sum(s.apart_fen)::BIGINT AS apart_fen,
    sum(s.separate_fen)::BIGINT AS separate_fen, sum(s.fund_fen)::BIGINT AS fund_fen,
    sum(s.total_fee_fen - s.pool_fund_fen)::BIGINT AS borne_fen
FROM simulated s
LEFT JOIN terms t ON t.terms_id::VARCHAR = s.terms_id::VARCHAR
LEFT JOIN (
    SELECT case_id FROM simulated WHERE reverses IS NULL AND case_id IN (SELECT reverses FROM simulated WHERE reverses IS NOT NULL)
) o ON o.case_id = s.reverses
GROUP BY ALL
