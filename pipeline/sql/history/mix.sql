-- mix: who treated a group's cases (grain: place, year, hospital, level, insurance): cases and cost, all and within the
-- bounds; the auxiliary coefficients in ten-thousandths, summed.
SELECT u.place, u.year, u.hospital, u.level, u.insurance,
    count(*) AS cases, sum(u.aux_e4)::HUGEINT AS aux_e4, sum(u.fee_fen)::HUGEINT AS fee_fen,
    coalesce(sum(u.pool_fund_fen), 0)::HUGEINT AS pool_fund_fen, sum(u.separate_fen)::HUGEINT AS separate_fen,
    count(*) FILTER (b.lowest IS NULL OR u.fee_fen BETWEEN b.lowest AND b.highest) AS kept,
    coalesce(sum(u.aux_e4) FILTER (b.lowest IS NULL OR u.fee_fen BETWEEN b.lowest AND b.highest), 0)::HUGEINT
        AS kept_aux_e4,
    coalesce(sum(u.fee_fen) FILTER (b.lowest IS NULL OR u.fee_fen BETWEEN b.lowest AND b.highest), 0)::HUGEINT
        AS kept_fen
FROM used u
LEFT JOIN bounds b ON b.place = u.place AND b.year = u.year
GROUP BY u.place, u.year, u.hospital, u.level, u.insurance
ORDER BY u.place, u.year, u.hospital, u.level, u.insurance
