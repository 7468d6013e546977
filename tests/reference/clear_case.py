"""A year cleared slowly: one hospital after the other, fractions throughout, read aloud from docs/clearing.md.

Nothing of pipeline/ is used. Money is in fen; a case's share is the year's share of its unit, with twelve digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Key = tuple[str, str]  # hospital, insurance type


@dataclass(frozen=True)
class YearCase:
    """A priced case of a published month, or a reversal (all its amounts negative)."""

    case_id: str
    hospital: str
    kind: str
    standard_fen: int
    fund_fen: int
    fee_fen: int
    pool_fen: int
    points: str | None = None  # none by the rate method
    apart_fen: int = 0
    separate_fen: int = 0
    method: str = "difference"
    of: str | None = None
    negative_kept: bool = True
    share: tuple[int, int] | None = None  # recorded fund and fee, of its month
    group: str = "AA"
    period: str = "2025-01"
    reverses: str | None = None
    line: str = ""  # the budget line that pays it; blank: the main pool

    @property
    def pool(self) -> tuple[str, str]:
        return self.kind, self.line

    @property
    def units(self) -> Fraction:
        return Fraction(self.standard_fen - self.apart_fen) if self.points is None else Fraction(self.points)

    @property
    def unit(self) -> tuple[str | None, str, str]:
        return self.of, self.kind, {"group": self.group, "hospital": self.hospital}.get(self.of or "", "")


@dataclass(frozen=True)
class Month:
    """What a hospital was paid for one month and insurance type."""

    hospital: str
    kind: str
    settled_fen: int = 0
    revolving_fen: int = 0
    deposit_fen: int = 0
    cash_fen: int = 0
    period: str = "2025-01"

    @property
    def due_fen(self) -> int:
        return self.settled_fen - self.revolving_fen - self.deposit_fen


@dataclass(frozen=True)
class Year:
    """All that a clearing reads. Advances: (out, returned); assessments: (coefficient, share of deposit returned).

    Budgets: of main pools by type, of budget lines by type and line.
    """

    cases: Sequence[YearCase] = ()
    months: Sequence[Month] = ()
    advances: Mapping[Key, tuple[int, int]] = field(default_factory=dict)
    audits: Mapping[Key, int] = field(default_factory=dict)
    budgets: Mapping[str, int] = field(default_factory=dict)
    assessments: Mapping[tuple[str, str | None], tuple[str, str]] = field(default_factory=dict)
    line_budgets: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def fund(self, pool: tuple[str, str]) -> int | None:
        return self.line_budgets.get(pool) if pool[1] else self.budgets.get(pool[0])


@dataclass(frozen=True)
class ClearedYear:
    """What the year comes to: fen by case, steps by hospital and type, value by pool (yuan per point, multiplier).

    `pools`: fen by hospital and pool.
    """

    cases: dict[str, int]
    hospitals: dict[Key, dict[str, int]]
    values: dict[tuple[str, str], Fraction]
    pools: dict[tuple[str, str, str], int]


class NoValue(Exception):
    """The fund cannot be used up by any value."""


def away(number: Fraction) -> int:
    """Nearest whole number, a half away from zero."""
    whole, half = abs(number) // 1, abs(number) % 1 >= Fraction(1, 2)
    return int(whole + half) * (1 if number >= 0 else -1)


def clear(year: Year, law: Mapping[str, Any]) -> ClearedYear:
    """The year by the law as a pack writes it. Raises NoValue."""
    amounts: dict[str, int] = {}
    of_pool: dict[tuple[str, str, str], int] = {}
    standards: dict[tuple[str, str, str], int] = {}
    values: dict[tuple[str, str], Fraction] = {}
    as_they_are = [case for case in year.cases if not solved(case.pool, law)]
    for case in as_they_are:
        key = case.hospital, *case.pool
        amounts[case.case_id] = as_priced(case, year)
        of_pool[key] = of_pool.get(key, 0) + amounts[case.case_id]
        standards[key] = standards.get(key, 0) + case.standard_fen
    pools = sorted({case.pool for case in year.cases if solved(case.pool, law)})
    funded = {(kind, "") for kind, fen in year.budgets.items() if fen}
    funded |= {pool for pool, fen in year.line_budgets.items() if fen}
    if any(year.fund(pool) is None for pool in pools) or any(
        solved(pool, law) and pool not in pools for pool in funded
    ):
        raise NoValue
    for pool in pools:
        own = [case for case in year.cases if case.pool == pool]
        value, fund = value_of(own, year, law, pool)
        values[pool] = value / 100 if own[0].points is not None else value
        exact = {case.case_id: owed(case, year, value) for case in own}
        hospitals = sorted({case.hospital for case in own})
        wanted = {name: sum(exact[c.case_id] for c in own if c.hospital == name) for name in hospitals}
        for name, fen in spread(wanted, fund).items():
            of_pool[name, *pool] = fen
            mine = [case for case in own if case.hospital == name]
            standards[name, *pool] = away(sum(case.apart_fen + case.units * value for case in mine))
            pairs = paired(year)
            amounts |= {c.case_id: away(exact[c.case_id]) for c in mine if c.case_id in pairs}
            single = {c.case_id: exact[c.case_id] for c in mine if c.case_id not in pairs}
            amounts |= spread(single, fen)
    steps = {key: steps_of(key, year, law, of_pool, standards) for key in keys_of(year)}
    return ClearedYear(amounts, steps, values, of_pool)


def solved(pool: tuple[str, str], law: Mapping[str, Any]) -> bool:
    """Whether the pool has a value of its own; else its cases keep the prices of their months."""
    return bool(law["value"] != "fixed" and pool[1] not in law.get("lines_as_priced", ()))


def paired(year: Year) -> set[str]:
    """Cases that were taken back in the same year, and what took them back."""
    ids = {case.case_id for case in year.cases}
    found = [case for case in year.cases if case.reverses in ids]
    return {case.case_id for case in found} | {case.reverses for case in found if case.reverses}


def share_of(case: YearCase, year: Year) -> Fraction:
    """Before it is rounded: of the case, or of the year's cases of its unit; an older case's is its month's."""
    if case.method != "ratio":
        return Fraction(1)
    assert case.share is not None
    if case.of == "case" or (case.reverses is not None and case.case_id not in paired(year)):
        return Fraction(*case.share) if case.share[1] else Fraction(0)
    unit = [
        one for one in year.cases
        if one.method == "ratio" and one.unit == case.unit and (one.reverses is None or one.case_id in paired(year))
    ]  # fmt: skip
    fee = sum(one.fee_fen for one in unit)
    return Fraction(sum(one.pool_fen for one in unit), fee) if fee else Fraction(0)


