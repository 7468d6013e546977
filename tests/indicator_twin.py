"""The indicators of a month from its cases, in one loop with fractions: what the SQL must come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

from tests.pricing_fixtures import Case


def half_away(number: Fraction) -> int:
    whole = (abs(number) + Fraction(1, 2)).__floor__()
    return whole if number >= 0 else -whole


def mean_index(own: Mapping[str, tuple[int, int]], region: Mapping[str, tuple[int, int]]) -> int | None:
    """An index in ten-thousandths, from (amount, cases) by group; None where no group has a mean."""
    parts, cases = Fraction(0), 0
    for group, (amount, count) in own.items():
        whole, of_cases = region[group]
        if whole > 0 and of_cases > 0:
            # the mean of so few cases may have no size (+1 − 1 cases), its part of the sum always has
            parts += Fraction(half_away(Fraction(amount * of_cases * 10**9, whole)), 10**9)
            cases += count
    return half_away(10_000 * parts / cases) if cases > 0 else None


def indicators(cases: Iterable[Case], weights: Mapping[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """cmi, cost_index_e4, time_index_e4, mean_fee_fen, mean_stay_e2, drug_share_e3 by hospital and insurance type.

    Every case is paid; a reversal takes out its original. An index is summed over hospital, type and group.
    """
    by_id = {case.case_id: case for case in cases if case.reverses is None}
    counted = [(by_id[case.reverses], -1) if case.reverses else (case, 1) for case in cases]
    region: dict[str, dict[str, tuple[int, int]]] = {"fee": {}, "stay": {}}
    cells: dict[tuple[str, str], dict[str, dict[str, tuple[int, int]]]] = {}
    for case, sign in counted:
        if case.status != "grouped":
            continue
        cell = cells.setdefault((case.hospital_id, case.insurance_type), {"fee": {}, "stay": {}})
        for name, amount in (("fee", case.total_fee_fen), ("stay", case.stay_days)):
            for table in (region[name], cell[name]):
                before = table.get(case.drg, (0, 0))
                table[case.drg] = (before[0] + sign * amount, before[1] + sign)
    found = {}
    hospitals = sorted({case.hospital_id for case in cases})
    types = sorted({case.insurance_type for case in cases})
    for hospital, kind in product(["", *hospitals], ["", *types]):
        own = [(case, sign) for case, sign in counted if case.hospital_id in (hospital or case.hospital_id)
               and case.insurance_type in (kind or case.insurance_type)]  # fmt: skip
        if not own:
            continue
        keys = [key for key in cells if key[0] in (hospital or key[0]) and key[1] in (kind or key[1])]
        count = sum(sign for _, sign in own)
        told = [(case, sign) for case, sign in own if getattr(case, "drug_fee_fen", None) is not None]
        beside = sum(sign * case.total_fee_fen for case, sign in told)
        weight = sum((sign * Fraction(Decimal(weights[case.drg])) for case, sign in own), Fraction(0))
        found[hospital, kind] = {
            "cases": count,
            "cmi": Decimal(half_away(10_000 * weight / count)).scaleb(-4) if count > 0 else None,
            "cost_index_e4": _joined([cells[key]["fee"] for key in keys], region["fee"]),
            "time_index_e4": _joined([cells[key]["stay"] for key in keys], region["stay"]),
            "mean_fee_fen": _mean(sum(sign * case.total_fee_fen for case, sign in own), count),
            "mean_stay_e2": _mean(100 * sum(sign * case.stay_days for case, sign in own), count),
            "drug_share_e3": _mean(1000 * sum(sign * case.drug_fee_fen for case, sign in told), beside),  # type: ignore[attr-defined]
        }
    return found


def _joined(
    cells: Iterable[Mapping[str, tuple[int, int]]], region: Mapping[str, tuple[int, int]]
) -> int | None:
    """The index of several hospitals or types: their groups stay apart, as the table keeps them."""
    own = {f"{number}/{group}": pair for number, cell in enumerate(cells) for group, pair in cell.items()}
    return mean_index(own, {name: region[name.split("/", 1)[1]] for name in own})


def _mean(total: int, count: int) -> int | None:
    return half_away(Fraction(total, count)) if count > 0 else None
