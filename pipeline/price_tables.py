"""The parameters of a run as flat tables of integers that the SQL joins, keyed by `terms_id`.

Every number is an exact multiple of its unit; the units follow the digits that the pack declares, so that all
products fit 38 digits (`regions check` proves it for the pack at hand).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa

from pipeline.pack import Pack
from pipeline.pack_paths import Treatment
from pipeline.pack_pricing import CATALOGUE
from pipeline.price_rules import (
    Amount,
    amount_of_treatment,
    high_band,
    normal_path,
    path_of_group,
    rules_of,
)
from pipeline.region import Hospital
from pipeline.schemes import Scheme
from pipeline.terms import RULE_UNIT, Terms, scaled

FEN_DIGITS = 2
SHOWN_WEIGHT, SHOWN_RATE, SHOWN_COEFFICIENT = 9, 6, 8  # digits of the columns of `scored`


@dataclass(frozen=True)
class Units:
    """How many of each stored integer make one; `rate` and `price` count fen, so two of their digits are gone."""

    weight: int
    rate: int
    price: int
    coefficient: int
    auxiliary: int


def units_of(pack: Pack) -> Units:
    """The units that a pack's declared digits ask for."""
    digits, by_points = pack.digits, pack.method != "rate"
    money = 10 ** (max(digits.rate, FEN_DIGITS) - FEN_DIGITS)
    return Units(
        weight=10**digits.weight,
        rate=1 if by_points else money,
        price=money if by_points else 1,
        coefficient=10 ** max(4, digits.coefficient) if by_points else 10**digits.coefficient,
        auxiliary=10_000 if by_points else 1,
    )


def treatment_of(terms: Terms, group: str, kind: str) -> Treatment | None:
    """How a group leaves the normal path; None where it does not, or where the pack says nothing of its kind."""
    if group in terms.off_path.groups:
        return terms.off_path.groups[group]
    treatment: Treatment | None = getattr(terms.off_path, kind, None)
    return treatment


def price_of_group(terms: Terms, scheme: Scheme, group: str, units: Units) -> dict[str, object] | None:
    """One row of `group_prices`, or None where the group has no price: its cases are refused."""
    kind = scheme.kinds[group]
    treatment = treatment_of(terms, group, kind)
    weight = (scheme.scores if terms.weights is None else terms.weights).get(group)
    if treatment is None and (kind != "grouped" or weight is None):
        return None
    if treatment is None:
        path = normal_path(high_band(terms.ratio, weight or Decimal(0)))
    else:
        path = path_of_group(group) if group in terms.off_path.groups else kind
        if treatment.treatment == "fixed_weight":
            weight = treatment.weight
        if treatment.treatment == "table_weight" and weight is None:
            return None
    return {
        "terms_id": terms.terms_id, "group_code": group, "path": path, "on_path": treatment is None,
        # A case paid by its fee carries weight only where the table prints one.
        "weight_num": scaled(weight or Decimal(0), units.weight),
        "is_base": group in terms.base_groups.groups or terms.base_groups.flag in scheme.flags.get(group, ()),
        "needs_coefficient": treatment is None or amount_of_treatment(treatment).needs_coefficient,
    }  # fmt: skip


def price_of_hospital(
    terms: Terms, pack: Pack, hospital: Hospital, insurance_type: str, is_base: bool
) -> dict[str, object] | None:
    """One row of `hospital_prices`, or None where rate, point value or coefficient is unknown: cases are refused."""
    units = units_of(pack)
    rate, price, reference = Decimal(1), Decimal(1), Fraction(1)
    if terms.rates is not None:
        known = _rate(terms, pack.levels, hospital.level, insurance_type, is_base)
        if known is None:
            return None
        rate = known * 100
    if terms.point_values is not None and terms.reference_prices is not None:
        pays, judges = (
            entry.values.get(insurance_type) for entry in (terms.point_values, terms.reference_prices)
        )
        if pays is None or judges is None:
            return None
        price, reference = pays * 100, Fraction(judges * 100)
    coefficient = _coefficient(terms, hospital, is_base)
    if coefficient is None and terms.coefficients.by_group_level is None:
        return None
    return {
        "terms_id": terms.terms_id, "hospital_id": hospital.hospital_id, "insurance_type": insurance_type,
        "is_base": is_base, "level": hospital.level,
        "rate_num": scaled(rate, units.rate), "price_num": scaled(price, units.price),
        "reference_num": reference.numerator, "reference_den": reference.denominator,
        "coefficient_num": None if coefficient is None else scaled(coefficient, units.coefficient),
    }  # fmt: skip


