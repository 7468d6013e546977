"""Where the SQL and the slow twin differ, case by case, by any method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

from tests.pricing_fixtures import HOSPITALS, WEIGHTS, Case, priced, write_pack
from tests.reference.price_case import NOTHING_PRINTED, Price, Printed, half_away, price_case


def by_twin(
    pack: dict[str, Any], case: Case, weights: Mapping[str, str] = WEIGHTS, printed: Printed = NOTHING_PRINTED
) -> Price | None:
    day = case.discharge_date if pack["pricing_by"] == "discharge_date" else case.settlement_date
    names = ("hospital_id", "insurance_type", "drg", "status", "total_fee_fen", "pool_fund_fen",
             "aux_e4", "own_e4", "own_unknown")  # fmt: skip
    given = {name: getattr(case, name) for name in names}
    return price_case(pack, weights, HOSPITALS[case.hospital_id], {**given, "pricing_date": day}, printed)


def around_thresholds(
    pack: dict[str, Any],
    probe: Case,
    weights: Mapping[str, str] = WEIGHTS,
    printed: Printed = NOTHING_PRINTED,
) -> list[int]:
    """Fees one fen below, at and above every threshold of a case's pricing date (twin's reference)."""
    price = by_twin(pack, probe, weights, printed)
    if price is None or price.ratio is None:
        return [1, 123_457]
    reference = Fraction(probe.total_fee_fen) / price.ratio
    edges = {
        Fraction(one["threshold"]) * reference
        for entry in pack["ratio"]
        for one in (entry["low"], *entry["high"], *([entry["beyond"]] if "beyond" in entry else []))
    }
    return sorted(
        {max(0, round_(edge) + step) for edge in edges for round_ in (floor, ceil) for step in (-1, 0, 1)}
    )


def told(price: Price, points_unit: int) -> dict[str, Any]:
    """What the columns of `scored` must show."""
    points = None if price.points is None else Fraction(half_away(price.points * points_unit), points_unit)
    return {
        "price_class": price.price_class, "family": price.rule, "standard_fen": price.standard_fen,
        "fund_fen": price.fund_fen, "weight": price.weight, "rate": price.rate, "point_value": price.point_value,
        "coefficient": price.coefficient, "auxiliary": None if price.points is None else price.auxiliary,
        "points": points, "ratio_e4": None if price.ratio is None else half_away(price.ratio * 10_000),
    }  # fmt: skip


EXACT = ("weight", "rate", "point_value", "coefficient", "auxiliary", "points")


def differences(
    pack: dict[str, Any], cases: Sequence[Case], scored: Mapping[str, Mapping[str, Any]],
    weights: Mapping[str, str] = WEIGHTS, printed: Printed = NOTHING_PRINTED,
) -> list[str]:  # fmt: skip
    """Where the SQL and the twin differ; one line per case."""
    found = []
    unit = 10 ** pack["digits"].get("points", 4)
    for case in cases:
        row, price = scored.get(case.case_id), by_twin(pack, case, weights, printed)
        if row is None or price is None:
            if not (row is None and price is None):
                found.append(f"{case}: SQL {row and 'priced'}, twin {price and 'priced'}")
            continue
        expected = told(price, unit)
        seen = {name: row[name] for name in expected}
        seen |= {name: Fraction(seen[name]) for name in EXACT if seen[name] is not None}
        if expected != seen:
            wrong = {name: (expected[name], seen[name]) for name in expected if expected[name] != seen[name]}
            found.append(f"{case}: twin, SQL {wrong}")
    return found


def checked(
    pack: dict[str, Any], cases: Sequence[Case], folder: Path,
    weights: Mapping[str, str] = WEIGHTS, printed: Printed = NOTHING_PRINTED,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Scored rows by case, all equal to the twin's and each case there once."""
    region = write_pack(folder / "pack", pack)
    with priced(region, cases, folder / "run", scores=weights, printed=printed) as run:
        rows = run.rows("scored")
        assert len(rows) == len({row["case_id"] for row in rows})
        assert len(rows) + len(run.late) == len(cases)
        scored = run.scored()
    assert differences(pack, cases, scored, weights, printed) == []
    return scored
