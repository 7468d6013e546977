-- simulation_rank: one row per proposal and hospital (grain: proposal, hospital_id), the largest winner first.
-- Ranked by the change at the present price; equal changes in the order of the hospital's id.
WITH summed AS (
    SELECT proposal, hospital_id, name, level, sum(cases_before)::BIGINT AS cases_before,
        sum(fund_before_fen)::BIGINT AS fund_before_fen, sum(fund_after_fen)::BIGINT AS fund_after_fen,
        sum(fund_change_fen)::BIGINT AS fund_change_fen, sum(crossed_cases)::BIGINT AS crossed_cases,
        CASE WHEN count(*) = count(fund_neutral_fen) THEN sum(fund_neutral_fen)::BIGINT END AS fund_neutral_fen,
        CASE WHEN count(*) = count(net_change_fen) THEN sum(net_change_fen)::BIGINT END AS net_change_fen
    FROM simulation_hospital
    GROUP BY ALL
)
SELECT s.proposal,
    row_number() OVER (PARTITION BY s.proposal ORDER BY s.fund_change_fen DESC, s.hospital_id) AS place,
    s.* EXCLUDE (proposal),
    CASE WHEN fund_before_fen <> 0
         THEN half_away(fund_change_fen::HUGEINT * 1000000 * sign(fund_before_fen)::HUGEINT, abs(fund_before_fen))::BIGINT
    END AS change_e6
FROM summed s
JOIN proposals o USING (proposal)
ORDER BY o.proposal_no, place
