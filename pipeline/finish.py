"""From priced cases to a finished run folder: settle, prove, write; the same for a run and for a rerun."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipeline.alliance import alliance_entry, earlier_months, settle_alliances
from pipeline.alliance_workbook import write_month_books
from pipeline.decide import Review
from pipeline.deliver import deliver, heading
from pipeline.identity import Identity
from pipeline.query import parquet_view
from pipeline.region import Region
from pipeline.runfolder import write_manifest
from pipeline.schemes import Scheme
from pipeline.settle import settle
from pipeline.standing import Standing
from pipeline.terms import in_force
from pipeline.workdays import due_date, load_calendar
from pipeline.yardstick import period_days

Tick = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True)
class Month:
    """One run of one period: what it is made by, what earlier publications mean for it, the decisions that it meets."""

    region: Region
    schemes: Mapping[str, Scheme]
    period: str
    identity: Identity
    stands: Standing
    tick: Tick
    review: Review
    alliance_days: tuple[dt.date | None, dt.date | None] = (None, None)

    @property
    def last(self) -> dt.date:
        """The last day of the period."""
        return period_days(self.period)[1]


def settle_month(con: duckdb.DuckDBPyConnection, month: Month, folder: Path) -> list[str]:
    """Settle what is scored and prove every law; returns the laws. `folder` holds the tables of the run so far."""
    parquet_view(con, "findings", [folder / "findings.parquet"])
    month.tick("settle", 0, 1)
    stands = month.stands
    laws = settle(
        con, month.region, month.period, month.last, folder,
        stands.amounts("carried"), stands.amounts("adjustments"),
    )  # fmt: skip
    con.register("earlier_alliance_months", earlier_months(_earlier_packages(month, folder.parent.parent)))
    lead_due_on, member_due_on = month.alliance_days
    return laws + settle_alliances(con, month.region, month.period, folder, lead_due_on, member_due_on)


def _earlier_packages(month: Month, home: Path) -> list[dict[str, Any]]:
    """What the alliances used in the other published months."""
    paths = [home / one.period / one.run_id / "alliance_package.parquet" for one in month.stands.others]
    return [row for path in paths if path.is_file() for row in pl.read_parquet(path).to_dicts()]


def alliance_days(region: Region, period: str) -> tuple[dt.date | None, dt.date | None]:
    """By when an alliance's lead is paid and pays its members; without terms of alliances in the pack neither is known."""
    last = period_days(period)[1]
    alliance, settlement = alliance_entry(region, last), in_force(region.pack.settlement, last)
    if alliance is None or settlement is None or settlement.declare_by_day is None or not region.memberships:
        return None, None
    calendar = load_calendar(region.folder)
    lead = due_date(calendar, period, settlement.declare_by_day, alliance.lead_due_workdays)
    return lead, calendar.add_workdays(lead, alliance.member_due_workdays)


def write_month(
    con: duckdb.DuckDBPyConnection,
    month: Month,
    laws: list[str],
    folder: Path,
    spill: Path,
    base: str | None = None,
) -> dict[str, Any]:
    """Write the files for people and the manifest, which is returned. `base`: the run whose groups were priced anew."""
    month.tick("write", 0, 0)
    titles = "、".join(dict.fromkeys(scheme.manifest.title for scheme in month.schemes.values()))
    head = heading(month.region, month.period, month.identity.run, titles, month.last)
    deliver(con, head, folder, spill, lambda done: month.tick("write", done, 0))
    write_month_books(folder, head)
    totals = con.table("totals").to_arrow_table().to_pylist()[0]
    (folder / "arrivals.parquet").unlink(missing_ok=True)  # they stand in case_payment, row for row
    described, weights = month.stands.described(), weights_used(con, month.region)
    return write_manifest(
        folder, month.identity, month.region, month.schemes, totals, laws, described, weights, base
    )


def weights_used(con: duckdb.DuckDBPyConnection, region: Region) -> list[dict[str, str]]:
    """The versions of the weights that hold on the pricing dates of `scored`: from which day, file, source."""
    days = con.sql("SELECT DISTINCT pricing_date FROM scored WHERE pricing_date IS NOT NULL").fetchall()
    standing = region.pack.standing_weights
    held = {id(one): one for (day,) in days if (one := in_force(standing, day)) is not None}
    return [
        {"in_force_from": str(one.from_), "file": one.file, "source": one.source}
        for one in standing if id(one) in held
    ]  # fmt: skip
