"""A month on one screen: read, validate, group, score, settle, write. Nothing is lost on the way."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from groupers.codes import load_code_tables
from groupers.drg.engine import Grouper
from groupers.scheme import data_root
from pipeline.arrivals import Repeats, compare_control_totals, find_repeats, register_input
from pipeline.case_csv import findings_csv
from pipeline.decide import review_of
from pipeline.decisions import load_decisions
from pipeline.deliver import deliver, heading
from pipeline.group import group_with_evidence
from pipeline.identity import identify
from pipeline.match import intervals_of, match_with_evidence
from pipeline.needs import stop_without_columns
from pipeline.query import engine, parquet_view
from pipeline.read import Piece, Source, open_source, stream
from pipeline.region import FOREVER, Region
from pipeline.region_check import stop_on_draft, stop_on_errors
from pipeline.runfolder import finished, log_run, occupied, point_to, prove_finished, write_manifest
from pipeline.schemes import Scheme, schemes_of
from pipeline.score import register_prices, score
from pipeline.settle import settle, settlement_on
from pipeline.terms import Terms, resolve
from pipeline.validate import Validated, validate
from pipeline.write import appearing, spare_input
from pipeline.writers import RunWriters
from pipeline.yardstick import period_days, yardstick

Tick = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True)
class Outcome:
    """Where a run stands and what it counted. `fresh` is false where the same run stood there already."""

    folder: Path
    run: str
    manifest: dict[str, Any]
    fresh: bool


def run_month(
    region: Region,
    period: str,
    input_path: Path,
    out: Path,
    control_totals: Path | None = None,
    memory_limit: str = "2GiB",
    tick: Tick = lambda stage, done, total: None,
) -> Outcome:
    """Group, price and settle one period of a region into `out/<region>/<period>/<run>/`.

    The run's name is a function of inputs, scheme, pack, code version and period; a finished run of the same
    name is proved and kept. Raises the errors of every stage; then nothing is published.
    """
    _, last = period_days(period)
    terms, schemes = terms_and_schemes(region)
    source = open_source(input_path)
    stop_on_errors(region, terms, schemes)
    stop_without_columns(region, schemes, source)
    settlement_on(region, last)  # a period that cannot be settled stops before hours of work, not after
    review = review_of(region, source, load_decisions(out / region.pack.name))
    identity = identify(source, region, schemes, period, control_totals, review.sha256)
    home = out / region.pack.name / period
    with occupied(out / region.pack.name, region.pack.name):
        folder = home / identity.run
        started = dt.datetime.now().astimezone()
        if finished(folder):
            manifest = prove_finished(folder)
            point_to(home, identity.run)
            log_run(home.parent, manifest, started, fresh=False)
            return Outcome(folder, identity.run, manifest, fresh=False)
        with (
            appearing(folder, folder=True) as beside,
            tempfile.TemporaryDirectory(prefix=".spill-", dir=home) as spill,
            engine(Path(spill), memory_limit) as con,
        ):
            register_input(con, source)
            if control_totals is not None:
                compare_control_totals(con, control_totals, source)
            repeats = find_repeats(con, source)
            with RunWriters(beside, region.pack.kind) as writers:
                _stream(region, terms, schemes, source, period, repeats, writers, tick)
                for name, path in writers.tables().items():
                    parquet_view(con, name, [path])
                register_prices(con, region, terms, schemes)
                tick("score", 0, 1)
                writers.findings(score(con, region.pack.kind, beside, review))
            parquet_view(con, "findings", [beside / "findings.parquet"])
            tick("settle", 0, 1)
            laws = settle(con, region, period, last, beside)
            titles = "、".join(dict.fromkeys(scheme.manifest.title for scheme in schemes.values()))
            tick("write", 0, 0)
            deliver(con, heading(region, period, identity.run, titles, last), beside, Path(spill),
                    lambda done: tick("write", done, 0))  # fmt: skip
            totals = con.table("totals").to_arrow_table().to_pylist()[0]
            writers.discard_working_tables()
            manifest = write_manifest(beside, identity, region, schemes, totals, laws)
        point_to(home, identity.run)
        log_run(home.parent, manifest, started, fresh=True)
    return Outcome(folder, identity.run, manifest, fresh=True)


def inbox(region: Region) -> Path:
    """Where a region's discharges arrive: a path, relative ones under the embedded data."""
    path = Path(region.pack.inbox)
    return path if path.is_absolute() else data_root() / path


def validate_only(
    region: Region, period: str, input_path: Path, out: Path | None, tick: Tick
) -> dict[str, Any]:
    """Validate without grouping: rows by door and findings by kind; the findings as CSV where `out` is given."""
    source = open_source(input_path)
    if out is not None:
        spare_input(out, source.files)
    _, schemes = terms_and_schemes(region)
    doors: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="drgdip-") as spill, engine(Path(spill)) as con:
        register_input(con, source)
        repeats = find_repeats(con, source)
        measure = yardstick(
            region, list(schemes.values()), load_code_tables(), period, repeats.repeated, repeats.conflicting
        )
        with findings_csv(out) as write:
            for validated in stream(source, lambda piece, batch: validate(batch, piece.start, measure)):
                doors.update(_counts(validated.arrivals.column("door")))
                kinds.update(_counts(validated.findings.column("code")))
                write(validated.findings)
                tick("validate", doors.total(), source.rows)
    return {
        "rows": doors.total(),
        **{door: doors[door] for door in ("on", "refuse", "hold")},
        "findings": dict(kinds),
    }


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each text occurs."""
    return {count["values"]: count["counts"] for count in column.value_counts().to_pylist()}


def terms_and_schemes(region: Region) -> tuple[tuple[Terms, ...], dict[str, Scheme]]:
    """The region's terms on every day it covers, and the schemes that they name. Raises ConfigurationError."""
    stop_on_draft(region)
    first = min(entry.from_ for entry in region.pack.scheme)
    return resolve(region, first, FOREVER), schemes_of(region)


def _stream(
    region: Region, terms: tuple[Terms, ...], schemes: dict[str, Scheme], source: Source, period: str,
    repeats: Repeats, writers: RunWriters, tick: Tick,
) -> None:  # fmt: skip
    """Validate and group batch by batch on a few threads; write in input order."""
    measure = yardstick(
        region, list(schemes.values()), load_code_tables(), period, repeats.repeated, repeats.conflicting
    )
    place = _grouping(region, terms, schemes)

    def stage(piece: Piece, batch: pa.RecordBatch) -> tuple[Validated, pa.Table]:
        validated = validate(batch, piece.start, measure)
        return validated, place(validated.passed)

    done = 0
    for validated, grouped in stream(source, stage):
        writers.batch(validated, grouped)
        done += validated.arrivals.num_rows
        tick("validate", done, source.rows)


def _grouping(
    region: Region, terms: tuple[Terms, ...], schemes: dict[str, Scheme]
) -> Callable[[pa.Table], pa.Table]:
    """Validated rows → grouped rows with their evidence, by the region's schemes."""
    if region.pack.kind == "dip":
        return partial(match_with_evidence, intervals_of(terms, schemes), region.pack.pricing_by)
    groupers = {key: Grouper(scheme.book) for key, scheme in schemes.items() if scheme.book is not None}
    days = [(one.valid_from, one.valid_to, one.scheme.key) for one in terms]
    return partial(group_with_evidence, groupers, days, region.pack.pricing_by)
