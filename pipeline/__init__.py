"""Read, validate, group, price and settle inpatient discharges of a medical-insurance pool (统筹区)."""
