"""Alliances (医共体) settled and cleared slowly, read aloud from docs/alliance.md; the judge of the SQL. Exact fractions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pipeline.alliance_tables import SPENDING_KINDS, AllianceAmount, AllianceAssessment, Package
from tests.alliance_fixtures import Paid
from tests.reference.price_case import half_away

Key = tuple[str, str]


@dataclass(frozen=True)
class Cleared:
    """What a hospital's year came to, beside its cases."""

    entitlement_fen: int
    clearing_fen: int
    settled_fen: Mapping[str, int]  # by month


def year_package(package: Package, budgets: Mapping[str, int]) -> int:
    if package.form == "budget_share":
        return half_away(Fraction(budgets[package.insurance_type] * package.budget_share_e6, 10**6))
    income = package.insured * (package.per_capita_fen - package.serious_illness_fen)
    return half_away(income * (1 - Fraction(package.risk_reserve_e4, 10**4)))


def month_package(total: int, period: str) -> int:
    twelfth = half_away(Fraction(total, 12))
    return total - 11 * twelfth if period.endswith("-12") else twelfth


def is_outsider(case: Paid, package: Package | None, cases: Sequence[Paid]) -> bool:
    """A reversal is looked at as its original is."""
    original = next((one for one in cases if one.case_id == case.reverses), case)
    area = (original.area or "").strip()
    return package is not None and bool(package.counties) and bool(area) and area not in package.counties


