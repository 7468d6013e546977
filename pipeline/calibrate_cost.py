"""Costs of groups of cases, exact: integer sums from the engine, means as fractions.

Source: DIP 技术规范 第五章: costs trimmed per row and year, m = Σ k·m_year / Σ k over the years that have cases.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from math import isqrt

import duckdb
import numpy as np
import pyarrow as pa

from pipeline.calibrate_rules import SHARE_DIGITS, Trim
from pipeline.query import statement

CV_DIGITS = 4


@dataclass(frozen=True)
class Sums:
    """Cases and cost in fen: all of them, and those that trimming kept, with the squares of these."""

    cases: int = 0
    fee_fen: int = 0
    kept: int = 0
    kept_fen: int = 0
    squares: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.cases + other.cases, self.fee_fen + other.fee_fen, self.kept + other.kept,
            self.kept_fen + other.kept_fen, self.squares + other.squares,
        )  # fmt: skip

    @property
    def mean(self) -> Fraction:
        """Mean cost of the kept cases in fen."""
        return Fraction(self.kept_fen, self.kept)

    @property
    def cv(self) -> Decimal:
        """Coefficient of variation of the kept cases: population standard deviation / mean, four digits."""
        return square_root(Fraction(self.kept * self.squares - self.kept_fen**2, self.kept_fen**2))


def square_root(square: Fraction, digits: int = CV_DIGITS) -> Decimal:
    """The root of a fraction, rounded half up, by integers alone."""
    doubled = isqrt(4 * square.numerator * 10 ** (2 * digits) // square.denominator)
    return Decimal((doubled + 1) // 2).scaleb(-digits)


@dataclass
class Cost:
    """Costs of one group by (year, level); years are places among the year weights."""

    cells: dict[tuple[int, int], Sums] = field(default_factory=dict)

    def total(self) -> Sums:
        return sum(self.cells.values(), Sums())

    def by_year(self, level: int | None = None) -> dict[int, Sums]:
        """Sums of every year that has cases, of one level or of all."""
        found: dict[int, Sums] = {}
        for (year, of_level), sums in self.cells.items():
            if level is None or level == of_level:
                found[year] = found.get(year, Sums()) + sums
        return found

    def of_level(self, level: int) -> Sums:
        return sum((sums for (_, own), sums in self.cells.items() if own == level), Sums())


def weighted_mean(years: dict[int, Sums], weights: tuple[int, ...]) -> Fraction | None:
    """Σ k·m_year / Σ k over the years in which cases were kept; None where there are none."""
    kept = {year: sums for year, sums in years.items() if sums.kept}
    if not kept:
        return None
    return sum((weights[year] * sums.mean for year, sums in kept.items()), Fraction()) / sum(
        weights[year] for year in kept
    )


def together(costs: Iterable[Cost]) -> dict[int, Sums]:
    """Sums of every year over many groups."""
    years: dict[int, Sums] = defaultdict(Sums)
    for cost in costs:
        for (year, _), sums in cost.cells.items():
            years[year] += sums
    return dict(years)


def costs_of(
    con: duckdb.DuckDBPyConnection, combination: np.ndarray, group: np.ndarray, trim: Trim
) -> dict[int, Cost]:
    """The costs of every group; a combination may belong to many groups (pairs of equal places)."""
    con.register("membership", pa.table({"combination": pa.array(combination, pa.int32()),
                                         "member_of": pa.array(group, pa.int32())}))  # fmt: skip
    shares = {
        name: int(value.scaleb(SHARE_DIGITS)) for name, value in (("low", trim.low), ("high", trim.high))
    }
    found = con.sql(statement("calibrate/costs"), params={**shares, "least": trim.least}).fetchall()
    con.unregister("membership")
    costs: dict[int, Cost] = defaultdict(Cost)
    for of_group, year, level, *sums in found:
        costs[of_group].cells[year, level] = Sums(*sums)
    return dict(costs)


def half_away(value: Fraction, digits: int) -> Decimal:
    """A positive fraction rounded half away from zero to its published digits, never to zero."""
    scaled = (2 * value.numerator * 10**digits + value.denominator) // (2 * value.denominator)
    return Decimal(max(1, scaled)).scaleb(-digits)


def plain(value: Decimal) -> str:
    """A number as a table prints it."""
    return format(value, "f")


def percent(part: int, whole: int) -> str:
    """A share as a percentage with two digits, cut."""
    share = Decimal(part * 10_000 // whole if whole else 0).scaleb(-2)
    return f"{share.quantize(Decimal('0.01'), rounding=ROUND_DOWN)}%"


def signed_percent(moved: Fraction) -> str:
    """A relative change in percent with two digits: `+3.25%`."""
    if not moved:
        return "0.00%"
    size = (2 * abs(moved.numerator) * 10_000 + moved.denominator) // (2 * moved.denominator)
    return f"{'-' if moved < 0 else '+'}{plain(Decimal(size).scaleb(-2))}%"
