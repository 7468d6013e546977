-- balance: one row per hospital and door (grain: hospital_id, door): rows, fee and recorded fund.
SELECT coalesce(hospital_id, '') AS hospital_id, door, code,
    count(*)::BIGINT AS rows, coalesce(sum(total_fee_fen), 0)::BIGINT AS total_fee_fen,
    coalesce(sum(pool_fund_fen), 0)::BIGINT AS pool_fund_fen
FROM case_payment
GROUP BY ALL
ORDER BY ALL
