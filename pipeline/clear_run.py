"""Clear a year from its published months: gather what the ledger holds, clear, prove, write (DESIGN §7 Year, §9).

`out/<region>/<year>/<run>/` is a run like a month's: named by what it is made from, entered in the ledger, published with
two names. A trial (测算) stands in `out/<region>/trial/` and can never be published.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.alliance import clear_alliances, months_of
from pipeline.alliance_workbook import AllianceYear, write_year_books
from pipeline.budgets import Budget
from pipeline.clear import assessments_of, clear_year, clearing_on
from pipeline.clear_files import write_clearing
from pipeline.clear_ground import NO_TRIAL, Trial, budgets_of_year, months_of_year, stop_unless_year
from pipeline.finish import Tick
from pipeline.identity import Identity, code_version
from pipeline.ledger import Ledger, now, open_ledger
from pipeline.ledger_entries import enter_run
from pipeline.pack_clearing import ClearingEntry
from pipeline.query import engine, parquet_view, rows
from pipeline.reclassify import Reclassifying, clear_reclassified
from pipeline.region import Region, amounts_of_year
from pipeline.region_check import stop_on_draft
from pipeline.runfolder import finished, log_run, occupied, point_to, prove_finished, write_manifest
from pipeline.settle import hospitals_on
from pipeline.simulate_inputs import present_of, stored_months
from pipeline.standing import Published, clearing_sha, open_of_year, run_folder
from pipeline.write import appearing
from pipeline.year_steps import stop_unless_fixed

# What the months paid: of hospital_payment, with the month.
PAID = (
    "hospital_id", "insurance_type", "period", "fund_fen", "prepay_fen", "audit_deduction_fen", "settled_fen",
    "revolving_offset_fen", "deposit_fen", "due_fen",
)  # fmt: skip
ADVANCED, RETURNED = "advance", "advance_return"
AUDITED = ("audit_deduction", "annual_audit_deduction")


@dataclass(frozen=True)
class Cleared:
    """Where a clearing stands. `fresh` is false where the same one stood there already."""

    folder: Path
    run: str
    manifest: dict[str, Any]
    fresh: bool
    trial: bool


def run_clearing(
    region: Region, year: str, out: Path, computed_by: str | None = None, trial: Trial = NO_TRIAL,
    memory_limit: str = "3GiB", tick: Tick = lambda stage, done, total: None, ledger_url: str | None = None,
) -> Cleared:  # fmt: skip
    """Clear a year of a region. Raises UsageMistake where months or steps are missing, and the errors of the stage."""
    stop_unless_year(year)
    stop_on_draft(region)
    entry = trial.entry or clearing_on(region, int(year))
    name = region.pack.name
    with (
        occupied(out / name, name),
        open_ledger(out / name, name, code_version(), ledger_url) as ledger,
        ledger.occupied(),
    ):
        started = now()
        months = months_of_year(ledger, year, some=trial.is_one)
        budgets = budgets_of_year(region, entry, int(year), trial.budgets_fen)
        steps = {} if trial.is_one else stop_unless_fixed(ledger, region, year, out)
        identity, described = _identity(ledger, region, year, months, entry, budgets, steps)
        home = out / name / ("trial" if trial.is_one else year)
        folder = home / identity.run
        fresh = not finished(folder)
        if fresh:
            work = _Clearing(
                region, ledger, year, months, entry, budgets, identity, described, out, trial.is_one
            )
            manifest = work.compute(folder, memory_limit, tick)
        else:
            manifest = prove_finished(folder)
        if not trial.is_one:
            enter_run(ledger, "clear", manifest, folder, started, computed_by)
            point_to(home, identity.run)
        log_run(out / name, manifest, started, fresh)
    return Cleared(folder, identity.run, manifest, fresh, trial.is_one)


def _identity(
    ledger: Ledger, region: Region, year: str, months: Sequence[Published], entry: ClearingEntry,
    budgets: Sequence[Budget], steps: Mapping[str, str],
) -> tuple[Identity, dict[str, Any]]:  # fmt: skip
    """A clearing is named by the months as published, what is still open of them, pack, code, entry, budgets, steps."""
    _, _, adjusted = open_of_year(ledger, year)
    stands = clearing_sha(ledger, year)
    parts = [
        stands, region.sha256, code_version(), entry.model_dump_json(), [str(budget) for budget in budgets],
        dict(steps),
    ]  # fmt: skip
    run = hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:12]
    standing = {
        "sha256": stands,
        "published": {one.period: one.run_id for one in months}, "adjusted": list(adjusted), "held_from": None,
        "steps": dict(steps),
    }  # fmt: skip
    inputs = tuple((f"{one.period}/{one.run_id}", one.manifest_sha256) for one in months)
    return Identity(run, year, inputs, (), region.sha256, code_version()), standing


@dataclass(frozen=True)
class _Clearing:
    """One clearing with all that it is made from."""

    region: Region
    ledger: Ledger
    year: str
    months: list[Published]
    entry: ClearingEntry
    budgets: list[Budget]
    identity: Identity
    standing: dict[str, Any]
    out: Path
    trial: bool

    def compute(self, folder: Path, memory_limit: str, tick: Tick) -> dict[str, Any]:
        """Make the folder; it appears complete, with its manifest, or not at all."""
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (
            appearing(folder, folder=True) as beside,
            tempfile.TemporaryDirectory(prefix=".spill-", dir=folder.parent) as spill,
            engine(Path(spill), memory_limit) as con,
        ):
            tick("score", 0, 1)
            self._register_months(con)
            self._register_money(con)
            tick("settle", 0, 1)
            laws = self._clear(con, beside, Path(spill), memory_limit)
            for table in ("hospital_clearing", "case_clearing"):
                parquet_view(con, table, [beside / f"{table}.parquet"])
            con.register("alliance_months", months_of(self.region, int(self.year)))
            laws += clear_alliances(con, self.region, int(self.year), beside)
            tick("write", 0, 0)
            write_clearing(
                con, self.region, self.entry, int(self.year), self.identity.run, beside, self.trial
            )
            pack, year = self.region.pack, int(self.year)
            created = dt.datetime(year, 12, 31)
            write_year_books(beside, AllianceYear(pack.title, year, self.identity.run, pack.version, created))
            return write_manifest(
                beside, self.identity, self.region, {}, self._totals(con), laws, self.standing, []
            )

    def _clear(
        self, con: duckdb.DuckDBPyConnection, beside: Path, spill: Path, memory_limit: str
    ) -> list[str]:
        """Clear the year, its classes decided anew where the entry says so."""
        year, region = int(self.year), self.region
        if self.entry.reclassify == "never":
            return clear_year(con, self.entry, year, beside)
        folders = [run_folder(self.out, region.pack.name, one) for one in self.months]
        work = Reclassifying(stored_months(folders, region), present_of(region), spill, memory_limit)

        def register(other: duckdb.DuckDBPyConnection) -> None:
            self._register_months(other)
            self._register_money(other)

        return clear_reclassified(con, self.entry, year, beside, register, work)

    def _register_months(self, con: duckdb.DuckDBPyConnection) -> None:
        """year_scored and year_rules of the months as published."""
        folders = {one.period: run_folder(self.out, self.region.pack.name, one) for one in self.months}
        con.register("year_files", pa.table({
            "filename": [str(folder / "scored.parquet") for folder in folders.values()], "period": list(folders),
        }))  # fmt: skip
        parquet_view(con, "month_scored", [one / "scored.parquet" for one in folders.values()], filename=True)
        parquet_view(con, "month_rules", [one / "rules_used.parquet" for one in folders.values()])
        con.execute(
            "CREATE VIEW year_scored AS SELECT s.* EXCLUDE (filename), f.period "
            "FROM month_scored s JOIN year_files f USING (filename)"
        )
        con.register("validated_files", pa.table({
            "filename": [str(folder / "validated.parquet") for folder in folders.values()], "period": list(folders),
        }))  # fmt: skip
        validated = [one / "validated.parquet" for one in folders.values()]
        parquet_view(con, "month_validated", validated, filename=True)
        con.execute(
            "CREATE VIEW year_validated AS SELECT v.input_row, v.insured_area, f.period "
            "FROM month_validated v JOIN validated_files f USING (filename)"
        )
        parquet_view(
            con, "month_paid", [one / "hospital_payment.parquet" for one in folders.values()], filename=True
        )
        con.register("paid_files", pa.table({
            "filename": [str(folder / "hospital_payment.parquet") for folder in folders.values()],
            "period": list(folders),
        }))  # fmt: skip
        con.execute(
            "CREATE VIEW year_rules AS SELECT DISTINCT rule_id, fund_method, fund_of, negative_kept FROM month_rules"
        )

    def _register_money(self, con: duckdb.DuckDBPyConnection) -> None:
        """What the months settled and paid, advances, audits, budgets, assessments and hospitals."""
        con.execute(
            f"CREATE TABLE year_paid AS SELECT {', '.join(PAID)} FROM month_paid JOIN paid_files USING (filename)"
        )
        carried, adjustments, _ = open_of_year(self.ledger, self.year)
        cash = {
            (row["hospital_id"], row["insurance_type"]): row["due_fen"]
            for row in rows(
                con,
                "SELECT hospital_id, insurance_type, sum(due_fen)::BIGINT AS due_fen FROM year_paid GROUP BY ALL",
            )
        }
        for one in (*carried, *adjustments):  # what the months still owe or are owed was not paid
            key = (one.hospital_id, one.insurance_type)
            cash[key] = cash.get(key, 0) - one.amount_fen
        con.register("year_cash", _keyed([(*key, fen) for key, fen in sorted(cash.items())], "cash_fen"))
        amounts = amounts_of_year(self.region, self.year)
        lent = [
            {"hospital_id": one.hospital_id, "insurance_type": one.insurance_type,
             "advanced_fen": one.amount_fen if one.kind == ADVANCED else 0,
             "returned_fen": one.amount_fen if one.kind == RETURNED else 0}
            for one in amounts if one.kind in (ADVANCED, RETURNED)
        ]  # fmt: skip
        con.register("year_advances", pa.Table.from_pylist(lent, pa.schema([
            ("hospital_id", pa.string()), ("insurance_type", pa.string()), ("advanced_fen", pa.int64()),
            ("returned_fen", pa.int64()),
        ])))  # fmt: skip
        audits = [
            (one.hospital_id, one.insurance_type, one.amount_fen) for one in amounts if one.kind in AUDITED
        ]
        con.register("year_audits", _keyed(audits, "audit_fen"))
        con.register("budgets", pa.table({
            "insurance_type": pa.array([one.insurance_type for one in self.budgets], pa.string()),
            "budget_line": pa.array([one.budget_line for one in self.budgets], pa.string()),
            "fund_fen": pa.array([one.fund_fen for one in self.budgets], pa.int64()),
            "version": pa.array([one.version for one in self.budgets], pa.int32()),
        }))  # fmt: skip
        con.register("assessments", assessments_of(self.region, int(self.year)))
        con.register("hospitals", hospitals_on(self.region, dt.date(int(self.year), 12, 31)))

    def _totals(self, con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        (found,) = rows(con, (
            "SELECT coalesce(sum(cases), 0)::BIGINT AS cases, coalesce(sum(total_fee_fen), 0)::BIGINT AS total_fee_fen, "
            "coalesce(sum(standard_fen), 0)::BIGINT AS standard_fen, "
            "coalesce(sum(fund_from_points_fen), 0)::BIGINT AS fund_fen, "
            "coalesce(sum(entitlement_fen), 0)::BIGINT AS entitlement_fen, "
            "coalesce(sum(clearing_fen), 0)::BIGINT AS payable_fen FROM hospital_clearing"
        ))  # fmt: skip
        (lines,) = rows(con, "SELECT count(*) AS rows_in FROM case_clearing")
        return {**lines, "paid": lines["rows_in"], "refused": 0, "held": 0, **found}


def _keyed(found: Sequence[tuple[str, str, int]], name: str) -> pa.Table:
    schema = pa.schema([("hospital_id", pa.string()), ("insurance_type", pa.string()), (name, pa.int64())])
    return pa.Table.from_pylist(
        [{"hospital_id": one[0], "insurance_type": one[1], name: one[2]} for one in found], schema
    )
