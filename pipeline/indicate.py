"""Indicators of a month (CMI, cost and time index) and how fast the year's budget is used (序时进度)."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.query import store
from pipeline.region import Region, budget_of, budgets_of
from pipeline.terms import RULE_UNIT, in_force, scaled

_TEXT, _FEN = pa.string(), pa.int64()
EARLIER_MONTHS = pa.schema(
    [("hospital_id", _TEXT), ("insurance_type", _TEXT), ("period", _TEXT), ("cases", _FEN), ("total_fee_fen", _FEN),
     ("pool_fund_fen", _FEN), ("fund_fen", _FEN)]
)  # fmt: skip
BUDGETS = pa.schema([("insurance_type", _TEXT), ("fund_fen", _FEN), ("version", pa.int32())])
HOSPITAL_BUDGETS = pa.schema([("hospital_id", _TEXT), ("insurance_type", _TEXT), ("fund_fen", _FEN)])


def indicate(
    con: duckdb.DuckDBPyConnection, region: Region, period: str, last_day: dt.date, folder: Path
) -> None:
    """Write indicators.parquet and budget_pace.parquet of a period that ends on `last_day`.

    Reads scored, validated, reversed and hospital_payment, and `earlier_months` (EARLIER_MONTHS: the current
    publications of the months before) where it is registered; without it only this month is counted, and the pace
    says so. An insurance type's budget is that of its main pool and its budget lines (预算单列), as its fund is that of
    all its cases. Without budgets budget_pace has no rows, without the pack's `pace` no levels.
    """
    year = int(period[:4])
    own = [
        {"hospital_id": one.hospital_id, "insurance_type": one.insurance_type, "fund_fen": one.fund_fen}
        for one in region.hospital_budgets if one.year == year
    ]  # fmt: skip
    con.register("budgets", type_budgets(region, year))
    con.register("hospital_budgets", pa.Table.from_pylist(own, HOSPITAL_BUDGETS))
    if not con.sql("FROM (SHOW ALL TABLES) SELECT 1 WHERE name = 'earlier_months'").fetchall():
        con.register("earlier_months", EARLIER_MONTHS.empty_table())
    entry = in_force(region.pack.pace, last_day)
    store(con, "indicators", folder / "indicators.parquet")
    store(
        con, "budget_pace", folder / "budget_pace.parquet", period=period,
        watch_over_e4=scaled(entry.watch_over, RULE_UNIT) if entry else None,
        alarm_over_e4=scaled(entry.alarm_over, RULE_UNIT) if entry else None,
    )  # fmt: skip


def type_budgets(region: Region, year: int) -> pa.Table:
    """The table `budgets` (BUDGETS): what an insurance type's main pool and its budget lines may spend together."""
    found = budgets_of(region, year)
    rows = [
        {"insurance_type": kind, "fund_fen": sum(one.fund_fen for one in found if one.insurance_type == kind),
         "version": main.version}
        for kind in region.pack.insurance_types
        if (main := budget_of(region, kind, year)) is not None
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, BUDGETS)
