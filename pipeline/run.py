"""A month on one screen: read, validate, group, score, settle, write. Nothing is lost on the way."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from getpass import getuser
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from groupers.codes import load_code_tables
from groupers.drg.engine import Grouper
from groupers.scheme import data_root
from pipeline.arrivals import compare_control_totals, find_repeats, register_input
from pipeline.case_csv import findings_csv
from pipeline.deliver import deliver, heading
from pipeline.earlier import HELD, Earlier, find_paid, offer_again, register_earlier
from pipeline.group import group_with_evidence
from pipeline.identity import Identity, code_version, identify
from pipeline.ledger import now, open_ledger
from pipeline.ledger_entries import enter_run
from pipeline.match import intervals_of, match_with_evidence
from pipeline.needs import stop_without_columns
from pipeline.pack import PERIOD
from pipeline.query import engine, parquet_view, store
from pipeline.read import Piece, Source, open_source, stream
from pipeline.region import FOREVER, Region
from pipeline.region_check import stop_on_draft, stop_on_errors
from pipeline.runfolder import finished, log_run, occupied, point_to, prove_finished, write_manifest
from pipeline.schemes import Scheme, schemes_of
from pipeline.score import register_prices, score
from pipeline.settle import settle, settlement_on
from pipeline.standing import Standing, run_folder, standing
from pipeline.terms import Terms, resolve
from pipeline.validate import Validated, Yardstick, validate
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
        identity = identify(source, region, schemes, period, control_totals, stands.sha256)
        folder = out / name / period / identity.run
        fresh = not finished(folder)
        if fresh:
            month = _Month(region, terms, schemes, period, last, identity, stands, tick)
            manifest = month.compute(source, out, control_totals, memory_limit)
        else:
            manifest = prove_finished(folder)
        enter_run(ledger, "month", manifest, folder, started, computed_by or getuser())
        point_to(folder.parent, identity.run)
        log_run(out / name, manifest, started, fresh)
    return Outcome(folder, identity.run, manifest, fresh)


@dataclass(frozen=True)
class _Month:
    """One run of one period, from its input to its folder."""

    region: Region
    terms: tuple[Terms, ...]
    schemes: dict[str, Scheme]
    period: str
    last: dt.date
    identity: Identity
    stands: Standing
    tick: Tick

    def compute(
        self, source: Source, out: Path, control_totals: Path | None, memory_limit: str
    ) -> dict[str, Any]:
        """Make the run folder; it appears complete, with its manifest, or not at all."""
        region, name = self.region, self.region.pack.name
        folder = out / name / self.period / self.identity.run
        earlier = [Earlier(one.period, one.run_id, run_folder(out, name, one)) for one in self.stands.others]
        held = next((one.folder / HELD for one in earlier if one.run_id == self.stands.held_from), None)
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
            with RunWriters(beside, region.pack.kind) as writers:
                self._stream(source, self._yardstick(con, source, earlier), writers)
                for table_name, path in writers.tables().items():
                    parquet_view(con, table_name, [path])
                register_prices(con, region, self.terms, self.schemes)
                self.tick("score", 0, 1)
                writers.findings(score(con, region.pack.kind, beside))
            parquet_view(con, "findings", [beside / "findings.parquet"])
            self.tick("settle", 0, 1)
            laws = settle(con, region, self.period, self.last, beside,
                          self.stands.amounts("carried"), self.stands.amounts("adjustments"))  # fmt: skip
            store(con, "held", beside / HELD, period=self.period)
            self.tick("write", 0, 0)
            titles = "、".join(dict.fromkeys(scheme.manifest.title for scheme in self.schemes.values()))
            deliver(con, heading(region, self.period, self.identity.run, titles, self.last), beside, Path(spill),
                    lambda done: self.tick("write", done, 0))  # fmt: skip
            totals = con.table("totals").to_arrow_table().to_pylist()[0]
            writers.discard_working_tables()
            described = self.stands.described()
            return write_manifest(beside, self.identity, region, self.schemes, totals, laws, described)

    def _yardstick(
        self, con: duckdb.DuckDBPyConnection, source: Source, earlier: Sequence[Earlier]
    ) -> Yardstick:
        repeats = find_repeats(con, source)
        return yardstick(
            self.region, list(self.schemes.values()), load_code_tables(), self.period,
            repeats.repeated, repeats.conflicting, self.stands.closed_months, find_paid(con, source, earlier),
        )  # fmt: skip

    def _stream(self, source: Source, measure: Yardstick, writers: RunWriters) -> None:
        """Validate and group batch by batch on a few threads; write in input order."""
        place = _grouping(self.region, self.terms, self.schemes)

        def stage(piece: Piece, batch: pa.RecordBatch) -> tuple[Validated, pa.Table]:
            validated = validate(batch, piece.start, measure)
            return validated, place(validated.passed)

        done = 0
        for validated, grouped in stream(source, stage):
            writers.batch(validated, grouped)
            done += validated.arrivals.num_rows
            self.tick("validate", done, source.rows)


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


def _grouping(
    region: Region, terms: tuple[Terms, ...], schemes: dict[str, Scheme]
) -> Callable[[pa.Table], pa.Table]:
    """Validated rows → grouped rows with their evidence, by the region's schemes."""
    if region.pack.kind == "dip":
        return partial(match_with_evidence, intervals_of(terms, schemes), region.pack.pricing_by)
    groupers = {key: Grouper(scheme.book) for key, scheme in schemes.items() if scheme.book is not None}
    days = [(one.valid_from, one.valid_to, one.scheme.key) for one in terms]
    return partial(group_with_evidence, groupers, days, region.pack.pricing_by)
