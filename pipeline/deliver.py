"""The files of a run for people: a workbook and lists per hospital, one workbook for the region."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from pipeline.case_csv import write_case_csv
from pipeline.hospital_workbook import DOORS, EXCEPTIONS, PRICE_CLASSES, write_hospital_workbook
from pipeline.indicator_sheets import Figures
from pipeline.query import store
from pipeline.region import Region
from pipeline.region_workbook import write_region_workbook
from pipeline.statements import Heading
from pipeline.terms import in_force
from pipeline.words import FAMILY_NAMES, worded

STATUSES = {"grouped": "入组", "ambiguous": "歧义", "ungrouped": "未入组", "excluded": "不按病种付费"}
MANY_CASES = 200_000
SHORT_LIST = 2_000  # a hospital with at most so many cases gets them as a sheet too
CASE_HEADERS = {  # in the words of a DRG scheme; see `case_headers`
    "case_id": "结算ID", "insurance_type": "险种代码", "discharge_date": "出院日期", "settlement_date": "结算日期",
    "group_code": "病组编码", "group_name": "病组名称", "status": "入组状态", "price_class": "费用分类",
    "principal_dx": "主要诊断", "weight": "权重", "rate": "费率", "coefficient": "系数", "total_fee_fen": "医疗费用",
    "ratio": "费用倍率", "standard_fen": "支付标准", "pool_fund_fen": "记账统筹基金", "fund_fen": "核定统筹基金",
    "rule_text": "计价规则",
}  # fmt: skip
RETURN_HEADERS = {
    "door": "去向", "case_id": "结算ID", "code": "原因代码", "message": "原因与处理", "total_fee_fen": "医疗费用",
    "pool_fund_fen": "统筹基金",
}  # fmt: skip


def case_headers(kind: str, by_points: bool) -> dict[str, str]:
    """The columns of a case list and their headers for a kind of scheme (drg | dip)."""
    named = {name: worded(title, kind) for name, title in CASE_HEADERS.items()}
    if by_points:
        named = {"point_value" if name == "rate" else name: title for name, title in named.items()}
        named |= {"point_value": "点值", "points": "点数"}
    return {**named, "auxiliary": "辅助系数", "subtype": "辅助分型"} if kind == "dip" else named


def heading(region: Region, period: str, run: str, scheme_title: str, last_day: dt.date) -> Heading:
    """What stands above every sheet of this run."""
    entry = in_force(region.pack.settlement, last_day)
    assert entry is not None  # settle() has proved it
    return Heading(
        region.pack.title, period, run, scheme_title, region.pack.version,
        dt.datetime.combine(last_day, dt.time()),
        f"{entry.prepay_ratio * 100:f}%", f"{entry.deposit_rate * 100:f}%", region.pack.kind, region.pack.by_points,
    )  # fmt: skip


def deliver(
    con: duckdb.DuckDBPyConnection, head: Heading, folder: Path, spill: Path, tick: Callable[[int], None]
) -> int:
    """Write `hospitals/<id>.xlsx`, its lists as CSV, and `region.xlsx`; returns how many hospitals."""
    (folder / "hospitals").mkdir()
    store(con, "returned", spill / "returned.parquet")
    payment = pl.DataFrame(table_of(con, "hospital_payment"))
    groups = pl.DataFrame(table_of(con, "group_summary"))
    names = pl.DataFrame(table_of(con, "group_names")).rename({"name": "group_name"})
    listed: list[str] = payment["hospital_id"].unique(maintain_order=True).to_list()
    figures = Figures(pl.DataFrame(table_of(con, "indicators")), pl.DataFrame(table_of(con, "budget_pace")))
    hospitals = [
        Hospital(
            folder, spill, hospital_id, head,
            payment.filter(pl.col("hospital_id") == hospital_id),
            groups.filter(pl.col("hospital_id") == hospital_id), names, figures.of(hospital_id),
        )
        for hospital_id in listed
    ]  # fmt: skip
    for done, _ in enumerate(_each(write_hospital, hospitals, int(payment["cases"].sum())), start=1):
        tick(done)
    returned = pl.scan_parquet(spill / "returned.parquet")
    lost = returned.filter(~pl.col("hospital_id").is_in(listed) | pl.col("hospital_id").is_null())
    if (strangers := lost.sort("input_row").collect()).height:
        _write_returns(folder / "hospitals" / "unknown_hospital.returned.csv", strangers)
    named = payment.select("hospital_id", "hospital_name").unique("hospital_id")
    write_region_workbook(
        folder / "region.xlsx", head, payment, groups, returned.sort("hospital_id", "input_row").collect(),
        _balance(pl.DataFrame(table_of(con, "balance")), named), pl.DataFrame(table_of(con, "alliances")), figures,
    )  # fmt: skip
    return len(listed)


@dataclass(frozen=True)
class Hospital:
    """What one hospital's files are written from; small enough to hand to another process."""

    folder: Path
    spill: Path
    hospital_id: str
    head: Heading
    payment: pl.DataFrame
    groups: pl.DataFrame
    group_names: pl.DataFrame
    figures: Figures


