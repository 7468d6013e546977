"""What a weight of 1 is worth to a case of a group at a hospital: coefficient and price in force, base groups included.

The same look-ups that pricing does (price_tables.py), for one case at a time; ratio classes are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from pipeline.calibrate_window import Ground, Mix
from pipeline.negotiate_present import Present
from pipeline.pack_pricing import CATALOGUE
from pipeline.price_tables import treatment_of


@dataclass(frozen=True)
class Unit:
    """`level`: whose rate pays the case (None: no level's); `price`: fen per weight; each None where unknown."""

    coefficient: Fraction | None
    level: str | None
    price: Fraction | None

    @property
    def fen(self) -> Fraction | None:
        """Coefficient × price."""
        if self.coefficient is None or self.price is None:
            return None
        return self.coefficient * self.price


WEIGHT_DIGITS = 13  # nine of a weight, four of a factor
WEIGHT_UNIT = 10**WEIGHT_DIGITS * 10**4  # auxiliary coefficients have four


@dataclass(frozen=True)
class Part:
    """Cases of one hospital, level, insurance type and year that have one unit: weights, with auxiliary coefficients.

    `base`: whether they are of base groups (基础病组). Money in fen; `kept` of those within the bounds of trimming.
    """

    hospital: str
    level: str
    insurance: str
    year: int
    base: bool
    unit: Unit
    cases: int
    fee_fen: int
    weight: Fraction
    kept: int
    kept_fen: int
    kept_weight: Fraction


def paid_weights(ground: Ground, present: Present) -> tuple[dict[str, Decimal], dict[str, Fraction]]:
    """What follows the rate: group → weight, fixed ones and factors included; of the others the share of the fee.

    A group that is in neither is paid its fee, or an amount that the history's fee stands for.
    """
    weights = {code: group.present for code, group in present.groups.items()}
    shares: dict[str, Fraction] = {}
    for code, kind in ground.scheme.kinds.items():
        _, treatment = treatment_of(ground.terms, code, kind)
        if treatment is None:
            continue
        if treatment.treatment == "fixed_weight" and treatment.weight is not None:
            weights[code] = treatment.weight
        elif treatment.treatment == "factor" and treatment.factor is not None and code in weights:
            weights[code] *= treatment.factor
        elif treatment.treatment in ("share_of_fee", "share_of_benchmark") and treatment.share is not None:
            shares[code] = Fraction(treatment.share)
    return weights, shares


class Units:
    """The units of one ground, each worked out once."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._known = ground, dict[tuple[str, str, str, str], Unit]()
        base, scheme = ground.terms.base_groups, ground.scheme
        flagged = {group for group, flags in scheme.flags.items() if base.flag in flags}
        self._base = {*base.groups, *base.amounts, *(flagged if base.flag else ())}

    def of(self, group: str, hospital: str, level: str, insurance: str) -> Unit:
        """The unit of a case; level is the hospital's when the patient left."""
        own = group if group in self._base or self._by_group else ""
        key = own, hospital, level, insurance
        if key not in self._known:
            self._known[key] = Unit(self._coefficient(*key), *self._price(own, level, insurance))
        return self._known[key]

    def parts(self, mix: Sequence[Mix], weights: Mapping[str, Decimal]) -> tuple[list[Part], list[Mix]]:
        """Cases put together whose weight, coefficient and price are used alike; and those without a weight or price.

        Sums are integers, so that half a million cells of a history take no time.
        """
        scaled = {group: int(weight.scaleb(WEIGHT_DIGITS)) for group, weight in weights.items()}
        sums: dict[tuple[str, str, str, int, bool, int], list[int]] = {}
        units: dict[int, Unit] = {}
        aside = []
        for one in mix:
            weight = scaled.get(one.group)
            if weight is None or one.group in self._ground.terms.base_groups.amounts:
                aside.append(one)
                continue
            unit = self.of(one.group, one.hospital, one.level, one.insurance)
            units[id(unit)] = unit
            key = one.hospital, one.level, one.insurance, one.year, one.group in self._base, id(unit)
            found = sums.setdefault(key, [0] * 6)
            for place, number in enumerate(
                (
                    one.cases,
                    one.fee_fen,
                    weight * one.aux_e4,
                    one.kept,
                    one.kept_fen,
                    weight * one.kept_aux_e4,
                )
            ):
                found[place] += number
        parts = [
            Part(*key[:5], units[key[5]], cases, fee, Fraction(own, WEIGHT_UNIT), kept, kept_fen,
                 Fraction(kept_own, WEIGHT_UNIT))
            for key, (cases, fee, own, kept, kept_fen, kept_own) in sums.items()
        ]  # fmt: skip
        return parts, aside

    @property
    def _by_group(self) -> bool:
        entry = self._ground.terms.coefficients
        return entry is not None and bool(entry.by_group_level or entry.by_group_hospital)

    def _coefficient(self, group: str, hospital: str, level: str, insurance: str) -> Fraction | None:
        terms, base = self._ground.terms, self._ground.terms.base_groups
        if group in self._base and base.strategy == "fixed_coefficient":
            return _fraction(base.value)
        if terms.coefficients is None:
            return Fraction(1)
        by_level = terms.level_coefficients
        if terms.coefficients.by_group_level == CATALOGUE:
            by_level = dict(self._ground.scheme.coefficients)
        found = terms.hospital_coefficients.get((group, hospital))
        found = by_level.get((group, level)) if found is None else found
        found = terms.coefficients.plain(hospital, level, insurance) if found is None else found
        if found is not None and group in self._base and base.strategy == "capped_coefficient" and base.value:
            found = min(found, base.value)
        return _fraction(found)

    def _price(self, group: str, level: str, insurance: str) -> tuple[str | None, Fraction | None]:
        terms, levels = self._ground.terms, self._ground.region.pack.levels
        if terms.point_values is not None:
            scale = 1 if terms.point_scale is None else terms.point_scale.scale
            pays = terms.point_values.values.get(insurance)
            return level, None if pays is None else Fraction(pays) * 100 * scale
        if terms.rates is None:
            return level, None
        base, at = terms.base_groups, level
        if group in self._base:
            if base.strategy == "fixed_rate":
                return None, None if base.value is None else Fraction(base.value) * 100
            if base.strategy == "lowest_level_rate":
                at = next(iter(terms.rates.of(insurance, levels)), level)
            elif base.strategy == "rate_of_level":
                at = base.level or level
        rate = terms.rates.at(insurance, at)
        return at, None if rate is None else Fraction(rate) * 100


def _fraction(number: Decimal | None) -> Fraction | None:
    return None if number is None else Fraction(number)
