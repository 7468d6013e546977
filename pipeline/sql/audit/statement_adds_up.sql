-- 结算单加得起来：预付减审核扣款、减周转金抵扣、减保证金，加上期结转与补差，等于应付与结转之和，且不欠的不结转
WITH due AS (
    SELECT hospital_id || '、' || insurance_type AS statement, payable_fen, carried_fen, due_fen,
        prepay_fen - audit_deduction_fen - revolving_offset_fen - deposit_fen AS own_fen,
        due_fen + carried_in_fen + adjustment_in_fen AS balance_fen
    FROM hospital_payment
)
SELECT statement || ' 的本期净额' AS subject, own_fen AS expected, due_fen AS found
FROM due WHERE due_fen <> own_fen
UNION ALL
SELECT statement || ' 的应付', balance_fen - carried_fen, payable_fen
FROM due WHERE payable_fen <> balance_fen - carried_fen
UNION ALL
SELECT statement || ' 的结转', least(0, balance_fen), carried_fen
FROM due WHERE carried_fen > 0 OR carried_fen < least(0, balance_fen) OR (balance_fen >= 0 AND carried_fen <> 0)
ORDER BY subject
