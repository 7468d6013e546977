-- simulation_value: one row per proposal, insurance type and price (grain: these three): the rate or point value that the
-- cases are priced with, and the one at which they use up the present pool, cut to the digits shown.
SELECT o.proposal, v.insurance_type, v.by_points, v.price, v.cases, v.pool_fen, v.fund_fen,
    v.multiplier_num, v.multiplier_den, v.multiplier, v.neutral_price, v.why
FROM neutral_values v
JOIN proposals o USING (proposal_no)
ORDER BY o.proposal_no, v.insurance_type, v.price
