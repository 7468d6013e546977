-- held_again: rows held by the month published before (grain: input row), less those that arrive anew.
SELECT h.* FROM held_before h WHERE h.case_id NOT IN (SELECT case_id FROM discharges WHERE case_id IS NOT NULL)
