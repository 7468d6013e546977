"""What earlier publications mean for a period: who is paid already, what is closed, carried and still to be settled.

A run is a function of this too, so it is part of the run's name (`sha256`). For a period that is published already it is
what the first version of that period met, so that computing it again differs only where data or parameters do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from pipeline import ledger_tables as tables
from pipeline.errors import InputError
from pipeline.identity import sha256_of
from pipeline.ledger import Ledger

MANIFEST = "manifest.json"
TAKEN = ("case_payment.parquet", "scored.parquet", "held.parquet")  # of a published run, by later months


@dataclass(frozen=True)
class Published:
    """The current publication of a period."""

    publication_id: str
    kind: str  # month | clear
    period: str
    version: int
    run_id: str
    manifest_sha256: str  # of the run


@dataclass(frozen=True)
class Amount:
    """Fen that a hospital has open in one insurance type."""

    hospital_id: str
    insurance_type: str
    amount_fen: int


@dataclass(frozen=True)
class Standing:
    """`others`: current publications of other months, by period. `held_from`: period/run whose held rows come again.

    `carried`: negative rests of the month published last; `adjustments`: differences of months computed again, to be
    settled with this one, from the publications `adjusted`.
    """

    period: str
    version: int  # of the period's own publication; 0 where there is none
    others: tuple[Published, ...] = ()
    carried: tuple[Amount, ...] = ()
    adjustments: tuple[Amount, ...] = ()
    adjusted: tuple[str, ...] = ()
    held_from: str | None = None

    @property
    def sha256(self) -> str:
        """Of all that a run of this period takes from earlier ones; the period's own version is not among it."""
        parts = {name: value for name, value in asdict(self).items() if name != "version"}
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()

    @property
    def closed_months(self) -> tuple[str, ...]:
        """Published months before this one: their late discharges come here."""
        return tuple(one.period for one in self.others if one.period < self.period)

    def described(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "sha256": self.sha256,
            "published": {one.period: one.run_id for one in self.others},
            "adjusted": list(self.adjusted),
            "held_from": self.held_from,
        }

    def amounts(self, name: str) -> pa.Table:
        """`carried` or `adjustments` as hospital_id, insurance_type, amount_fen."""
        found: tuple[Amount, ...] = getattr(self, name)
        schema = pa.schema(
            [("hospital_id", pa.string()), ("insurance_type", pa.string()), ("amount_fen", pa.int64())]
        )
        return pa.Table.from_pylist([asdict(one) for one in found], schema)


def publications(ledger: Ledger) -> list[dict[str, Any]]:
    """All publications of the region in the order of publishing."""
    table = tables.publication
    query = sa.select(table).where(table.c.region == ledger.region)
    return ledger.rows(query.order_by(table.c.published_at, table.c.publication_id))


def current_publications(ledger: Ledger, kind: str = "month") -> list[Published]:
    """The highest version of every published period of a kind, by period."""
    latest: dict[str, dict[str, Any]] = {}
    for row in publications(ledger):
        if row["kind"] == kind and row["version"] >= latest.get(row["period"], row)["version"]:
            latest[row["period"]] = row
    manifests = {row["run_id"]: row["manifest_sha256"] for row in runs(ledger)}
    return [
        Published(row["publication_id"], kind, period, row["version"], row["run_id"], manifests[row["run_id"]])
        for period, row in sorted(latest.items())
    ]  # fmt: skip


def runs(ledger: Ledger) -> list[dict[str, Any]]:
    """All runs of the region in the order in which they were finished."""
    table = tables.run
    return ledger.rows(
        sa.select(table).where(table.c.region == ledger.region).order_by(table.c.finished_at, table.c.run_id)
    )


def standing(ledger: Ledger, period: str, out: Path) -> Standing:
    """What the ledger says a run of this period starts from. Raises InputError where a published run is altered."""
    current = current_publications(ledger)
    others = tuple(one for one in current if one.period != period)
    for one in others:
        run_folder(out, ledger.region, one)
    first = next((row for row in publications(ledger) if row["period"] == period), None)
    if first is None:
        return Standing(period, 0, others, *_open_items(ledger, others))
    version = next(one.version for one in current if one.period == period)
    met = results(ledger, first["run_id"])
    said = json.loads((_of_run(ledger, out, first["run_id"]) / MANIFEST).read_text(encoding="utf-8"))[
        "standing"
    ]
    if said["held_from"]:
        _of_run(ledger, out, said["held_from"].partition("/")[2])
    return Standing(
        period, version, others, _amounts(met, "carried_in_fen"), _amounts(met, "adjustment_in_fen"),
        tuple(said["adjusted"]), said["held_from"],
    )  # fmt: skip


def run_folder(out: Path, region: str, one: Published) -> Path:
    """The folder of a published run, its manifest and what later months take from it proved. Raises InputError."""
    folder = out / region / one.period / one.run_id
    wanted = {MANIFEST: one.manifest_sha256}
    for name in (MANIFEST, *TAKEN):
        path = folder / name
        if not path.is_file() or sha256_of(path) != wanted.get(name):
            state = "被改动" if path.is_file() else "不见了"
            raise InputError(
                f"已发布的批次{state}：{path}（{one.period} 第 {one.version} 版）；请从备份恢复，再用 `drgdip verify` 核对"
            )
        if name == MANIFEST:
            wanted |= json.loads(path.read_text(encoding="utf-8"))["files"]
    return folder


