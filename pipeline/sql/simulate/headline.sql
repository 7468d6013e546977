-- headline: one row per proposal (grain: proposal): the region's fund, hospitals that gain and lose, cases that change class.
SELECT t.proposal, t.cases_before, t.cases_after, t.fund_before_fen, t.fund_after_fen, t.fund_change_fen,
    count(*) FILTER (r.fund_change_fen > 0) AS won, count(*) FILTER (r.fund_change_fen < 0) AS lost,
    sum(r.crossed_cases)::BIGINT AS crossed
FROM simulation_total t
JOIN simulation_rank r USING (proposal)
JOIN proposals o USING (proposal)
WHERE t.by_what = 'region'
GROUP BY ALL
ORDER BY min(o.proposal_no)
