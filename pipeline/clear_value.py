"""The value at which a year's cases use up the fund of their pool, and each hospital's part of that fund.

A pool is an insurance type, or a budget line (预算单列) of it.

Exact: sums are integers, the value is a fraction. Source: DESIGN §6 (with classes frozen a fund amount is α + β·value)
and §7 (the fund is used up by largest remainder: floor of the exact quotient, also below zero; the missing fen one each
to the largest remainders, ties to the smaller hospital_id).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any

from pipeline.budgets import pool_name
from pipeline.errors import ConfigurationError
from pipeline.pack_clearing import ClearingEntry
from pipeline.words import yuan_text

E12 = 10**12
MICRO = 1_000_000  # units of a point
MOST_HUGEINT = 2**127 - 1


@dataclass(frozen=True)
class Cleared:
    """The value of one pool: fen per unit (a millionth of a point, or one fen of the standard).

    `pool_fen` is distributed to the fen. Elastic: `base` are its points and their yuan, `added` those above.
    """

    insurance_type: str
    by_points: bool
    value: Fraction
    pool_fen: int
    share_unit: int  # 1 where no share comes in, so that the numbers stay small
    unit_size: int  # units are counted by so many
    radix: int  # of the long multiplication of exact_cases.sql
    base: tuple[Fraction, Fraction] | None = None
    added: tuple[Fraction, Fraction] | None = None
    budget_line: str = ""

    @property
    def pool(self) -> tuple[str, str]:
        return self.insurance_type, self.budget_line

    @property
    def per_counted(self) -> Fraction:
        """Fen per counted unit."""
        return self.value * self.unit_size

    @property
    def published(self) -> Fraction:
        """Yuan per point, or the multiplier of the rates."""
        return self.value * MICRO / 100 if self.by_points else self.value

    def row(self) -> dict[str, Any]:
        """A row of cleared_values."""
        whole, rest = divmod(self.per_counted.numerator, self.per_counted.denominator)
        return {
            "insurance_type": self.insurance_type, "budget_line": self.budget_line,
            "share_unit": self.share_unit, "unit_size": self.unit_size,
            "value_whole": whole, "value_rest": rest, "value_den": self.per_counted.denominator, "radix": self.radix,
        }  # fmt: skip

    def shown(self) -> dict[str, Any]:
        """A row of value_shown: the fraction as two integers written out, and six digits."""
        base, added = self.base or (None, None), self.added or (None, None)
        return {
            "insurance_type": self.insurance_type, "budget_line": self.budget_line, "value_num": str(self.published.numerator),
            "value_den": str(self.published.denominator), "value": six_digits(self.published),
            "base_points": six_digits(base[0]), "fixed_value": six_digits(base[1]),
            "added_points": six_digits(added[0]), "added_value": six_digits(added[1]),
        }  # fmt: skip


def six_digits(number: Fraction | None) -> str | None:
    """Six digits, half away from zero; null stays null."""
    if number is None:
        return None
    millionths = half_away(abs(number) * MICRO)
    return f"{'-' if number < 0 and millionths else ''}{millionths // MICRO}.{millionths % MICRO:06d}"


def half_away(number: Fraction) -> int:
    """The nearest integer, half away from zero."""
    up = (2 * abs(number.numerator) + number.denominator) // (2 * number.denominator)
    return up if number >= 0 else -up


def pool_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Insurance type and budget line ('' is the main pool) of a row."""
    return row["insurance_type"], row["budget_line"]


def clear_values(
    entry: ClearingEntry, sums: Sequence[Mapping[str, Any]], budgets: Mapping[tuple[str, str], int]
) -> list[Cleared]:
    """The value of every pool that has cases and is solved. `sums` as from year_sums, `budgets` in fen by pool.

    Raises ConfigurationError where the fund amounts do not move in proportion, a budget is missing or cannot be used
    up, or the numbers do not fit.
    """
    pools = sorted({pool for row in sums if (pool := pool_of(row))[1] not in entry.lines_as_priced})
    missing = [pool_name(*pool) for pool in pools if pool not in budgets]
    if missing:
        raise ConfigurationError(
            f"年度预算缺险种 {'、'.join(missing)}：这些险种有病例，没有可分配的总额；请在 budgets.csv 补上后重新清算"
        )
    idle = [
        pool_name(*pool) for pool in sorted(budgets.keys() - set(pools))
        if budgets[pool] and pool[1] not in entry.lines_as_priced
    ]  # fmt: skip
    if idle:
        raise ConfigurationError(
            f"险种 {'、'.join(idle)} 有年度预算而全年没有病例，无处分配；请核对 budgets.csv 与险种代码"
        )
    return [
        _cleared(entry, pool, [row for row in sums if pool_of(row) == pool], budgets[pool]) for pool in pools
    ]


