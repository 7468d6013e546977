"""Coefficients of hospitals or levels from history: cost per weight over the region's, within bounds, total kept.

k = Σ y·(F_y ÷ W_y) ÷ Σ y over the years with cases, F trimmed cost, W weights in force; ratio = k_h ÷ k_region. The
coefficient is f × ratio, held within its bounds, f such that Σ W·c stays. Source: DESIGN §8; docs/calibration.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from pipeline.calibrate_price_rules import PriceRules
from pipeline.calibrate_spread import total
from pipeline.calibrate_unit import Part, Units
from pipeline.calibrate_window import Ground, Mix, Window
from pipeline.errors import ConfigurationError, InputError
from pipeline.invariance import half_away
from pipeline.negotiate_present import Present

By = Literal["hospital", "level"]
FEN = 100
# What became of a coefficient, in the words of the files.
STATUSES = {
    "own": "测算", "low": "测算，取下限", "high": "测算，取上限", "thin_kept": "样本不足，沿用现行",
    "new": "没有病例，用级别系数", "gone": "已不在医院表，沿用现行",
}  # fmt: skip
MOVED = ("own", "low", "high")


@dataclass(frozen=True)
class Rated:
    """A hospital or level. `fees`, `weights` by year: trimmed cost in fen and the weight of those cases.

    `weight`: Σ w of all its cases, `present` its mean coefficient in force, weighted by them; `cost` fen per weight.
    """

    key: str
    name: str
    level: str
    status: str
    cases: int
    kept: int
    fees: Mapping[int, int]
    weights: Mapping[int, Fraction]
    weight: Fraction
    present: Fraction | None
    price_fen: Fraction | None
    cost: Fraction | None = None
    ratio: Fraction | None = None
    lowest: Fraction | None = None
    highest: Fraction | None = None
    exact: Fraction | None = None
    value: Decimal | None = None

    @property
    def money_fen(self) -> Fraction | None:
        """What the change moves at the prices in force, all cases taken as normal ones; None where unknown."""
        if self.price_fen is None or self.present is None or self.value is None or not self.weight:
            return None
        return self.price_fen * (Fraction(self.value) - self.present)


@dataclass(frozen=True)
class Coefficients:
    """Calibrated coefficients; `cost` of the region in fen per weight, `factors` f, by level
    where they are measured on their level's cost, else one under an empty name; totals are Σ W·c with one before."""

    window: Window
    ground: Ground
    rules: PriceRules
    by: By
    units: tuple[Rated, ...] = field(repr=False)
    cost: Fraction
    factors: Mapping[str, Fraction]
    before: Fraction
    after: Fraction
    aside: int

    @property
    def residue(self) -> Fraction:
        """Σ W·c0 − Σ W·c of the rounded coefficients."""
        return self.before - self.after


def calibrate_coefficients(
    window: Window, ground: Ground, present: Present, rules: PriceRules, by: By
) -> Coefficients:
    """Coefficients of every hospital (or level) of the region.

    Raises ConfigurationError where the pack has them by group, InputError where no case counts or no factor keeps the
    total within the bounds.
    """
    entry = ground.terms.coefficients
    if entry is None or entry.by_group_level or entry.by_group_hospital:
        raise ConfigurationError(
            f"系数按病组另定（by_group_level、by_group_hospital），或没有系数：{ground.region.folder / 'region.yaml'}；"
            "calibrate coefficients 只测算机构系数、级别系数"
        )
    members, aside = _members(window.mix, ground, present, by)
    found = [_rated(key, parts, ground, rules, by) for key, parts in members.items()]
    weights = rules.year_weights
    region = _cost(*_years([one for parts in members.values() for one in parts]), weights)
    if region is None:
        raise InputError(
            f"历史里没有可用来测算系数的病例：共 {window.cases:,} 例，都不按权重付、没有现行权重或系数另定；请核对历史"
        )
    if by == "level" and rules.coefficients.reference == "level":
        raise ConfigurationError(
            "规则的 coefficients.reference 为 level 时只能测算机构系数；请改规则，或用 --by hospital"
        )
    by_level = rules.coefficients.reference == "level"
    costs = {
        level: _cost(
            *_years([part for one in found if one.level == level for part in members[one.key]]), weights
        )
        for level in ({one.level for one in found} if by_level else ())
    }
    measured = []
    for one in found:
        cost, reference = _cost(one.fees, one.weights, weights), costs.get(one.level, region)
        ratio = None if cost is None or reference is None else cost / reference
        low, high = _bounds(one.present, rules)
        measured.append(replace(one, cost=cost, ratio=ratio, lowest=low, highest=high))
    free = [one for one in measured if one.status == "own" and one.present is not None]
    scopes = sorted({one.level for one in measured}) if by_level else [""]
    factors = {scope: _factor([one for one in free if scope in ("", one.level)]) for scope in scopes}
    digits = ground.region.pack.digits.coefficient
    done = [_settled(one, factors[one.level if by_level else ""], digits) for one in measured]
    kept = [one for one in done if one.present is not None and one.value is not None]
    return Coefficients(
        window, ground, rules, by, tuple(done), region, factors,
        total([one.weight * (one.present or 0) for one in kept]),
        total([one.weight * _after(one) for one in kept]), aside,
    )  # fmt: skip


def _after(one: Rated) -> Fraction:
    return Fraction(one.value or 0) if one.status in MOVED else one.present or Fraction()


