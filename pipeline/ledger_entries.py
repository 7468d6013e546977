"""A finished run as rows of the ledger."""

from __future__ import annotations

import datetime as dt
import os
import socket
from getpass import getuser
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from pipeline import ledger_tables as tables
from pipeline.identity import sha256_of
from pipeline.ledger import Ledger, insert, now, stamp

RESULTS = (
    "cases", "total_fee_fen", "pool_fund_fen", "standard_fen", "fund_fen", "settled_fen", "revolving_offset_fen",
    "deposit_fen", "due_fen", "carried_in_fen", "adjustment_in_fen", "payable_fen", "carried_fen",
)  # fmt: skip


def enter_run(
    ledger: Ledger,
    kind: str,
    manifest: dict[str, Any],
    folder: Path,
    started: dt.datetime,
    computed_by: str | None,
) -> None:
    """Enter a finished run with its inputs, schemes and hospital results, once: a run that stands is left as it is.

    `computed_by`: who computed it, or None for the account that runs this.
    """
    run_id = manifest["run"]
    if ledger.rows(sa.select(tables.run.c.run_id).where(tables.run.c.run_id == run_id)):
        return
    ledger.stop_on_clock(now())
    totals = manifest["totals"]
    payment = results_of(kind, folder)
    with ledger.writing() as con:
        insert(con, tables.run, [{
            "run_id": run_id, "region": ledger.region, "kind": kind, "period": manifest["period"],
            "folder": f"{manifest['period']}/{run_id}", "manifest_sha256": sha256_of(folder / "manifest.json"),
            "pack_version": manifest["pack_version"], "pack_sha256": manifest["pack_sha256"],
            "code_version": manifest["code_version"],
            "computed_by": (computed_by or "").strip() or _account(), "host": socket.gethostname(), "pid": os.getpid(),
            "started_at": stamp(started), "finished_at": stamp(now()),
            "rows_in": totals["rows_in"], "paid_rows": totals["paid"], "refused_rows": totals["refused"],
            "held_rows": totals["held"], "cases": totals["cases"], "fund_fen": totals["fund_fen"],
            "payable_fen": totals["payable_fen"],
        }])  # fmt: skip
        insert(con, tables.run_input, [
            {"run_id": run_id, "place": place, **one} for place, one in enumerate(manifest["inputs"])
        ])  # fmt: skip
        insert(con, tables.run_scheme, [
            {"run_id": run_id, "place": place, "name": one["name"], "sha256": one["sha256"]}
            for place, one in enumerate(manifest["schemes"])
        ])  # fmt: skip
        insert(
            con, tables.hospital_result, [{"run_id": run_id, **row} for row in payment.iter_rows(named=True)]
        )
        kept = alliances_of(folder)
        insert(con, tables.alliance_result, [{"run_id": run_id, **row} for row in kept.iter_rows(named=True)])


def _account() -> str:
    """The account that runs this; in a container it may be a number without a name."""
    try:
        return getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def results_of(kind: str, folder: Path) -> pl.DataFrame:
    """What the files of a run say each hospital is owed: hospital_id, insurance_type and RESULTS."""
    frame = pl.read_parquet(folder / "hospital_payment.parquet") if kind == "month" else _year(folder)
    return frame.select("hospital_id", "insurance_type", *RESULTS)


def alliances_of(folder: Path) -> pl.DataFrame:
    """alliance_id, insurance_type, kept_fen of a clearing's files: kept of a surplus less borne of an overspend, not 0."""
    path = folder / "alliance_clearing.parquet"
    if not path.is_file():
        return pl.DataFrame(
            schema={"alliance_id": pl.String, "insurance_type": pl.String, "kept_fen": pl.Int64}
        )
    kept = pl.col("retained_fen").fill_null(0) - pl.col("borne_fen").fill_null(0)
    frame = pl.read_parquet(path).select("alliance_id", "insurance_type", kept.alias("kept_fen"))
    return frame.filter(pl.col("kept_fen") != 0)


def _year(folder: Path) -> pl.DataFrame:
    """A clearing in the ledger's columns: what is due is the clearing amount, paid or paid back at once."""
    return pl.read_parquet(folder / "hospital_clearing.parquet").with_columns(
        pl.col("fund_from_points_fen").alias("fund_fen"), pl.col("clearing_fen").alias("due_fen"),
        pl.col("clearing_fen").alias("payable_fen"),
        *(pl.lit(0, pl.Int64).alias(name) for name in ("carried_in_fen", "adjustment_in_fen", "carried_fen")),
    )  # fmt: skip
