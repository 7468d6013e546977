"""Packs with alliances (医共体), and the smallest tables on which a month or a year of them is settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.alliance import clear_alliances, earlier_months, settle_alliances
from pipeline.alliance_tables import AMOUNT_COLUMNS, ASSESSMENT_COLUMNS, PACKAGE_COLUMNS, members_in
from pipeline.query import engine
from pipeline.region import Region, load_region
from tests.pricing_fixtures import HOSPITALS, SOURCE, Case, dated, plain_pack, write_pack

MEMBERS = ("A1,甲县医共体,H1,lead,2025-01-01,,", "A1,甲县医共体,H2,member,2025-01-01,,")
M01 = (
    "A1,2025,390,per_capita,350000,960,90,0.05,,,"  # vector M01: 289,275,000 yuan a year, 24,106,250 a month
)
KEEP_ALL = "2025,A1,1,6,3,1,"  # vector M02: everything is kept, split 6:3:1
ENTRY = dated(overspend_share="0.3", lead_due_workdays=20)
MEMBER_COLUMNS = ("alliance_id", "alliance_name", "hospital_id", "role", "from", "to", "source")
AREAS = pa.schema([("input_row", pa.int64()), ("insured_area", pa.string())])
SCORED = pa.schema([
    ("input_row", pa.int64()), ("case_id", pa.string()), ("hospital_id", pa.string()), ("insurance_type", pa.string()),
    ("case_count", pa.int32()), ("fund_fen", pa.int64()), ("reverses", pa.string()), ("total_fee_fen", pa.int64()),
])  # fmt: skip
YEAR_TABLES = {
    "hospital_clearing": [("hospital_id", pa.string()), ("insurance_type", pa.string()), ("entitlement_fen", pa.int64()),
                          ("clearing_fen", pa.int64())],
    "case_clearing": [("case_id", pa.string()), ("hospital_id", pa.string()), ("insurance_type", pa.string()),
                      ("period", pa.string()), ("fund_from_points_fen", pa.int64())],
    "year_scored": [("input_row", pa.int64()), ("case_id", pa.string()), ("hospital_id", pa.string()),
                    ("insurance_type", pa.string()), ("case_count", pa.int32()), ("reverses", pa.string()),
                    ("period", pa.string())],
    "year_validated": [("period", pa.string()), ("input_row", pa.int64()), ("insured_area", pa.string())],
    "year_paid": [("hospital_id", pa.string()), ("insurance_type", pa.string()), ("period", pa.string()),
                  ("settled_fen", pa.int64())],
    "alliance_months": [("alliance_id", pa.string()), ("hospital_id", pa.string()), ("role", pa.string()),
                        ("period", pa.string())],
}  # fmt: skip


@dataclass(frozen=True)
class Resident(Case):
    """A discharge with the county of its insurance."""

    insured_area: str | None = None


def alliance_pack(
    folder: Path,
    members: Sequence[str] = MEMBERS,
    packages: Sequence[str] = (M01,),
    amounts: Sequence[str] = (),
    assessments: Sequence[str] = (KEEP_ALL,),
    hospitals: Mapping[str, str] = HOSPITALS,
    **changes: Any,
) -> Region:
    """A pack with these lines of its alliance tables, each without its source; no table where there is no line."""
    write_pack(folder, plain_pack(**{"alliance": [ENTRY], **changes}), hospitals=hospitals)
    write_lines(folder / "alliances.csv", MEMBER_COLUMNS, [line + SOURCE for line in members])
    write_lines(folder / "alliance_packages.csv", PACKAGE_COLUMNS, [line + SOURCE for line in packages])
    write_lines(folder / "alliance_amounts.csv", AMOUNT_COLUMNS, amounts)
    write_lines(
        folder / "alliance_assessments.csv", ASSESSMENT_COLUMNS, [line + SOURCE for line in assessments]
    )
    return load_region(f"{folder}/")


def write_lines(path: Path, columns: Sequence[str], lines: Sequence[str]) -> None:
    """A CSV, or none where it has no line."""
    path.unlink(missing_ok=True)
    if lines:
        path.write_text("\n".join([",".join(columns), *lines, ""]), encoding="utf-8")


def register_around(
    con: duckdb.DuckDBPyConnection, budgets: Mapping[str, int], earlier: Sequence[dict[str, Any]] = ()
) -> None:
    """What stands around the stage in a run: the budgets of the year and the year's earlier months."""
    con.register("budgets", pa.table({
        "insurance_type": pa.array(list(budgets), pa.string()), "fund_fen": pa.array(list(budgets.values()), pa.int64()),
    }))  # fmt: skip
    con.register("earlier_alliance_months", earlier_months(list(earlier)))


