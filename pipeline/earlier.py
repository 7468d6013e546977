"""Earlier publications as tables: cases paid before, prices that a reversal takes back, held rows offered again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from pipeline.arrivals import input_rows
from pipeline.query import parquet_view, store, table
from pipeline.read import Source, open_source

HELD = "held.parquet"


@dataclass(frozen=True)
class Earlier:
    """A published run of another month: where its tables stand."""

    period: str
    run_id: str
    folder: Path


def register_earlier(con: duckdb.DuckDBPyConnection, earlier: Sequence[Earlier]) -> None:
    """`earlier_payments` (case_id, period, run_id of paid rows), `earlier_scored` and `earlier_months`, if there are any.

    `earlier_months` are the hospital_payment rows of each month, as the budget pace counts them (`indicate`).
    """
    con.register("earlier_runs", pa.table({
        "period": pa.array([one.period for one in earlier], pa.string()),
        "run_id": pa.array([one.run_id for one in earlier], pa.string()),
        "filename": pa.array([str(one.folder / "case_payment.parquet") for one in earlier], pa.string()),
        "months_file": pa.array([str(one.folder / "hospital_payment.parquet") for one in earlier], pa.string()),
    }))  # fmt: skip
    if not earlier:
        con.execute(
            "CREATE OR REPLACE VIEW earlier_payments AS SELECT '' AS case_id, '' AS period, '' AS run_id LIMIT 0"
        )
        return
    parquet_view(con, "earlier_scored", [one.folder / "scored.parquet" for one in earlier])
    parquet_view(
        con, "earlier_case_payment", [one.folder / "case_payment.parquet" for one in earlier], filename=True
    )
    con.execute(
        "CREATE OR REPLACE VIEW earlier_payments AS SELECT c.case_id, r.period, r.run_id "
        "FROM earlier_case_payment c JOIN earlier_runs r USING (filename) WHERE c.door = 'paid'"
    )
    parquet_view(
        con,
        "earlier_hospital_payment",
        [one.folder / "hospital_payment.parquet" for one in earlier],
        filename=True,
    )
    con.execute(
        "CREATE OR REPLACE VIEW earlier_months AS SELECT p.hospital_id, p.insurance_type, r.period, p.cases, p.total_fee_fen, "
        "p.pool_fund_fen, p.fund_fen FROM earlier_hospital_payment p JOIN earlier_runs r ON r.months_file = p.filename"
    )


def find_paid(
    con: duckdb.DuckDBPyConnection, source: Source, earlier: Sequence[Earlier]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Input rows, sorted, whose case_id was paid in another month, and the month and run of each."""
    if not earlier:
        return np.empty(0, np.int64), ()
    found = table(con, "paid_before")
    rows = input_rows(source, found)
    order = np.argsort(rows, kind="stable")
    where = found.column("paid_where").to_pylist()
    return rows[order], tuple(where[number] for number in order)


def offer_again(con: duckdb.DuckDBPyConnection, source: Source, held: Path | None, spill: Path) -> Source:
    """The input with the held rows of an earlier month behind it. Registers `held_since`: case_id, held_since.

    `discharges` is registered already; a held row whose case_id arrives anew gives way to the new one.
    """
    nobody = pa.table({"case_id": pa.array([], pa.string()), "held_since": pa.array([], pa.string())})
    if held is None or not held.is_file():
        con.register("held_since", nobody)
        return source
    parquet_view(con, "held_before", [held])
    again = spill / HELD
    store(con, "held_again", again)
    con.execute("CREATE OR REPLACE TABLE held_since AS SELECT case_id, held_since FROM held_again")
    if not con.sql("SELECT case_id FROM held_since LIMIT 1").fetchall():
        return source
    more = open_source(again, source.columns)
    return replace(
        source,
        files=(*source.files, *more.files),
        present=source.present | more.present,
        pieces=(*source.pieces, *(replace(piece, start=piece.start + source.rows) for piece in more.pieces)),
        metadata=source.metadata | more.metadata,
        named_by_path=source.named_by_path | more.named_by_path,
    )
