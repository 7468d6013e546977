"""The files of a cleared year for people: the region's tables, and a statement and a case list per hospital."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import polars as pl

from pipeline.case_csv import write_case_csv
from pipeline.clear_pools import read_pools, with_classes
from pipeline.clear_statement import ClearingHeading
from pipeline.clear_workbook import write_clearing_hospital, write_clearing_region
from pipeline.pack_clearing import ClearingEntry
from pipeline.query import rows
from pipeline.region import Region

CASE_HEADERS = {
    "case_id": "结算ID", "period": "结算期", "insurance_type": "险种代码", "group_code": "病组编码",
    "standard_fen": "支付标准（月度）", "fund_fen": "核定统筹基金（月度）", "fund_from_points_fen": "清算基金",
}  # fmt: skip
LINE_HEADER = {"budget_line": "预算单列"}


def write_clearing(
    con: duckdb.DuckDBPyConnection, region: Region, entry: ClearingEntry, year: int, run: str, folder: Path, trial: bool
) -> None:  # fmt: skip
    """`region.xlsx` and `hospitals/<id>.xlsx` with `<id>.cases.csv` from the tables of a clearing in `folder`."""
    methods = [
        row["fund_method"] for row in rows(con, "SELECT DISTINCT fund_method FROM year_rules ORDER BY ALL")
    ]
    pack = region.pack
    head = ClearingHeading(
        pack.title, year, run, pack.version, dt.datetime(year, 12, 31), entry.value, entry.bands_measure,
        pack.insurance_types, methods[0] if len(methods) == 1 else "", pack.kind, pack.by_points, trial,
        entry.reclassify == "once",
    )  # fmt: skip
    hospitals = with_classes(folder, pl.read_parquet(folder / "hospital_clearing.parquet"))
    insurance = with_classes(folder, pl.read_parquet(folder / "insurance_clearing.parquet"))
    months = pl.DataFrame(con.sql("SELECT * FROM year_paid ORDER BY ALL").to_arrow_table())
    pools = read_pools(folder)
    write_clearing_region(folder / "region.xlsx", head, hospitals, insurance, pools)
    headers = CASE_HEADERS if pools is None else CASE_HEADERS | LINE_HEADER
    if head.once:
        headers = headers | {"standard_fen": "支付标准（首次清算费率）"}
    place = folder / "hospitals"
    place.mkdir()
    for hospital_id in hospitals["hospital_id"].unique(maintain_order=True):
        own = pl.col("hospital_id") == hospital_id
        write_clearing_hospital(
            place / f"{hospital_id}.xlsx", head, hospitals.filter(own), insurance, months.filter(own),
            None if pools is None else pools.of_hospital(hospital_id),
        )  # fmt: skip
        cases = pl.scan_parquet(folder / "case_clearing.parquet").filter(own).select(list(headers))
        write_case_csv(place / f"{hospital_id}.cases.csv", cases.sort("period", "case_id").collect(), headers)
