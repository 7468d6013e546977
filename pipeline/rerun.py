"""Compute published months again from their stored groups, after a change of weights or other prices (DESIGN §8).

Nothing is read or grouped anew, so a change of scheme, code versions or hospitals asks for a `run` instead. The result
is a run like any other: published, it is a new version whose difference the next month pays.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.decide import review_of
from pipeline.decisions import load_decisions
from pipeline.earlier import HELD, Earlier, register_earlier
from pipeline.errors import ConfigurationError, UsageMistake
from pipeline.findings import FINDINGS_SCHEMA, messages
from pipeline.finish import Month, Tick, alliance_days, settle_month, write_month
from pipeline.identity import Identity, code_version
from pipeline.ledger import FILE, Ledger, now, open_ledger
from pipeline.ledger_entries import enter_run
from pipeline.query import engine, keep, parquet_view, store, table
from pipeline.region import Region
from pipeline.region_check import stop_on_errors
from pipeline.run import Outcome, terms_and_schemes
from pipeline.runfolder import finished, ground_sha, log_run, occupied, point_to, prove_finished
from pipeline.schemes import Scheme
from pipeline.score import register_prices, score
from pipeline.settle import settlement_on
from pipeline.standing import Published, current_publications, results, run_folder, standing
from pipeline.terms import Terms
from pipeline.write import appearing
from pipeline.yardstick import period_days


@dataclass(frozen=True)
class Rerun:
    """A published month computed again: what it is owed now and what was published, in fen."""

    period: str
    version: int  # that is published now
    outcome: Outcome
    published_fen: int
    recomputed_fen: int
    hospitals_changed: int


def rerun_month(
    region: Region, period: str, out: Path, computed_by: str | None, memory_limit: str = "2GiB",
    tick: Tick = lambda stage, done, total: None, ledger_url: str | None = None,
) -> Rerun:  # fmt: skip
    """Price and settle a published month anew from its stored groups, by the pack as it stands.

    Raises UsageMistake for a month that is not published, ConfigurationError where the pack needs new groups.
    """
    terms, schemes = terms_and_schemes(region)
    stop_on_errors(region, terms, schemes)
    settlement_on(region, period_days(period)[1])
    name = region.pack.name
    with (
        occupied(out / name, name),
        open_ledger(out / name, name, code_version(), ledger_url) as ledger,
        ledger.occupied(),
    ):
        started = now()
        current = next((one for one in current_publications(ledger) if one.period == period), None)
        if current is None:
            raise UsageMistake(
                f"{period} 还没有发布过，不能重算；请先 `drgdip run {region.spoken} --period {period}` 并发布"
            )
        base = run_folder(out, name, current)
        manifest = json.loads((base / "manifest.json").read_text(encoding="utf-8"))
        _stop_unless_same_ground(region, schemes, manifest, period)
        stands = standing(ledger, period, out)
        published = [run_folder(out, name, one) for one in stands.others]
        review = review_of(region, load_decisions(ledger), None, [base / "case_payment.parquet"], published)
        days = alliance_days(region, period)
        stood = stands.sha256 + review.sha256 + "".join(str(day) for day in days if day)
        identity = _identity(region, schemes, manifest, current, stood)
        month = Month(region, schemes, period, identity, stands, tick, review, days)
        folder = base.parent / month.identity.run
        fresh = not finished(folder)
        made = _compute(month, terms, base, out, memory_limit) if fresh else prove_finished(folder)
        enter_run(ledger, "month", made, folder, started, computed_by)
        point_to(folder.parent, month.identity.run)
        log_run(out / name, made, started, fresh)
        return _compared(ledger, current, Outcome(folder, month.identity.run, made, fresh))


def _compared(ledger: Ledger, current: Published, outcome: Outcome) -> Rerun:
    old = {
        (row["hospital_id"], row["insurance_type"]): row["due_fen"] for row in results(ledger, current.run_id)
    }
    new = {
        (row["hospital_id"], row["insurance_type"]): row["due_fen"] for row in results(ledger, outcome.run)
    }
    changed = {key[0] for key in old.keys() | new.keys() if old.get(key, 0) != new.get(key, 0)}
    return Rerun(
        current.period, current.version, outcome, sum(old.values()), sum(new.values()), len(changed)
    )  # fmt: skip


def _stop_unless_same_ground(
    region: Region, schemes: Mapping[str, Scheme], manifest: Mapping[str, Any], period: str
) -> None:
    """Stored groups stand only while scheme, codes, hospitals and periods are what they were."""
    if manifest["ground"] != ground_sha(region):
        raise ConfigurationError(
            f"{period} 不能由已存的分组重算：发布之后分组方案、编码版本、医院表、险种或结算期的口径改过；"
            f"请用 `drgdip run {region.spoken} --period {period}` 由原始记录重新分组"
        )


def _identity(
    region: Region, schemes: Mapping[str, Scheme], manifest: Mapping[str, Any], base: Published, standing: str
) -> Identity:
    """A rerun is named by the run it starts from, the pack, the code, what stands now and the decisions it meets."""
    parts = ["rerun", base.manifest_sha256, region.sha256, code_version(), base.period, standing]
    run = hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:12]
    inputs = tuple((one["name"], one["sha256"]) for one in manifest["inputs"])
    # On the same ground the pack names the same schemes in the same order; a local one is named by its folder there.
    known = tuple((key, one["sha256"]) for key, one in zip(schemes, manifest["schemes"], strict=True))
    return Identity(run, base.period, inputs, known, region.sha256, code_version())


def _compute(
    month: Month, terms: tuple[Terms, ...], base: Path, out: Path, memory_limit: str
) -> dict[str, Any]:
    region, stands = month.region, month.stands
    folder = base.parent / month.identity.run
    earlier = [
        Earlier(one.period, one.run_id, run_folder(out, region.pack.name, one)) for one in stands.others
    ]
    with (
        appearing(folder, folder=True) as beside,
        tempfile.TemporaryDirectory(prefix=".spill-", dir=folder.parent) as spill,
        engine(Path(spill), memory_limit) as con,
    ):
        register_earlier(con, earlier)
        _take_stored(con, base, beside)
        register_prices(con, region, terms, month.schemes)
        month.tick("score", 0, 1)
        late = score(con, region.pack.kind, beside, month.review)
        _write_findings(con, late, beside / "findings.parquet")
        laws = settle_month(con, month, beside)
        store(con, "rerun/held", beside / HELD, period=month.period)
        return write_month(con, month, laws, beside, Path(spill), base.name)


def _take_stored(con: duckdb.DuckDBPyConnection, base: Path, beside: Path) -> None:
    """The tables before pricing: arrivals, validated, grouped; the stored files are shared, not copied, where they can be."""
    for name, stored in (
        ("stored_validated", "validated"), ("stored_payment", "case_payment"), ("stored_findings", "findings"),
        ("stored_held", "held"),
    ):  # fmt: skip
        parquet_view(con, name, [base / f"{stored}.parquet"])
    keep(con, "rerun/arrivals")
    names = ["grouped"]
    if con.sql(
        "SELECT 1 FROM arrivals a JOIN stored_validated v USING (input_row) WHERE a.door <> 'on'"
    ).fetchall():
        store(con, "rerun/validated", beside / "validated.parquet")
    else:
        names.append("validated")
    for name in names:
        _share(base / f"{name}.parquet", beside / f"{name}.parquet")
        parquet_view(con, name, [beside / f"{name}.parquet"])
    con.execute("CREATE OR REPLACE VIEW held_since AS SELECT case_id, held_since FROM stored_held")


def _share(source: Path, target: Path) -> None:
    """The same immutable file under a second name; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _write_findings(con: duckdb.DuckDBPyConnection, late: pa.Table, path: Path) -> None:
    since = messages("already_paid", pl.DataFrame(table(con, "rerun/paid_since"))).to_arrow()
    kept = table(con, "rerun/kept_findings")
    parts = [part.cast(FINDINGS_SCHEMA) for part in (kept, since, late)]
    pq.write_table(pa.concat_tables(parts), path, compression="zstd", compression_level=1, store_schema=False)