def _each(work: Callable[[Hospital], None], hospitals: Sequence[Hospital], cases: int) -> Iterator[None]:
    """Workbooks are written cell by cell in Python, so large months use a process for each core."""
    if cases < MANY_CASES:
        yield from map(work, hospitals)
        return
    with ProcessPoolExecutor(os.cpu_count() or 1, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, hospitals)


def table_of(con: duckdb.DuckDBPyConnection, name: str) -> pa.Table:
    """A table of the connection as Arrow, in its stored order."""
    return con.table(name).to_arrow_table()


def write_hospital(one: Hospital) -> None:
    """The workbook and the two lists of one hospital."""
    own = pl.col("hospital_id") == one.hospital_id
    cases = (
        pl.scan_parquet(one.folder / "scored.parquet")
        .filter(own)
        .sort("input_row")
        .join(one.group_names.lazy(), on="group_code", how="left", maintain_order="left")
        .with_columns(
            (pl.col("ratio_e4").cast(pl.Decimal(38, 0)) * pl.lit("0.0001").cast(pl.Decimal(38, 4)))
            .cast(pl.Decimal(18, 4))
            .alias("ratio"),
            (
                pl.col("family").replace_strict(FAMILY_NAMES)
                + pl.when("is_base")
                .then(pl.lit("（基础病组）" if one.head.kind == "drg" else "（基层病种）"))
                .otherwise(pl.lit(""))
            ).alias("rule_text"),
        )
        .collect()
    )
    returned = pl.scan_parquet(one.spill / "returned.parquet").filter(own).sort("input_row").collect()
    place = one.folder / "hospitals"
    case_csv, returned_csv = f"{one.hospital_id}.cases.csv", f"{one.hospital_id}.returned.csv"
    write_hospital_workbook(
        place / f"{one.hospital_id}.xlsx", one.head, one.payment, one.groups,
        cases.filter(pl.col("price_class").is_in(list(EXCEPTIONS.values()))), returned,
        cases if cases.height <= SHORT_LIST else None,
        case_csv=case_csv, rejected_csv=returned_csv, figures=one.figures,
    )  # fmt: skip
    named = cases.with_columns(
        pl.col("status").replace(STATUSES), pl.col("price_class").replace(PRICE_CLASSES)
    )
    write_case_csv(place / case_csv, named, case_headers(one.head.kind, one.head.by_points))
    _write_returns(place / returned_csv, returned)


def _write_returns(path: Path, returned: pl.DataFrame) -> None:
    write_case_csv(path, returned.with_columns(pl.col("door").replace(DOORS)), RETURN_HEADERS)


def _balance(by_door: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """One row per hospital: what came in and by which door it left, in rows, fee and recorded fund."""
    measures = (("rows", "rows"), ("total_fee_fen", "fee_fen"), ("pool_fund_fen", "fund_fen"))
    doors = [
        pl.col(column).cast(pl.Int128).filter(pl.col("door") == door).sum().alias(f"{door}_{name}")
        for door in ("paid", "refused", "held")
        for column, name in measures
    ]
    arrived = [pl.col(column).cast(pl.Int128).sum().alias(f"in_{name}") for column, name in measures]
    return (
        by_door.group_by("hospital_id")
        .agg(*arrived, *doors)
        .join(names, on="hospital_id", how="left")
        .with_columns(pl.col("hospital_name").fill_null("（不在医院表中）"))
        .sort("hospital_id")
    )
