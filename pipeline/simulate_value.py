"""The price at which a proposal's cases use up the present pool, and each hospital's money at it: the hidden cut.

Source: DESIGN §6, §8. With classes frozen, what the fund owes is α + β·m, m being the multiplier of the point value (or of
the rates); so m = (pool − Σα) / Σβ, and `pipeline.solve` finds the same value for one month of one price. Exact fractions;
money is integer fen by largest remainder (DESIGN §7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

SHOWN = 1_000_000  # prices and multipliers are shown with six digits


@dataclass
class Line:
    """α + β·m of a hospital, in fen."""

    alpha: Fraction = field(default_factory=Fraction)
    beta: Fraction = field(default_factory=Fraction)


@dataclass(frozen=True)
class Neutral:
    """`multiplier` is None where there is none, and `why` says so. `funds_fen`: hospital → fen, Σ = the pool."""

    multiplier: Fraction | None
    funds_fen: Mapping[str, int]
    why: str | None


def neutral(values: Sequence[Mapping[str, Any]], pool_fen: int) -> Neutral:
    """Of one insurance type. `values`: rows of the statement `simulate/values`, of every month."""
    if why := _why_not(values):
        return Neutral(None, {}, why)
    lines: dict[str, Line] = {}
    for row in values:
        line = lines.setdefault(row["hospital_id"], Line())
        alpha, beta = _line_of(row)
        line.alpha += alpha
        line.beta += beta
    beta = sum((line.beta for line in lines.values()), Fraction())
    if beta <= 0:
        return Neutral(None, {}, "没有随点值（费率）变动的支付，求不出中性值")
    multiplier = (pool_fen - sum((line.alpha for line in lines.values()), Fraction())) / beta
    exact = {name: line.alpha + multiplier * line.beta for name, line in lines.items()}
    return Neutral(multiplier, whole_fen(exact, pool_fen), None)


def _why_not(values: Sequence[Mapping[str, Any]]) -> str | None:
    """Why the fund does not follow the price in proportion, or None."""
    for row in values:
        if row["fixed"]:
            continue
        if row["fund_method"] == "policy":
            return "政策法的基金不随点值（费率）等比变化，求不出中性值"
        if row["fund_method"] == "difference" and not row["negative_kept"]:
            return "差额法“负数记零”的基金不随点值（费率）等比变化，求不出中性值"
        if row["fund_method"] == "ratio" and row["fund_of"] == "case":
            return "比例法逐例（of: case）的基金占比各例不同，不在此求中性值"
    return None


def _line_of(row: Mapping[str, Any]) -> tuple[Fraction, Fraction]:
    """α and β in fen of a row whose cases share price and fund share."""
    if row["fixed"]:
        return Fraction(row["fund_fen"]), Fraction()
    if row["by_points"]:  # points are stored in millionths, the price in yuan
        moving = Fraction(int(row["points_e6"]), SHOWN) * Fraction(row["price"]) * 100
    else:
        moving = Fraction(row["standard_fen"] - row["apart_fen"])
    if row["fund_method"] == "difference":
        return Fraction(row["apart_fen"] + row["separate_fen"] - row["borne_fen"]), moving
    fee = row["share_fee_fen"] or 0
    # A unit whose fees sum to nothing has had all its cases taken back: nothing is left to share.
    share = Fraction(row["share_fund_fen"], fee) if fee else Fraction()
    return row["separate_fen"] + row["apart_fen"] * share, moving * share


def whole_fen(exact: Mapping[str, Fraction], total_fen: int) -> dict[str, int]:
    """Fen that sum to the total: floors, the missing fen to the largest remainders, ties to the smaller name."""
    floors = {name: number.__floor__() for name, number in exact.items()}
    order = sorted(exact, key=lambda name: (floors[name] - exact[name], name))
    for name in order[: total_fen - sum(floors.values())]:
        floors[name] += 1
    return floors


def shown(number: Fraction) -> Decimal:
    """Six digits, half away from zero."""
    twice = abs(number) * 2 * SHOWN
    whole = (twice + 1).__floor__() // 2
    return Decimal(-whole if number < 0 else whole).scaleb(-6)
