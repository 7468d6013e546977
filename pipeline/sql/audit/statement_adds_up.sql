-- 结算单加得起来：应付与结转之和等于预付减审核扣款、减周转金抵扣、减保证金
SELECT hospital_id || '、' || insurance_type AS subject,
    prepay_fen - audit_deduction_fen - revolving_offset_fen - deposit_fen AS expected, payable_fen + carried_fen AS found
FROM hospital_payment
WHERE payable_fen + carried_fen <> prepay_fen - audit_deduction_fen - revolving_offset_fen - deposit_fen
    OR payable_fen < 0 OR carried_fen > 0
ORDER BY subject
