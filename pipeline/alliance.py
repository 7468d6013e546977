"""Settle the alliances (医共体): a month's payments through the lead and its use of the package; a year's surplus.

Source: DESIGN §7 医共体. Both stages read registered tables and write Parquet; all money is in `sql/alliance/`, the
laws in `sql/audit_alliance/`. A region, month or year without alliances writes nothing and proves nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.alliance_tables import BUDGET_SHARE, Package, members_in
from pipeline.errors import ConfigurationError
from pipeline.pack_alliance import AllianceEntry
from pipeline.query import audit, audit_names, drop, keep, rows, store
from pipeline.region import Region
from pipeline.terms import RULE_UNIT, in_force, scaled

LAWS = "audit_alliance"
_TEXT, _COUNT = pa.string(), pa.int64()
PACKAGES = pa.schema([
    ("alliance_id", _TEXT), ("insurance_type", _TEXT), ("form", _TEXT), ("insured", _COUNT), ("per_capita_fen", _COUNT),
    ("serious_illness_per_head_fen", _COUNT), ("risk_reserve_e4", _COUNT), ("budget_share_e6", _COUNT),
    ("by_county", pa.bool_()),
])  # fmt: skip
COUNTIES = pa.schema([("alliance_id", _TEXT), ("insurance_type", _TEXT), ("county", _TEXT)])
AMOUNTS = pa.schema([
    ("alliance_id", _TEXT), ("period", _TEXT), ("kind", _TEXT), ("insurance_type", _TEXT), ("amount_fen", _COUNT),
])  # fmt: skip
ASSESSMENTS = pa.schema([
    ("alliance_id", _TEXT), ("retention_e4", _COUNT), ("county", _COUNT), ("township", _COUNT), ("village", _COUNT),
])  # fmt: skip
NAMES = pa.schema([("alliance_id", _TEXT), ("alliance_name", _TEXT)])
TYPES = pa.schema([("insurance_type", _TEXT), ("insurance_name", _TEXT)])
EARLIER = pa.schema([
    ("alliance_id", _TEXT), ("insurance_type", _TEXT), ("period", _TEXT), ("package_fen", _COUNT),
    ("spending_fen", _COUNT),
])  # fmt: skip
MONTHS = pa.schema([("alliance_id", _TEXT), ("hospital_id", _TEXT), ("role", _TEXT), ("period", _TEXT)])


def settle_alliances(
    con: duckdb.DuckDBPyConnection,
    region: Region,
    period: str,
    folder: Path,
    lead_due_on: dt.date | None = None,
    member_due_on: dt.date | None = None,
) -> list[str]:
    """Write alliance_payment and alliance_package of a settled month, prove their laws; returns the laws proved.

    Reads `hospital_payment`, `scored`, `validated`, `hospitals`, `alliances` (of the period's last day, which decides
    for the whole month), `budgets` (insurance_type, fund_fen of the year) and `earlier_alliance_months` (EARLIER:
    the current alliance_package rows of other months; this year's earlier ones are taken). Nothing is written where
    `alliances` is empty. Raises ConfigurationError where a package's budget is missing, AuditBroken where a law fails.
    """
    if not _any(con, "alliances"):
        return []
    _register_pack(con, region, int(period[:4]))
    held = [one for one in region.alliance_tables.amounts if one.month == period]
    con.register("alliance_amounts", _amounts(held))
    _keep_packages(con, region, period[:4])
    for name in ("alliance_kinds", "alliance_inpatient"):
        keep(con, f"alliance/{name}")
    store(
        con, "alliance/alliance_payment", folder / "alliance_payment.parquet",
        lead_due_on=_day(lead_due_on), member_due_on=_day(member_due_on),
    )  # fmt: skip
    store(con, "alliance/alliance_package", folder / "alliance_package.parquet", period=period)
    proved = audit(con, [name for name in audit_names(LAWS) if name.startswith(f"{LAWS}/month_")])
    _drop_working(con, "alliance_inpatient")
    return proved


def clear_alliances(con: duckdb.DuckDBPyConnection, region: Region, year: int, folder: Path) -> list[str]:
    """Write alliance_member_clearing and alliance_clearing of a cleared year, prove their laws; returns the laws.

    Reads `hospital_clearing` (hospital_id, insurance_type, entitlement_fen, clearing_fen), `case_clearing` (case_id,
    hospital_id, insurance_type, period, fund_from_points_fen), `year_scored` (columns of scored, period),
    `year_validated` (period, input_row, insured_area), `year_paid` (hospital_id, insurance_type, period, settled_fen),
    `alliance_months` (MONTHS; see `months_of`), `hospitals` and `budgets`. Nothing is written where `alliance_months`
    is empty. Raises ConfigurationError where the pack does not say how a packaged alliance ends its year, AuditBroken.
    """
    if not _any(con, "alliance_months"):
        return []
    present = {row["alliance_id"] for row in rows(con, "SELECT DISTINCT alliance_id FROM alliance_months")}
    overspend = overspend_share(region, year, present)
    _register_pack(con, region, year)
    held = [one for one in region.alliance_tables.amounts if one.month.startswith(f"{year}-")]
    con.register("alliance_amounts", _amounts(held))
    con.register("alliance_assessments", _table(ASSESSMENTS, [
        (one.alliance_id, one.retention_e4, one.county, one.township, one.village)
        for one in region.alliance_tables.assessments if one.year == year
    ]))  # fmt: skip
    con.register("alliance_names", _table(NAMES, list(_names(region, year).items())))
    _keep_packages(con, region, str(year))
    keep(con, "alliance/alliance_kinds")
    keep(con, "alliance/alliance_year_cases")
    keep(con, "alliance/alliance_year_parts", year=str(year))
    store(con, "alliance/alliance_member_clearing", folder / "alliance_member_clearing.parquet")
    store(
        con, "alliance/alliance_clearing", folder / "alliance_clearing.parquet",
        overspend_share_e4=overspend,
    )  # fmt: skip
    proved = audit(con, [name for name in audit_names(LAWS) if name.startswith(f"{LAWS}/year_")])
    _drop_working(con, "alliance_year_cases", "alliance_year_parts")
    return proved


def alliance_entry(region: Region, day: dt.date) -> AllianceEntry | None:
    """What the pack says of alliances on a day: working days until the lead and its members are paid."""
    return in_force(region.pack.alliance, day)


def months_of(region: Region, year: int) -> pa.Table:
    """Membership of every month of a year by the pack (MONTHS): the month's last day decides."""
    periods = [f"{year}-{number:02d}" for number in range(1, 13)]
    return _table(MONTHS, [
        (one.alliance_id, one.hospital_id, one.role, period)
        for period in periods for one in members_in(region.memberships, period)
    ])  # fmt: skip


def earlier_months(packages: Sequence[dict[str, Any]]) -> pa.Table:
    """`earlier_alliance_months` from the alliance_package rows of other months; none is an empty table."""
    return _table(EARLIER, [tuple(row[name] for name in EARLIER.names) for row in packages])


def _register_pack(con: duckdb.DuckDBPyConnection, region: Region, year: int) -> None:
    packages = [one for one in region.alliance_tables.packages if one.year == year]
    _stop_without_budget(con, region, packages)
    con.register("alliance_packages", _table(PACKAGES, [
        (one.alliance_id, one.insurance_type, one.form, one.insured, one.per_capita_fen, one.serious_illness_fen,
         one.risk_reserve_e4, one.budget_share_e6, bool(one.counties))
        for one in packages
    ]))  # fmt: skip
    con.register("alliance_counties", _table(COUNTIES, [
        (one.alliance_id, one.insurance_type, county) for one in packages for county in one.counties
    ]))  # fmt: skip
    con.register("alliance_types", _table(TYPES, list(region.pack.insurance_types.items())))


def _keep_packages(con: duckdb.DuckDBPyConnection, region: Region, year: str) -> None:
    keep(con, "alliance/package_year")
    keep(con, "alliance/package_months", year=year)


def _drop_working(con: duckdb.DuckDBPyConnection, *more: str) -> None:
    """What stood only between the statements."""
    for name in ("alliance_kinds", "package_months", "package_year", *more):
        drop(con, name)


def _stop_without_budget(con: duckdb.DuckDBPyConnection, region: Region, packages: Sequence[Package]) -> None:
    """A share of a budget that nobody gave would be an empty package."""
    budgets = {row["insurance_type"] for row in rows(con, "SELECT insurance_type FROM budgets")}
    for one in packages:
        if one.form == BUDGET_SHARE and one.insurance_type not in budgets:
            raise ConfigurationError(
                f"医共体 `{one.alliance_id}` 的打包按预算比例，但没有 {one.year} 年险种 `{one.insurance_type}` 的年度预算："
                f"{region.folder}；请补预算，或把 alliance_packages.csv 的 form 改为 per_capita"
            )


def overspend_share(region: Region, year: int, present: set[str]) -> int:
    """The part of an overspend that alliances bear, in ten-thousandths; `present`: the alliances of the year.

    Raises ConfigurationError where a packaged alliance lacks what its year ends by.
    """
    packaged = sorted(
        {one.alliance_id for one in region.alliance_tables.packages if one.year == year} & present
    )
    assessed = {one.alliance_id for one in region.alliance_tables.assessments if one.year == year}
    missing = [name for name in packaged if name not in assessed]
    if missing:
        raise ConfigurationError(
            f"医共体 {'、'.join(missing)} 没有 {year} 年的考核：{region.folder / 'alliance_assessments.csv'}；"
            "结余留用比例与县、乡、村分配比由考核定，请补一行"
        )
    entry = alliance_entry(region, dt.date(year, 12, 31))
    if packaged and entry is None:
        raise ConfigurationError(
            f"医共体参数不覆盖 {year}-12-31：{region.folder / 'region.yaml'}；请补 alliance（超支由医共体承担的比例 overspend_share）"
        )
    return 0 if entry is None else scaled(entry.overspend_share, RULE_UNIT)


def _names(region: Region, year: int) -> dict[str, str]:
    """Each alliance's name, the last one it had until the year's end."""
    ordered = sorted(region.memberships, key=lambda one: (one.from_.year <= year, one.from_))
    return {one.alliance_id: one.alliance_name for one in ordered}


def _amounts(held: Sequence[Any]) -> pa.Table:
    return _table(AMOUNTS, [
        (one.alliance_id, one.month, one.kind, one.insurance_type, one.amount_fen) for one in held
    ])  # fmt: skip


def _day(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


def _any(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    return bool(con.sql(f"SELECT 1 FROM {name} LIMIT 1").fetchall())


def _table(schema: pa.Schema, content: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*content, strict=True) if content else ([] for _ in schema.names)
    return pa.table(
        [pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)], schema
    )
