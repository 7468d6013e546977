"""Group inpatient discharges by a disease catalogue (按病种分值付费, DIP)."""