def _members(
    mix: Sequence[Mix], ground: Ground, present: Present, by: By
) -> tuple[dict[str, list[Part]], int]:
    """Cases by hospital or level; and how many there are whose coefficient is none of these, or that have no weight."""
    entry, base = ground.terms.coefficients, ground.terms.base_groups
    assert entry is not None
    weights = {code: group.present for code, group in present.groups.items()}
    parts, others = Units(ground).parts(mix, weights)
    apart = base.strategy in ("fixed_coefficient", "capped_coefficient")
    keys = sorted(ground.terms.hospitals) if by == "hospital" else ground.region.pack.levels
    found: dict[str, list[Part]] = {key: [] for key in keys}
    aside = sum(one.cases for one in others)
    for one in parts:
        if (apart and one.base) or (by == "level" and one.hospital in entry.by_hospital):
            aside += one.cases
        else:
            found.setdefault(one.hospital if by == "hospital" else one.level, []).append(one)
    return found, aside


def _rated(key: str, parts: Sequence[Part], ground: Ground, rules: PriceRules, by: By) -> Rated:
    entry, hospitals = ground.terms.coefficients, ground.terms.hospitals
    assert entry is not None
    fees, weights = _years(parts)
    cases, weight = sum(one.cases for one in parts), total([one.weight for one in parts])
    before = _weighted([(one.weight, one.unit.coefficient) for one in parts])
    price = _weighted([(one.weight, one.unit.price) for one in parts])
    status = "own"
    if not cases:
        status = "new"
    elif by == "hospital" and key not in hospitals:
        status = "gone"
    elif cases < rules.coefficients.fewest_cases and before is not None:
        status = "thin_kept"
    known = hospitals.get(key) if by == "hospital" else None
    return Rated(
        key, known.name if known else "", known.level if known else "" if by == "hospital" else key, status, cases,
        sum(one.kept for one in parts), fees, weights, weight, None if before is None else before / weight, price,
    )  # fmt: skip


def _weighted(pairs: Sequence[tuple[Fraction, Fraction | None]]) -> Fraction | None:
    """Σ weight·value; None without any, or where a value is unknown."""
    if not pairs or any(value is None for _, value in pairs):
        return None
    return total([weight * (value or 0) for weight, value in pairs])


def _years(parts: Sequence[Part]) -> tuple[dict[int, int], dict[int, Fraction]]:
    """Trimmed cost, and the weight of the cases that trimming kept, by year."""
    fees: dict[int, int] = defaultdict(int)
    weights: dict[int, list[Fraction]] = defaultdict(list)
    for one in parts:
        fees[one.year] += one.kept_fen
        weights[one.year].append(one.kept_weight)
    return dict(sorted(fees.items())), {year: total(own) for year, own in sorted(weights.items())}


def _cost(fees: Mapping[int, int], weights: Mapping[int, Fraction], years: Sequence[int]) -> Fraction | None:
    held = [year for year, weight in weights.items() if weight]
    if not held:
        return None
    return total([years[year] * fees[year] / weights[year] for year in held]) / sum(
        years[year] for year in held
    )


def _bounds(present: Fraction | None, rules: PriceRules) -> tuple[Fraction, Fraction]:
    """The lowest and the highest coefficient; where the limits lie farther than a step, the step goes before them."""
    said = rules.coefficients
    low, high = Fraction(said.lowest), Fraction(said.highest)
    if present is not None and said.step is not None:
        step = Fraction(said.step)
        down, up = present * (1 - step), present * (1 + step)
        return min(max(low, down), up), max(min(high, up), down)
    return low, high


def _held(factor: Fraction, one: Rated) -> Fraction:
    assert one.ratio is not None and one.lowest is not None and one.highest is not None
    return min(max(factor * one.ratio, one.lowest), one.highest)


def _factor(free: Sequence[Rated]) -> Fraction:
    """f with Σ W·clamp(f·ratio) = Σ W·c0: the sum grows with f, in straight pieces between the bounds. 1 without any."""
    if not free:
        return Fraction(1)
    target = total([one.weight * (one.present or 0) for one in free])
    lowest = total([one.weight * (one.lowest or 0) for one in free])
    highest = total([one.weight * (one.highest or 0) for one in free])
    if not lowest <= target <= highest:
        raise InputError(
            f"总量保不住：现行 Σ 权重·系数 {half_away(target, 4)}，在上下限与变动幅度之内只能从 {half_away(lowest, 4)} 到 "
            f"{half_away(highest, 4)}；请放宽规则的 lowest、highest、step"
        )
    edges = sorted(
        {bound / one.ratio for one in free for bound in (one.lowest, one.highest) if bound and one.ratio}
    )
    at = bisect_right(edges, target, key=lambda f: total([one.weight * _held(f, one) for one in free]))
    before = edges[at - 1] if at else Fraction()
    if at == len(edges):
        return before
    inside = (before + edges[at]) / 2
    loose = [one for one in free if one.lowest < inside * (one.ratio or 0) < one.highest]  # type: ignore[operator]
    stuck = total([one.weight * _held(inside, one) for one in free if one not in loose])
    slope = total([one.weight * (one.ratio or 0) for one in loose])
    return (target - stuck) / slope if slope else before


def _settled(one: Rated, factor: Fraction, digits: int) -> Rated:
    """The coefficient that a hospital or level comes to, rounded, still within its bounds."""
    if one.status == "own" and one.ratio is not None and one.lowest is not None and one.highest is not None:
        exact = _held(factor, one)
        low, high = -(-one.lowest * 10**digits // 1), one.highest * 10**digits // 1
        units = int(half_away(exact, digits).scaleb(digits))
        value = Decimal(max(min(units, high), low) if low <= high else units).scaleb(-digits)
        wanted = factor * one.ratio
        status = "low" if wanted < one.lowest else "high" if wanted > one.highest else "own"
        return replace(one, status=status, exact=exact, value=value)
    if one.present is None:
        return one
    return replace(one, value=half_away(one.present, digits))
