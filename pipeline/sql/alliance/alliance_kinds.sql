-- alliance_kinds: one row per alliance, insurance type and month with amounts (grain: alliance_id, insurance_type, period).
-- DESIGN §7, scope by kind of spending: `kinds_fen` uses up the package, care for outsiders is paid beside it.
SELECT alliance_id, insurance_type, period,
    coalesce(sum(amount_fen) FILTER (kind = 'outpatient_per_head'), 0) AS outpatient_per_head_fen,
    coalesce(sum(amount_fen) FILTER (kind = 'chronic_outpatient'), 0) AS chronic_outpatient_fen,
    coalesce(sum(amount_fen) FILTER (kind = 'bed_day'), 0) AS bed_day_fen,
    coalesce(sum(amount_fen) FILTER (kind = 'out_of_county'), 0) AS out_of_county_fen,
    coalesce(sum(amount_fen) FILTER (kind = 'dual_channel'), 0) AS dual_channel_fen,
    coalesce(sum(amount_fen) FILTER (kind = 'tumour_outpatient'), 0) AS tumour_outpatient_fen,
    coalesce(sum(amount_fen) FILTER (kind = 'family_doctor'), 0) AS family_doctor_fen,
    coalesce(sum(amount_fen) FILTER (kind = 'other_deduction'), 0) AS other_deduction_fen,
    coalesce(sum(amount_fen) FILTER (kind = 'outsiders'), 0) AS outsiders_fen,
    coalesce(sum(amount_fen) FILTER (kind <> 'outsiders'), 0) AS kinds_fen
FROM alliance_amounts
GROUP BY ALL
ORDER BY alliance_id, insurance_type, period