def _of_run(ledger: Ledger, out: Path, run_id: str) -> Path:
    """The proved folder of a run that was published, be it superseded by now. Raises InputError."""
    row = next(row for row in publications(ledger) if row["run_id"] == run_id)
    manifest = next(run["manifest_sha256"] for run in runs(ledger) if run["run_id"] == run_id)
    one = Published(row["publication_id"], row["kind"], row["period"], row["version"], run_id, manifest)
    return run_folder(out, ledger.region, one)


def results(ledger: Ledger, run_id: str) -> list[dict[str, Any]]:
    """What a run says each hospital is owed, by hospital and insurance type."""
    table = tables.hospital_result
    query = sa.select(table).where(table.c.run_id == run_id)
    return ledger.rows(query.order_by(table.c.hospital_id, table.c.insurance_type))


def _open_items(
    ledger: Ledger, others: tuple[Published, ...]
) -> tuple[tuple[Amount, ...], tuple[Amount, ...], tuple[str, ...], str | None]:
    """Carried, adjustments, the publications they come from, and whose held rows are offered again."""
    months = [row for row in publications(ledger) if row["kind"] == "month"]
    firsts = [row for row in months if row["version"] == 1]
    last = firsts[-1] if firsts else None
    # A clearing settles what the months of its year left open.
    cleared = [row for row in publications(ledger) if row["kind"] == "clear"]
    settled = last is not None and any(row["period"] == last["period"][:4] for row in cleared)
    carried = _amounts(results(ledger, last["run_id"]), "carried_fen") if last and not settled else ()
    adjustments, adjusted = pending_adjustments(ledger)
    held_from = next(
        (f"{one.period}/{one.run_id}" for one in others if last and one.period == last["period"]), None
    )
    return carried, adjustments, adjusted, held_from


def open_of_year(ledger: Ledger, year: str) -> tuple[tuple[Amount, ...], tuple[Amount, ...], tuple[str, ...]]:
    """What the published months of a year leave to its clearing: carried, adjustments, and the latter's publications.

    Carried is the rest of the month published last, where that lies in the year: an earlier rest was taken up. Once the
    year is cleared it is what its first clearing met, so that a clearing made anew differs only where data do.
    """
    rows = publications(ledger)
    cleared = [number for number, row in enumerate(rows) if row["kind"] == "clear" and row["period"] == year]
    mine = {rows[number]["publication_id"] for number in cleared}
    firsts = [
        row
        for row in rows[: cleared[0] if cleared else None]
        if row["kind"] == "month" and row["version"] == 1
    ]
    last = firsts[-1] if firsts else None
    ends_here = last is not None and last["period"].startswith(f"{year}-")
    carried = _amounts(results(ledger, last["run_id"]), "carried_fen") if last and ends_here else ()
    adjustments, adjusted = pending_adjustments(ledger, f"{year}-", mine)
    return carried, adjustments, adjusted


def clearing_sha(ledger: Ledger, year: str) -> str:
    """The hash of what a clearing starts from: the months as published and what is still open of them."""
    months = [
        one.manifest_sha256 for one in current_publications(ledger) if one.period.startswith(f"{year}-")
    ]
    carried, adjustments, _ = open_of_year(ledger, year)
    opened = [[one.hospital_id, one.insurance_type, one.amount_fen] for one in (*carried, *adjustments)]
    return hashlib.sha256(json.dumps([year, months, opened], ensure_ascii=False).encode()).hexdigest()


def pending_adjustments(
    ledger: Ledger, periods: str = "", settled_by: Collection[str] = ()
) -> tuple[tuple[Amount, ...], tuple[str, ...]]:
    """Differences of recomputed months that no publication has settled yet, summed; and their publications.

    `periods`: how the months begin that are asked for; all without it. `settled_by`: publications whose own share in
    settling them does not count.
    """
    table, paid = tables.adjustment, tables.adjustment_paid
    mine = {row["publication_id"] for row in publications(ledger) if row["kind"] == "month"}
    done = {
        row["adjusted_publication_id"]
        for row in ledger.rows(sa.select(paid))
        if row["publication_id"] not in settled_by
    }
    rows = [
        row
        for row in ledger.rows(sa.select(table))
        if row["publication_id"] in mine
        and row["publication_id"] not in done
        and row["period"].startswith(periods)
    ]
    sums: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["hospital_id"], row["insurance_type"])
        sums[key] = sums.get(key, 0) + row["difference_fen"]
    found = tuple(Amount(*key, fen) for key, fen in sorted(sums.items()) if fen)
    return found, tuple(sorted({row["publication_id"] for row in rows}))


def _amounts(rows: list[dict[str, Any]], name: str) -> tuple[Amount, ...]:
    return tuple(Amount(row["hospital_id"], row["insurance_type"], row[name]) for row in rows if row[name])
