"""A month on one screen: read, validate, group, score, settle, write. Nothing is lost on the way."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from groupers.codes import load_code_tables
from groupers.drg.engine import Grouper
from groupers.scheme import data_root
from pipeline.arrivals import compare_control_totals, find_repeats, register_input
from pipeline.case_csv import findings_csv
from pipeline.decide import review_of
from pipeline.decisions import load_decisions
from pipeline.earlier import HELD, Earlier, find_paid, offer_again, register_earlier
from pipeline.finish import Month, Tick, alliance_days, settle_month, write_month
from pipeline.group import group_with_evidence
from pipeline.identity import code_version, identify
from pipeline.ledger import now, open_ledger
from pipeline.ledger_entries import enter_run
from pipeline.match import intervals_of, match_with_evidence
from pipeline.needs import stop_without_columns
from pipeline.pack import PERIOD
from pipeline.query import engine, parquet_view, store
from pipeline.read import Piece, Source, open_source, stream
from pipeline.region import FOREVER, Region
from pipeline.region_check import stop_on_draft, stop_on_errors
from pipeline.runfolder import finished, log_run, occupied, point_to, prove_finished
from pipeline.schemes import Scheme, schemes_of
from pipeline.score import register_prices, score
from pipeline.settle import settlement_on
from pipeline.standing import run_folder, standing
from pipeline.terms import Terms, resolve
from pipeline.validate import Validated, Yardstick, validate
from pipeline.write import appearing, spare_input
from pipeline.writers import RunWriters
from pipeline.yardstick import period_days, yardstick


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
    ledger_url: str | None = None,
    computed_by: str | None = None,
) -> Outcome:
    """Group, price and settle one period of a region into `out/<region>/<period>/<run>/`, and enter it in the ledger.

    The run's name is a function of inputs, scheme, pack, code version, period and what earlier publications mean for it;
    a finished run of the same name is proved and kept. Raises the errors of every stage; then nothing is published.
    """
    _, last = period_days(period)
    terms, schemes = terms_and_schemes(region)
    source = open_source(input_path)
    stop_on_errors(region, terms, schemes)
    stop_without_columns(region, schemes, source)
    settlement_on(region, last)  # a period that cannot be settled stops before hours of work, not after
    name = region.pack.name
    with (
        occupied(out / name, name),
        open_ledger(out / name, name, code_version(), ledger_url) as ledger,
        ledger.occupied(),
    ):
        started = now()
        stands = standing(ledger, period, out)
        published = {one.run_id: run_folder(out, name, one) for one in stands.others}
        offered = [
            folder / HELD
            for run, folder in published.items()
            if run == stands.held_from and (folder / HELD).is_file()
        ]
        review = review_of(region, load_decisions(ledger), source, offered, list(published.values()))
        days = alliance_days(region, period)
        stood = stands.sha256 + review.sha256 + "".join(str(day) for day in days if day)
        identity = identify(source, region, schemes, period, control_totals, stood)
        folder = out / name / period / identity.run
        fresh = not finished(folder)
        if fresh:
            month = Month(region, schemes, period, identity, stands, tick, review, days)
            manifest = _compute(month, terms, source, out, control_totals, memory_limit)
        else:
            manifest = prove_finished(folder)
        enter_run(ledger, "month", manifest, folder, started, computed_by)
        point_to(folder.parent, identity.run)
        log_run(out / name, manifest, started, fresh)
    return Outcome(folder, identity.run, manifest, fresh)


def _compute(
    month: Month, terms: tuple[Terms, ...], source: Source, out: Path, control_totals: Path | None, memory_limit: str
) -> dict[str, Any]:  # fmt: skip
    """Make the run folder; it appears complete, with its manifest, or not at all."""
    region, name, stands = month.region, month.region.pack.name, month.stands
    folder = out / name / month.period / month.identity.run
    earlier = [Earlier(one.period, one.run_id, run_folder(out, name, one)) for one in stands.others]
    # That run may be superseded by now: a month computed again meets the rows that its first version met.
    held = out / name / stands.held_from / HELD if stands.held_from else None
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        appearing(folder, folder=True) as beside,
        tempfile.TemporaryDirectory(prefix=".spill-", dir=folder.parent) as spill,
        engine(Path(spill), memory_limit) as con,
    ):
        register_input(con, source)
        if control_totals is not None:
            compare_control_totals(con, control_totals, source)
        source = offer_again(con, source, held, Path(spill))
        register_input(con, source)
        register_earlier(con, earlier)
        repeats = find_repeats(con, source)
        measure = yardstick(
            region, list(month.schemes.values()), load_code_tables(), month.period, repeats.repeated,
            repeats.conflicting, stands.closed_months, find_paid(con, source, earlier),
        )  # fmt: skip
        with RunWriters(beside, region.pack.kind) as writers:
            _stream(month, terms, source, measure, writers)
            for table_name, path in writers.tables().items():
                parquet_view(con, table_name, [path])
            register_prices(con, region, terms, month.schemes)
            month.tick("score", 0, 1)
            writers.findings(score(con, region.pack.kind, beside, month.review))
        laws = settle_month(con, month, beside)
        store(con, "held", beside / HELD, period=month.period)
        return write_month(con, month, laws, beside, Path(spill))


def _stream(
    month: Month, terms: tuple[Terms, ...], source: Source, measure: Yardstick, writers: RunWriters
) -> None:
    """Validate and group batch by batch on a few threads; write in input order."""
    place = grouping(month.region, terms, month.schemes)

    def stage(piece: Piece, batch: pa.RecordBatch) -> tuple[Validated, pa.Table]:
        validated = validate(batch, piece.start, measure)
        return validated, place(validated.passed)

    done = 0
    for validated, grouped in stream(source, stage):
        writers.batch(validated, grouped)
        done += validated.arrivals.num_rows
        month.tick("validate", done, source.rows)


def inbox(region: Region, period: str = PERIOD) -> Path:
    """Where a region's discharges of a period arrive: a path, relative ones under the embedded data."""
    path = Path(region.pack.inbox.replace(PERIOD, period))
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


def grouping(
    region: Region, terms: tuple[Terms, ...], schemes: Mapping[str, Scheme]
) -> Callable[[pa.Table], pa.Table]:
    """Validated rows → grouped rows with their evidence, by the region's schemes."""
    if region.pack.kind == "dip":
        return partial(match_with_evidence, intervals_of(terms, schemes), region.pack.pricing_by)
    groupers = {key: Grouper(scheme.book) for key, scheme in schemes.items() if scheme.book is not None}
    days = [(one.valid_from, one.valid_to, one.scheme.key) for one in terms]
    return partial(group_with_evidence, groupers, days, region.pack.pricing_by)
