-- 结算单加得起来：预付减审核扣款、减周转金抵扣、减保证金，不为负的是应付，为负的是结转
WITH due AS (
    SELECT hospital_id || '、' || insurance_type AS statement, payable_fen, carried_fen,
        prepay_fen - audit_deduction_fen - revolving_offset_fen - deposit_fen AS due_fen
    FROM hospital_payment
)
SELECT statement || ' 的应付' AS subject, greatest(0, due_fen) AS expected, payable_fen AS found
FROM due WHERE payable_fen <> greatest(0, due_fen)
UNION ALL
SELECT statement || ' 的结转', least(0, due_fen), carried_fen
FROM due WHERE carried_fen <> least(0, due_fen)
ORDER BY subject