def settle(
    period: str, packages: Sequence[Package], amounts: Sequence[AllianceAmount], budgets: Mapping[str, int],
    members: Mapping[str, str], cases: Sequence[Paid], kinds: Sequence[str],
) -> dict[Key, dict[str, int | None]]:  # fmt: skip
    """What a month used of each package, by alliance and insurance type. `members`: alliance by hospital."""
    found = {}
    for alliance in set(members.values()):
        for kind in kinds:
            package = next(
                (p for p in packages if (p.alliance_id, p.insurance_type) == (alliance, kind)), None
            )
            own = [c for c in cases if members.get(c.hospital_id) == alliance and c.insurance_type == kind]
            beside = [c for c in own if is_outsider(c, package, cases)]
            inpatient = sum(c.fund_fen for c in own) - sum(c.fund_fen for c in beside)
            given = [
                a for a in amounts if (a.alliance_id, a.insurance_type, a.month) == (alliance, kind, period)
            ]
            spending = inpatient + sum(a.amount_fen for a in given if a.kind in SPENDING_KINDS)
            total = None if package is None else month_package(year_package(package, budgets), period)
            if package is None and not own and not given:
                continue
            found[alliance, kind] = {
                "package_fen": total, "inpatient_fen": inpatient, "spending_fen": spending,
                "difference_fen": None if total is None else total - spending,
                "inpatient_cases": sum(c.count for c in own) - sum(c.count for c in beside),
                "outsider_cases": sum(c.count for c in beside),
                "outsider_inpatient_fen": sum(c.fund_fen for c in beside),
                "outsider_other_fen": sum(a.amount_fen for a in given if a.kind not in SPENDING_KINDS),
            }  # fmt: skip
    return found


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Whole parts of a total, floor by floor; the missing ones to the largest remainders, earlier ones first."""
    quotas = [Fraction(total * weight, sum(weights)) for weight in weights]
    parts = [quota.numerator // quota.denominator for quota in quotas]
    order = sorted(range(len(quotas)), key=lambda n: (parts[n] - quotas[n], n))
    for n in order[: total - sum(parts)]:
        parts[n] += 1
    return parts


def months_of_hospital(
    hospital: str,
    kind: str,
    year: Cleared,
    cases: Sequence[Paid],
    outsiders: Mapping[str, bool],
    of_year: int,
) -> dict[str, tuple[int, int, int]]:
    """By month: entitlement inside, entitlement of outsiders, clearing."""
    periods = [f"{of_year}-{n:02d}" for n in range(1, 13)]
    own = [one for one in cases if (one.hospital_id, one.insurance_type) == (hospital, kind)]
    cells = [(period, inside) for period in periods for inside in (True, False)]
    fund = [
        sum(
            one.fund_fen
            for one in own
            if one.period == period and outsiders.get(one.case_id, False) is not inside
        )
        for period, inside in cells
    ]
    weights = [abs(amount) for amount in fund] if any(fund) else [1 if inside else 0 for _, inside in cells]
    parts = largest_remainder(year.entitlement_fen - sum(fund), weights)
    entitled = [amount + part for amount, part in zip(fund, parts, strict=True)]
    pairs = list(zip(entitled[::2], entitled[1::2], strict=True))
    left = [sum(pair) - year.settled_fen.get(period, 0) for pair, period in zip(pairs, periods, strict=True)]
    sizes = [abs(fund[2 * n]) + abs(fund[2 * n + 1]) for n in range(12)]
    more = largest_remainder(year.clearing_fen - sum(left), sizes if any(sizes) else [1] * 12)
    return {
        period: (*pair, rest + part)
        for period, pair, rest, part in zip(periods, pairs, left, more, strict=True)
    }


def clear(
    year: int, packages: Sequence[Package], amounts: Sequence[AllianceAmount], assessments: Sequence[AllianceAssessment],
    budgets: Mapping[str, int], overspend_share: Fraction, members: Mapping[tuple[str, str], str],
    hospitals: Mapping[Key, Cleared], cases: Sequence[Paid], kinds: Sequence[str],
) -> tuple[dict[tuple[str, ...], dict[str, Any]], dict[tuple[str, ...], dict[str, Any]]]:  # fmt: skip
    """Member rows and alliance rows by key. `members`: alliance by (hospital, month)."""
    of = {(one.alliance_id, one.insurance_type): one for one in packages}
    outsiders = {
        one.case_id: is_outsider(one, of.get((alliance, one.insurance_type)), cases)
        for one in cases
        if (alliance := members.get((one.hospital_id, one.period))) is not None
    }
    months = {key: months_of_hospital(*key, hospitals[key], cases, outsiders, year) for key in hospitals}
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for (hospital, period), alliance in sorted(members.items()):
        for kind in kinds:
            row = rows.setdefault((alliance, hospital, kind), {
                "months": 0, "inside_entitlement_fen": 0, "outsider_entitlement_fen": 0, "clearing_fen": 0, "cases": 0,
            })  # fmt: skip
            inside, outside, clearing = months.get((hospital, kind), {}).get(period, (0, 0, 0))
            row["months"] += 1
            row["inside_entitlement_fen"] += inside
            row["outsider_entitlement_fen"] += outside
            row["clearing_fen"] += clearing
            row["cases"] += sum(
                one.count for one in cases if (one.hospital_id, one.period, one.insurance_type) == (hospital, period, kind)
            )  # fmt: skip
    ends = {}
    for alliance in {key[0] for key in rows}:
        existing = sorted({period for (_, period), held in members.items() if held == alliance})
        assessed = next((one for one in assessments if (one.alliance_id, one.year) == (alliance, year)), None)
        for kind in kinds:
            own = [row for key, row in rows.items() if (key[0], key[2]) == (alliance, kind)]
            spending = sum(row["inside_entitlement_fen"] for row in own) + sum(
                one.amount_fen for one in amounts
                if (one.alliance_id, one.insurance_type, one.month[:4]) == (alliance, kind, str(year))
                and one.kind in SPENDING_KINDS
            )  # fmt: skip
            package = of.get((alliance, kind))
            total = None
            if package is not None:
                total = sum(month_package(year_package(package, budgets), period) for period in existing)
            ends[alliance, kind] = _end(
                total, spending, sum(row["clearing_fen"] for row in own), assessed, overspend_share
            )
    return rows, ends


def _end(
    total: int | None, spending: int, members: int, assessed: AllianceAssessment | None, overspend_share: Fraction
) -> dict[str, Any]:  # fmt: skip
    names = ("package_fen", "surplus_fen", "retained_fen", "returned_fen", "county_fen", "township_fen", "village_fen",
             "overspend_fen", "borne_fen", "fund_bears_fen")  # fmt: skip
    ended: dict[str, Any] = {
        "spending_fen": spending,
        "members_clearing_fen": members,
        "lead_clearing_fen": members,
    }
    if total is None or assessed is None:
        return ended | dict.fromkeys(names)
    surplus, over = max(0, total - spending), max(0, spending - total)
    kept = half_away(surplus * Fraction(assessed.retention_e4, 10**4))
    borne = half_away(over * overspend_share)
    split = largest_remainder(kept, (assessed.county, assessed.township, assessed.village))
    values = (total, surplus, kept, surplus - kept, *split, over, borne, over - borne)
    return ended | dict(zip(names, values, strict=True)) | {"lead_clearing_fen": members + kept - borne}
