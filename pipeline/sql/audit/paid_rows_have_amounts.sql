-- 结算的病例都有支付标准与应付基金：没有一例是空的
SELECT case_id AS subject, 2 AS expected, count(standard_fen) + count(fund_fen) AS found
FROM scored
GROUP BY case_id, input_row
HAVING found <> 2
ORDER BY subject
