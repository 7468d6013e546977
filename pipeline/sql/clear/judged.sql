-- judged: one row per hospital and insurance type that the year concerns (grain: hospital_id, insurance_type),
-- with its assessment: its own row of the type, else the hospital's row for all types. No hospital of any table is lost.
WITH concerned AS (
    SELECT hospital_id, insurance_type FROM year_sums
    UNION SELECT hospital_id, insurance_type FROM year_paid
    UNION SELECT hospital_id, insurance_type FROM year_cash
    UNION SELECT hospital_id, insurance_type FROM year_advances
    UNION SELECT hospital_id, insurance_type FROM year_audits
)
SELECT c.hospital_id, c.insurance_type,
    coalesce(own.coefficient_e4, whole.coefficient_e4) AS coefficient_e4,
    coalesce(own.deposit_return_e4, whole.deposit_return_e4) AS deposit_return_e4
FROM concerned c
LEFT JOIN assessments own ON own.hospital_id = c.hospital_id AND own.insurance_type = c.insurance_type
LEFT JOIN assessments whole ON whole.hospital_id = c.hospital_id AND coalesce(whole.insurance_type, '') = ''
