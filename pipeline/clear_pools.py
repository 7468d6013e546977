"""What the workbooks of a cleared year show of budget lines (预算单列): each pool beside its insurance type.

A pool is an insurance type's main pool (blank line) or a budget line of it; DESIGN §6, docs/clearing.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.clear_statement import ClearingHeading, twelve_digits
from pipeline.workbook import Book, Field, fitted

MAIN = "主体"
SHEET = "预算单列"
# Of the main pool alone: bands pass the budget lines by.
BANDED = ("spent_ratio", "band", "band_step_fen")
_FIELDS = [
    Field("hospital_id", "机构编号", "text", 15),
    Field("hospital_name", "机构名称", "text", 26),
    Field("level", "级别", "text", 7),
    Field("insurance_name", "险种", "text", 10),
    Field("line_name", "预算单列", "text", 14),
    Field("cases", "病例数", "count", 10),
    Field("total_fee_fen", "医疗费用", "money", 13),
    Field("pool_fund_fen", "记账统筹基金", "money", 13),
    Field("points_total", "总点数", "weight", 15),
    Field("standard_fen", "支付标准", "money", 13),
    Field("month_fund_fen", "月度核定基金", "money", 13),
    Field("fund_from_points_fen", "清算基金", "money", 13),
]
_SUMMED = (
    "cases",
    "total_fee_fen",
    "pool_fund_fen",
    "standard_fen",
    "month_fund_fen",
    "fund_from_points_fen",
)


def with_classes(folder: Path, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of a table of a clearing with `first_value` and `changed_cases`, where its classes were decided anew.

    A table without budget_line shows the main pool's value and counts the cases of all pools.
    """
    if not (folder / "reclassification.parquet").is_file():
        return frame
    lined = "budget_line" in frame.columns
    pool = ["insurance_type", *(["budget_line"] if lined else [])]
    values = pl.read_parquet(folder / "reclassification.parquet")
    found = values if lined else values.filter(pl.col("budget_line") == "")
    digits = [twelve_digits(top, low) for top, low in found.select("first_num", "first_den").iter_rows()]
    shown = found.select(pool).with_columns(pl.Series("first_value", digits, pl.Decimal(38, 12)))
    counted = [*(["hospital_id"] if "hospital_id" in frame.columns else []), *pool]
    changed = pl.read_parquet(folder / "reclassified.parquet").group_by(counted).agg(
        pl.len().cast(pl.Int64).alias("changed_cases")
    )  # fmt: skip
    joined = frame.join(shown, on=pool, how="left", maintain_order="left").join(
        changed, on=counted, how="left", maintain_order="left"
    )  # fmt: skip
    return joined.with_columns(pl.col("changed_cases").fill_null(0))


@dataclass(frozen=True)
class Pools:
    """`hospitals`: pool_clearing; `balance`: pool_balance."""

    hospitals: pl.DataFrame
    balance: pl.DataFrame

    def of_hospital(self, hospital_id: str) -> Pools:
        return Pools(self.hospitals.filter(pl.col("hospital_id") == hospital_id), self.balance)


def read_pools(folder: Path) -> Pools | None:
    """The pools of a clearing; None where it has no budget line."""
    if not (folder / "pool_clearing.parquet").is_file():
        return None
    return Pools(
        with_classes(folder, pl.read_parquet(folder / "pool_clearing.parquet")),
        with_classes(folder, pl.read_parquet(folder / "pool_balance.parquet")),
    )


def pool_title(heading: ClearingHeading, row: Mapping[str, Any]) -> str:
    return f"{heading.name_of(row['insurance_type'])}（{row['budget_line'] or MAIN}）"


def own_columns(
    heading: ClearingHeading, pools: Pools | None, code: str, row: Mapping[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """The statement's columns of an insurance type: `row` alone, or its pools and then `row` as their sum."""
    found = [] if pools is None else pools.hospitals.filter(pl.col("insurance_type") == code).to_dicts()
    if pools is None or not any(one["budget_line"] for one in found):
        return [(heading.name_of(code), dict(row))]
    values = {
        (one["insurance_type"], one["budget_line"]): twelve_digits(one["value_num"], one["value_den"])
        for one in pools.balance.to_dicts()
    }
    columns = []
    for one in found:
        main = {} if one["budget_line"] else {name: row[name] for name in BANDED}
        shown = {**one, **main, "value": values[code, one["budget_line"]]}
        columns.append((pool_title(heading, one), shown))
    whole = {**row, **dict.fromkeys(("value", "first_value", "spent_ratio", "band", "fund_share"))}
    return [*columns, (f"{heading.name_of(code)}小计", whole)]


def balance_columns(
    heading: ClearingHeading, pools: Pools | None, code: str, row: Mapping[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """The balance's columns of an insurance type: `row` alone, or its pools and then `row` as their sum."""
    found = [] if pools is None else pools.balance.filter(pl.col("insurance_type") == code).to_dicts()
    if not any(one["budget_line"] for one in found):
        return [(heading.name_of(code), with_numbers(row))]
    columns = [(pool_title(heading, one), with_numbers(one)) for one in found]
    whole = {**row, "budget_version": None, "first_value": None, **dict.fromkeys(_NUMBERS)}
    return [*columns, (f"{heading.name_of(code)}小计", whole)]


_NUMBERS = ("value", "base_points", "fixed_value", "added_points", "added_value")


def with_numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a balance with its written-out numbers as numbers."""
    return {**row, **{name: None if row[name] is None else Decimal(row[name]) for name in _NUMBERS}}


def write_pools(book: Book, heading: ClearingHeading, pools: Pools) -> None:
    """The sheet 预算单列: a row per hospital and pool, and the sum of every pool."""
    fields = [field for field in _FIELDS if heading.by_points or field.name != "points_total"]
    lines = [_line(heading, row) for row in pools.hospitals.to_dicts()]
    totals = [
        _total(heading, one, [row for row in lines if _pool(row) == _pool(one)])
        for one in pools.balance.to_dicts()
    ]
    fields = fitted(fields, *totals, *lines)
    sheet = book.sheet(SHEET)
    title = f"{heading.region}{heading.year}年度清算基金（预算单列）"
    sheet.banner(
        title + heading.mark, heading.lines(f"统筹区：{heading.region}", f"{len(lines):,} 行"), right=5
    )
    sheet.header(fields, frozen=2)
    for line in lines:
        sheet.total(line, fields, "body")
    for line in totals:
        sheet.total(line, fields)
    sheet.note("预算单列的病例不占主体的总额；各院主体与单列之和就是年度清算表的清算基金。", 1)


def _pool(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["insurance_type"], row["budget_line"]


def _line(heading: ClearingHeading, row: Mapping[str, Any]) -> dict[str, Any]:
    named = {
        "insurance_name": heading.name_of(row["insurance_type"]),
        "line_name": row["budget_line"] or MAIN,
    }
    return {**row, **named}


def _total(
    heading: ClearingHeading, pool: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    named = _line(heading, pool) | {"hospital_id": "合计"}
    keys = ("hospital_id", "insurance_name", "line_name", "points_total")
    return {name: named[name] for name in keys} | {name: sum(row[name] for row in rows) for name in _SUMMED}
