"""Each family of DESIGN §6 by its printed formula, in fractions; no line shared with `pipeline.price_rules`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Standing:
    """What the formulas name. Money in fen; by the rate method a point is a fen, so P = Q = 1."""

    fee: Fraction  # F
    value: Fraction  # W: the score, or weight × rate
    coefficient: Fraction  # c
    auxiliary: Fraction  # a
    reference_price: Fraction  # Q
    point_value: Fraction  # P
    ratio: Fraction | None = None  # x

    @property
    def standard_points(self) -> Fraction:
        """S in points: score × c × a, or weight × rate × c."""
        return self.value * self.coefficient * self.auxiliary


@dataclass(frozen=True)
class Paid:
    """The points that the point value pays, and the money beside them: amount = points × P + money."""

    points: Fraction
    money: Fraction = Fraction(0)

    def amount(self, point_value: Fraction) -> Fraction:
        return self.points * point_value + self.money


def by_treatment(treatment: Mapping[str, Any], case: Standing) -> Paid:
    """A case off the normal path: no ratio class, no auxiliary subtype."""
    match treatment["treatment"]:
        case "table_weight" | "fixed_weight":
            return Paid(case.value * case.coefficient)
        case "share_of_fee":
            return Paid(Fraction(0), Fraction(treatment["share"]) * case.fee)
        case "share_of_benchmark":
            points = Fraction(treatment["share"]) * case.fee / case.reference_price
            return Paid(points * case.coefficient if treatment.get("by_coefficient") else points)
        case "by_item":
            return Paid(Fraction(0), case.fee)
    raise AssertionError(f"no formula for {treatment['treatment']}")


def by_band(band: Mapping[str, Any], case: Standing) -> Paid:
    """A ratio class; K, or h, is the threshold of the band. Subtypes multiply the score: W·a is the score then."""
    threshold, standard, fee = Fraction(band["threshold"]), case.standard_points, case.fee
    assert case.ratio is not None
    x, c, a = case.ratio, case.coefficient, case.auxiliary
    match band["family"]:
        case "actual":
            return Paid(Fraction(0), fee)
        case "as_normal":
            return Paid(standard)
        case "factor":
            return Paid(Fraction(band["factor"]) * standard)
        case "excess_share":  # S·(b + q·(x − K))
            base, share = Fraction(band.get("base", "1")), Fraction(band["share"])
            return Paid(standard * (base + share * (x - threshold)))
        case "keep_excess":  # F − (K − 1)·S
            return Paid(-(threshold - 1) * standard, fee)
        case "minus_fixed":  # F − k·S
            return Paid(-Fraction(band["factor"]) * standard, fee)
        case "cap":
            return Paid(threshold * standard)
        case "points":
            return Paid(fee / case.reference_price)
        case "linear_add":  # W·c + add, add without coefficient and not below nothing
            score = case.value * a
            return Paid(score * c + max(Fraction(0), fee / case.reference_price - threshold * score))
        case "deduct":
            return Paid(fee / case.reference_price - (threshold - 1) * case.value * a * c)
        case "deviation":
            return Paid(case.value * x * a * (c if band["by_coefficient"] else 1))
        case "deviation_excess" if band["plus"] == "one":
            return Paid(case.value * (x - threshold + 1) * c * a)
        case "deviation_excess":
            return Paid(case.value * (x - threshold + c) * a)
    raise AssertionError(f"no formula for {band['family']}")
