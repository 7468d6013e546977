"""Each family of DESIGN §6 by its printed formula, in fractions; no line shared with `pipeline.price_rules`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Standing:
    """What the formulas name. Money in fen; where weight is money already a point is a fen, so P = Q = 1."""

    fee: Fraction  # F, without separately paid items
    value: Fraction  # W: the score, weight × point scale, weight × rate, or a printed standard
    coefficient: Fraction  # c
    auxiliary: Fraction  # a
    reference_price: Fraction  # Q: A ÷ scale, or what judges the deviation of a score
    point_value: Fraction  # P
    ratio: Fraction | None = None  # x
    mean: Fraction | None = None  # the group's local mean, where it is the reference

    @property
    def standard_points(self) -> Fraction:
        """S in points: W × c × a."""
        return self.value * self.coefficient * self.auxiliary

    @property
    def fee_points(self) -> Fraction:
        """What F is in points: F ÷ (A ÷ s); against the group's own mean, W at the mean."""
        return self.fee / self.reference_price if self.mean is None else self.fee / self.mean * self.value


@dataclass(frozen=True)
class Paid:
    """The points that the point value pays, and the money beside them: amount = points × P + money."""

    points: Fraction
    money: Fraction = Fraction(0)

    def amount(self, point_value: Fraction) -> Fraction:
        return self.points * point_value + self.money


def by_treatment(treatment: Mapping[str, Any], case: Standing) -> Paid:
    """A case off the normal path, or one that a special rule takes."""
    match treatment["treatment"]:
        case "table_weight" | "fixed_weight" | "as_normal":
            return Paid(case.standard_points)
        case "factor":
            return Paid(Fraction(treatment["factor"]) * case.standard_points)
        case "affine":  # m·S + n·F + k·x·S
            m, n, k = (Fraction(treatment.get(key, "0")) for key in ("standard", "fee", "ratio"))
            assert case.ratio is not None or k == 0
            return Paid((m + k * (case.ratio or 0)) * case.standard_points, n * case.fee)
        case "share_of_fee":
            return Paid(Fraction(0), Fraction(treatment["share"]) * case.fee)
        case "share_of_benchmark":  # share × F/A × s, whatever the ratio refers to
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
            return Paid(case.fee_points)
        case "linear_add":  # W·c + add, add without coefficient and not below nothing
            score = case.value * a
            return Paid(score * c + max(Fraction(0), case.fee_points - threshold * score))
        case "deduct":
            return Paid(case.fee_points - (threshold - 1) * case.value * a * c)
        case "deviation":
            return Paid(case.value * x * a * (c if band["by_coefficient"] else 1))
        case "deviation_excess" if band["plus"] == "one":
            return Paid(case.value * (x - threshold + 1) * c * a)
        case "deviation_excess":
            return Paid(case.value * (x - threshold + c) * a)
    raise AssertionError(f"no formula for {band['family']}")


def class_of(law: Mapping[str, Any], weight: Fraction, level: str, case: Standing) -> tuple[str, str, Paid]:
    """Class, family and payment. A low threshold is measured on the lower reference where the pack says so."""
    lows = law["low"] if isinstance(law["low"], list) else [law["low"]]
    low, high = (_band_for(some, weight, level) for some in (lows, law["high"]))
    beyond, x = law.get("beyond"), case.ratio
    assert x is not None
    low_x = x
    if law["reference"] == "lower_of":  # F over the smaller of W·Q and W·Q·c
        low_x = x / min(Fraction(1), case.coefficient)
    if low_x < Fraction(low["threshold"]) or (low_x == Fraction(low["threshold"]) and low["inclusive"]):
        return "low", low["family"], by_band(low, case)
    if beyond and _above(beyond, x):
        return "high", beyond["family"], by_band(beyond, case)
    if _above(high, x):
        return "high", high["family"], by_band(high, case)
    return "normal", "normal", Paid(case.standard_points)


def _band_for(bands: list[Mapping[str, Any]], weight: Fraction, level: str) -> Mapping[str, Any]:
    """Of the bands that take the case: one of its own level first, then the one with the smallest weight edge."""

    def edge(band: Mapping[str, Any]) -> Fraction | None:
        text = band.get("weight_le", band.get("weight_lt"))
        return None if text is None else Fraction(text)

    def takes(band: Mapping[str, Any]) -> bool:
        if band.get("level") not in (None, level):
            return False
        if "weight_le" in band:
            return weight <= Fraction(band["weight_le"])
        return "weight_lt" not in band or weight < Fraction(band["weight_lt"])

    taking = [band for band in bands if takes(band)]
    own = [band for band in taking if band.get("level") is not None] or taking
    return min(own, key=lambda band: (edge(band) is None, edge(band) or 0, "weight_le" in band))


def _above(band: Mapping[str, Any], x: Fraction) -> bool:
    threshold = Fraction(band["threshold"])
    return x > threshold or (x == threshold and bool(band["inclusive"]))