def published_between(ledger: Ledger, first: str, last: str) -> list[str]:
    """Published months from `first` to `last`. Raises UsageMistake where there is none."""
    period_days(first), period_days(last)
    found = [one.period for one in current_publications(ledger) if first <= one.period <= last]
    if not found:
        raise UsageMistake(f"{first} 至 {last} 没有发布过的月份；请用 `drgdip runs {ledger.region}` 查看")
    return found


def months_priced_on(
    region: Region, days: Sequence[tuple[dt.date, dt.date]], out: Path, ledger_url: str | None
) -> list[str]:
    """Published months that have a case priced on one of the days; a month whose run folder is gone counts."""
    name = region.pack.name
    if not days or (ledger_url is None and not (out / name / FILE).is_file()):
        return []
    with open_ledger(out / name, name, code_version(), ledger_url) as ledger:
        found = current_publications(ledger)
    return [
        one.period
        for one in found
        if _priced_on(out / name / one.period / one.run_id / "scored.parquet", days)
    ]


def _priced_on(path: Path, days: Sequence[tuple[dt.date, dt.date]]) -> bool:
    if not path.is_file():
        return True
    inside = pl.any_horizontal(pl.col("pricing_date").is_between(first, last) for first, last in days)
    return bool(pl.scan_parquet(path).select(inside.any()).collect().item())
