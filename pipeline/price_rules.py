"""Every family of DESIGN §6 as one form, so that one SQL statement prices them all.

points T = (m·c + m₀)·W·a + k·(F/Q)·cⁱ·aʲ + B,  amount = T·P + n·F + u·I

W is weight × rate, weight × point scale, score, or a printed standard; P the point value (1 where W is money); Q the
reference price of a point (1 where W is money); c and a the hospital and auxiliary coefficients; F the fee without
separately paid items; B and I a case's own points and fen (bed-days, fixed amounts); x = F ÷ (W·Q[·c]); S = W·c·a·P.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import lcm

from pipeline.errors import ConfigurationError
from pipeline.pack_paths import OffPathEntry, Treatment
from pipeline.pack_pricing import Band, RatioEntry

ZERO, ONE = Decimal(0), Decimal(1)
EVERY_LEVEL = ""
ITEM_UNIT = 10_000  # of B, a case's own points


@dataclass(frozen=True)
class Amount:
    """The factors of one family in the form above. `floored`: what stands beside m·c·W·a is never below zero."""

    family: str
    by_standard: Decimal = ZERO  # m
    by_value: Decimal = ZERO  # m₀
    of_points: Decimal = ZERO  # k
    of_fee: Decimal = ZERO  # n
    coefficient_power: int = 0  # i: -1, 0 or 1
    auxiliary_power: int = 0  # j: 0 or 1
    floored: bool = False
    of_item: bool = False  # u and B

    @property
    def unit(self) -> int:
        """The smallest unit that tells the four factors as integers: small products divide fast."""
        if self.of_item:  # B is kept in ten-thousandths of a point
            return ITEM_UNIT
        factors = (self.by_standard, self.by_value, self.of_points, self.of_fee)
        return lcm(*(Fraction(factor).denominator for factor in factors))

    @property
    def needs_coefficient(self) -> bool:
        """Whether c enters the amount."""
        return self.by_standard != 0 or self.coefficient_power != 0

    @property
    def needs_weight(self) -> bool:
        """Whether W enters the amount, be it as S in x·S."""
        of_ratio = self.family == "affine" and self.of_points != 0
        return self.by_standard != 0 or self.by_value != 0 or of_ratio


@dataclass(frozen=True)
class Rule:
    """A row of `price_rules`: on which path and level, between which ratios x, what its cases are paid."""

    path: str
    price_class: str
    amount: Amount
    piece: str = ""  # low | normal | high | beyond, on a normal path
    level: str = EVERY_LEVEL
    x_from: Decimal | None = None
    x_from_inclusive: bool = False
    x_to: Decimal | None = None
    x_to_inclusive: bool = False

    @property
    def name(self) -> str:
        """The rule inside its terms."""
        return "/".join(part for part in (self.path, self.level, self.piece) if part)


NORMAL = Amount("normal", by_standard=ONE)


def rules_of(ratio: RatioEntry, off_path: OffPathEntry, levels: Sequence[str]) -> Iterator[Rule]:
    """The rules of groups; those of one path and level leave no ratio out and share none: each case meets one."""
    bands = (*ratio.lows, *ratio.high)
    by_level = levels if any(band.level for band in bands) else (EVERY_LEVEL,)
    for number in range(len(weight_edges(ratio)) + 1):
        for level in by_level:
            low, high = (_band_of(ratio, some, number, level) for some in (ratio.lows, ratio.high))
            if low is not None and high is not None:  # `regions check` tells where one is missing
                yield from _ratio_classes(normal_path(number), level, ratio, low, high)
    for kind in ("ungrouped", "ambiguous", "excluded"):
        if (treatment := getattr(off_path, kind)) is not None:
            yield Rule(kind, kind, amount_of_treatment(treatment, ratio.reference))
    for group, treatment in off_path.groups.items():
        yield Rule(path_of_group(group), "special", amount_of_treatment(treatment, ratio.reference))
    for one in off_path.sets:
        yield Rule(path_of_set(one.name), "special", amount_of_treatment(one, ratio.reference))


def weight_edges(ratio: RatioEntry) -> list[tuple[Decimal, bool]]:
    """The edges between weight bands, each with whether a weight on it belongs below."""
    bands = (*ratio.lows, *ratio.high)
    edges = {(band.weight_le, True) for band in bands if band.weight_le is not None}
    return sorted(edges | {(band.weight_lt, False) for band in bands if band.weight_lt is not None})


def weight_band(ratio: RatioEntry, weight: Decimal) -> int:
    """The number of the weight band of a group: how many edges it passes."""
    return sum(weight > edge or (weight == edge and not below) for edge, below in weight_edges(ratio))


def _band_of(ratio: RatioEntry, bands: Sequence[Band], number: int, level: str) -> Band | None:
    """The most special band of a weight band and level: one of its own level first, then the smallest weight edge."""
    edges = weight_edges(ratio)

    def place(band: Band) -> int:
        if band.weight_le is not None:
            return edges.index((band.weight_le, True))
        return len(edges) if band.weight_lt is None else edges.index((band.weight_lt, False))

    held = [band for band in bands if band.level in (None, level) and place(band) >= number]
    return min(held, key=lambda band: (band.level is None, place(band)), default=None)


def _ratio_classes(path: str, level: str, ratio: RatioEntry, low: Band, high: Band) -> Iterator[Rule]:
    """low | normal | high | beyond along x, each threshold on the side that the pack says."""
    beyond, reference = ratio.beyond, ratio.reference
    end = None if beyond is None else beyond.threshold
    end_inclusive = beyond is not None and not beyond.inclusive
    pieces: list[tuple[str, Amount, Decimal | None, bool, Decimal | None, bool]] = [
        ("low", amount_of_band(low, reference), None, False, low.threshold, low.inclusive),
        ("normal", NORMAL, low.threshold, not low.inclusive, high.threshold, not high.inclusive),
        ("high", amount_of_band(high, reference), high.threshold, high.inclusive, end, end_inclusive),
    ]
    if beyond is not None:
        amount = amount_of_band(beyond, reference)
        pieces.append(("beyond", amount, beyond.threshold, beyond.inclusive, None, False))
    for piece, amount, x_from, from_inclusive, x_to, to_inclusive in pieces:
        price_class = "high" if piece == "beyond" else piece
        yield Rule(path, price_class, amount, piece, level, x_from, from_inclusive, x_to, to_inclusive)


def normal_path(number: int) -> str:
    """The path of groups of this weight band."""
    return f"normal/{number + 1}"


def path_of_group(group: str) -> str:
    """The path of a group that the pack names one by one."""
    return f"group/{group}"


def path_of_set(name: str) -> str:
    """The path of the groups of a set."""
    return f"set/{name}"


def amount_of_treatment(treatment: Treatment, reference: str) -> Amount:
    """How a case off the normal path is paid."""
    family, share = treatment.treatment, treatment.share or ONE
    if family in ("table_weight", "fixed_weight", "as_normal"):
        return Amount(family, by_standard=ONE)
    if family == "factor":
        return Amount(family, by_standard=treatment.factor or ONE)
    if family == "affine":
        return Amount(
            family, by_standard=treatment.standard, of_points=treatment.ratio, of_fee=treatment.fee,
            coefficient_power=1 - _in_reference(reference), auxiliary_power=1,
        )  # fmt: skip
    if family == "share_of_benchmark":
        return Amount(family, of_points=share, coefficient_power=int(treatment.by_coefficient))
    if family in ("fixed_amount", "bed_day"):
        return Amount(family, of_item=True)
    return Amount(family, of_fee=share if family == "share_of_fee" else ONE)


def _in_reference(reference: str) -> int:
    """x·W·P = F·(P/Q), with a coefficient in the reference F·(P/Q)/c: that power of c is taken off."""
    return 1 if reference == "with_coefficient" else 0


def amount_of_band(band: Band, reference: str) -> Amount:
    """A ratio class in the form above; K (or h) is the band's threshold."""
    k, family, in_reference = band.threshold, band.family, _in_reference(reference)
    if family == "actual":
        return Amount(family, of_fee=ONE)
    if family == "as_normal":
        return Amount(family, by_standard=ONE)
    if family == "points":
        return Amount(family, of_points=ONE)
    if family == "factor" and band.factor is not None:
        return Amount(family, by_standard=band.factor)
    if family == "cap":
        return Amount(family, by_standard=k)
    if family == "keep_excess":
        return Amount(family, by_standard=1 - k, of_fee=ONE)
    if family == "minus_fixed" and band.factor is not None:
        return Amount(family, by_standard=-band.factor, of_fee=ONE)
    if family == "excess_share" and band.share is not None:
        return Amount(
            family, band.base - band.share * k, of_points=band.share, coefficient_power=1 - in_reference,
            auxiliary_power=1,
        )  # fmt: skip
    if family == "linear_add":
        return Amount(family, ONE, -k, of_points=ONE, floored=True)
    if family == "deduct":
        return Amount(family, 1 - k, of_points=ONE)
    if family == "deviation":
        power = (1 if band.by_coefficient else 0) - in_reference
        return Amount(family, of_points=ONE, coefficient_power=power, auxiliary_power=1)
    if family == "deviation_excess" and band.plus == "one":
        return Amount(family, 1 - k, of_points=ONE, coefficient_power=1 - in_reference, auxiliary_power=1)
    if family == "deviation_excess" and band.plus == "coefficient":
        return Amount(family, ONE, -k, of_points=ONE, coefficient_power=-in_reference, auxiliary_power=1)
    raise ConfigurationError(f"倍率规则不完整：`{family}` 缺 share、factor 或 plus；请补齐")
