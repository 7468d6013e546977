"""A year as an agency would see it: three hospitals, two insurance types, bands, advances, deposits. For the workbooks."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pipeline.clear_statement import ClearingHeading
from tests.clearing_fixtures import B01, law
from tests.reference.clear_case import Month, Year, YearCase

NAMES = {"310": "职工", "390": "居民"}
ENTRY = law(value="floating", bands=B01, bands_measure="fund")


def heading(**more: Any) -> ClearingHeading:
    plain = {
        "region": "示例市", "year": 2025, "run": "0123456789ab", "pack_version": "2025.1",
        "created": dt.datetime(2025, 12, 31), "value": "floating", "measure": "fund", "insurance_names": NAMES,
        "method": "ratio", "by_points": True,
    }  # fmt: skip
    return ClearingHeading(**{**plain, **more})


def year() -> Year:
    """Hospitals far above, inside and below their points; one owes."""
    cases, months = [], []
    for number, (name, points, recorded) in enumerate(
        [("H44990100001", 910_000, 6_400_000_00), ("H44990200002", 480_000, 3_700_000_00), ("H44990300003", 120_000, 990_000_00)]
    ):  # fmt: skip
        for kind, part in (("310", 2), ("390", 1)):
            fund = recorded * part // 2
            fee = fund * (10 + part + number) // 8
            cases.append(YearCase(
                f"S{number}{kind}", name, kind, fee * 9 // 10, fund * 9 // 10, fee, fund, str(points * part // 2),
                123_456_00, 4_321_00, "ratio", "hospital", True, (fund, fee),
            ))  # fmt: skip
            settled, deposit = fund * 8 // 10, fund * 4 // 100
            months += [
                Month(name, kind, settled // 2, 100_000_00 // part, deposit // 2,
                      settled // 2 - 100_000_00 // part - deposit // 2, f"2025-{month:02d}") for month in (1, 2)
            ]  # fmt: skip
    return Year(
        cases, months, {("H44990100001", "310"): (1_500_000_00, 300_000_00), ("H44990300003", "310"): (900_000_00, 0)},
        {("H44990100001", "310"): 120_000_00, ("H44990200002", "390"): 8_765_43},
        {"310": 1_130_000_000, "390": 480_000_000},
        {("H44990100001", None): ("0.98", "0.95"), ("H44990200002", None): ("1", "1"), ("H44990300003", "390"): ("0.9", "0.5")},
    )  # fmt: skip
