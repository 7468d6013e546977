"""Price one case with fractions, read aloud from DESIGN §6.

The judge of the SQL: it reads the same region pack as plain text, shares no line of code with
`pipeline.terms`, and says each family by its published formula (see `price_families`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

from tests.reference.price_families import Paid, Standing, by_band, by_treatment

ONE = Fraction(1)


@dataclass(frozen=True)
class Printed:
    """What a DIP catalogue prints beside its scores: coefficients by (row, level), flags by row."""

    coefficients: Mapping[tuple[str, str], str] = field(default_factory=dict)
    flags: Mapping[str, Sequence[str]] = field(default_factory=dict)


NOTHING_PRINTED = Printed()


@dataclass(frozen=True)
class Price:
    """`ratio` is x = F / reference, None off the path; amounts in fen, each rounded once from the exact value.

    `rate` is None by points; `point_value` and `points` (exact) are None by the rate method.
    """

    price_class: str  # normal | low | high | special | ambiguous | ungrouped | excluded
    rule: str
    weight: Fraction
    rate: Fraction | None
    point_value: Fraction | None
    coefficient: Fraction
    auxiliary: Fraction
    ratio: Fraction | None
    points: Fraction | None
    exact_fen: Fraction
    standard_fen: int
    fund_fen: int


def half_away(exact: Fraction) -> int:
    """The nearest integer; a tie goes away from zero, so that a reversal is the exact negative."""
    nearest = floor(abs(exact) + Fraction(1, 2))
    return nearest if exact >= 0 else -nearest


def price_case(
    pack: Mapping[str, Any], weights: Mapping[str, str], level: str, case: Mapping[str, Any],
    printed: Printed = NOTHING_PRINTED,
) -> Price | None:  # fmt: skip
    """The price, or None where something is unknown. `case`: hospital_id, insurance_type, drg, status,
    pricing_date, total_fee_fen, pool_fund_fen; by points also aux_e4, own_e4 and own_unknown.
    `pack` is region.yaml as plain data, numbers as text; `weights` the scores where the catalogue carries them."""  # fmt: skip
    by_points = pack.get("method", "rate") == "dip"
    law = {key: _on(pack[key], case["pricing_date"]) for key in (*_DATED, *_PRICED_BY[by_points])}
    if any(entry is None for entry in law.values()):
        return None
    fee, recorded = Fraction(case["total_fee_fen"]), Fraction(case["pool_fund_fen"])
    base = _base(law["base_groups"], case["drg"], printed)
    rate, reference_price, point_value = _prices(law, pack["levels"], level, case, base, by_points)
    if rate is None or reference_price is None or point_value is None:
        return None
    treatment = _treatment(law["off_path"], case)
    if treatment is None and case["status"] != "grouped":
        return None
    weight = _weight(weights, treatment, case)
    found = _coefficients(law, level, case, base, treatment, printed)
    if weight is None or found is None:
        return None
    coefficient, auxiliary = found
    standing = Standing(fee, weight * rate * 100 if not by_points else weight, coefficient, auxiliary,
                        reference_price * 100 if by_points else ONE, point_value * 100 if by_points else ONE)  # fmt: skip
    ratio = None
    if treatment:  # it left the normal path: no ratio class
        price_class = "special" if case["status"] == "grouped" else case["status"]
        rule, paid = treatment["treatment"], by_treatment(treatment, standing)
    else:
        reference = standing.value * standing.reference_price
        if law["ratio"]["reference"] == "with_coefficient":
            reference *= coefficient
        ratio = fee / reference
        standing = Standing(**{**vars(standing), "ratio": ratio})
        price_class, rule, paid = _by_class(law["ratio"], weight, standing)
    amount = paid.amount(standing.point_value)
    fund = amount - (fee - recorded)
    if law["fund_share"].get("negative", "keep") == "zero":
        fund = max(Fraction(0), fund)
    return Price(
        price_class, rule, weight, None if by_points else rate, point_value if by_points else None,
        coefficient, auxiliary, ratio, paid.points if by_points else None,
        amount, half_away(amount), half_away(fund),
    )  # fmt: skip


_DATED = ("scheme", "weights", "coefficients", "base_groups", "ratio", "off_path", "fund_share", "settlement")
_PRICED_BY = {False: ("rates",), True: ("point_values", "reference_prices")}


def _on(entries: Sequence[Mapping[str, Any]], day: dt.date) -> Mapping[str, Any] | None:
    """The last entry that has begun, unless it has ended."""
    begun = [entry for entry in entries if dt.date.fromisoformat(entry["from"]) <= day]
    if not begun or ("to" in begun[-1] and dt.date.fromisoformat(begun[-1]["to"]) < day):
        return None
    return begun[-1]


def _number(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _base(law: Mapping[str, Any], group: str, printed: Printed) -> Mapping[str, Any]:
    """The strategy that holds for a group: that of the base groups, by name or by flag, or none."""
    named = group in law.get("groups", []) or law.get("flag") in printed.flags.get(group, ())
    return law if named else {"strategy": "none"}


def _prices(
    law: Mapping[str, Any], levels: Sequence[str], level: str, case: Mapping[str, Any],
    base: Mapping[str, Any], by_points: bool,
) -> tuple[Fraction | None, Fraction | None, Fraction | None]:  # fmt: skip
    """Rate, reference price and point value in yuan; what a method does not have is 1."""
    if by_points:
        kind = case["insurance_type"]
        judged, pays = (_number(law[key]["values"].get(kind)) for key in ("reference_prices", "point_values"))
        return ONE, judged, pays
    rates = law["rates"]["values"].get(case["insurance_type"], {})
    match base["strategy"]:
        case "lowest_level_rate":
            with_rate = [one for one in levels if one in rates]
            return (_number(rates[with_rate[0]]) if with_rate else None), ONE, ONE
        case "rate_of_level":
            return _number(rates.get(base["level"])), ONE, ONE
        case "fixed_rate":
            return _number(base["value"]), ONE, ONE
    return _number(rates.get(level)), ONE, ONE


def _weight(
    weights: Mapping[str, str], treatment: Mapping[str, Any] | None, case: Mapping[str, Any]
) -> Fraction | None:
    """Weight or score; nothing (0) for a case that is paid by its fee, whatever the table says of it."""
    if treatment and treatment["treatment"] == "fixed_weight":
        return _number(treatment["weight"])
    weight = _number(weights.get(case["drg"]))
    by_fee = treatment and treatment["treatment"] in ("share_of_fee", "share_of_benchmark", "by_item")
    return Fraction(0) if weight is None and by_fee else weight


def _coefficients(
    law: Mapping[str, Any], level: str, case: Mapping[str, Any], base: Mapping[str, Any],
    treatment: Mapping[str, Any] | None, printed: Printed,
) -> tuple[Fraction, Fraction] | None:  # fmt: skip
    """c and a, or None where one is unknown. A row's own subtype replaces both where it is at least c × a."""
    table = law["coefficients"]
    if table.get("by_group_level"):
        coefficient = _number(printed.coefficients.get((case["drg"], level)))
    else:
        own_hospital = table.get("by_hospital", {}).get(case["hospital_id"])
        by_level = table.get("by_level", {})
        coefficient = _number(own_hospital if own_hospital is not None else by_level.get(level))
        if coefficient is None and base["strategy"] != "fixed_coefficient":
            return None
    if base["strategy"] == "fixed_coefficient":
        coefficient = Fraction(base["value"])
    elif base["strategy"] == "capped_coefficient" and coefficient is not None:
        coefficient = min(coefficient, Fraction(base["value"]))
    if treatment:
        needed = treatment["treatment"] in ("table_weight", "fixed_weight") or treatment.get("by_coefficient")
        return None if coefficient is None and needed else (coefficient or ONE, ONE)
    if case.get("own_unknown", False) or case.get("aux_e4", 10_000) is None:
        return None
    auxiliary = Fraction(case.get("aux_e4", 10_000), 10_000)
    own = case.get("own_e4")
    if own is not None and (coefficient is None or Fraction(own, 10_000) >= coefficient * auxiliary):
        return Fraction(own, 10_000), ONE
    return None if coefficient is None else (coefficient, auxiliary)


def _treatment(off_path: Mapping[str, Any], case: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if case["drg"] in off_path.get("groups", {}):
        treatment: Mapping[str, Any] = off_path["groups"][case["drg"]]
        return treatment
    return None if case["status"] == "grouped" else off_path.get(case["status"])


def _by_class(law: Mapping[str, Any], weight: Fraction, case: Standing) -> tuple[str, str, Paid]:
    low, beyond, x = law["low"], law.get("beyond"), case.ratio
    assert x is not None
    for band in law["high"]:
        high = band
        if "weight_le" in band and weight <= Fraction(band["weight_le"]):
            break
    if x < Fraction(low["threshold"]) or (x == Fraction(low["threshold"]) and low["inclusive"]):
        return "low", low["family"], by_band(low, case)
    if beyond and _above(beyond, x):
        return "high", beyond["family"], by_band(beyond, case)
    if _above(high, x):
        return "high", high["family"], by_band(high, case)
    return "normal", "normal", Paid(case.standard_points)


def _above(band: Mapping[str, Any], x: Fraction) -> bool:
    threshold = Fraction(band["threshold"])
    return x > threshold or (x == threshold and bool(band["inclusive"]))
