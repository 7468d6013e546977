-- 清算表逐步相加等于清算额
SELECT hospital_id || '、' || insurance_type || ' 的清算额' AS subject,
    assessed_fen - audit_fen - settled_fen - advanced_fen + returned_fen + revolving_offset_fen
        + deposit_returned_fen + due_fen - cash_fen AS expected,
    clearing_fen AS found
FROM hospital_clearing
WHERE expected <> found
    OR entitlement_fen <> assessed_fen - audit_fen
    OR still_out_fen <> advanced_fen - returned_fen - revolving_offset_fen OR unpaid_fen <> due_fen - cash_fen
