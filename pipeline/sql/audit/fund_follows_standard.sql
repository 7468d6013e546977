-- 差额法：应付基金等于支付标准减（总额减记账基金），各自取整后至多相差一分
SELECT case_id AS subject, standard_fen - (total_fee_fen - pool_fund_fen) AS expected, fund_fen AS found
FROM scored
WHERE abs(fund_fen - (standard_fen - (total_fee_fen - pool_fund_fen))) > 1
    AND NOT (fund_fen = 0 AND standard_fen < total_fee_fen - pool_fund_fen)
ORDER BY subject
