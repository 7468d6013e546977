"""period_amounts.csv of a region pack: what a month or a year takes beside its cases (audits, offsets, advances)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.region_tables import numbered_csv, yuan_to_fen

PERIOD_AMOUNTS_FILE = "period_amounts.csv"
COLUMNS = ("kind", "hospital_id", "insurance_type", "month", "amount_yuan", "reason", "document")
# Of the month, and of the year alone: advances paid out and back (预付金), audits found after the months.
MONTH_KINDS = ("audit_deduction", "revolving_offset")
YEAR_KINDS = ("advance", "advance_return", "annual_audit_deduction")
AMOUNT_KINDS = (*MONTH_KINDS, *YEAR_KINDS)
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class PeriodAmount:
    """One amount of a hospital and insurance type; `month` is YYYY-MM, `kind` one of AMOUNT_KINDS."""

    kind: str
    hospital_id: str
    insurance_type: str
    month: str
    amount_fen: int


def read_period_amounts(
    path: Path, hospitals: Collection[str], insurance_types: Collection[str]
) -> tuple[PeriodAmount, ...]:
    """Every row in the order of the file, or nothing where there is no file.

    Columns: kind, hospital_id (of hospitals.csv), insurance_type (of the pack), month, amount_yuan with at most two
    decimals, reason, document. Raises ConfigurationError naming file and line.
    """
    if not path.is_file():
        return ()
    return tuple(
        _amount_of_row(f"{path} 第 {line} 行", row, hospitals, insurance_types)
        for line, row in numbered_csv(path, COLUMNS)
    )


def _amount_of_row(
    where: str, row: dict[str, str], hospitals: Collection[str], insurance_types: Collection[str]
) -> PeriodAmount:
    if row["kind"] not in AMOUNT_KINDS:
        raise ConfigurationError(
            f"{where}的类别应为 {'、'.join(AMOUNT_KINDS)}，实为 `{row['kind'][:40]}`；请更正"
        )
    if row["hospital_id"] not in hospitals or row["insurance_type"] not in insurance_types:
        raise ConfigurationError(
            f"{where}的医院或险种不认识：`{row['hospital_id'][:40]}`、`{row['insurance_type'][:40]}`；请核对"
        )
    try:
        fen = yuan_to_fen(row["amount_yuan"])
    except ValueError as error:
        raise ConfigurationError(
            f"{where}的金额读不懂：`{row['amount_yuan'][:40]}`；以元计、至多两位小数，请更正"
        ) from error
    if not MONTH.fullmatch(row["month"]):
        raise ConfigurationError(f"{where}的月份应写作 2025-10，实为 `{row['month'][:20]}`；请更正")
    return PeriodAmount(row["kind"], row["hospital_id"], row["insurance_type"], row["month"], fen)
