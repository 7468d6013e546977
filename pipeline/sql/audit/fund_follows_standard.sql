-- 差额法：应付基金等于支付标准减（总额减记账基金），各自取整后至多相差一分
WITH owed AS (
    -- Where the pack sets a negative difference to zero, so does its reversal: case_count is the sign.
    SELECT s.case_id, s.fund_fen - s.separate_fen AS fund_fen,
        standard_fen - (total_fee_fen - pool_fund_fen) AS difference_fen,
        CASE WHEN t.negative_kept THEN difference_fen
             ELSE case_count * greatest(0, case_count * difference_fen) END AS owed_fen
    FROM scored s
    JOIN terms t USING (terms_id)
    WHERE t.fund_method = 'difference'
)
SELECT case_id AS subject, owed_fen AS expected, fund_fen AS found
FROM owed
WHERE abs(fund_fen - owed_fen) > 1
ORDER BY subject
