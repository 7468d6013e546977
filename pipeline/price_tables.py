"""The parameters of a run as flat tables of integers that the SQL joins, keyed by `terms_id`.

Every number is an exact multiple of its unit; the units follow the digits that the pack declares, so that all
products fit 38 digits (`regions check` proves it for the pack at hand).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa

from pipeline.pack import Pack
from pipeline.pack_paths import Treatment
from pipeline.pack_pricing import CATALOGUE
from pipeline.price_rules import (
    Amount,
    Rule,
    amount_of_treatment,
    normal_path,
    path_of_group,
    path_of_set,
    rules_of,
    weight_band,
)
from pipeline.price_schemas import SCHEMAS
from pipeline.price_special import decision_rules, special_paths, special_rows
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
    digits = pack.digits
    money = 10 ** (max(digits.rate, FEN_DIGITS) - FEN_DIGITS)
    if pack.method == "published":  # W is the printed standard in fen
        return Units(weight=1, rate=1, price=1, coefficient=1, auxiliary=1)
    return Units(
        weight=10**digits.weight,
        rate=money if pack.method == "rate" else 1,
        price=money if pack.by_points else 1,
        coefficient=10 ** max(4, digits.coefficient) if pack.method == "dip" else 10**digits.coefficient,
        auxiliary=RULE_UNIT if pack.method == "dip" else 1,
    )


def treatment_of(terms: Terms, group: str, kind: str) -> tuple[str, Treatment | None]:
    """The path off which a group is paid and how; no treatment where it keeps to the normal path."""
    if group in terms.base_groups.amounts:
        return "base", Treatment(treatment="fixed_amount", yuan=terms.base_groups.amounts[group])
    if group in terms.off_path.groups:
        return path_of_group(group), terms.off_path.groups[group]
    for one in terms.off_path.sets:
        if group in one.groups:
            return path_of_set(one.name), one
    return kind, None if kind == "grouped" else getattr(terms.off_path, kind)


def price_of_group(terms: Terms, scheme: Scheme, group: str, units: Units) -> dict[str, object] | None:
    """One row of `group_prices`, or None where the group has no price: its cases are refused.

    Where the city prints standards by level, the weight stands in `group_standards`.
    """
    kind = scheme.kinds[group]
    path, treatment = treatment_of(terms, group, kind)
    table = scheme.scores if terms.weights is None else terms.weights
    weight = table.get(group)
    if treatment is None and kind != "grouped":
        return None
    if treatment is not None and treatment.treatment == "fixed_weight":
        weight = treatment.weight
    on_path = treatment is None or treatment.classes
    amount = None if treatment is None else amount_of_treatment(treatment, terms.ratio.reference)
    if not terms.standards and weight is None and (amount is None or amount.needs_weight):
        return None
    if on_path:
        path = normal_path(weight_band(terms.ratio, weight or Decimal(0)))
    return {
        "terms_id": terms.terms_id, "group_code": group, "path": path, "on_path": on_path,
        # A case paid by its fee carries weight only where the table prints one.
        "weight_num": scaled(weight or Decimal(0), units.weight) if not terms.standards else None,
        "mean_fen": terms.means.get(group),  # where it is the reference and blank: refused (no_reference)
        "is_base": group in (*terms.base_groups.groups, *terms.base_groups.amounts)
        or terms.base_groups.flag in scheme.flags.get(group, ()),
        "held": treatment is not None and treatment.treatment == "case_review",
    }  # fmt: skip


def price_of_hospital(
    terms: Terms, pack: Pack, hospital: Hospital, insurance_type: str, is_base: bool
) -> dict[str, object] | None:
    """One row of `hospital_prices`, or None where rate or point value is unknown: its cases are refused."""
    units = units_of(pack)
    rate = _rate(terms, pack.levels, hospital.level, insurance_type, is_base)
    prices = _prices(terms, insurance_type)
    benefit = terms.fund_share.benefit_of(insurance_type, hospital.level)
    if rate is None or prices is None or (terms.fund_share.method == "policy" and benefit is None):
        return None
    price, reference = prices
    coefficient = _coefficient(terms, hospital, insurance_type, is_base)
    by_group = terms.coefficients is not None and (
        terms.coefficients.by_group_level or terms.coefficients.by_group_hospital
    )
    if coefficient is None and not by_group:
        return None
    return {
        "terms_id": terms.terms_id, "hospital_id": hospital.hospital_id, "insurance_type": insurance_type,
        "is_base": is_base, "level": hospital.level,
        "rate_num": scaled(rate, units.rate), "price_num": scaled(price, units.price),
        "reference_num": reference.numerator, "reference_den": reference.denominator,
        "coefficient_num": None if coefficient is None else scaled(coefficient, units.coefficient),
        "benefit_e4": None if benefit is None else scaled(benefit, RULE_UNIT),
    }  # fmt: skip


def _rate(
    terms: Terms, levels: Sequence[str], level: str, insurance_type: str, is_base: bool
) -> Decimal | None:
    """Fen per weight by the rate method; points per weight, or 1 where the weight is a score or a standard."""
    if terms.point_scale is not None:
        return Decimal(terms.point_scale.scale)
    if terms.rates is None:
        return Decimal(1)
    base, rate = terms.base_groups, terms.rates.at(insurance_type, level)
    if is_base and base.strategy == "lowest_level_rate":
        rate = next(iter(terms.rates.of(insurance_type, levels).values()), None)
    elif is_base and base.strategy == "rate_of_level":
        rate = terms.rates.at(insurance_type, base.level or "")
    elif is_base and base.strategy == "fixed_rate":
        rate = base.value
    return None if rate is None else rate * 100


def _prices(terms: Terms, insurance_type: str) -> tuple[Decimal, Fraction] | None:
    """The point value and the reference price of a point in fen; 1 where the weight is money already."""
    if terms.point_values is None:
        return Decimal(1), Fraction(1)
    pays = terms.point_values.values.get(insurance_type)
    if terms.reference_prices is not None:
        judges = terms.reference_prices.values.get(insurance_type)
        reference = None if judges is None else Fraction(judges * 100)
    else:
        scale = terms.point_scale
        cost = None if scale is None else scale.mean_cost(insurance_type)
        reference = None if cost is None or scale is None else Fraction(cost * 100) / scale.scale
    return None if pays is None or reference is None else (pays * 100, reference)


def _coefficient(terms: Terms, hospital: Hospital, insurance_type: str, is_base: bool) -> Decimal | None:
    """The hospital's own, else its level's; of base groups a fixed one. None where it stands by group alone."""
    if is_base and terms.base_groups.strategy == "fixed_coefficient":
        return terms.base_groups.value
    if terms.coefficients is None:
        return Decimal(1)  # a printed standard needs none
    return terms.coefficients.plain(hospital.hospital_id, hospital.level, insurance_type)


def price_tables(terms: Sequence[Terms], pack: Pack, schemes: Mapping[str, Scheme]) -> dict[str, pa.Table]:
    """The tables that the pricing SQL joins, by name: see SCHEMAS and `conventions`.

    `schemes` holds, by key, every scheme that the terms name. Raises ConfigurationError for digits that would be lost.
    """
    units = units_of(pack)
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in SCHEMAS}
    for one in terms:
        scheme = schemes[one.scheme.key]
        rows["terms"].append(_terms_row(one, units))
        rows["price_rules"] += _rule_rows(one, pack.levels)
        rows["special_rules"] += special_rows(one)
        rows["bed_day_tiers"] += _tier_rows(one, pack)
        rows["path_amounts"] += _amount_rows(one, pack.levels)
        rows["group_prices"] += _group_rows(one, scheme, units)
        rows["group_standards"] += (
            {"terms_id": one.terms_id, "group_code": group, "level": level, "standard_num": fen}
            for (group, level), fen in one.standards.items()
        )
        rows["group_coefficients"] += _coefficient_rows(one, scheme, units)
        rows["hospital_prices"] += _hospital_rows(one, pack)
    tables = {name: _table(name, found) for name, found in rows.items()}
    return tables | {"conventions": pa.Table.from_pylist([conventions(pack, units)])}


def _table(name: str, rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, SCHEMAS[name])


def conventions(pack: Pack, units: Units) -> dict[str, object]:
    """The one row of what the region pack chooses for the whole run: units, digits, the pricing date."""
    return {
        "pricing_by": pack.pricing_by, "by_points": pack.by_points, "by_dip": pack.method == "dip",
        "by_rate": pack.method == "rate",
        "weight_unit": units.weight, "rate_unit": units.rate, "price_unit": units.price,
        "coefficient_unit": units.coefficient, "auxiliary_unit": units.auxiliary,
        "points_unit": 10**pack.digits.points,
        # From stored integers to the digits in which `scored` shows them; rate and price are stored in fen.
        "weight_shown": 10**SHOWN_WEIGHT // units.weight if pack.method != "published" else 10**7,
        "rate_shown": 10 ** (SHOWN_RATE - FEN_DIGITS) // units.rate,
        "price_shown": 10 ** (SHOWN_RATE - FEN_DIGITS) // units.price,
        "coefficient_shown": 10**SHOWN_COEFFICIENT // units.coefficient,
        "points_shown": 10 ** (6 - pack.digits.points),
    }  # fmt: skip


def _terms_row(one: Terms, units: Units) -> dict[str, object]:
    base, share, reference = one.base_groups, one.fund_share, one.ratio.reference
    capped = base.value if base.strategy == "capped_coefficient" else None
    separate = None if one.separate_items is None else scaled(one.separate_items.share, RULE_UNIT)
    return {
        "terms_id": one.terms_id, "valid_from": one.valid_from, "valid_to": one.valid_to,
        "scheme": one.scheme.name, "reference": reference,
        "base_fixed": base.strategy == "fixed_coefficient",
        "base_cap_num": None if capped is None else scaled(capped, units.coefficient),
        "separate_share_e4": separate,
        "fund_method": share.method, "fund_of": share.of, "negative_kept": share.negative == "keep",
    }  # fmt: skip


def _rule_rows(one: Terms, levels: Sequence[str]) -> Iterator[dict[str, object]]:
    rules = [*rules_of(one.ratio, one.off_path, levels), *special_paths(one), *decision_rules()]
    if one.base_groups.amounts:
        rules.append(Rule("base", "special", Amount("fixed_amount", of_item=True)))
    for rule in rules:
        amount, unit = rule.amount, rule.amount.unit
        yield {
            "terms_id": one.terms_id, "rule_id": f"{one.terms_id}/{rule.name}",
            "path": rule.path, "level": rule.level or None, "price_class": rule.price_class,
            "x_from_e4": _e4(rule.x_from), "x_from_inclusive": rule.x_from_inclusive,
            "x_to_e4": _e4(rule.x_to), "x_to_inclusive": rule.x_to_inclusive,
            "family": amount.family,
            "standard_e4": _e4(amount.by_standard), "value_e4": _e4(amount.by_value),
            "points_e4": _e4(amount.of_points), "fee_e4": _e4(amount.of_fee),
            "rule_unit": unit,
            "m_num": scaled(amount.by_standard, unit), "m0_num": scaled(amount.by_value, unit),
            "k_num": scaled(amount.of_points, unit), "n_num": scaled(amount.of_fee, unit),
            "coefficient_power": amount.coefficient_power, "auxiliary_power": amount.auxiliary_power,
            "floored": amount.floored, "of_item": amount.of_item,
            "needs_weight": amount.needs_weight or bool(rule.piece),
            "needs_coefficient": amount.needs_coefficient or bool(rule.piece),
        }  # fmt: skip


def _e4(number: Decimal | None) -> int | None:
    return None if number is None else scaled(number, RULE_UNIT)


def _group_rows(one: Terms, scheme: Scheme, units: Units) -> Iterator[dict[str, object]]:
    for group in scheme.kinds:
        if row := price_of_group(one, scheme, group, units):
            yield row


def _coefficient_rows(one: Terms, scheme: Scheme, units: Units) -> Iterator[dict[str, object]]:
    by_level, table = one.level_coefficients, one.coefficients
    if table is not None and table.by_group_level == CATALOGUE:
        by_level = dict(scheme.coefficients)
    for name, rows in (("level", by_level), ("hospital_id", one.hospital_coefficients)):
        for (group, key), coefficient in rows.items():
            yield {
                "terms_id": one.terms_id, "group_code": group, name: key,
                "coefficient_num": scaled(coefficient, units.coefficient),
            }  # fmt: skip


def _hospital_rows(one: Terms, pack: Pack) -> Iterator[dict[str, object]]:
    for hospital in one.hospitals.values():
        for insurance_type in pack.insurance_types:
            for is_base in (False, True):
                if row := price_of_hospital(one, pack, hospital, insurance_type, is_base):
                    yield row


def _amount_rows(one: Terms, levels: Sequence[str]) -> Iterator[dict[str, object]]:
    """Fixed amounts of paths in fen, by level where they differ; those of base groups by group."""
    off = one.off_path
    paths: list[tuple[str, str | None, Treatment]] = [
        *((kind, None, treatment)
          for kind in ("ungrouped", "ambiguous", "excluded") if (treatment := getattr(off, kind)) is not None),
        *((path_of_group(group), None, treatment) for group, treatment in off.groups.items()),
        *((path_of_set(one.name), None, one) for one in off.sets),
        *((rule.path, None, treatment) for rule, treatment in special_paths(one).items()),
        *(("base", group, Treatment(treatment="fixed_amount", yuan=yuan))
          for group, yuan in one.base_groups.amounts.items()),
    ]  # fmt: skip
    for path, group, treatment in paths:
        if treatment.treatment != "fixed_amount" or treatment.yuan is None:
            continue
        for level in levels:
            yuan = treatment.yuan.get(level) if isinstance(treatment.yuan, dict) else treatment.yuan
            if yuan is not None:
                yield {"terms_id": one.terms_id, "path": path, "group_code": group, "level": level,
                       "item_fen": scaled(yuan, 100)}  # fmt: skip


def _tier_rows(one: Terms, pack: Pack) -> Iterator[dict[str, object]]:
    """Bed-day tiers by level and insurance type, each with what the days before it have come to."""
    for level in pack.levels:
        for insurance_type in pack.insurance_types:
            tiers = [
                tier for tier in (one.bed_day.tiers if one.bed_day else ())
                if tier.level in (None, level) and tier.insurance_type in (None, insurance_type)
            ]  # fmt: skip
            fen, points = 0, 0
            for tier in sorted(tiers, key=lambda tier: tier.from_day):
                day_fen, day_points = (
                    scaled((tier.yuan or Decimal(0)) * 100, 1),
                    _e4(tier.points or Decimal(0)) or 0,
                )
                yield {
                    "terms_id": one.terms_id, "level": level, "insurance_type": insurance_type,
                    "from_day": tier.from_day, "to_day": tier.to_day,
                    "before_fen": fen, "day_fen": day_fen, "before_points_e4": points, "day_points_e4": day_points,
                }  # fmt: skip
                days = (tier.to_day or tier.from_day) - tier.from_day + 1
                fen, points = fen + days * day_fen, points + days * day_points