def as_priced(case: YearCase, year: Year) -> int:
    """At its month's price; a share of a unit is the year's, taken of the standard to the fen."""
    own = case.of in (None, "case") or (case.reverses is not None and case.case_id not in paired(year))
    return case.fund_fen if own else case.separate_fen + away(case.standard_fen * share_of(case, year))


def owed(case: YearCase, year: Year, value: Fraction) -> Fraction:
    """What the fund owes at a value of so many fen per point, or so many times the rate."""
    standard = case.apart_fen + case.units * value
    if case.method == "ratio":
        return case.separate_fen + Fraction(away(share_of(case, year) * 10**12), 10**12) * standard
    return case.separate_fen + standard - (case.fee_fen - case.pool_fen)


def value_of(
    own: Sequence[YearCase], year: Year, law: Mapping[str, Any], pool: tuple[str, str]
) -> tuple[Fraction, int]:
    """The value at which the cases of a pool sum to its fund, and the fund."""
    if any(
        case.method == "policy" or (case.method == "difference" and not case.negative_kept) for case in own
    ):
        raise NoValue
    nothing = sum((owed(case, year, Fraction(0)) for case in own), Fraction(0))
    per_value = sum((owed(case, year, Fraction(1)) for case in own), Fraction(0)) - nothing
    if per_value <= 0:
        raise NoValue
    fund, kind = year.fund(pool) or 0, pool[0]
    value = (fund - nothing) / per_value
    if law["value"] == "elastic" and not pool[1]:  # a budget line has no base
        base, fixed = Fraction(law["base_points"][kind]), Fraction(law["fixed_values"][kind]) * 100
        points = sum(case.units for case in own)
        if points <= base:
            value = fixed
            fund = away(nothing + per_value * fixed)
        elif points * value < base * fixed:
            raise NoValue
    if value < 0:
        raise NoValue
    return value, fund


