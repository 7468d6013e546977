-- 清算表逐步相加等于清算额
SELECT h.hospital_id || '、' || h.insurance_type || u.what AS subject, u.expected, u.found
FROM hospital_clearing h,
LATERAL (
    SELECT ' 的应得总额' AS what, h.assessed_fen - h.audit_fen AS expected, h.entitlement_fen AS found
    UNION ALL SELECT ' 的未收回预付', h.advanced_fen - h.returned_fen - h.revolving_offset_fen, h.still_out_fen
    UNION ALL SELECT ' 的应付未付', h.due_fen - h.cash_fen, h.unpaid_fen
    UNION ALL SELECT ' 的清算额', h.assessed_fen - h.audit_fen - h.settled_fen - h.advanced_fen + h.returned_fen
        + h.revolving_offset_fen + h.deposit_returned_fen + h.due_fen - h.cash_fen, h.clearing_fen
) u
WHERE u.expected <> u.found