def _cleared(
    entry: ClearingEntry, pool: tuple[str, str], rows: Sequence[Mapping[str, Any]], budget: int
) -> Cleared:
    kind = pool_name(*pool)
    if any(row["bent"] for row in rows):
        raise ConfigurationError(
            f"险种 {kind} 全年有按政策法或差额法“负数记零”付的病例，基金不随点值（费率）等比变化，不能浮动清算；"
            "请把 clearing 的 value 改为 fixed"
        )
    by_points = any(row["by_points"] for row in rows)
    if by_points and any(row["by_rate"] for row in rows):
        raise ConfigurationError(
            f"险种 {kind} 全年既有按点数、又有按费率付的病例，求不出一个点值；请核对各月批次"
        )
    alpha, beta = (Fraction(sum(row[name] for row in rows), E12) for name in ("alpha_e12", "beta_e12"))
    if beta <= 0:
        raise ConfigurationError(
            f"险种 {kind} 全年没有随点值（费率）变动的病例，预算 {yuan_text(budget)} 元用不完；请核对各月批次与预算"
            + (f"，按原价付的单列请写 lines_as_priced: [{pool[1]}]" if pool[1] else "")
        )
    value, total, base, added = (budget - alpha) / beta, budget, None, None
    if entry.value == "elastic" and not pool[1]:  # the base is that of the insurance type: a line has none
        value, total, base, added = _elastic(entry, kind, rows, by_points, budget)
    if value < 0:
        raise ConfigurationError(
            f"险种 {kind} 的预算 {yuan_text(budget)} 元不够付不随点值变动的部分 {yuan_text(half_away(alpha))} 元，点值为负；"
            "请核对 budgets.csv"
        )
    share_unit = E12 if any(row["by_ratio"] for row in rows) else 1
    unit_size = 100 if by_points and all(row["of_four_digits"] for row in rows) else 1
    largest = max(row["largest_beta_e12"] for row in rows) // (E12 // share_unit) // unit_size
    radix = _radix(kind, value * unit_size, largest, share_unit)
    return Cleared(pool[0], by_points, value, total, share_unit, unit_size, radix, base, added, pool[1])


def _elastic(
    entry: ClearingEntry, kind: str, rows: Sequence[Mapping[str, Any]], by_points: bool, budget: int
) -> tuple[Fraction, int, tuple[Fraction, Fraction], tuple[Fraction, Fraction]]:
    """The mean value of a point, what is distributed, and points and yuan of the base and of what was added to it."""
    if not by_points:
        raise ConfigurationError(
            f"险种 {kind} 按费率付，没有点数，不能弹性清算；请把 clearing 的 value 改为 fixed 或 floating"
        )
    if kind not in entry.base_points:
        raise ConfigurationError(
            f"弹性清算缺险种 {kind} 的基数：请在 clearing 的 base_points、fixed_values 补上"
        )
    alpha, beta = (Fraction(sum(row[name] for row in rows), E12) for name in ("alpha_e12", "beta_e12"))
    points = Fraction(sum(row["units"] for row in rows), MICRO)
    base, fixed = Fraction(entry.base_points[kind]), Fraction(entry.fixed_values[kind])
    if points <= base:  # no point was added: the fixed value pays all, and what is left stays in the fund
        value = fixed * 100 / MICRO
        return value, half_away(alpha + beta * value), (points, fixed), (Fraction(0), Fraction(0))
    mean = (budget - alpha) / beta
    rest = points * mean * MICRO / 100 - base * fixed
    if rest < 0:
        raise ConfigurationError(
            f"险种 {kind} 的预算 {yuan_text(budget)} 元不够按固定点值 {fixed} 元付基数点数 {base}，增量点值为负；"
            "请核对 budgets.csv 与 base_points，或改用 floating"
        )
    return mean, budget, (base, fixed), (points - base, rest / (points - base))


def _radix(kind: str, per_counted: Fraction, largest: int, share_unit: int) -> int:
    """Where the long multiplication of exact_cases.sql is cut. Raises ConfigurationError where no cut fits."""
    den = per_counted.denominator
    room = MOST_HUGEINT // 4
    radix = min(room // den, max(2, isqrt(largest) + 1))
    fits = radix >= 2 and (largest // radix + 1) * den <= room
    whole = per_counted.numerator // den + 1
    if not fits or largest * whole * 4 > room or share_unit * 4 > room:
        raise ConfigurationError(
            f"险种 {kind} 的点数与总额位数太多，清算点值的分数有 {len(str(den))} 位，超出可精确计算的范围；"
            "请按公布位数填写 digits 的 points"
        )
    return radix


def hospital_funds(cleared: Sequence[Cleared], sums: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of solved_funds: the final standard, and the part of the fund; its sum is the fund to the fen."""
    found = []
    for one in cleared:
        rows = [row for row in sums if pool_of(row) == one.pool]
        exact = {row["hospital_id"]: (row["alpha_e12"] + row["beta_e12"] * one.value) / E12 for row in rows}
        amounts = largest_remainder(exact, one.pool_fen)
        for row in rows:
            found.append({
                "hospital_id": row["hospital_id"], "insurance_type": one.insurance_type,
                "budget_line": one.budget_line,
                "standard_fen": half_away(row["apart_fen"] + row["units"] * one.value),
                "fund_from_points_fen": amounts[row["hospital_id"]],
            })  # fmt: skip
    return found


def largest_remainder(exact: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Whole fen that sum to `total`, which is the sum of the exact amounts but for less than a fen."""
    floors = {name: number.numerator // number.denominator for name, number in exact.items()}
    order = sorted(exact, key=lambda name: (floors[name] - exact[name], name))
    for name in order[: total - sum(floors.values())]:
        floors[name] += 1
    return floors
