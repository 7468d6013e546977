"""A stored month priced by one proposal: sums of what it pays, and which cases change their ratio class.

Each month and proposal has a connection of its own, so that memory is that of one month; the statements are a run's own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.earlier import register_earlier
from pipeline.errors import AuditBroken, ConfigurationError
from pipeline.findings import BY_CODE
from pipeline.query import audit, engine, keep, parquet_view, rows, statement, table, view
from pipeline.run import grouping
from pipeline.score import price, priced_through, register_prices, turned_away
from pipeline.simulate_inputs import Proposal, Stored, review_of_run

PRESENT_LAW = "audit_simulate/present_equals_stored"


@dataclass
class Sums:
    """What pricing leaves: rows of `lines`, `crossings`, `crosswalk` and `values` by proposal (0 is the present) and month."""

    lines: list[pa.Table] = field(default_factory=list)
    crossings: list[pa.Table] = field(default_factory=list)
    crosswalk: list[pa.Table] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)
    changed_since: list[str] = field(default_factory=list)


@contextmanager
def _priced(
    month: Stored, one: Proposal, spill: Path, memory_limit: str
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own that holds `simulated` and `classed`: a month priced by one proposal."""
    with tempfile.TemporaryDirectory(dir=spill) as own, engine(Path(own), memory_limit) as con:
        grouped = _regrouped(month, one, Path(own)) if one.regroups else month.table("grouped")
        for name, path in (
            ("validated", month.table("validated")), ("grouped", grouped),
            ("stored_payment", month.table("case_payment")), ("stored_scored", month.table("scored")),
        ):  # fmt: skip
            parquet_view(con, name, [path])
        if month.earlier:  # reversals take back the price of an earlier publication, whatever is proposed
            register_earlier(con, month.earlier)
        keep(con, "simulate/arrivals")
        register_prices(con, one.region, one.terms, one.schemes)
        price(con, one.region.pack.kind, review_of_run(month, one.region))
        keep(con, "simulate/simulated")
        priced_through(con)
        con.execute("CREATE OR REPLACE VIEW scored AS FROM simulated")  # read on, never priced twice
        view(con, "simulate/classed")
        yield con


def _regrouped(month: Stored, one: Proposal, folder: Path) -> Path:
    """The stored rows as another scheme groups them; a month's rows are read row group by row group."""
    place, target = grouping(one.region, one.terms, one.schemes), folder / "grouped.parquet"
    coded = ["dx_codes.list.element", "px_codes.list.element"]
    stored = pq.ParquetFile(month.table("validated"), read_dictionary=coded)
    writer: pq.ParquetWriter | None = None
    for number in range(stored.num_row_groups):
        part = place(stored.read_row_group(number))
        writer = writer or pq.ParquetWriter(target, part.schema, store_schema=False)
        writer.write_table(part)
    if writer is None:
        return month.table("grouped")  # a month without a case has the same groups by any scheme
    writer.close()
    return target


def add_month(
    sums: Sums, month: Stored, number: int, one: Proposal, scratch: Path, memory_limit: str
) -> None:
    """Add one proposal's month to the sums; the present (number 0) comes first and is kept in `scratch` to compare with."""
    kept = scratch / f"present-{month.run}.parquet"
    with _priced(month, one, scratch, memory_limit) as con:
        if number == 0:
            _prove_present(con, month, one, sums)
            con.table("classed").write_parquet(str(kept), compression="snappy")
        parquet_view(con, "present", [kept])
        if number:
            crossings = table(con, "simulate/crossings")
            if one.regroups:  # a case whose new group has no price is told with its weight, group by group
                found = table(con, "simulate/crosswalk")
                sums.crosswalk.append(_tagged(found, number, month.period))
            else:
                _stop_on_lost(con, crossings, month, one)
            sums.crossings.append(_tagged(crossings, number, month.period))
        sums.lines.append(_tagged(table(con, "simulate/lines"), number, month.period))
        sums.values += [row | {"proposal_no": number} for row in rows(con, statement("simulate/values"))]


def _tagged(content: pa.Table, number: int, period: str) -> pa.Table:
    height = content.num_rows
    return content.append_column("proposal_no", pa.array([number] * height, pa.int32())).append_column(
        "period", pa.array([period] * height, pa.string())
    )


def _prove_present(con: duckdb.DuckDBPyConnection, month: Stored, present: Proposal, sums: Sums) -> None:
    """The present parameters give what is stored; a month of an earlier pack may differ, and the report says so."""
    try:
        audit(con, [PRESENT_LAW])
    except AuditBroken:
        if month.pack_sha256 == present.region.sha256:
            raise
        sums.changed_since.append(month.period)


def _stop_on_lost(con: duckdb.DuckDBPyConnection, crossings: pa.Table, month: Stored, one: Proposal) -> None:
    """A case paid at present for which the proposal has no price stops it: it is never a zero."""
    if "unpaid" not in crossings.column("class_after").to_pylist():
        return
    con.register("late_found", turned_away(con))
    lost = rows(con, statement("simulate/lost"))
    if not lost:
        return
    told = [
        f"{BY_CODE[row['code']].title} {row['value']}（{row['cases']:,} 例，如 {row['case_id']}）"
        for row in sorted(lost, key=lambda row: (-row["cases"], row["code"], row["value"]))[:5]
    ]
    more = f"等 {len(lost)} 项" if len(lost) > len(told) else ""
    raise ConfigurationError(
        f"方案 `{one.name}`（{one.source}）不能给 {month.period} 的 {sum(row['cases'] for row in lost):,} 例现行有价的病例定价："
        f"{'、'.join(told)}{more}；请补齐后再测算"
    )
