-- rules: one row per pricing rule of each run (grain: side, rule_id): what it makes of a case, and what the fund pays.
-- Names of rules hold the date of the parameters, so that two names may say the same; bounds alone show in the class.
SELECT side, rule_id,
    {'standard_e4': standard_e4, 'value_e4': value_e4, 'points_e4': points_e4, 'fee_e4': fee_e4,
     'coefficient_power': coefficient_power, 'auxiliary_power': auxiliary_power, 'floored': floored,
     'of_item': of_item, 'reference': reference} AS formula,
    {'fund_method': fund_method, 'fund_of': fund_of, 'negative_kept': negative_kept} AS funding
FROM rules_used
