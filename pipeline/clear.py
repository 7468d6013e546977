"""Clear a year (年度清算): from the priced cases of its months to what each hospital is still paid, proved to the fen.

Law and formulas: DESIGN §7 Year, docs/clearing.md. What the stage reads are tables of the connection, so that a trial
with other bands or another budget is nothing but other tables.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.clear_value import Cleared, clear_values, hospital_funds, pool_of
from pipeline.errors import ConfigurationError
from pipeline.pack_clearing import ClearingEntry
from pipeline.query import audit, audit_names, drop, keep, rows, store, table, view
from pipeline.region import Region
from pipeline.terms import RULE_UNIT, in_force, scaled

YEAR_TABLES = (
    "year_scored", "year_rules", "year_paid", "year_cash", "year_advances", "year_audits", "budgets", "assessments",
    "hospitals",
)  # fmt: skip
LAWS = "audit_clear"
POOL_TABLES = ("pool_clearing", "pool_balance")
SHOWN = 8  # hospitals named in a sentence
# Texts with few values are numbered, as in score.py.
FEW_VALUES = {
    "clear_hospital": "hospital_id", "clear_insurance": "insurance_type", "clear_period": "period",
    "clear_group": "group_code", "clear_line": "budget_line",
}  # fmt: skip
_INTEGER = pa.decimal128(38, 0)  # becomes HUGEINT
_VALUES = {"insurance_type": pa.string(), "budget_line": pa.string()} | dict.fromkeys(
    ("share_unit", "unit_size", "value_whole", "value_rest", "value_den", "radix"), _INTEGER
)
_SHOWN = dict.fromkeys(
    (
        "insurance_type",
        "budget_line",
        "value_num",
        "value_den",
        "value",
        "base_points",
        "fixed_value",
        "added_points",
        "added_value",
    ),
    pa.string(),
)
_FUNDS = {"hospital_id": pa.string(), "insurance_type": pa.string(), "budget_line": pa.string(),
          "standard_fen": pa.int64(), "fund_from_points_fen": pa.int64()}  # fmt: skip
_BANDS = dict.fromkeys(("lo_e4", "hi_e4", "base_e4", "share_e4"), pa.int64())


def clearing_on(region: Region, year: int) -> ClearingEntry:
    """How a year is cleared: the entry in force on its last day. Raises ConfigurationError where there is none."""
    entry = in_force(region.pack.clearing, dt.date(year, 12, 31))
    if entry is None:
        raise ConfigurationError(
            f"没有 {year} 年的清算办法：{region.folder / 'region.yaml'}；请补 clearing，写法见 docs/region.md"
        )
    return entry


def assessments_of(region: Region, year: int) -> pa.Table:
    """The table `assessments` of a year: hospital_id, insurance_type (null: all), coefficient_e4, deposit_return_e4."""
    found = [one for one in region.assessments if one.year == year]
    return pa.table({
        "hospital_id": pa.array([one.hospital_id for one in found], pa.string()),
        "insurance_type": pa.array([one.insurance_type for one in found], pa.string()),
        "coefficient_e4": pa.array([one.coefficient_e4 for one in found], pa.int64()),
        "deposit_return_e4": pa.array([one.deposit_return_e4 for one in found], pa.int64()),
    })  # fmt: skip


def with_trial(entry: ClearingEntry, **changes: Any) -> ClearingEntry:
    """The entry with other values, for a trial (测算): `bands`, `bands_measure`, `value` … as the pack writes them.

    Raises ValueError (pydantic's) with a Chinese reason where they do not fit together.
    """
    told = entry.model_dump(by_alias=True)
    return ClearingEntry.model_validate(told | changes)


def clear_year(con: duckdb.DuckDBPyConnection, entry: ClearingEntry, year: int, folder: Path) -> list[str]:
    """Write case_clearing, hospital_clearing and insurance_clearing; returns the laws proved. Where the year has budget
    lines (预算单列), pool_clearing and pool_balance too.

    Reads YEAR_TABLES of the connection: year_scored (as scored.parquet, with `period`) and year_rules (the distinct
    rules_used) of the year's current publications; year_paid (hospital_id, insurance_type, period, settled_fen,
    revolving_offset_fen, deposit_fen, due_fen, fund_fen, …); year_cash (cash_fen: every payment made, adjustments too);
    year_advances (advanced_fen, returned_fen); year_audits (audit_fen: all of the year); budgets (insurance_type,
    budget_line, fund_fen, version); assessments; hospitals (hospital_id, name, level). A hospital of any of them has its row.
    Raises ConfigurationError where the pack does not fit the year, AuditBroken where a law does not hold.
    """
    _number_texts(con)
    for name in ("year_pairs", "year_shares", "year_cases", "year_sums"):
        keep(con, f"clear/{name}")
    view(con, "clear/judged")
    _stop_on_unknown(con, entry, year)
    cleared = _distribute(con, entry)
    store(con, "clear/case_clearing", folder / "case_clearing.parquet")
    con.register("value_shown", _table(_SHOWN, [one.shown() for one in cleared]))
    _pools(con, folder)
    con.register("clearing_bands", _table(_BANDS, [_band_row(band) for band in entry.bands]))
    store(
        con, "clear/hospital_clearing", folder / "hospital_clearing.parquet",
        measure=entry.bands_measure or "", else_e4=RULE_UNIT,
    )  # fmt: skip
    store(con, "clear/insurance_clearing", folder / "insurance_clearing.parquet")
    con.register("pools", _table(
        {"insurance_type": pa.string(), "budget_line": pa.string(), "pool_fen": pa.int64()},
        [{"insurance_type": one.insurance_type, "budget_line": one.budget_line, "pool_fen": one.pool_fen}
         for one in cleared],
    ))  # fmt: skip
    return audit(con, audit_names(LAWS))


def _distribute(con: duckdb.DuckDBPyConnection, entry: ClearingEntry) -> list[Cleared]:
    """The view `cleared` (cases with fund_from_points_fen) and the table hospital_funds; the values where they float."""
    view(con, "clear/as_priced")
    if entry.value == "fixed":
        con.execute("CREATE OR REPLACE VIEW cleared AS SELECT * FROM as_priced")
        con.register("solved_funds", _table(_FUNDS, []))
        keep(con, "clear/hospital_funds")
        return []
    sums = table(con, "clear/year_sums").to_pylist()
    sums = [
        {name: int(value) if isinstance(value, Decimal) else value for name, value in row.items()}
        for row in sums
    ]
    budgets = {pool_of(row): row["fund_fen"] for row in rows(con, "SELECT * FROM budgets")}
    cleared = clear_values(entry, sums, budgets)
    con.register("solved_values", _table(_VALUES, [one.row() for one in cleared]))
    keep(con, "clear/cleared_values")
    con.register("solved_funds", _table(_FUNDS, hospital_funds(cleared, sums)))
    keep(con, "clear/hospital_funds")
    keep(con, "clear/exact_cases")
    keep(con, "clear/given_fen")
    drop(con, "exact_cases")
    view(con, "clear/as_cleared")
    con.execute("CREATE OR REPLACE VIEW cleared AS SELECT * FROM as_cleared")
    return cleared


def _pools(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """`pool_clearing` and `pool_balance`, as files where there is more than the main pool of an insurance type."""
    lined = con.sql(
        "SELECT 1 FROM (SELECT budget_line FROM year_sums UNION ALL SELECT budget_line FROM budgets) "
        "WHERE budget_line <> '' LIMIT 1"
    ).fetchall()
    for name in POOL_TABLES:
        if lined:
            store(con, f"clear/{name}", folder / f"{name}.parquet")
        else:
            keep(con, f"clear/{name}")


def _number_texts(con: duckdb.DuckDBPyConnection) -> None:
    for name, column in FEW_VALUES.items():
        con.execute(f"CREATE TYPE {name} AS ENUM (SELECT DISTINCT {column}::VARCHAR AS value FROM year_scored "
                    f"WHERE {column} IS NOT NULL ORDER BY value)")  # fmt: skip


def _stop_on_unknown(con: duckdb.DuckDBPyConnection, entry: ClearingEntry, year: int) -> None:
    """Every hospital of the year is known and assessed. Raises ConfigurationError naming those that are not."""
    strange = rows(
        con, "SELECT DISTINCT hospital_id FROM judged ANTI JOIN hospitals USING (hospital_id) ORDER BY ALL"
    )
    if strange:
        raise ConfigurationError(
            f"{year} 年清算涉及的医院不在医院表：{_named(strange)}；请在 hospitals.csv 补上后重新清算"
        )
    if entry.without_assessment == "one":
        return
    bare = rows(con, "SELECT DISTINCT hospital_id FROM judged WHERE coefficient_e4 IS NULL ORDER BY ALL")
    if bare:
        raise ConfigurationError(
            f"{year} 年没有考核系数的医院：{_named(bare)}；请在 assessments.csv 补上，"
            "或在 clearing 写 without_assessment: one（按 1 计）"
        )


def _named(found: Sequence[dict[str, Any]]) -> str:
    names = [row["hospital_id"] for row in found]
    return "、".join(names[:SHOWN]) + (f" 等 {len(names)} 家" if len(names) > SHOWN else "")


def _band_row(band: Any) -> dict[str, Any]:
    return {
        f"{name}_e4": None if number is None else scaled(number, RULE_UNIT)
        for name, number in (("lo", band.lo), ("hi", band.hi), ("base", band.base), ("share", band.share))
    }


def _table(types: dict[str, Any], found: Sequence[dict[str, Any]]) -> pa.Table:
    exact = [
        {name: Decimal(value) if types[name] == _INTEGER else value for name, value in row.items()}
        for row in found
    ]
    return pa.Table.from_pylist(exact, pa.schema(list(types.items())))
