"""hospital_budgets.csv of a region pack: the year's budget of single hospitals, where the city sets one at all.

It moves no money: it is what the budget pace (序时进度) of a hospital is measured against.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pipeline.budgets import SHORTEST_SOURCE, YEAR, YUAN
from pipeline.errors import ConfigurationError
from pipeline.region_tables import numbered_csv

HOSPITAL_BUDGETS_FILE = "hospital_budgets.csv"
COLUMNS = ("hospital_id", "insurance_type", "year", "fund", "source")


@dataclass(frozen=True)
class HospitalBudget:
    """What one hospital may be paid of one insurance type's fund in one year."""

    hospital_id: str
    insurance_type: str
    year: int
    fund_fen: int
    source: str


def read_hospital_budgets(
    path: Path, hospitals: Collection[str], insurance_types: Collection[str]
) -> tuple[HospitalBudget, ...]:
    """Every row in the order of the file, or nothing where there is no file.

    Columns: hospital_id (of hospitals.csv), insurance_type (of the pack), year, fund in yuan with at most two
    decimals and optional thousands separators, source; one row per hospital, insurance type and year.
    Raises ConfigurationError naming file and line.
    """
    if not path.is_file():
        return ()
    budgets: list[HospitalBudget] = []
    seen: set[tuple[str, str, int]] = set()
    for line, row in numbered_csv(path, COLUMNS, closed=True):
        where = f"医院预算有误：{path} 第 {line} 行"
        budget = _budget_of_row(where, row, hospitals, insurance_types)
        key = (budget.hospital_id, budget.insurance_type, budget.year)
        if key in seen:
            raise ConfigurationError(
                f"{where}的 `{budget.hospital_id}` 险种 `{budget.insurance_type}` {budget.year} 年已有一行；请删去一行"
            )
        seen.add(key)
        budgets.append(budget)
    return tuple(budgets)


def _budget_of_row(
    where: str, row: dict[str, str], hospitals: Collection[str], insurance_types: Collection[str]
) -> HospitalBudget:
    hospital_id, insurance_type, year, fund, source = (row[column].strip() for column in COLUMNS)
    if hospital_id not in hospitals:
        raise ConfigurationError(f"{where}的医院 `{hospital_id[:20]}` 不在 hospitals.csv 中；请更正")
    if insurance_type not in insurance_types:
        raise ConfigurationError(
            f"{where}的险种 `{insurance_type[:20]}` 不在 insurance_types（{'、'.join(insurance_types)}）中；请更正"
        )
    if not YEAR.fullmatch(year):
        raise ConfigurationError(f"{where}的年度应为四位数字，实为 `{year[:20]}`；请更正")
    if not YUAN.fullmatch(fund) or (fen := int(Decimal(fund.replace(",", "")) * 100)) <= 0:
        raise ConfigurationError(
            f"{where}的基金 `{fund[:40]}` 读不懂；应为大于零、至多两位小数的元，可带千分位逗号，请更正"
        )
    if len(source) < SHORTEST_SOURCE:
        raise ConfigurationError(
            f"{where}的 source 至少写 {SHORTEST_SOURCE} 个字，实为 `{source}`；请写明预算的文件名、文号"
        )
    return HospitalBudget(hospital_id, insurance_type, int(year), fen, source)
