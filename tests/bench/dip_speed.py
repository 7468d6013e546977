"""Speed and memory of DIP matching, and of matching with auxiliary subtypes, each beside its bare time in one run.

    python tests/bench/dip_speed.py [--cases 10000000] [--runs 3] [--folder FOLDER]

Every figure is of a process of its own, start-up included: wall seconds and the largest resident set that the
kernel saw. `bare` reads the same columns and writes a table of constants of the same shape with the same reader,
writer settings and threads (as tests/bench/bare.py does for DRG). The catalogue is the national library with
invented pooled rows up to 10,000 rows, so that all four ends of the order are walked. Without --folder the input
is made in a private folder and deleted afterwards.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bench import DRGDIP, Figure, measure

from groupers.dip.auxiliary import AuxiliaryTables, auxiliary_of, default_auxiliary
from groupers.dip.catalogue import POOLED_CLASSES, Catalogue, PooledRow
from groupers.dip.load import load_catalogue
from groupers.dip.match import Matcher
from groupers.dip.subtypes import SCHEMA, Subtypes
from groupers.drg.rulebook import load_rulebook
from pipeline.group import (
    GROUPED_WRITER,
    MATCHED_CODED,
    MATCHED_COLUMNS,
    group_columns,
    match_file,
    with_stay_days,
)
from pipeline.read import open_source, stream

ROWS = 10_000
SEVERITY_ROWS = 500
LEVEL = "三级"
WIDE = pa.schema([*MATCHED_CODED, *SCHEMA])
CODED = [*MATCHED_COLUMNS, "aux_subtype", "own_subtype"]
# What a typical case gets; a procedure in every row's list, no runner-up.
CONSTANTS = {
    "dip_code": "DIP1",
    "dip_kind": "core",
    "treatment_class": "手术",
    "status": "grouped",
    "aux_subtype": "AGE5",
}


def catalogue(by_cost: bool) -> Catalogue:
    """The national library, with pooled rows of every class for its first categories, 10,000 rows in all."""
    library = load_catalogue("dip-2.0")
    wanted = (ROWS - len(library.core)) // len(POOLED_CLASSES)
    often = Counter(row.dx4[:3] for row in library.core).most_common(wanted)
    pooled = tuple(
        PooledRow(f"{dx3}-{number}", dx3, kind, None, None, frozenset(), "")
        for dx3, _ in often
        for number, kind in enumerate(POOLED_CLASSES)
    )
    choices = library.choices
    if by_cost:
        choices = dataclasses.replace(choices, conservative="any", tie_breakers=("nearest_mean_cost",))
    return dataclasses.replace(library, pooled=pooled, choices=choices)


def auxiliary(library: Catalogue) -> AuxiliaryTables:
    """The national table, and a severity suffix for the first rows of the library."""
    national = default_auxiliary()
    lines = ["subtype,row,family,condition,coefficient,name"]
    lines += [
        f"{row.row}-1,{row.row},own,severity == mcc,三级=1.61;二级=1.12;一级=,严重"
        for row in library.core[:SEVERITY_ROWS]
    ]
    own = auxiliary_of({"auxiliary.csv": "\n".join(lines).encode(), "auxiliary_lists.csv": b"list,prefix\n"})
    return AuxiliaryTables((*national.subtypes, *own.subtypes), national.lists)


def bare(source: Path, target: Path, matcher: Matcher, subtypes: Subtypes | None) -> Counter[str]:
    """Read what the work beside it reads, write constants."""
    schema = WIDE if subtypes else MATCHED_CODED
    opened = open_source(source, group_columns([*matcher.columns, *(subtypes.columns if subtypes else ())]))

    def constants(batch: pa.RecordBatch) -> pa.Table:
        rows = batch.num_rows
        zeros = pa.array(np.zeros(rows, dtype=np.int32))
        each = pa.array(np.arange(rows + 1, dtype=np.int32))
        made = []
        for field in schema:
            if field.name == "case_id":
                column = batch.column("case_id")
            elif field.name in CONSTANTS:
                column = pa.DictionaryArray.from_arrays(zeros, pa.array([CONSTANTS[field.name]]))
            elif field.name == "matched_procedures":
                column = pa.ListArray.from_arrays(each, pa.array(["47.0100"]).take(zeros))
            elif field.name == "aux_met":
                column = pa.ListArray.from_arrays(
                    each, pa.DictionaryArray.from_arrays(zeros, pa.array(["AGE5"]))
                )
            elif field.name == "own_met":
                nothing = pa.array([], pa.dictionary(pa.int32(), pa.string()))
                column = pa.ListArray.from_arrays(pa.array(np.zeros(rows + 1, dtype=np.int32)), nothing)
            elif field.name == "aux_coefficient":
                column = pa.array(np.full(rows, 10500))
            else:
                column = (
                    pa.array(np.zeros(rows, dtype=bool))
                    if field.name == "own_unknown"
                    else pa.nulls(rows, field.type)
                )
            made.append(column)
        return pa.table(made, schema=schema)

    return written(opened, target, schema, constants)


def evaluated(source: Path, target: Path, matcher: Matcher, subtypes: Subtypes) -> Counter[str]:
    """Match, evaluate the auxiliary subtypes of the row found, and write both."""
    opened = open_source(source, group_columns([*matcher.columns, *subtypes.columns]))

    def both(batch: pa.RecordBatch) -> pa.Table:
        found = matcher.match(batch)
        level = pa.DictionaryArray.from_arrays(np.zeros(batch.num_rows, dtype=np.int32), [LEVEL])
        more = subtypes.evaluate(with_stay_days(batch), found.column("dip_code"), level)
        columns = dict(zip(found.column_names, found.columns, strict=True))
        columns |= dict(zip(more.column_names, more.columns, strict=True)) | {
            "case_id": batch.column("case_id")
        }
        return pa.table([columns[name] for name in WIDE.names], names=WIDE.names).cast(WIDE)

    return written(opened, target, WIDE, both)


def written(
    opened: object, target: Path, schema: pa.Schema, work: Callable[[pa.RecordBatch], pa.Table]
) -> Counter[str]:
    """Apply the work to every batch and write it with the settings of `group`; the kinds that came out."""
    kinds: Counter[str] = Counter()
    settings = GROUPED_WRITER | {"use_dictionary": [name for name in CODED if name in schema.names]}
    with pq.ParquetWriter(target, schema, **settings) as writer:
        for table in stream(opened, lambda piece, batch: work(batch)):
            writer.write_table(table, row_group_size=table.num_rows)
            counted(table, kinds)
    return kinds


def counted(table: pa.Table, kinds: Counter[str]) -> None:
    """Add up the kinds of result, how many have a runner-up and how many a replacing subtype."""
    for count in table.column("dip_kind").combine_chunks().value_counts().to_pylist():
        kinds[count["values"]] += count["counts"]
    for name in {"runner_up", "own_subtype"} & set(table.column_names):
        kinds[name] += table.num_rows - table.column(name).null_count


def child(work: str, source: Path, target: Path) -> None:
    """One measured process."""
    matcher = Matcher(catalogue(by_cost="cost" in work))
    subtypes = None
    if "aux" in work:
        tables = auxiliary(matcher.catalogue)
        subtypes = Subtypes(tables.subtypes, tables.lists, load_rulebook("chs-drg-2.0"))
    if work.startswith("bare"):
        bare(source, target, matcher, subtypes)
    elif subtypes:
        evaluated(source, target, matcher, subtypes)
    else:
        match_file(matcher, source, target, lambda rows: None)


def compare(work: str, source: Path, folder: Path, cases: int, runs: int) -> None:
    """The work and its bare time in turn; one line of the table each, medians."""
    figures: dict[str, list[Figure]] = {f"bare {work}": [], work: []}
    cpu: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(runs):
        for name, found in figures.items():
            target = written_by(folder, name)
            command = [sys.executable, __file__, "--work", name]
            before = cpu_seconds()
            found.append(measure([*command, "--source", str(source), "--folder", str(target)]))
            cpu[name].append(cpu_seconds() - before)
    own, beside = figures[work], figures[f"bare {work}"]
    ratios = [mine.seconds / other.seconds for mine, other in zip(own, beside, strict=True)]
    for name, found in figures.items():
        seconds, peak = statistics.median(f.seconds for f in found), max(f.peak_gib for f in found)
        ratio = f"{statistics.median(ratios):6.2f}" if name == work else f"{1:6.2f}"
        print(
            f"| {name:<22} | {seconds:7.2f} | {cases / seconds:10,.0f} | {statistics.median(cpu[name]):6.2f} "
            f"| {peak:5.2f} | {ratio} |",
            flush=True,
        )
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"  {work}: each ratio {each}; {ends(written_by(folder, work))}", flush=True)


def cpu_seconds() -> float:
    """CPU time of all finished children: what a busy machine does not stretch."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def written_by(folder: Path, work: str) -> Path:
    """Where a work writes."""
    return folder / f"{work.replace(' ', '-')}.parquet"


