-- 医共体之内与之外合起来等于全区：各险种的本期应付与核定统筹基金
WITH parts AS (
    SELECT insurance_type, payable_fen, fund_fen FROM alliance_payment
    UNION ALL
    SELECT insurance_type, payable_fen, fund_fen FROM hospital_payment
    WHERE hospital_id NOT IN (SELECT hospital_id FROM alliances)
),
both_sides AS (
    SELECT insurance_type, payable_fen::HUGEINT AS payable_fen, fund_fen::HUGEINT AS fund_fen, 0 AS part_payable, 0 AS part_fund
    FROM hospital_payment
    UNION ALL
    SELECT insurance_type, 0, 0, payable_fen, fund_fen FROM parts
),
summed AS (
    SELECT insurance_type, sum(payable_fen) AS payable_fen, sum(fund_fen) AS fund_fen, sum(part_payable) AS part_payable,
        sum(part_fund) AS part_fund
    FROM both_sides GROUP BY ALL
)
SELECT '险种 ' || insurance_type || ' 的应付' AS subject, payable_fen AS expected, part_payable AS found
FROM summed WHERE payable_fen <> part_payable
UNION ALL
SELECT '险种 ' || insurance_type || ' 的核定统筹基金', fund_fen, part_fund FROM summed WHERE fund_fen <> part_fund
ORDER BY subject