def register_hospitals(con: duckdb.DuckDBPyConnection, hospitals: Mapping[str, str] = HOSPITALS) -> None:
    """`hospitals` as `settle` registers it."""
    names = list(hospitals)
    con.register("hospitals", pa.table({
        "hospital_id": names, "name": [f"医院{name}" for name in names], "level": list(hospitals.values()),
    }))  # fmt: skip


@dataclass(frozen=True)
class Paid:
    """A settled case as the stages of alliances see it."""

    case_id: str
    hospital_id: str
    fund_fen: int
    area: str | None = None
    insurance_type: str = "390"
    reverses: str | None = None
    period: str = "2025-10"

    @property
    def count(self) -> int:
        return 1 if self.reverses is None else -1


@contextmanager
def settled(
    region: Region, cases: Sequence[Paid], folder: Path, period: str = "2025-10",
    earlier: Sequence[dict[str, Any]] = (), budgets: Mapping[str, int] | None = None, hospitals: Mapping[str, str] = HOSPITALS,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:  # fmt: skip
    """A month's alliances settled from its cases, nine tenths of whose fund are payable; the laws proved."""
    folder.mkdir(parents=True, exist_ok=True)
    with engine(folder) as con:
        scored = [
            {"input_row": row, "case_id": one.case_id, "hospital_id": one.hospital_id, "insurance_type": one.insurance_type,
             "case_count": one.count, "fund_fen": one.fund_fen, "reverses": one.reverses, "total_fee_fen": 2 * one.fund_fen}
            for row, one in enumerate(cases)
        ]  # fmt: skip
        con.register("scored", pa.Table.from_pylist(scored, SCORED))
        areas = [{"input_row": row, "insured_area": one.area} for row, one in enumerate(cases)]
        con.register("validated", pa.Table.from_pylist(areas, AREAS))
        con.execute(
            "CREATE TABLE hospital_payment AS SELECT hospital_id, insurance_type, sum(case_count)::BIGINT AS cases, "
            "sum(total_fee_fen)::BIGINT AS total_fee_fen, sum(fund_fen)::BIGINT AS fund_fen, "
            "(sum(fund_fen) * 9 // 10)::BIGINT AS payable_fen FROM scored GROUP BY ALL"
        )
        held = [
            (one.alliance_id, one.alliance_name, one.hospital_id, one.role)
            for one in members_in(region.memberships, period)
        ]
        names = ("alliance_id", "alliance_name", "hospital_id", "role")
        columns = [pa.array([row[place] for row in held], pa.string()) for place in range(len(names))]
        con.register("alliances", pa.table(columns, list(names)))
        register_hospitals(con, hospitals)
        register_around(con, budgets or {}, earlier)
        yield con, settle_alliances(con, region, period, folder)


@contextmanager
def cleared(
    region: Region, year: int, tables: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path,
    budgets: Mapping[str, int] | None = None, hospitals: Mapping[str, str] = HOSPITALS,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:  # fmt: skip
    """A year's alliances cleared from the rows of YEAR_TABLES; the connection and the laws proved."""
    folder.mkdir(parents=True, exist_ok=True)
    with engine(folder) as con:
        for name, columns in YEAR_TABLES.items():
            con.register(name, pa.Table.from_pylist([dict(row) for row in tables[name]], pa.schema(columns)))
        register_hospitals(con, hospitals)
        register_around(con, budgets or {})
        yield con, clear_alliances(con, region, year, folder)


def rows_of(con: duckdb.DuckDBPyConnection, name: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """A result by its keys: alliance, hospital where it has one, insurance type."""
    keys = ("alliance_id", "hospital_id", "insurance_type")
    return {
        tuple(row[key] for key in keys if key in row): row
        for row in con.table(name).to_arrow_table().to_pylist()
    }
