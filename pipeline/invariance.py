"""Weights rescaled so that the total weight stays (总权重不变): exact fractions, published digits, the residue shown.

Source: DESIGN §8. In a scope f = (Σ w0·n − Σ locked w·n) ÷ Σ unlocked w1·n; w1 is the proposed weight, the present w0
where none is proposed; a locked group keeps its w1. Rounding: half away from zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from pipeline.errors import InputError
from pipeline.residue import Placing, Step, place

Scope = Literal["all", "mdc"]
ALL = "全部"
FACTOR_DIGITS = 8
FEN = 100


@dataclass(frozen=True)
class Limits:
    """What a weight may be: `least` ≤ w ≤ `most`, and |w − w0| ≤ `change` × w0; None where the pack sets no limit."""

    least: Decimal | None = None
    most: Decimal | None = None
    change: Decimal | None = None

    def of(self, present: Decimal) -> tuple[Fraction | None, Fraction | None]:
        """The lowest and the highest weight of a group that weighs `present` now."""
        lows = [] if self.least is None else [Fraction(self.least)]
        highs = [] if self.most is None else [Fraction(self.most)]
        if self.change is not None:
            lows.append(Fraction(present) * (1 - Fraction(self.change)))
            highs.append(Fraction(present) * (1 + Fraction(self.change)))
        return max(lows, default=None), min(highs, default=None)

    def breach(self, present: Decimal, weight: Decimal) -> str | None:
        """Why a weight is not allowed, in Chinese; None where it is."""
        low, high = self.of(present)
        if weight <= 0:
            return "应大于零"
        if weight == present:
            return None  # what stands is not up for judgement here
        if self.least is not None and weight < self.least:
            return f"低于下限 {plain(self.least)}"
        if self.most is not None and weight > self.most:
            return f"高于上限 {plain(self.most)}"
        if (low is not None and weight < low) or (high is not None and weight > high):
            return (
                f"比现行权重 {plain(present)} 变动 {percent(present, weight)}，超过 {percent_of(self.change)}"
            )
        return None


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Weight:
    """A group before rescaling: present weight, proposed one (None: as it is), cases of the window, MDC or chapter."""

    present: Decimal
    proposed: Decimal | None
    cases: int
    mdc: str = ""
    locked: bool = False

    @property
    def wanted(self) -> Decimal:
        """w1: the proposed weight, the present one where none is proposed."""
        return self.present if self.proposed is None else self.proposed


@dataclass(frozen=True)
class Proof:
    """What one scope weighs: Σ w·n as it is, as proposed, as rounded, as placed. `left` is before − placed."""

    scope: str
    groups: int
    locked: int
    cases: int
    before: Decimal
    proposed: Decimal
    rounded: Decimal
    placed: Decimal | None
    factor: Fraction
    steps: tuple[Step, ...] = ()

    @property
    def residue(self) -> Decimal:
        """Σ w0·n − Σ w·n of the rounded weights."""
        return self.before - self.rounded

    @property
    def left(self) -> Decimal:
        """What of the residue is not placed."""
        return self.before - (self.rounded if self.placed is None else self.placed)

    @property
    def factor_text(self) -> str:
        """The factor with eight digits."""
        return plain(half_away(self.factor, FACTOR_DIGITS))


@dataclass(frozen=True)
class Rescaled:
    """The rounded weights, the placed ones (None where the residue was not to be placed), and the proof by scope."""

    rounded: dict[str, Decimal]
    placed: dict[str, Decimal] | None
    proofs: tuple[Proof, ...] = field(repr=False)

    @property
    def weights(self) -> dict[str, Decimal]:
        """The weights that count."""
        return self.rounded if self.placed is None else self.placed


def rescale(
    weights: Mapping[str, Weight], digits: int, scope: Scope, place_residue: bool, limits: Limits = NO_LIMITS
) -> Rescaled:
    """Every group's weight to `digits` after the point so that Σ w·n of every scope stays, up to the residue.

    Groups without cases are scaled and do not count. Raises InputError, with the numbers, where a scope cannot keep its
    total (all locked and changed, nothing to scale, locked above the total) or a weight leaves the limits.
    """
    members: dict[str, dict[str, Weight]] = {}
    for group in sorted(weights):
        members.setdefault(ALL if scope == "all" else weights[group].mdc, {})[group] = weights[group]
    rounded: dict[str, Decimal] = {}
    placed: dict[str, Decimal] = {}
    proofs = []
    for name in sorted(members):
        within = members[name]
        factor = _factor(name, within)
        own = {
            group: one.wanted if one.locked else half_away(Fraction(one.wanted) * factor, digits)
            for group, one in within.items()
        }
        _refuse_breaches(name, factor, within, own, limits)
        moved = _placed(within, own, digits, limits) if place_residue else None
        proofs.append(_proof(name, within, own, moved, factor))
        rounded |= own
        placed |= own if moved is None else moved[0]
    return Rescaled(rounded, placed if place_residue else None, tuple(proofs))


def total_weight(weights: Mapping[str, Decimal], groups: Mapping[str, Weight]) -> Decimal:
    """Σ w·n."""
    return sum((weights[group] * one.cases for group, one in groups.items()), Decimal(0))


def dilution(gross_fen: int, total: Decimal) -> Decimal:
    """Yuan per weight that a fixed fund comes to, two digits: what a larger total weight takes from every case.

    Worked: 49,200,000 ÷ 4100 = 12000.00, ÷ 4160 = 11826.92.
    """
    return half_away(Fraction(gross_fen, FEN) / Fraction(total), 2)


def half_away(value: Fraction, digits: int) -> Decimal:
    """A fraction rounded half away from zero to so many digits after the point."""
    size = abs(value) * 10**digits
    scaled = (2 * size.numerator + size.denominator) // (2 * size.denominator)
    return Decimal(-scaled if value < 0 else scaled).scaleb(-digits)


def plain(number: Decimal) -> str:
    """A number without an exponent."""
    return format(number, "f")


def percent(present: Decimal, weight: Decimal) -> str:
    """The relative change with its sign and two digits, as `+12.50%`."""
    moved = half_away((Fraction(weight) - Fraction(present)) / Fraction(present) * 100, 2)
    return f"{moved:+f}%"


def percent_of(share: Decimal | None) -> str:
    """A share as a percentage, as `30%`."""
    return "" if share is None else f"{plain((share * 100).normalize())}%"


def _factor(name: str, within: Mapping[str, Weight]) -> Fraction:
    before = sum((Fraction(one.present) * one.cases for one in within.values()), Fraction())
    locked = sum((Fraction(one.wanted) * one.cases for one in within.values() if one.locked), Fraction())
    free = sum((Fraction(one.wanted) * one.cases for one in within.values() if not one.locked), Fraction())
    if not free:
        if locked == before:
            return Fraction(1)  # nothing weighs but what is locked, and that has not changed
        raise InputError(
            f"总权重保不住：{name} 里能缩放的病组合计为 0（锁定 {sum(one.locked for one in within.values())} 个，共 "
            f"{len(within)} 个），锁定的合计 {_shown(locked)}，应为 {_shown(before)}，相差 {_shown(before - locked)}；请解锁几个病组"
        )
    if before <= locked:
        raise InputError(
            f"总权重保不住：{name} 锁定的病组合计 {_shown(locked)}，已不少于原总权重 {_shown(before)}，其余 "
            f"{_shown(free)} 无处可放；请解锁几个病组或降低锁定的权重"
        )
    return (before - locked) / free


def _shown(value: Fraction) -> str:
    return plain(half_away(value, 4))


def _refuse_breaches(
    name: str, factor: Fraction, within: Mapping[str, Weight], own: Mapping[str, Decimal], limits: Limits
) -> None:
    breaches = [
        f"{group} 提议 {plain(one.wanted)}、缩放后 {plain(own[group])} {why}"
        for group, one in within.items()
        if (why := limits.breach(one.present, own[group])) is not None
    ]
    if breaches:
        more = f" 等 {len(breaches)} 个" if len(breaches) > 5 else ""
        raise InputError(
            f"缩放后的权重超出界限：{name} 的系数为 {plain(half_away(factor, FACTOR_DIGITS))}，{'；'.join(breaches[:5])}{more}；"
            "请调整提议或锁定"
        )


def _placed(
    within: Mapping[str, Weight], own: Mapping[str, Decimal], digits: int, limits: Limits
) -> tuple[dict[str, Decimal], tuple[Step, ...]]:
    """The weights with the residue placed, and the steps."""
    unit = 10**digits
    free = []
    for group, one in within.items():
        if one.locked or not one.cases:
            continue
        low, high = limits.of(one.present)
        free.append(
            Placing(
                group, int(own[group] * unit), one.cases,
                None if low is None else -(-low * unit // 1), None if high is None else high * unit // 1,
            )
        )  # fmt: skip
    residue = sum(
        (Fraction(one.present) - Fraction(own[group])) * one.cases * unit for group, one in within.items()
    )
    steps = place(free, Fraction(residue))
    moved = dict(own)
    for step in steps:
        moved[step.group] += Decimal(step.count).scaleb(-digits)
    return moved, steps


def _proof(
    name: str, within: Mapping[str, Weight], own: Mapping[str, Decimal],
    moved: tuple[dict[str, Decimal], tuple[Step, ...]] | None, factor: Fraction,
) -> Proof:  # fmt: skip
    return Proof(
        name, len(within), sum(one.locked for one in within.values()), sum(one.cases for one in within.values()),
        total_weight({group: one.present for group, one in within.items()}, within),
        total_weight({group: one.wanted for group, one in within.items()}, within),
        total_weight(own, within), None if moved is None else total_weight(moved[0], within), factor,
        () if moved is None else moved[1],
    )  # fmt: skip
