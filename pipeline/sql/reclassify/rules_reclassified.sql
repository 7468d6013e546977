-- rules_reclassified: one row per rule of the year (grain: rule_id), with those that pay a case in its new class.
SELECT rule_id, fund_method, fund_of, negative_kept FROM year_rules
UNION
SELECT DISTINCT rule_id, fund_method, fund_of, negative_kept FROM repriced
