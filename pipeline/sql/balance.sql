-- balance: one row per hospital and door (grain: hospital_id, door): rows, fee and recorded fund.
-- Refused rows may hold any amount a cell can hold, so their sums may be wider than one cell.
SELECT coalesce(hospital_id, '') AS hospital_id, door, code,
    count(*)::BIGINT AS rows, coalesce(sum(total_fee_fen), 0)::DECIMAL(38, 0) AS total_fee_fen,
    coalesce(sum(pool_fund_fen), 0)::DECIMAL(38, 0) AS pool_fund_fen
FROM case_payment
GROUP BY ALL
ORDER BY ALL
