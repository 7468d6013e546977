"""Where the SQL and the slow twin differ, case by case, by any method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

from tests.pricing_fixtures import HOSPITALS, WEIGHTS, Case, priced, write_pack
from tests.reference.fund_case import Recorded, shares_of
from tests.reference.price_case import NOTHING_PRINTED, Price, Printed, half_away, judged


def judged_by_twin(
    pack: dict[str, Any], case: Case, weights: Mapping[str, str] = WEIGHTS, printed: Printed = NOTHING_PRINTED,
    share: Fraction = Fraction(0),
) -> Price | str:  # fmt: skip
    """The twin's price, or its refusal."""
    day = case.discharge_date if pack["pricing_by"] == "discharge_date" else case.settlement_date
    given = {**vars(case), "status": case.status, "pricing_date": day}
    return judged(pack, weights, HOSPITALS[case.hospital_id], given, printed, share)


def by_twin(
    pack: dict[str, Any], case: Case, weights: Mapping[str, str] = WEIGHTS, printed: Printed = NOTHING_PRINTED
) -> Price | None:
    found = judged_by_twin(pack, case, weights, printed)
    return None if isinstance(found, str) else found


def all_by_twin(
    pack: dict[str, Any], cases: Sequence[Case], weights: Mapping[str, str] = WEIGHTS,
    printed: Printed = NOTHING_PRINTED,
) -> dict[str, Price | str]:  # fmt: skip
    """Every discharge by case, with the fund shares of all of them; a reversal takes its original out of a share."""
    once = {
        case.case_id: (case, judged_by_twin(pack, case, weights, printed))
        for case in cases
        if not case.reverses
    }
    signs = [(one, 1) for one in cases if not one.reverses]
    signs += [(once[one.reverses][0], -1) for one in cases if one.reverses]
    recorded = {
        (case.case_id, sign): Recorded(
            price.share_of, case.insurance_type, case.drg, case.hospital_id,
            sign * case.total_fee_fen, sign * case.pool_fund_fen,
        )
        for case, sign in signs if isinstance(price := once[case.case_id][1], Price)
    }  # fmt: skip
    shares = shares_of(recorded.values())
    return {
        case_id: judged_by_twin(pack, case, weights, printed, shares[recorded[case_id, 1].unit])
        if isinstance(price, Price) and price.share_of else price
        for case_id, (case, price) in once.items()
    }  # fmt: skip


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
        for one in (
            *(entry["low"] if isinstance(entry["low"], list) else [entry["low"]]),
            *entry["high"],
            *([entry["beyond"]] if "beyond" in entry else []),
        )
    }
    return sorted(
        {max(0, round_(edge) + step) for edge in edges for round_ in (floor, ceil) for step in (-1, 0, 1)}
    )


def told(price: Price, points_unit: int, method: str) -> dict[str, Any]:
    """What the columns of `scored` must show."""
    points = None if price.points is None else Fraction(half_away(price.points * points_unit), points_unit)
    return {
        "price_class": price.price_class, "family": price.rule, "standard_fen": price.standard_fen,
        "fund_fen": price.fund_fen,
        "separate_fen": price.separate_fen, "budget_line": price.budget_line,
        "weight": price.weight, "rate": price.rate, "point_value": price.point_value,
        "coefficient": price.coefficient, "auxiliary": price.auxiliary if method == "dip" else None,
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
    prices = all_by_twin(pack, cases, weights, printed)
    for case in (case for case in cases if not case.reverses):
        row, price = scored.get(case.case_id), prices[case.case_id]
        if row is None or isinstance(price, str):
            if not (row is None and isinstance(price, str)):
                found.append(f"{case}: SQL {row and 'priced'}, twin {price}")
            continue
        expected = told(price, unit, pack.get("method", "rate"))
        seen = {name: row[name] for name in expected}
        seen |= {name: Fraction(seen[name]) for name in EXACT if seen[name] is not None}
        if expected != seen:
            wrong = {name: (expected[name], seen[name]) for name in expected if expected[name] != seen[name]}
            found.append(f"{case}: twin, SQL {wrong}")
    return found


@dataclass(frozen=True)
class Found:
    """What the SQL says of some cases: rows of `scored`, the code of each refusal and its severity, by case."""

    scored: dict[str, dict[str, Any]]
    refused: dict[str, str]
    severity: dict[str, str] = field(default_factory=dict, compare=False)


def checked(
    pack: dict[str, Any], cases: Sequence[Case], folder: Path,
    weights: Mapping[str, str] = WEIGHTS, printed: Printed = NOTHING_PRINTED,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Scored rows by case, all equal to the twin's and each case there once; the refused ones by the same code."""
    region = write_pack(
        folder / "pack", pack, weights if pack.get("method") != "dip" else WEIGHTS, printed=printed
    )
    with priced(region, cases, folder / "run", scores=weights, printed=printed) as run:
        assert len(run.rows("scored")) == len(run.scored()) and len(run.late) == len(run.refused())
        found = Found(run.scored(), run.refused())
    return agreed(pack, cases, found, weights, printed)


def agreed(
    pack: dict[str, Any], cases: Sequence[Case], found: Found,
    weights: Mapping[str, str] = WEIGHTS, printed: Printed = NOTHING_PRINTED,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """The scored rows of `found`, in which the twin finds nothing that differs."""
    assert found.scored.keys() ^ found.refused.keys() == {case.case_id for case in cases}
    wrong = differences(pack, cases, found.scored, weights, printed)
    assert wrong == [], "\n".join(wrong[:3])
    by_code = {
        name: one for name, one in all_by_twin(pack, cases, weights, printed).items() if isinstance(one, str)
    }
    codes = {
        name: code for name, code in found.refused.items() if not code.startswith(("reversal", "second"))
    }
    assert codes == by_code, sorted(codes.items() ^ by_code.items())[:6]
    return found.scored