def ends(target: Path) -> dict[str, int]:
    """What came out: counts by kind."""
    kinds: Counter[str] = Counter()
    file = pq.ParquetFile(target)
    names = [name for name in ("dip_kind", "runner_up", "own_subtype") if name in file.schema_arrow.names]
    for batch in file.iter_batches(columns=names):
        table = pa.Table.from_batches([batch])
        counted(table.set_column(0, "dip_kind", pc.cast(table.column("dip_kind"), pa.string())), kinds)
    return dict(kinds)


def main() -> None:
    """Parse the options, make the input once, and measure each work in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--work")
    options = parser.parse_args()
    if options.work:
        child(options.work, options.source, options.folder)
        return
    with tempfile.TemporaryDirectory(prefix="dip-speed-") as private:
        folder = options.folder or Path(private)
        folder.mkdir(parents=True, exist_ok=True)
        source = options.source or folder / f"synth-{options.cases}"
        if not source.is_dir():
            made = ["--cases", str(options.cases), "--months", "2025-10", "--seed", "11"]
            measure([DRGDIP, "synth", str(source), *made])
        print(f"| {'work':<22} | {'s':>7} | {'cases/s':>10} | {'CPU s':>6} | {'GiB':>5} | {'ratio':>6} |")
        for work in ("match", "match by cost", "match and aux"):
            compare(work, source, folder, options.cases, options.runs)


if __name__ == "__main__":
    main()
