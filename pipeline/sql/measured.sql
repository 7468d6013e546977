-- measured: one row per case (grain: input_row), its fee beside the reference; both null where unknown.
-- DESIGN §6: F = total fee − separately paid items; x = F / reference; reference = W·Q[·c], or the group's local mean,
-- whose Q is mean / W; a share of the benchmark is one of Q itself (F/A × s). `lower_of`: low thresholds on the smaller
-- of the references with and without coefficient.
WITH referred AS (
    SELECT *,
        total_fee_fen - separate_items_fen AS fee_fen,
        weight_num::HUGEINT * rate_num AS value_num,
        weight_unit::HUGEINT * rate_unit AS value_unit
    FROM offered
)
SELECT *,
    CASE WHEN reference = 'group_mean' THEN mean_fen::HUGEINT * value_unit ELSE reference_num END AS q_num,
    CASE WHEN reference = 'group_mean' THEN value_num ELSE reference_den END AS q_den,
    CASE reference
        WHEN 'group_mean' THEN mean_fen::HUGEINT
        WHEN 'with_coefficient' THEN value_num * reference_num * coefficient_num
        WHEN 'lower_of' THEN value_num * reference_num * coefficient_unit
        ELSE value_num * reference_num
    END AS reference_top,
    CASE WHEN reference = 'lower_of' THEN value_num * reference_num * least(coefficient_num, coefficient_unit)
         ELSE reference_top END AS low_top,
    CASE WHEN reference = 'group_mean' THEN 1::HUGEINT
         WHEN reference = 'without_coefficient' THEN value_unit * reference_den
         ELSE value_unit * reference_den * coefficient_unit END AS reference_bottom,
    fee_fen * reference_bottom * 10000 AS x_top -- x in ten-thousandths is x_top / reference_top
FROM referred
