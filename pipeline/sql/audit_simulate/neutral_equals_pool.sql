-- 按中性点值（费率）付给各医院的基金合计等于现行基金：每个方案、险种
SELECT o.proposal || ' ' || n.insurance_type AS subject, p.fund_fen AS expected, n.fund_fen AS found
FROM (
    SELECT proposal_no, insurance_type, sum(fund_neutral_fen) AS fund_fen
    FROM neutral_funds WHERE fund_neutral_fen IS NOT NULL GROUP BY ALL
) n
JOIN (SELECT insurance_type, sum(fund_fen) AS fund_fen FROM lines WHERE proposal_no = 0 GROUP BY ALL) p USING (insurance_type)
JOIN proposals o USING (proposal_no)
WHERE p.fund_fen <> n.fund_fen
ORDER BY ALL
