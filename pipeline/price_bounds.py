"""Whether every product of the pricing SQL fits its 128-bit integers, for the numbers of the pack at hand."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pipeline.pack import Pack
from pipeline.price_rules import Rule, rules_of
from pipeline.price_special import special_paths
from pipeline.price_tables import Units, price_of_group, price_of_hospital, units_of
from pipeline.schemes import Scheme
from pipeline.tables import MOST_FEN
from pipeline.terms import RULE_UNIT, Terms, scaled

MOST_HUGEINT = 2**127 - 1
MOST_BIGINT = 2**63 - 1
MOST_SUM = 10**15  # fen: recorded funds or fees of all cases that share a ratio
MOST_SHOWN = 10**18 - 1  # a stored number in its smallest shown digit: DECIMAL(18)


@dataclass(frozen=True)
class _Largest:
    """The largest of every stored integer of one interval."""

    weight: int
    rate: int
    price: int
    reference_num: int
    reference_den: int
    coefficient: int
    auxiliary: int


@dataclass(frozen=True)
class Stored:
    """Every number of one interval as the SQL stores it: rows of the two price tables, coefficients by group."""

    groups: list[dict[str, object]]
    hospitals: list[dict[str, object]]
    by_group: list[int]
    most: _Largest


def stored_numbers(terms: Terms, pack: Pack, scheme: Scheme) -> Stored:
    """What the two bounds look at; a catalogue has thousands of groups, so it is made once for both."""
    groups, hospitals = _price_rows(terms, pack, scheme)
    by_group = _by_group(terms, scheme, units_of(pack))
    return Stored(groups, hospitals, by_group, _largest(terms, pack, scheme, groups, hospitals, by_group))


def largest_product(terms: Terms, pack: Pack, stored: Stored) -> int:
    """An upper bound of all numerators and denominators, the doubling of the rounding included."""
    units, most = units_of(pack), stored.most
    points_unit = 10**pack.digits.points if pack.method != "rate" else 1
    fund = {"difference": 1, "ratio": MOST_SUM, "policy": RULE_UNIT}[terms.fund_share.method]
    return max(_of_rule(rule, most, units, points_unit, fund) for rule in _rules(terms, pack))


def largest_result_fits(terms: Terms, pack: Pack, stored: Stored) -> bool:
    """Whether ratio, points and amounts of the largest fee at the smallest reference fit the columns that hold them."""
    units, most, groups, hospitals = units_of(pack), stored.most, stored.groups, stored.hospitals
    if not groups or not hospitals:
        return True

    def least(rows: list[dict[str, object]], name: str) -> int:
        return min((value for row in rows if isinstance(value := row[name], int) and value > 0), default=1)

    least_price = min(
        Fraction(_whole(row, "reference_num"), _whole(row, "reference_den")) for row in hospitals
    )
    c_least = Fraction(min([least(hospitals, "coefficient_num"), *stored.by_group]), units.coefficient)
    c_low, c_high = (
        min(c_least, Fraction(1)),
        Fraction(max(most.coefficient, units.coefficient), units.coefficient),
    )
    c_most, a_most = Fraction(most.coefficient, units.coefficient), Fraction(most.auxiliary, units.auxiliary)
    value = Fraction(least(groups, "weight_num") * least(hospitals, "rate_num"), units.weight * units.rate)
    value_most = Fraction(most.weight * most.rate, units.weight * units.rate)
    ratio = MOST_FEN / (value * least_price * c_low) * RULE_UNIT
    shown = 10**6 if pack.method != "rate" else 1
    points = max(
        (Fraction(abs(amount.by_standard)) * c_most + Fraction(abs(amount.by_value))) * value_most * a_most
        + Fraction(amount.of_points) * MOST_FEN / least_price * c_high * a_most / c_low
        for amount in (rule.amount for rule in _rules(terms, pack))
    )  # fmt: skip
    fen = points * Fraction(most.price, units.price) + MOST_FEN * RULE_UNIT
    return ratio <= MOST_BIGINT and points * shown <= MOST_SHOWN and fen <= MOST_BIGINT


def _rules(terms: Terms, pack: Pack) -> list[Rule]:
    return [*rules_of(terms.ratio, terms.off_path, pack.levels), *special_paths(terms)]


def _whole(row: dict[str, object], name: str) -> int:
    number = row[name]
    assert isinstance(number, int)
    return number


def _by_group(terms: Terms, scheme: Scheme, units: Units) -> list[int]:
    """Every coefficient that stands by group."""
    tables = (scheme.coefficients, terms.level_coefficients, terms.hospital_coefficients)
    return [scaled(number, units.coefficient) for table in tables for number in table.values()]


def _price_rows(
    terms: Terms, pack: Pack, scheme: Scheme
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """All rows of `group_prices` and of `hospital_prices`."""
    units = units_of(pack)
    groups = [row for group in scheme.kinds if (row := price_of_group(terms, scheme, group, units))]
    hospitals = [
        row
        for hospital in terms.hospitals.values() for kind in pack.insurance_types for is_base in (False, True)
        if (row := price_of_hospital(terms, pack, hospital, kind, is_base))
    ]  # fmt: skip
    return groups, hospitals


def _largest(
    terms: Terms, pack: Pack, scheme: Scheme, groups: list[dict[str, object]], hospitals: list[dict[str, object]],
    by_group: list[int],
) -> _Largest:  # fmt: skip
    units = units_of(pack)

    def most(rows: list[dict[str, object]], name: str) -> int:
        return max((value for row in rows if isinstance(value := row[name], int)), default=1)

    own = [
        number
        for subtype in (scheme.catalogue.auxiliary.subtypes if scheme.catalogue else ())
        for number in subtype.coefficients.values() if number is not None
    ]  # fmt: skip
    # A subtype's own coefficient stands in the place of a hospital's.
    by_group = [*by_group, *(number * (units.coefficient // 10_000) for number in own)]
    weight, rate = most(groups, "weight_num"), most(hospitals, "rate_num")
    reference_num, reference_den = most(hospitals, "reference_num"), most(hospitals, "reference_den")
    if terms.ratio.reference == "group_mean":  # measured.sql: Q is mean ÷ W
        reference_num = max(reference_num, most(groups, "mean_fen") * units.weight * units.rate)
        reference_den = max(reference_den, weight * rate)
    return _Largest(
        weight, rate, most(hospitals, "price_num"), reference_num, reference_den,
        max([most(hospitals, "coefficient_num"), units.coefficient, *by_group]), max([units.auxiliary, *own]),
    )  # fmt: skip


def _of_rule(rule: Rule, most: _Largest, units: Units, points_unit: int, fund: int) -> int:
    """The same products as in priced.sql, ruled.sql and funded.sql, every sign positive; `fund`: its further factor."""
    amount, unit = rule.amount, rule.amount.unit
    standard, value, points, fee = (
        scaled(abs(number), unit)
        for number in (amount.by_standard, amount.by_value, amount.of_points, amount.of_fee)
    )
    below = (most.reference_num if points else 1) * (most.coefficient if amount.coefficient_power < 0 else 1)
    scale = units.weight * units.rate * units.coefficient * units.auxiliary * below
    value_top = most.weight * most.rate * most.auxiliary * below
    by_power = {1: most.coefficient, 0: units.coefficient, -1: units.coefficient**2}
    beside = value * units.coefficient * value_top + points * MOST_FEN * most.reference_den * units.weight * (
        units.rate * most.auxiliary * by_power[amount.coefficient_power]
    )
    points_top = standard * most.coefficient * value_top + beside
    amount_bottom = scale * unit * units.price
    amount_top = points_top * most.price + (fee + unit) * MOST_FEN * scale * units.price
    reference = most.weight * most.rate * most.reference_num * most.coefficient
    x_top = MOST_FEN * units.weight * units.rate * most.reference_den * units.coefficient * RULE_UNIT
    edges = [scaled(edge, RULE_UNIT) for edge in (rule.x_from, rule.x_to) if edge is not None]
    return max(
        # By ratio the remainder alone is multiplied, by policy the whole; see `shared` in rounding.py.
        2 * amount_top * (RULE_UNIT if fund == RULE_UNIT else 1) + amount_bottom * fund, 2 * points_top * points_unit + scale * unit,
        2 * x_top + reference, max([RULE_UNIT, *edges]) * reference,
    )  # fmt: skip
