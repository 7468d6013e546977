"""What a year is cleared from: its published months and the budgets; and what a trial (测算) takes otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.budgets import Budget
from pipeline.errors import ConfigurationError, UsageMistake
from pipeline.ledger import Ledger
from pipeline.pack_clearing import ClearingEntry
from pipeline.region import Region, budget_lines, budgets_of
from pipeline.standing import Published, current_publications

MONTHS = 12


@dataclass(frozen=True)
class Trial:
    """What a trial clears otherwise than the pack says; `wanted`: a trial although it changes nothing."""

    entry: ClearingEntry | None = None
    budgets_fen: Mapping[str, int] | None = None
    wanted: bool = False

    @property
    def is_one(self) -> bool:
        return self.wanted or self.entry is not None or self.budgets_fen is not None


NO_TRIAL = Trial()


def stop_unless_year(year: str) -> None:
    """Raises UsageMistake for what is no year."""
    if not re.fullmatch(r"[12][0-9]{3}", year):
        raise UsageMistake(f"年度写法不对：`{year[:20]}`；应为四位数，如 --year 2025")


def months_of_year(ledger: Ledger, year: str, some: bool = False) -> list[Published]:
    """The current publications of the year's months; all of them must be there, for a trial (`some`) at least one."""
    found = [one for one in current_publications(ledger) if one.period.startswith(f"{year}-")]
    missing = sorted(
        {f"{year}-{month:02d}" for month in range(1, MONTHS + 1)} - {one.period for one in found}
    )
    if not found or (missing and not some):
        raise UsageMistake(
            f"{year} 年还有 {len(missing)} 个月没有发布：{'、'.join(missing)}；清算须十二个月都已发布，"
            "请先发布这些月份，或用 --trial、--budget、--clearing 试算"
        )
    return found


def budgets_of_year(
    region: Region, entry: ClearingEntry, year: int, given_fen: Mapping[str, int] | None = None
) -> list[Budget]:
    """The budget of every pool that the year is cleared by; a floating value cannot do without that of the main pool.

    `given_fen`: what a trial takes instead, by insurance type or `insurance type/budget line`.
    """
    held = {one.pool: one for one in budgets_of(region, year)}
    for text, fund_fen in (given_fen or {}).items():
        insurance_type, _, line = text.partition("/")
        if insurance_type not in region.pack.insurance_types:
            raise UsageMistake(f"险种 `{insurance_type[:20]}` 不在地区参数中；请核对 --budget")
        if line and line not in budget_lines(region, year):
            raise UsageMistake(f"预算单列 `{line[:20]}` 不在 {year} 年的 scope 中；请核对 --budget")
        held[insurance_type, line] = Budget(insurance_type, year, fund_fen, 0, "试算", "试算", line)
    bare = [kind for kind in region.pack.insurance_types if (kind, "") not in held]
    if bare and entry.value != "fixed":
        raise ConfigurationError(
            f"没有 {year} 年险种 {bare[0]} 的年度预算：{region.folder / 'budgets.csv'}；浮动清算须有预算，请补上"
        )
    return list(held.values())
