"""Calibration of weights and coefficients read aloud: plain loops over cases, fractions, no engine.

It judges `pipeline.calibrate_window`, `calibrate_weights` and `calibrate_coefficients`. A case is a mapping of the
columns of docs/calibration.md; a row's month counts from the year 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

Case = Mapping[str, Any]
USED = ("hospital_id", "discharge_date", "insurance_type", "group", "total_fee_fen", "reverses")


def usable(
    cases: Sequence[Case], hospitals: Mapping[str, str], insurances: Sequence[str]
) -> list[dict[str, Any]]:
    """The cases that count: each settlement once, none that was taken back, none that cannot be placed."""
    by_id: dict[str, list[Case]] = {}
    for case in cases:
        if case["case_id"]:
            by_id.setdefault(case["case_id"], []).append(case)
    taken_back = {case["reverses"] for case in cases if case["reverses"]}
    found = []
    for number, rows in by_id.items():
        if any(row[name] != rows[0][name] for row in rows for name in USED):
            continue
        case = rows[0]
        fee, day = case["total_fee_fen"], case["discharge_date"]
        if case["reverses"] or number in taken_back or day is None or case["hospital_id"] not in hospitals:
            continue
        if case["insurance_type"] not in insurances or not case["group"]:
            continue
        if fee is None or not 0 < fee <= 10**10:
            continue
        month = day.year * 12 + day.month - 1
        found.append({**case, "month": month, "level": hospitals[case["hospital_id"]]})
    return found


def windowed(cases: Sequence[dict[str, Any]], years: int) -> list[dict[str, Any]]:
    """The cases of so many twelve-month windows that end with the last month; `year` 0 is the oldest."""
    last = max(case["month"] for case in cases)
    found = []
    for case in cases:
        back = (last - case["month"]) // 12
        if back < years:
            found.append({**case, "year": years - 1 - back})
    return found


def trimmed(cases: Sequence[dict[str, Any]], trim: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`kept` for every case: by group and year, both bounds inclusive."""
    found = []
    for group, year in sorted({(case["group"], case["year"]) for case in cases}):
        own = [case for case in cases if (case["group"], case["year"]) == (group, year)]
        fees = sorted(case["total_fee_fen"] for case in own)
        low, high = bounds(fees, trim)
        found += [{**case, "kept": low <= case["total_fee_fen"] <= high} for case in own]
    return found


def bounds(fees: Sequence[int], trim: Mapping[str, Any]) -> tuple[Fraction, Fraction]:
    """Nearest ranks: the p-th part of n sorted costs is the one at place ceil(p·n), counted from one."""
    n = len(fees)

    def rank(part: Fraction) -> int:
        return fees[max(1, ceil(part * n)) - 1]

    if trim["method"] == "none" or n < trim["least"]:
        return Fraction(fees[0]), Fraction(fees[-1])
    if trim["method"] == "percentile":
        return Fraction(rank(Fraction(trim["low"]))), Fraction(rank(Fraction(trim["high"])))
    q1, q3 = rank(Fraction(1, 4)), rank(Fraction(3, 4))
    reach = Fraction(trim["k"]) * (q3 - q1)
    return q1 - reach, q3 + reach


def mean(cases: Sequence[dict[str, Any]], year_weights: Sequence[int]) -> Fraction | None:
    """Σ y·m_y ÷ Σ y over the years in which cases were kept."""
    top, bottom = Fraction(), 0
    for year, weight in enumerate(year_weights):
        fees = [case["total_fee_fen"] for case in cases if case["kept"] and case["year"] == year]
        if fees:
            top, bottom = top + weight * Fraction(sum(fees), len(fees)), bottom + weight
    return top / bottom if bottom else None


def variance(fees: Sequence[int]) -> Fraction:
    """Σ(x − m)², not divided."""
    middle = Fraction(sum(fees), len(fees))
    return sum(((fee - middle) ** 2 for fee in fees), Fraction())


def riv(cases: Sequence[dict[str, Any]]) -> Fraction | None:
    """1 − Σ_g Σ(x − m_g)² ÷ Σ(x − M)²; None where all costs are alike."""
    if not cases:
        return None
    whole = variance([case["total_fee_fen"] for case in cases])
    if not whole:
        return None
    groups = {case["group"] for case in cases}
    inside = sum(
        variance([one["total_fee_fen"] for one in cases if one["group"] == group]) for group in groups
    )
    return 1 - Fraction(inside) / whole


