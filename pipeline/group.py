"""Group a file of discharges by a scheme: one result row per input row, in input order, nothing refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groupers.codes import load_code_tables
from groupers.dip.load import load_catalogue
from groupers.dip.match import Matcher
from groupers.drg.engine import Grouper
from groupers.drg.evidence import evidence
from groupers.drg.rulebook import load_rulebook
from groupers.scheme import load_manifest, scheme_folder
from pipeline.case_csv import findings_csv
from pipeline.contracts import check_grouped
from pipeline.doubts import Doubts
from pipeline.match import MATCHED_CODED, MATCHED_COLUMNS, match_batch
from pipeline.read import Source, open_source, stream
from pipeline.tables import DISCHARGES, GROUPED_SCHEMA, Column
from pipeline.write import appearing, spare_input

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
GROUPED_WRITER: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": [*CODED_COLUMNS, "rule"],
    "store_schema": False,
}


def group_columns(scalars: Sequence[str]) -> tuple[Column, ...]:
    """The columns that a scheme needs beside the codes; `stay_days` comes from the two dates."""
    wanted = {"case_id", "dx_codes", "px_codes", *scalars}
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


def grouping_by(scheme: str) -> Callable[[Path, Path, Callable[[int], None]], int]:
    """The work of `group INPUT --scheme`: (input, output, tick) → rows. Raises SchemeError for an unusable scheme."""
    if load_manifest(scheme_folder(scheme)).kind == "dip":
        return partial(match_file, Matcher(load_catalogue(scheme)))
    return partial(group_file, Grouper(load_rulebook(scheme)))


def group_file(grouper: Grouper, path: Path, target: Path, tick: Callable[[int], None]) -> int:
    """`group INPUT` by a DRG scheme: GROUPED_SCHEMA rows, one per input row; returns the rows. Raises InputError."""
    source = open_source(path, group_columns(grouper.columns))
    doubts = Doubts(grouper.book.known_dx | load_code_tables().diagnosis_names.keys())
    return _write_results(
        source, target, lambda batch: group_batch(grouper, batch), doubts, GROUPED_CODED, CODED_COLUMNS, tick
    )


def match_file(matcher: Matcher, path: Path, target: Path, tick: Callable[[int], None]) -> int:
    """`group INPUT` by a DIP catalogue: MATCHED_CODED rows, one per input row; returns the rows. Raises InputError."""

    source = open_source(path, group_columns(matcher.columns))
    doubts = Doubts(frozenset(load_code_tables().diagnosis_names))
    return _write_results(
        source,
        target,
        lambda batch: match_batch(matcher, batch),
        doubts,
        MATCHED_CODED,
        MATCHED_COLUMNS,
        tick,
    )


def findings_beside(target: Path) -> Path:
    """Where `group` says what a run would refuse: `grouped.parquet` → `grouped.findings.csv`."""
    return target.with_name(f"{target.stem}.findings.csv")


def _write_results(
    source: Source, target: Path, work: Callable[[pa.RecordBatch], pa.Table], doubts: Doubts, schema: pa.Schema,
    coded: Sequence[str], tick: Callable[[int], None],
) -> int:  # fmt: skip
    """Apply `work` to every batch; the results and the findings appear complete or not at all.

    Raises UsageMistake where a result would take the place of an input file.
    """
    spare_input(target, source.files)
    rows = 0
    settings = GROUPED_WRITER | {"use_dictionary": [*coded, "rule"]}
    with (
        appearing(target) as beside,
        findings_csv(findings_beside(target)) as tell,
        pq.ParquetWriter(beside, schema, **settings) as writer,
    ):
        for grouped, found in stream(
            source, lambda piece, batch: (work(batch), doubts.find(batch, piece.start))
        ):
            writer.write_table(grouped, row_group_size=max(1, grouped.num_rows))
            tell(found)
            rows += grouped.num_rows
            tick(grouped.num_rows)
    return rows
