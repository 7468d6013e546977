"""A year whose classes are decided anew, slowly: rate method, difference, low as billed, high shared at 0.3 above 3.

Nothing of pipeline/ is used. docs/clearing.md: decide at the budget rate, solve; decide at the rate so found, to the fen;
solve again; no third time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.reference.clear_case import Year, YearCase, away, clear


@dataclass(frozen=True)
class Bill:
    """A discharge: what it weighs, costs, and what was recorded."""

    case_id: str
    hospital: str
    kind: str
    weight: str
    fee_fen: int
    recorded_fen: int


@dataclass(frozen=True)
class Reclassified:
    """Fen by case after the second clearing, who changed class, and the multiplier of the first."""

    cases: dict[str, int]
    changed: set[str]
    first: dict[str, Fraction]


def decided(bill: Bill, rate: Fraction) -> str:
    """Low up to 0.4, high from 3 on."""
    x = Fraction(bill.fee_fen, 100) / (Fraction(bill.weight) * rate)
    return "low" if x <= Fraction("0.4") else "high" if x >= 3 else "normal"


def at_rate(bill: Bill, rate: Fraction) -> YearCase:
    """The case as a month would price it at this rate; what does not move with the rate stands apart."""
    standard, fee = Fraction(bill.weight) * rate * 100, Fraction(bill.fee_fen)
    kind = decided(bill, rate)
    whole = {"low": fee, "normal": standard, "high": standard * (1 + Fraction("0.3") * (fee / standard - 3))}[
        kind
    ]
    apart = {"low": fee, "normal": Fraction(0), "high": Fraction("0.3") * fee}[kind]
    return YearCase(
        bill.case_id, bill.hospital, bill.kind, away(whole), 0, bill.fee_fen, bill.recorded_fen, apart_fen=away(apart)
    )  # fmt: skip


def reclassified(bills: Sequence[Bill], budgets: Mapping[str, int], rate: str) -> Reclassified:
    """The year cleared, classed anew at the rate of each type in yuan and fen, and cleared again."""
    law = {"value": "floating"}
    kinds = {bill.kind for bill in bills}
    funds = {kind: fen for kind, fen in budgets.items() if kind in kinds}
    once = clear(Year([at_rate(bill, Fraction(rate)) for bill in bills], budgets=funds), law)
    first = {kind: value for (kind, _), value in once.values.items()}
    found = {kind: Fraction(away(Fraction(rate) * 100 * value), 100) for kind, value in first.items()}
    twice = clear(Year([at_rate(bill, found[bill.kind]) for bill in bills], budgets=funds), law)
    changed = {
        bill.case_id for bill in bills if decided(bill, Fraction(rate)) != decided(bill, found[bill.kind])
    }
    return Reclassified(twice.cases, changed, first)