def _rate(
    terms: Terms, levels: Sequence[str], level: str, insurance_type: str, is_base: bool
) -> Decimal | None:
    assert terms.rates is not None
    rates, base = terms.rates.values.get(insurance_type, {}), terms.base_groups
    if is_base and base.strategy == "lowest_level_rate":
        return next((rates[one] for one in levels if one in rates), None)
    if is_base and base.strategy == "rate_of_level":
        return rates.get(base.level or "")
    return base.value if is_base and base.strategy == "fixed_rate" else rates.get(level)


def _coefficient(terms: Terms, hospital: Hospital, is_base: bool) -> Decimal | None:
    """The hospital's own, else its level's, as base groups change it; None where it stands by group and level."""
    table, base = terms.coefficients, terms.base_groups
    coefficient = table.by_hospital.get(hospital.hospital_id, table.by_level.get(hospital.level))
    if is_base and base.strategy == "fixed_coefficient":
        return base.value
    if (
        is_base
        and base.strategy == "capped_coefficient"
        and coefficient is not None
        and base.value is not None
    ):
        return min(coefficient, base.value)
    return coefficient


def price_tables(terms: Sequence[Terms], pack: Pack, schemes: Mapping[str, Scheme]) -> dict[str, pa.Table]:
    """`terms`, `conventions`, `price_rules`, `group_prices`, `group_coefficients` and `hospital_prices`.

    `schemes` holds, by key, every scheme that the terms name. Raises ConfigurationError for digits that would be lost.
    """
    units = units_of(pack)
    return {
        "terms": pa.Table.from_pylist([_terms_row(one) for one in terms], _TERMS),
        "conventions": pa.Table.from_pylist([conventions(pack, units)]),
        "price_rules": pa.Table.from_pylist([row for one in terms for row in _rule_rows(one)], _RULES),
        "group_prices": pa.Table.from_pylist(
            [row for one in terms for row in _group_rows(one, schemes[one.scheme.key], units)], _GROUP_PRICES
        ),
        "group_coefficients": pa.Table.from_pylist(
            [row for one in terms for row in _coefficient_rows(one, schemes[one.scheme.key], units)],
            _GROUP_COEFFICIENTS,
        ),
        "hospital_prices": pa.Table.from_pylist(
            [row for one in terms for row in _hospital_rows(one, pack)], _HOSPITAL_PRICES
        ),
    }


def conventions(pack: Pack, units: Units) -> dict[str, object]:
    """The one row of what the region pack chooses for the whole run: units, digits, the pricing date."""
    return {
        "pricing_by": pack.pricing_by, "by_points": pack.method != "rate",
        "weight_unit": units.weight, "rate_unit": units.rate, "price_unit": units.price,
        "coefficient_unit": units.coefficient, "auxiliary_unit": units.auxiliary,
        "points_unit": 10**pack.digits.points,
        # From stored integers to the digits in which `scored` shows them; rate and price are stored in fen.
        "weight_shown": 10**SHOWN_WEIGHT // units.weight,
        "rate_shown": 10 ** (SHOWN_RATE - FEN_DIGITS) // units.rate,
        "price_shown": 10 ** (SHOWN_RATE - FEN_DIGITS) // units.price,
        "coefficient_shown": 10**SHOWN_COEFFICIENT // units.coefficient,
        "points_shown": 10 ** (6 - pack.digits.points),
    }  # fmt: skip


def _terms_row(one: Terms) -> dict[str, object]:
    return {
        "terms_id": one.terms_id, "valid_from": one.valid_from, "valid_to": one.valid_to,
        "scheme": one.scheme.name,
        "reference_with_coefficient": one.ratio.reference == "with_coefficient",
        "by_group_level": one.coefficients.by_group_level == CATALOGUE,
        "base_coefficient": one.base_groups.strategy == "fixed_coefficient",
        "negative_kept": one.fund_share.negative == "keep",
    }  # fmt: skip


