-- 跨档前后的基金等于各医院的基金：每个方案、医院、险种
SELECT o.proposal || ' ' || coalesce(x.hospital_id, l.hospital_id) || ' ' || coalesce(x.insurance_type, l.insurance_type) AS subject,
    coalesce(l.fund_fen, 0) AS expected, coalesce(x.fund_fen, 0) AS found
FROM (SELECT proposal_no, hospital_id, insurance_type, sum(fund_after_fen) AS fund_fen FROM crossings GROUP BY ALL) x
FULL JOIN (
    SELECT proposal_no, hospital_id, insurance_type, sum(fund_fen) AS fund_fen FROM lines WHERE proposal_no > 0 GROUP BY ALL
) l USING (proposal_no, hospital_id, insurance_type)
JOIN proposals o USING (proposal_no)
WHERE coalesce(l.fund_fen, 0) <> coalesce(x.fund_fen, 0)
ORDER BY ALL
