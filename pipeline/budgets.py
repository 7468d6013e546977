"""budgets.csv of a region pack: the distributable fund (年度可分配基金) of each pool and year.

A pool is an insurance type, or a budget line (预算单列) of it, which `scope` names and whose cases the line alone pays.

A budget that is adjusted during the year is a new version, never an edit: what was settled by the old one can then
still be explained. The highest version counts.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.region_tables import numbered_csv

BUDGETS_FILE = "budgets.csv"
COLUMNS = ("insurance_type", "year", "fund", "version", "reason", "source")
LINED_COLUMNS = ("insurance_type", "budget_line", *COLUMNS[1:])  # where a line has a budget of its own
YEAR = re.compile(r"[1-9][0-9]{3}")
VERSION = re.compile(r"[1-9][0-9]{0,3}")
# Commas only between whole thousands: `1,5` is somebody's decimal comma, not fifteen yuan. Below 10^12 yuan, so that
# the fund in fen stays exact in every integer of the SQL.
YUAN = re.compile(r"([0-9]{1,12}|[0-9]{1,3}(,[0-9]{3}){1,3})(\.[0-9]{1,2})?")
SHORTEST_SOURCE = 4  # as everywhere in a pack: entries.Dated


@dataclass(frozen=True)
class Budget:
    """One version of what may be distributed to one pool in one year; `reason` is why it was adjusted.

    `budget_line` is blank for the main pool of the insurance type.
    """

    insurance_type: str
    year: int
    fund_fen: int
    version: int
    reason: str
    source: str
    budget_line: str = ""

    @property
    def pool(self) -> tuple[str, str]:
        return self.insurance_type, self.budget_line


def pool_name(insurance_type: str, budget_line: str) -> str:
    """How a sentence calls a pool."""
    return f"{insurance_type}（单列 {budget_line}）" if budget_line else insurance_type


def read_budgets(path: Path, insurance_types: Collection[str]) -> tuple[Budget, ...]:
    """Every row in the order of the file, or nothing where there is no file.

    Columns: insurance_type (of the pack), optionally budget_line (blank: the main pool), year, fund in yuan with at most
    two decimals and optional thousands separators, version (1, 2, 3, … by pool and year), reason (from version 2 on),
    source.
    Raises ConfigurationError naming file and line.
    """
    if not path.is_file():
        return ()
    budgets: list[Budget] = []
    for line, row in numbered_csv(path, _columns(path), closed=True):
        where = f"年度预算有误：{path} 第 {line} 行"
        budget = _budget_of_row(where, row, insurance_types)
        before = sum((one.pool, one.year) == (budget.pool, budget.year) for one in budgets)
        if budget.version != before + 1:
            raise ConfigurationError(
                f"{where}的版本为 {budget.version}，险种 `{pool_name(*budget.pool)}` {budget.year} 年此处应为 {before + 1}；"
                "同一险种（单列）、年度的版本从 1 起逐一递增，调整预算请另加一行"
            )
        budgets.append(budget)
    return tuple(budgets)


def _columns(path: Path) -> tuple[str, ...]:
    """The columns of the file's own header: with budget lines or without."""
    with path.open("rb") as file:
        lined = b"budget_line" in file.readline(1000)
    return LINED_COLUMNS if lined else COLUMNS


def _budget_of_row(where: str, row: dict[str, str], insurance_types: Collection[str]) -> Budget:
    insurance_type, year, fund, version, reason, source = (row[column].strip() for column in COLUMNS)
    if insurance_type not in insurance_types:
        raise ConfigurationError(
            f"{where}的险种 `{insurance_type[:20]}` 不在 insurance_types（{'、'.join(insurance_types)}）中；请更正"
        )
    if not YEAR.fullmatch(year):
        raise ConfigurationError(f"{where}的年度应为四位数字，实为 `{year[:20]}`；请更正")
    if not YUAN.fullmatch(fund) or (fen := int(Decimal(fund.replace(",", "")) * 100)) <= 0:
        raise ConfigurationError(
            f"{where}的基金 `{fund[:40]}` 读不懂；应为大于零、不到一万亿、至多两位小数的元，可带千分位逗号，请更正"
        )
    if not VERSION.fullmatch(version):
        raise ConfigurationError(f"{where}的版本应为 1、2、3…，实为 `{version[:20]}`；请更正")
    if int(version) > 1 and not reason:
        raise ConfigurationError(f"{where}没有写 reason；版本 {version} 是调整后的预算，请写明调整的事由")
    if len(source) < SHORTEST_SOURCE:
        raise ConfigurationError(
            f"{where}的 source 至少写 {SHORTEST_SOURCE} 个字，实为 `{source}`；请写明预算的文件名、文号"
        )
    line = row.get("budget_line", "").strip()
    return Budget(insurance_type, int(year), fen, int(version), reason, source, line)