def spread(exact: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Floors, and a fen more for the largest remainders, the smaller name first."""
    fen = {name: int(number // 1) for name, number in exact.items()}
    order = sorted(sorted(exact), key=lambda name: exact[name] % 1, reverse=True)
    for name in order[: total - sum(fen.values())]:
        fen[name] += 1
    return fen


def keys_of(year: Year) -> list[Key]:
    return sorted(
        {(case.hospital, case.kind) for case in year.cases} | {(one.hospital, one.kind) for one in year.months}
        | set(year.advances) | set(year.audits)
    )  # fmt: skip


def steps_of(
    key: Key, year: Year, law: Mapping[str, Any], of_pool: Mapping[Any, int], standards: Mapping[Any, int]
) -> dict[str, int]:
    """From fund_from_points down to the clearing, as a hospital would with a pocket calculator."""
    whole, whole_standard = (
        sum(fen for pool, fen in found.items() if pool[:2] == key) for found in (of_pool, standards)
    )
    fund, standard = of_pool.get((*key, ""), 0), standards.get((*key, ""), 0)  # bands: the main pool's alone
    mine = [case for case in year.cases if (case.hospital, case.kind) == key and not case.line]
    months = [one for one in year.months if (one.hospital, one.kind) == key]
    spent, granted = {
        "fund": (sum(case.pool_fen for case in mine), fund),
        "total": (sum(case.fee_fen for case in mine), standard),
    }.get(law.get("bands_measure") or "", (0, 0))
    banded = fund
    for band in law.get("bands", ()):
        lo, hi = Fraction(band["lo"]), band["hi"]
        if (
            granted > 0
            and lo <= Fraction(spent, granted)
            and (hi is None or Fraction(spent, granted) < Fraction(hi))
        ):
            amount = Fraction(band["base"]) * granted + Fraction(band["share"]) * (spent - lo * granted)
            banded = away(amount if law["bands_measure"] == "fund" else fund * amount / granted)
    hospital, kind = key
    judged = year.assessments.get((hospital, kind)) or year.assessments.get((hospital, None)) or ("1", "1")
    banded += whole - fund
    assessed = away(banded * Fraction(judged[0]))
    entitlement = assessed - year.audits.get(key, 0)
    out, returned = year.advances.get(key, (0, 0))
    still_out = out - returned - sum(one.revolving_fen for one in months)
    deposit_back = away(sum(one.deposit_fen for one in months) * Fraction(judged[1]))
    unpaid = sum(one.due_fen for one in months) - sum(one.cash_fen for one in months)
    settled = sum(one.settled_fen for one in months)
    return {
        "standard_fen": whole_standard, "fund_from_points_fen": whole, "banded_fen": banded, "assessed_fen": assessed,
        "entitlement_fen": entitlement, "still_out_fen": still_out, "deposit_returned_fen": deposit_back,
        "unpaid_fen": unpaid, "settled_fen": settled,
        "clearing_fen": entitlement - settled - still_out + deposit_back + unpaid,
    }  # fmt: skip
