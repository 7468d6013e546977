"""Scores, level coefficients and base diseases from exact costs.

Source: DIP 技术规范 第五章: score = m / M × 1000 (or by a benchmark disease, or by a fixed amount); the coefficient
of a level is its mean cost over the row's (or over the highest level's).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from groupers.dip.catalogue import CoreRow, PooledRow
from groupers.dip.lint import BASE
from pipeline.calibrate_cost import Cost, half_away, together, weighted_mean
from pipeline.calibrate_rules import BaseRows, Rules
from pipeline.errors import ConfigurationError

FEN = 100


@dataclass(frozen=True)
class Scored:
    """A row with its mean cost in fen, its score before and after rounding, and a coefficient per level (None: unknown)."""

    row: CoreRow | PooledRow
    origin: str
    cost: Cost
    mean: Fraction
    exact_score: Fraction
    score: Decimal
    flags: frozenset[str]
    coefficients: tuple[Decimal | None, ...]


@dataclass(frozen=True)
class Scale:
    """What turns a mean cost into a score: × factor / denominator; `region_mean` in fen."""

    region_mean: Fraction
    factor: int
    denominator: Fraction

    def score(self, mean: Fraction) -> Fraction:
        return mean * self.factor / self.denominator


def scale_of(rows: Sequence[CoreRow | PooledRow], costs: Sequence[Cost], rules: Rules) -> Scale:
    """The scale of a catalogue. Raises ConfigurationError where the benchmark row is not in it."""
    region = weighted_mean(together(costs), rules.year_weights)
    assert region is not None, "a row has at least one case"
    score = rules.score
    if score.method == "mean":
        return Scale(region, score.scale, region)
    if score.method == "fixed":
        assert score.fixed_amount_yuan is not None
        return Scale(region, 1, Fraction(score.fixed_amount_yuan) * FEN)
    for row, cost in zip(rows, costs, strict=True):
        mean = weighted_mean(cost.by_year(), rules.year_weights)
        if row.row == score.benchmark_row and mean is not None:
            return Scale(region, score.scale, mean)
    raise ConfigurationError(
        f"基准病种不在测算出的目录里：`{score.benchmark_row}`（目录共 {len(rows)} 个病种）；"
        "请改 score.benchmark_row，或先用 method: mean 测算一次，从 core.csv 里选定编码"
    )


def score_rows(
    rows: Sequence[CoreRow | PooledRow],
    origins: Sequence[str],
    costs: Sequence[Cost],
    rules: Rules,
    levels: Sequence[str],
    scale: Scale,
) -> list[Scored]:
    """Every row with score, flags and coefficients, in the order given; `levels` from the lowest to the highest."""  # fmt: skip
    means = [mean_of(cost, rules) for cost in costs]
    ratios = _level_ratios(costs, means, rules, len(levels))
    scored = []
    for row, origin, cost, mean in zip(rows, origins, costs, means, strict=True):
        flags = row.flags
        if rules.base is not None and isinstance(row, CoreRow):
            flags = (flags - {BASE}) | ({BASE} if _costs_alike(cost, rules, rules.base, levels) else set())
        exact = scale.score(mean)
        scored.append(
            Scored(
                row, origin, cost, mean, exact, half_away(exact, rules.score.digits), flags,
                (half_away(Fraction(1), rules.coefficients.digits),) * len(levels)
                if BASE in flags
                else _coefficients(cost, mean, rules, ratios),
            )
        )  # fmt: skip
    return scored


def mean_of(cost: Cost, rules: Rules) -> Fraction:
    """m of a row in fen: trimmed, by year weights."""
    mean = weighted_mean(cost.by_year(), rules.year_weights)
    assert mean is not None, "a row has at least one case, and trimming keeps the bounds"
    return mean


def level_mean(cost: Cost, level: int, rules: Rules) -> Fraction | None:
    """The mean cost of a row's cases of one level, with the row's trimming and the same year weights."""
    return weighted_mean(cost.by_year(level), rules.year_weights)


def _coefficients(
    cost: Cost, mean: Fraction, rules: Rules, ratios: Sequence[Fraction | None]
) -> tuple[Decimal | None, ...]:
    said = rules.coefficients
    highest = len(ratios) - 1

    def known(level: int) -> Fraction | None:
        return level_mean(cost, level, rules) if cost.of_level(level).kept >= said.least_cases else None

    reference = mean if said.reference == "overall" else known(highest)
    found: list[Decimal | None] = []
    for level, ratio in enumerate(ratios):
        own = known(level)
        if own is not None and reference is not None:
            found.append(half_away(own / reference, said.digits))
        elif said.thin == "level_mean" and ratio is not None:
            found.append(half_away(ratio, said.digits))
        else:
            found.append(None)
    return tuple(found)


def _level_ratios(
    costs: Sequence[Cost], means: Sequence[Fraction], rules: Rules, levels: int
) -> list[Fraction | None]:
    """Σ cost / Σ n·m of every level over all rows: its mean ratio whatever its mix of cases."""
    ratios: list[Fraction | None] = []
    for level in range(levels):
        sums = [(cost.of_level(level), mean) for cost, mean in zip(costs, means, strict=True)]
        spent = sum(own.kept_fen for own, _ in sums)
        # Means have the row's case numbers as denominators: one common denominator per row keeps this quick.
        expected = _sum([mean * own.kept for own, mean in sums if own.kept])
        ratios.append(spent / expected if expected else None)
    highest = ratios[-1]
    if rules.coefficients.reference == "highest_level":
        return [None if ratio is None or highest is None else ratio / highest for ratio in ratios]
    return ratios


def _sum(values: Sequence[Fraction]) -> Fraction:
    """The sum of many fractions, by halves, so that denominators grow as late as they can."""
    if len(values) <= 2:
        return sum(values, Fraction())
    middle = len(values) // 2
    return _sum(values[:middle]) + _sum(values[middle:])


def _costs_alike(cost: Cost, rules: Rules, said: BaseRows, levels: Sequence[str]) -> bool:
    """Whether the levels' mean costs vary so little, with enough cases at each, that one price fits them all."""
    chosen = [levels.index(level) for level in said.levels] if said.levels else range(len(levels))
    if any(cost.of_level(level).kept < said.least_cases_per_level for level in chosen):
        return False
    means = [level_mean(cost, level, rules) for level in chosen]
    known = [mean for mean in means if mean is not None]
    total = sum(known, Fraction())
    square = Fraction(len(known) * sum((mean**2 for mean in known), Fraction()) / total**2 - 1)
    return square <= Fraction(said.cv_at_most) ** 2
