"""Group inpatient discharges by public schemes. Knows codes and schemes; nothing of hospitals or money."""