def weights(
    cases: Sequence[dict[str, Any]], present: Mapping[str, Fraction], rules: Mapping[str, Any], digits: int,
    adrg_of: Mapping[str, str],
) -> dict[str, tuple[str, Fraction | None]]:  # fmt: skip
    """Group → what became of it, and its weight; `present` are the weights in force of all groups paid by weight."""
    years = rules["year_weights"]
    found: dict[str, tuple[str, Fraction | None]] = {}
    basis: dict[str, Fraction] = {}
    for group in sorted({*present, *(case["group"] for case in cases)}):
        own = [case for case in cases if case["group"] == group]
        held = present.get(group)
        kept = [case["total_fee_fen"] for case in own if case["kept"]]
        if not own:
            found[group] = "unseen", held
        elif len(own) < rules["fewest_cases"]:
            siblings = [case for case in cases if adrg_of[case["group"]] == adrg_of[group]]
            if rules["thin"] == "own":
                found[group], basis[group] = ("thin_own", None), mean(own, years) or Fraction()
            elif held is not None:
                found[group] = "thin_kept", held
            elif rules["new_thin"] == "pool" and len(siblings) >= rules["fewest_cases"]:
                found[group], basis[group] = ("pooled", None), mean(siblings, years) or Fraction()
            else:
                found[group] = "blank", None
        else:
            # CV² = (Σ(x − m)² ÷ n) ÷ m²
            middle = Fraction(sum(kept), len(kept))
            unstable = variance(kept) / len(kept) / middle**2 > Fraction(rules["cv_at_most"]) ** 2
            if unstable and rules["unstable"] == "keep" and held is not None:
                found[group] = "unstable_kept", held
            else:
                found[group] = ("unstable_own" if unstable else "own"), None
                basis[group] = mean(own, years) or Fraction()
    n = {group: sum(case["group"] == group for case in cases) for group in found}
    before = sum((present[group] * n[group] for group in basis if group in present), Fraction())
    after = sum((basis[group] * n[group] for group in basis if group in present), Fraction())
    neutral = rules["scaling"] == "total_weight" and after > 0
    per_fen = before / after if neutral else 1 / (mean(cases, years) or Fraction(1))
    for group, cost in basis.items():
        found[group] = found[group][0], max(rounded(cost * per_fen, digits), Fraction(1, 10**digits))
    return found


def rounded(value: Fraction, digits: int) -> Fraction:
    """Half up, of a value that is not below zero."""
    return Fraction(floor(value * 10**digits + Fraction(1, 2)), 10**digits)


def coefficients(
    cases: Sequence[dict[str, Any]], weight: Mapping[str, Fraction], present: Mapping[str, Fraction],
    rules: Mapping[str, Any], digits: int,
) -> dict[str, Fraction]:  # fmt: skip
    """Hospital → coefficient: cost per weight over the region's, scaled and held, the scale found by halving.

    The scale is found to 10^-18 of itself, so a value that rounding could turn is left to other tests.
    """
    said, years = rules["coefficients"], rules["year_weights"]
    region = cost_per_weight(cases, weight, years)
    free: list[tuple[str, Fraction, Fraction, Fraction, Fraction]] = []
    found = dict(present)
    for hospital in sorted({case["hospital_id"] for case in cases}):
        own = [case for case in cases if case["hospital_id"] == hospital]
        if len(own) < said["fewest_cases"]:
            continue
        before = present[hospital]
        low, high = Fraction(said["lowest"]), Fraction(said["highest"])
        if said["step"] is not None:
            low = max(low, before * (1 - Fraction(said["step"])))
            high = min(high, before * (1 + Fraction(said["step"])))
        total = sum((weight[case["group"]] for case in own), Fraction())
        free.append((hospital, cost_per_weight(own, weight, years) / region, total, low, high))

    def sum_at(factor: Fraction) -> Fraction:
        return sum(
            (total * min(max(factor * ratio, low), high) for _, ratio, total, low, high in free), Fraction()
        )

    target = sum((present[hospital] * total for hospital, _, total, _, _ in free), Fraction())
    below, above = Fraction(0), Fraction(1000)
    for _ in range(80):
        middle = (below + above) / 2
        below, above = (middle, above) if sum_at(middle) < target else (below, middle)
    for hospital, ratio, _, low, high in free:
        found[hospital] = rounded(min(max(above * ratio, low), high), digits)
    return found


def cost_per_weight(
    cases: Sequence[dict[str, Any]], weight: Mapping[str, Fraction], years: Sequence[int]
) -> Fraction:
    """Σ y·(F_y ÷ W_y) ÷ Σ y over the years with kept cases."""
    top, bottom = Fraction(), 0
    for year, share in enumerate(years):
        own = [case for case in cases if case["kept"] and case["year"] == year]
        if own:
            fee = sum(case["total_fee_fen"] for case in own)
            top += share * fee / sum((weight[case["group"]] for case in own), Fraction())
            bottom += share
    return top / bottom
