-- 医院结算行加得起来：本期净额＋上期结转＋补差＝应付＋结转
SELECT r.run_id || '、' || h.hospital_id || '、' || h.insurance_type AS subject,
    h.due_fen + h.carried_in_fen + h.adjustment_in_fen AS expected, h.payable_fen + h.carried_fen AS found
FROM hospital_result h JOIN run r ON r.run_id = h.run_id
WHERE r.region = :region AND h.due_fen + h.carried_in_fen + h.adjustment_in_fen <> h.payable_fen + h.carried_fen
ORDER BY 1
