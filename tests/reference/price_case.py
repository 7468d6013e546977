"""Price one case with fractions, read aloud from DESIGN §6.

The judge of the SQL: it reads the same region pack as plain text, shares no line of code with
`pipeline.terms`, and says each family by its published formula instead of `multiple` and `fee_share`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any


@dataclass(frozen=True)
class Price:
    """`ratio` is x = F / reference, None off the path; amounts in fen, each rounded once from the exact value."""

    price_class: str  # normal | low | high | special | ambiguous | ungrouped
    rule: str
    weight: Fraction
    rate: Fraction
    coefficient: Fraction
    ratio: Fraction | None
    exact_fen: Fraction
    standard_fen: int
    fund_fen: int


def half_away(exact: Fraction) -> int:
    """The nearest integer; a tie goes away from zero, so that a reversal is the exact negative."""
    nearest = floor(abs(exact) + Fraction(1, 2))
    return nearest if exact >= 0 else -nearest


def price_case(
    pack: Mapping[str, Any], weights: Mapping[str, str], level: str, case: Mapping[str, Any]
) -> Price | None:
    """The price, or None where something is unknown. `case`: hospital_id, insurance_type, drg, status,
    pricing_date, total_fee_fen, pool_fund_fen. `pack` is region.yaml as plain data, numbers as text."""  # fmt: skip
    law = {key: _on(pack[key], case["pricing_date"]) for key in _DATED}
    if any(entry is None for entry in law.values()):
        return None
    fee, recorded = Fraction(case["total_fee_fen"]), Fraction(case["pool_fund_fen"])
    rate, coefficient = _rate_and_coefficient(law, pack["levels"], level, case)
    if rate is None or coefficient is None:
        return None
    treatment = _treatment(law["off_path"], case)
    weight = _number(weights.get(case["drg"]))
    if treatment and treatment["treatment"] == "fixed_weight":
        weight = _number(treatment["weight"])
    by_fee = bool(treatment) and treatment["treatment"] in ("share_of_fee", "by_item")
    if weight is None and not by_fee:
        return None
    weight = weight or Fraction(0)
    standard = weight * rate * coefficient * 100  # yuan to fen
    ratio = None
    if treatment:  # it left the normal path: no ratio class
        price_class = "special" if case["status"] == "grouped" else case["status"]
        rule = treatment["treatment"]
        share = _number(treatment["share"]) if rule == "share_of_fee" else Fraction(1)
        amount = share * fee if by_fee else standard
    else:
        reference = standard
        if law["ratio"]["reference"] == "without_coefficient":
            reference = weight * rate * 100
        ratio = fee / reference
        price_class, rule, amount = _by_class(law["ratio"], weight, fee, standard, ratio)
    fund = amount - (fee - recorded)
    if law["fund_share"].get("negative", "keep") == "zero":
        fund = max(Fraction(0), fund)
    return Price(
        price_class, rule, weight, rate, coefficient, ratio, amount, half_away(amount), half_away(fund)
    )


_DATED = (
    "scheme",
    "weights",
    "rates",
    "coefficients",
    "base_groups",
    "ratio",
    "off_path",
    "fund_share",
    "settlement",
)


def _on(entries: Sequence[Mapping[str, Any]], day: dt.date) -> Mapping[str, Any] | None:
    """The last entry that has begun, unless it has ended."""
    begun = [entry for entry in entries if dt.date.fromisoformat(entry["from"]) <= day]
    if not begun or ("to" in begun[-1] and dt.date.fromisoformat(begun[-1]["to"]) < day):
        return None
    return begun[-1]


def _number(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _rate_and_coefficient(
    law: Mapping[str, Any], levels: Sequence[str], level: str, case: Mapping[str, Any]
) -> tuple[Fraction | None, Fraction | None]:
    """Rate by insurance type and level, coefficient by hospital or else level; base groups change one of them."""
    rates = law["rates"]["values"].get(case["insurance_type"], {})
    rate = _number(rates.get(level))
    coefficients = law["coefficients"]
    own = coefficients.get("by_hospital", {}).get(case["hospital_id"])
    coefficient = _number(own if own is not None else coefficients["by_level"].get(level))
    base = law["base_groups"]
    if case["drg"] in base.get("groups", []):
        match base["strategy"]:
            case "lowest_level_rate":
                with_rate = [one for one in levels if one in rates]
                rate = _number(rates[with_rate[0]]) if with_rate else None
            case "rate_of_level":
                rate = _number(rates.get(base["level"]))
            case "fixed_rate":
                rate = _number(base["value"])
            case "fixed_coefficient":
                coefficient = _number(base["value"])
            case "capped_coefficient":
                coefficient = None if coefficient is None else min(coefficient, Fraction(base["value"]))
    return rate, coefficient


def _treatment(off_path: Mapping[str, Any], case: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if case["drg"] in off_path.get("groups", {}):
        return off_path["groups"][case["drg"]]
    return None if case["status"] == "grouped" else off_path[case["status"]]


def _by_class(
    ratio_law: Mapping[str, Any], weight: Fraction, fee: Fraction, standard: Fraction, x: Fraction
) -> tuple[str, str, Fraction]:
    low = ratio_law["low"]
    for band in ratio_law["high"]:
        high = band
        if "weight_le" in band and weight <= Fraction(band["weight_le"]):
            break
    if x < Fraction(low["threshold"]) or (x == Fraction(low["threshold"]) and low["inclusive"]):
        return "low", low["family"], _amount(low, fee, standard, x)
    if x > Fraction(high["threshold"]) or (x == Fraction(high["threshold"]) and high["inclusive"]):
        return "high", high["family"], _amount(high, fee, standard, x)
    return "normal", "normal", standard


def _amount(band: Mapping[str, Any], fee: Fraction, standard: Fraction, x: Fraction) -> Fraction:
    """What DESIGN §6 prints for each family; K is the threshold of the band."""
    threshold = Fraction(band["threshold"])
    match band["family"]:
        case "actual":
            return fee
        case "as_normal":
            return standard
        case "factor":
            return Fraction(band["factor"]) * standard
        case "excess_share":
            return standard * (
                Fraction(band.get("base", "1")) + Fraction(band["share"]) * (x - threshold)
            )  # S·(b + q·(x − K))
        case "keep_excess":
            return fee - (threshold - 1) * standard
        case "minus_fixed":
            return fee - Fraction(band["factor"]) * standard
        case "cap":
            return threshold * standard
    raise AssertionError(f"no formula for {band['family']}")
