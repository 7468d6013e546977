"""Every family of DESIGN §6 as one form, so that one SQL statement prices them all.

points T = (m·c + m₀)·W·a + k·(F/Q)·cⁱ·aʲ,  amount = T·P + n·F

W is weight × rate, weight × point scale, or score; P the point value (1 by the rate method); Q the reference price
of a point (1 by the rate method); c and a the hospital and auxiliary coefficients; x = F ÷ (W·Q[·c]); S = W·c·a·P.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from pipeline.errors import ConfigurationError
from pipeline.pack_paths import OffPathEntry, Treatment
from pipeline.pack_pricing import Band, RatioEntry

ZERO, ONE = Decimal(0), Decimal(1)


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

    @property
    def needs_coefficient(self) -> bool:
        """Whether c enters the amount."""
        return self.by_standard != 0 or self.coefficient_power != 0


@dataclass(frozen=True)
class Rule:
    """A row of `price_rules`: on which path it stands, between which ratios x, what its cases are paid."""

    path: str
    price_class: str
    amount: Amount
    x_from: Decimal | None = None
    x_from_inclusive: bool = False
    x_to: Decimal | None = None
    x_to_inclusive: bool = False
    piece: str = ""  # low | normal | high | beyond, on a normal path

    @property
    def name(self) -> str:
        """The rule inside its terms."""
        return f"{self.path}/{self.piece}" if self.piece else self.path


NORMAL = Amount("normal", by_standard=ONE)


def rules_of(ratio: RatioEntry, off_path: OffPathEntry) -> Iterator[Rule]:
    """All rules; those of one path leave no ratio out and share none, so that every case meets exactly one."""
    for number, band in enumerate(ratio.high):
        yield from _ratio_classes(normal_path(number), ratio, band)
    for kind in ("ungrouped", "ambiguous", "excluded"):
        if (treatment := getattr(off_path, kind)) is not None:
            yield Rule(kind, kind, amount_of_treatment(treatment))
    for group, treatment in off_path.groups.items():
        yield Rule(path_of_group(group), "special", amount_of_treatment(treatment))


def _ratio_classes(path: str, ratio: RatioEntry, high: Band) -> Iterator[Rule]:
    """low | normal | high | beyond along x, each threshold on the side that the pack says."""
    low, beyond, reference = ratio.low, ratio.beyond, ratio.reference
    end = None if beyond is None else beyond.threshold
    end_inclusive = beyond is not None and not beyond.inclusive
    yield Rule(path, "low", amount_of_band(low, reference), None, False, low.threshold, low.inclusive, "low")
    yield Rule(
        path, "normal", NORMAL, low.threshold, not low.inclusive, high.threshold, not high.inclusive, "normal"
    )
    yield Rule(
        path,
        "high",
        amount_of_band(high, reference),
        high.threshold,
        high.inclusive,
        end,
        end_inclusive,
        "high",
    )
    if beyond is not None:
        amount = amount_of_band(beyond, reference)
        yield Rule(path, "high", amount, beyond.threshold, beyond.inclusive, piece="beyond")


def normal_path(number: int) -> str:
    """The path of groups that keep to the high band of this number."""
    return f"normal/{number + 1}"


def high_band(ratio: RatioEntry, weight: Decimal) -> int:
    """The first high band whose weight edge the group does not pass; the last has none."""
    last = len(ratio.high) - 1
    return next(
        (n for n, band in enumerate(ratio.high) if band.weight_le is None or weight <= band.weight_le), last
    )


def path_of_group(group: str) -> str:
    """The path of a group that the pack names one by one."""
    return f"group/{group}"


def amount_of_treatment(treatment: Treatment) -> Amount:
    """How a case off the normal path is paid."""
    family, share = treatment.treatment, treatment.share or ONE
    if family in ("table_weight", "fixed_weight"):
        return Amount(family, by_standard=ONE)
    if family == "share_of_benchmark":
        return Amount(family, of_points=share, coefficient_power=int(treatment.by_coefficient))
    return Amount(family, of_fee=share if family == "share_of_fee" else ONE)


def amount_of_band(band: Band, reference: str) -> Amount:
    """A ratio class in the form above; K (or h) is the band's threshold."""
    k, family = band.threshold, band.family
    # x·W·P = F·(P/Q), with a coefficient in the reference F·(P/Q)/c: that power of c is taken off.
    in_reference = 1 if reference == "with_coefficient" else 0
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
