-- 比例法、政策法：应付基金不超过支付标准与除外支付之和（冲销反号），取整至多差一分
SELECT s.case_id AS subject, s.standard_fen + s.separate_fen AS expected, s.fund_fen AS found
FROM scored s
JOIN terms t USING (terms_id)
WHERE t.fund_method <> 'difference' AND s.case_count * (s.fund_fen - s.standard_fen - s.separate_fen) > 1
    AND s.pool_fund_fen * s.case_count <= s.total_fee_fen * s.case_count
ORDER BY subject