def _rule_rows(one: Terms) -> Iterator[dict[str, object]]:
    for rule in rules_of(one.ratio, one.off_path):
        yield {
            "terms_id": one.terms_id, "rule_id": f"{one.terms_id}/{rule.name}",
            "path": rule.path, "price_class": rule.price_class,
            "x_from_e4": _e4(rule.x_from), "x_from_inclusive": rule.x_from_inclusive,
            "x_to_e4": _e4(rule.x_to), "x_to_inclusive": rule.x_to_inclusive,
            **_factors(rule.amount),
        }  # fmt: skip


def _e4(number: Decimal | None) -> int | None:
    return None if number is None else scaled(number, RULE_UNIT)


def _factors(amount: Amount) -> dict[str, object]:
    return {
        "family": amount.family,
        "standard_e4": scaled(amount.by_standard, RULE_UNIT), "value_e4": scaled(amount.by_value, RULE_UNIT),
        "points_e4": scaled(amount.of_points, RULE_UNIT), "fee_e4": scaled(amount.of_fee, RULE_UNIT),
        "coefficient_power": amount.coefficient_power, "auxiliary_power": amount.auxiliary_power,
        "floored": amount.floored,
    }  # fmt: skip


def _group_rows(one: Terms, scheme: Scheme, units: Units) -> Iterator[dict[str, object]]:
    for group in scheme.kinds:
        if row := price_of_group(one, scheme, group, units):
            yield row


def _coefficient_rows(one: Terms, scheme: Scheme, units: Units) -> Iterator[dict[str, object]]:
    if one.coefficients.by_group_level == CATALOGUE:
        for (group, level), coefficient in scheme.coefficients.items():
            yield {
                "terms_id": one.terms_id, "group_code": group, "level": level,
                "coefficient_num": scaled(coefficient, units.coefficient),
            }  # fmt: skip


def _hospital_rows(one: Terms, pack: Pack) -> Iterator[dict[str, object]]:
    for hospital in one.hospitals.values():
        for insurance_type in pack.insurance_types:
            for is_base in (False, True):
                if row := price_of_hospital(one, pack, hospital, insurance_type, is_base):
                    yield row


def _schema(**fields: Any) -> pa.Schema:
    return pa.schema([("terms_id", pa.string()), *fields.items()])


_TERMS = _schema(
    valid_from=pa.date32(), valid_to=pa.date32(), scheme=pa.string(), reference_with_coefficient=pa.bool_(),
    by_group_level=pa.bool_(), base_coefficient=pa.bool_(), negative_kept=pa.bool_(),
)  # fmt: skip
_RULES = _schema(
    rule_id=pa.string(), path=pa.string(), price_class=pa.string(),
    x_from_e4=pa.int64(), x_from_inclusive=pa.bool_(), x_to_e4=pa.int64(), x_to_inclusive=pa.bool_(),
    family=pa.string(),
    standard_e4=pa.int64(), value_e4=pa.int64(), points_e4=pa.int64(), fee_e4=pa.int64(),
    coefficient_power=pa.int8(), auxiliary_power=pa.int8(), floored=pa.bool_(),
)  # fmt: skip
_GROUP_PRICES = _schema(
    group_code=pa.string(), path=pa.string(), on_path=pa.bool_(), weight_num=pa.int64(), is_base=pa.bool_(),
    needs_coefficient=pa.bool_(),
)  # fmt: skip
_GROUP_COEFFICIENTS = _schema(group_code=pa.string(), level=pa.string(), coefficient_num=pa.int64())
_HOSPITAL_PRICES = _schema(
    hospital_id=pa.string(), insurance_type=pa.string(), is_base=pa.bool_(), level=pa.string(),
    rate_num=pa.int64(), price_num=pa.int64(), reference_num=pa.int64(), reference_den=pa.int64(),
    coefficient_num=pa.int64(),
)  # fmt: skip
