"""Group a file of discharges by a scheme: one result row per input row, in input order, nothing refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groupers.drg.engine import Grouper
from groupers.drg.evidence import evidence
from pipeline.contracts import check_grouped
from pipeline.read import Piece, Source, open_source, stream
from pipeline.tables import DISCHARGES, GROUPED_SCHEMA, Column
from pipeline.write import appearing

# Few distinct texts are kept as dictionaries from end to end; a reader sees plain text columns.
CODED_COLUMNS = ("mdc", "adrg", "drg", "status", "severity")
GROUPED_CODED = pa.schema(
    [
        pa.field(
            field.name, pa.dictionary(pa.int32(), pa.string()) if field.name in CODED_COLUMNS else field.type
        )
        for field in GROUPED_SCHEMA
    ]
)
# In a run the codes that decided a case stand beside its group, so that `explain` needs no second run.
EVIDENCE_SCHEMA = pa.schema(
    [
        ("input_row", pa.int64()),
        *GROUPED_CODED,
        ("principal_dx", pa.dictionary(pa.int32(), pa.string())),
        ("decided_by", pa.list_(pa.string())),
        ("severity_code", pa.string()),
        ("excluded_codes", pa.list_(pa.string())),
    ]
)
GROUPED_WRITER = {"compression": "zstd", "use_dictionary": [*CODED_COLUMNS, "rule"], "store_schema": False}


def group_columns(grouper: Grouper) -> tuple[Column, ...]:
    """The columns that a scheme needs; `stay_days` comes from the two dates."""
    wanted = {"case_id", "dx_codes", "px_codes", *grouper.columns}
    if "stay_days" in wanted:
        wanted |= {"admission_date", "discharge_date"}
    return tuple(
        Column(column.name, column.type, True, column.filled, column.meaning)
        for column in DISCHARGES
        if column.name in wanted
    )


def with_stay_days(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with `stay_days` = discharge date − admission date."""
    if "admission_date" not in batch.schema.names or "discharge_date" not in batch.schema.names:
        return batch
    day = [batch.column(name).cast(pa.int32()) for name in ("discharge_date", "admission_date")]
    return batch.append_column("stay_days", pc.subtract(day[0], day[1]))


def group_batch(grouper: Grouper, batch: pa.RecordBatch) -> pa.Table:
    """GROUPED_SCHEMA columns of one batch, in row order."""
    grouped = grouper.group(with_stay_days(batch))
    return grouped.add_column(0, "case_id", batch.column("case_id"))


def group_with_evidence(
    groupers: dict[str, Grouper],
    schemes: Sequence[tuple[dt.date, dt.date, str]],
    pricing_by: str,
    passed: pa.Table,
) -> pa.Table:
    """EVIDENCE_SCHEMA rows of the validated rows that are no reversals, in row order.

    Each case meets the scheme of its pricing date; `schemes` lists (first day, last day, scheme).
    """
    passed = passed.combine_chunks()
    original = passed.column("reverses").is_null().to_numpy(zero_copy_only=False)
    day = passed.column(pricing_by).cast(pa.int32()).to_numpy()
    parts = [EVIDENCE_SCHEMA.empty_table()]
    for name, grouper in groupers.items():
        mine = np.zeros(passed.num_rows, dtype=bool)
        for first, last, scheme in schemes:
            if scheme == name:
                mine |= (day >= _day_number(first)) & (day <= _day_number(last))
        needed = passed.select(["input_row", "case_id", "dx_codes", "px_codes", *grouper.columns])
        parts += [
            _with_evidence(grouper, batch) for batch in needed.filter(pa.array(mine & original)).to_batches()
        ]
    grouped = pa.concat_tables(parts)
    return grouped.sort_by("input_row") if len(groupers) > 1 else grouped


def _day_number(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days


def _with_evidence(grouper: Grouper, batch: pa.RecordBatch) -> pa.Table:
    decided = grouper.decide(batch)
    grouped = grouper.as_table(decided)
    proof = evidence(grouper, batch, decided)
    columns = {name: grouped.column(name) for name in grouped.column_names}
    columns |= {name: proof.column(name) for name in proof.column_names}
    columns |= {name: batch.column(name) for name in ("input_row", "case_id")}
    columns["principal_dx"] = pc.list_element(batch.column("dx_codes"), 0)  # validation leaves none without
    table = pa.table([columns[name] for name in EVIDENCE_SCHEMA.names], names=EVIDENCE_SCHEMA.names)
    check_grouped(table)
    return table.cast(EVIDENCE_SCHEMA)


def group_source(grouper: Grouper, source: Source, target: Path, tick: Callable[[int], None]) -> int:
    """Group all of a source into one Parquet file that appears complete or not at all; returns the rows."""
    rows = 0

    def stage(piece: Piece, batch: pa.RecordBatch) -> pa.Table:
        return group_batch(grouper, batch)

    with (
        appearing(target) as beside,
        pq.ParquetWriter(beside, GROUPED_CODED, **GROUPED_WRITER) as writer,
    ):
        for grouped in stream(source, stage):
            writer.write_table(grouped, row_group_size=max(1, grouped.num_rows))
            rows += grouped.num_rows
            tick(grouped.num_rows)
    return rows


def group_file(grouper: Grouper, path: Path, target: Path, tick: Callable[[int], None]) -> int:
    """`group INPUT`: see `group_source`. Raises InputError."""
    return group_source(grouper, open_source(path, group_columns(grouper)), target, tick)
