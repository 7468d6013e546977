"""Publish a run: what it says becomes final. All of it stands at the end, in the ledger and on disk, or none of it.

The first publication of a period pays; a later one (a new version) pays nothing itself: its difference to what was
published is an adjustment (补差/追回), which the next period published pays. DESIGN §7, §9.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline import ledger_tables as tables
from pipeline import states
from pipeline.decisions import decided_since
from pipeline.errors import ConfigurationError, InputError, UsageMistake
from pipeline.identity import code_version, sha256_of
from pipeline.ledger import PUBLISHED, Ledger, insert, now, open_ledger
from pipeline.ledger_laws import prove_laws
from pipeline.payees import Key, clearing_payments, still_to_pay
from pipeline.publication_files import Head, write_publication
from pipeline.region import Region
from pipeline.runfolder import MANIFEST, occupied, prove_finished
from pipeline.settle import settlement_on
from pipeline.standing import clearing_sha, current_publications, publications, results, standing
from pipeline.workdays import due_date, load_calendar
from pipeline.yardstick import period_days
from pipeline.year_steps import stop_unless_of_steps


@dataclass(frozen=True)
class Publication:
    """What was published: `fresh` is false where it stood already. Amounts in fen."""

    publication_id: str
    folder: Path
    period: str
    version: int
    run_id: str
    paid_fen: int
    difference_fen: int
    due_on: str
    fresh: bool


def publish(
    region: Region, run_id: str, out: Path, approved_by: str, ledger_url: str | None = None
) -> Publication:
    """Make a run of a region final. Raises UsageMistake where it may not be, InputError where files are altered."""
    name = region.pack.name
    with (
        occupied(out / name, name),
        open_ledger(out / name, name, code_version(), ledger_url) as ledger,
        ledger.occupied(),
    ):
        run = states.find_run(ledger, run_id)
        standing_now = {one.period: one for one in current_publications(ledger, run["kind"])}
        before = standing_now.get(run["period"])
        if before is not None and before.run_id == run["run_id"]:
            return _published_already(ledger, before.publication_id, out / name)
        _stop_unless_publishable(region, ledger, run, out, approved_by)
        version = before.version + 1 if before else 1
        return _Act(
            region, ledger, run, version, before.run_id if before else None, out / name, approved_by
        ).do()


def _stop_unless_publishable(
    region: Region, ledger: Ledger, run: dict[str, Any], out: Path, approved_by: str
) -> None:
    folder = out / ledger.region / run["folder"]
    manifest = prove_finished(folder)
    if sha256_of(folder / MANIFEST) != run["manifest_sha256"]:
        raise UsageMistake(f"批次 {run['run_id']} 与账本所记不同：{folder}；请移走文件夹后重新运行")
    if not approved_by.strip() or approved_by.strip().casefold() == run["computed_by"].strip().casefold():
        raise UsageMistake(
            f"计算人与审批人须是两个人：计算 `{run['computed_by']}`，审批 `{approved_by.strip()[:40]}`；"
            "请由另一人用 --approved-by 署名"
        )
    ledger.stop_on_clock(now())
    states.stop_unless_rechecked(ledger, run)
    is_month = run["kind"] == "month"
    stands = standing(ledger, run["period"], out).sha256 if is_month else clearing_sha(ledger, run["period"])
    if stands != manifest["standing"]["sha256"]:
        again = f"run {region.spoken} --period" if is_month else f"clear {region.spoken} --year"
        raise UsageMistake(
            f"批次 {run['run_id']}（{run['period']}）算好之后账本又有了新的发布，它的已付、结转与补差已经过时；"
            f"请重新 `drgdip {again} {run['period']}` 再发布"
        )
    if is_month:
        _stop_on_later_decisions(region, ledger, run, folder)
    else:
        stop_unless_of_steps(ledger, region, run["period"], out, manifest["standing"].get("steps"))
    year = run["period"][:4]
    if is_month and any(row["kind"] == "clear" and row["period"] == year for row in publications(ledger)):
        raise UsageMistake(
            f"{year} 年的清算已经发布，{run['period']} 不能再发布；如须更正，请作为下一年度的期间金额处理"
        )


def _stop_on_later_decisions(region: Region, ledger: Ledger, run: dict[str, Any], folder: Path) -> None:
    """A run does not know the decisions (特例单议) imported after it. Raises UsageMistake where one is about its cases."""
    wanted = decided_since(ledger, run["finished_at"])
    cases = pl.scan_parquet(folder / "case_payment.parquet")
    met = cases.filter(pl.col("case_id").is_in(wanted)).select(pl.len()).collect().item() if wanted else 0
    if met:
        raise UsageMistake(
            f"批次 {run['run_id']} 算好之后又导入了 {met} 个涉及它的单议决定，还没有算进去；"
            f"请重新 `drgdip run {region.spoken} --period {run['period']}` 再发布"
        )


@dataclass(frozen=True)
class _Act:
    """One act of publishing a month or a year, all that it needs at hand."""

    region: Region
    ledger: Ledger
    run: dict[str, Any]
    version: int
    before: str | None  # the run published until now
    home: Path
    approved_by: str

    def do(self) -> Publication:
        """Write the folder and the ledger in one step: a folder without its ledger row is made anew next time."""
        run, ledger = self.run, self.ledger
        publication_id = f"{ledger.region}/{run['period']}/v{self.version}"
        folder = self.home / PUBLISHED / f"{run['period']}-v{self.version}"
        due_on = self._due_on()
        published = results(ledger, run["run_id"])
        payments, adjustments = self._amounts(published, due_on)
        paid = sum(row["amount_fen"] for row in payments)
        head = Head(
            publication_id, self.region.pack.title, run["period"], self.version, run["run_id"],
            run["computed_by"], self.approved_by.strip(), due_on, self._last_day(),
        )  # fmt: skip
        adjusted = json.loads((self.home / run["folder"] / MANIFEST).read_text(encoding="utf-8"))["standing"][
            "adjusted"
        ]
        row = {
            "publication_id": publication_id, "region": ledger.region, "kind": run["kind"], "period": run["period"],
            "version": self.version, "run_id": run["run_id"], "folder": f"{PUBLISHED}/{folder.name}",
            "computed_by": run["computed_by"], "approved_by": head.approved_by,
            "published_at": ledger.next_moment(), "due_on": due_on.isoformat(), "paid_fen": paid,
        }  # fmt: skip
        _clear_away(folder, run["run_id"])
        with ledger.writing() as con:
            digest = write_publication(
                folder,
                head,
                self.home / run["folder"],
                self.region,
                payments,
                adjustments,
                self.region.accounts,
            )
            try:
                self._enter(con, row | {"manifest_sha256": digest}, payments, adjustments, adjusted)
            except BaseException:
                # Nothing stands in the ledger; a kill in here is made good by the next to publish.
                shutil.rmtree(folder)
                raise
        difference = sum(row["difference_fen"] for row in adjustments)
        return Publication(
            publication_id, folder, run["period"], self.version, run["run_id"], paid, difference,
            due_on.isoformat(), fresh=True,
        )  # fmt: skip

    def _enter(
        self, con: Connection, row: dict[str, Any], payments: list[dict[str, Any]], adjustments: list[dict[str, Any]],
        adjusted: list[str],
    ) -> None:  # fmt: skip
        """The ledger's side of publishing; the laws must hold with it, or it is not done."""
        mine = {"publication_id": row["publication_id"]}
        insert(con, tables.publication, [row])
        insert(con, tables.payment, [mine | one for one in payments])
        insert(con, tables.adjustment, [mine | one for one in adjustments])
        if self.before is None:
            insert(con, tables.adjustment_paid, [{"adjusted_publication_id": one} | mine for one in adjusted])
        insert(con, tables.period_state, [states.step(self.run, states.PUBLISHED, row["approved_by"])])
        prove_laws(self.ledger.region, lambda query: [dict(one) for one in con.execute(query).mappings()])

    def _amounts(
        self, published: list[dict[str, Any]], due_on: dt.date
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Payments and adjustments: a month computed again leaves its difference to the next, a year pays it itself."""
        adjustments = [] if self.before is None else self._adjustments(published)
        if self.run["kind"] == "clear":
            return self._clearing_payments(due_on), adjustments
        return (self._payments(published, due_on) if self.before is None else []), adjustments

    def _clearing_payments(self, due_on: dt.date) -> list[dict[str, Any]]:
        """What the year owes beyond what its earlier versions paid."""
        payment, publication = tables.payment, tables.publication
        rows = self.ledger.rows(
            sa.select(payment)
            .join(publication, publication.c.publication_id == payment.c.publication_id)
            .where(publication.c.region == self.ledger.region, publication.c.period == self.run["period"])
        )
        paid: dict[Key, int] = {}
        for row in rows:
            key = (row["hospital_id"], row["insurance_type"], row["payee_id"])
            paid[key] = paid.get(key, 0) + row["amount_fen"]
        wanted = clearing_payments(self.home / self.run["folder"])
        return [
            {"hospital_id": key[0], "insurance_type": key[1], "payee_id": key[2], "amount_fen": fen,
             "due_on": due_on.isoformat()}
            for key, fen in still_to_pay(wanted, paid).items()
        ]  # fmt: skip

    def _last_day(self) -> dt.date:
        period = self.run["period"]
        return period_days(period if self.run["kind"] == "month" else f"{period}-12")[1]

    def _due_on(self) -> dt.date:
        entry = settlement_on(self.region, self._last_day())
        if entry.declare_by_day is None or entry.due_workdays is None:
            raise ConfigurationError(
                f"地区参数没有拨付期限：{self.region.folder / 'region.yaml'} 的 settlement 缺 declare_by_day 或 due_workdays"
                "（次月几日前申报、几个工作日内拨付）；请补齐后再发布"
            )
        calendar = load_calendar(self.region.folder)
        if self.run["kind"] == "clear":  # counted from the day it is approved on
            return calendar.add_workdays(now().date(), entry.due_workdays)
        return due_date(calendar, self.run["period"], entry.declare_by_day, entry.due_workdays)

    def _payments(self, published: list[dict[str, Any]], due_on: dt.date) -> list[dict[str, Any]]:
        """What is paid to whom: an alliance's lead is paid for all its members (医共体)."""
        last = self._last_day()
        held = [one for one in self.region.memberships if one.from_ <= last <= one.to]
        lead_of = {one.alliance_id: one.hospital_id for one in held if one.role == "lead"}
        payee = {one.hospital_id: lead_of[one.alliance_id] for one in held}
        return [
            {"hospital_id": row["hospital_id"], "insurance_type": row["insurance_type"],
             "payee_id": payee.get(row["hospital_id"], row["hospital_id"]), "amount_fen": row["payable_fen"],
             "due_on": due_on.isoformat()}
            for row in published if row["payable_fen"]
        ]  # fmt: skip

    def _adjustments(self, published: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the new version owes beyond what was published, of this month alone."""
        assert self.before is not None
        old = {
            (row["hospital_id"], row["insurance_type"]): row["due_fen"]
            for row in results(self.ledger, self.before)
        }
        new = {(row["hospital_id"], row["insurance_type"]): row["due_fen"] for row in published}
        return [
            {"hospital_id": key[0], "insurance_type": key[1], "period": self.run["period"],
             "published_fen": old.get(key, 0), "recomputed_fen": new.get(key, 0),
             "difference_fen": new.get(key, 0) - old.get(key, 0)}
            for key in sorted(old.keys() | new.keys()) if old.get(key, 0) != new.get(key, 0)
        ]  # fmt: skip


def _clear_away(folder: Path, run_id: str) -> None:
    """A folder that the ledger does not know: of this run it was left by a kill and is made anew.

    Raises InputError for one of another run: the ledger may be an old copy, and finance has paid from that folder.
    """
    if not folder.exists():
        return
    try:
        other = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["run"] != run_id
    except (OSError, ValueError, KeyError):
        other = True
    if other:
        raise InputError(
            f"{folder} 是另一个批次的发布，账本里却没有它；若账本是旧的，请从备份恢复账本；若是上次发布中断所留，请移走后再发布"
        )
    shutil.rmtree(folder)


def _published_already(ledger: Ledger, publication_id: str, home: Path) -> Publication:
    """A run that is the current version already: nothing to do, and the files are proved."""
    table = tables.publication
    (row,) = ledger.rows(sa.select(table).where(table.c.publication_id == publication_id))
    differences = ledger.rows(
        sa.select(tables.adjustment.c.difference_fen).where(
            tables.adjustment.c.publication_id == publication_id
        )
    )
    prove_finished(home / row["folder"])
    return Publication(
        publication_id, home / row["folder"], row["period"], row["version"], row["run_id"], row["paid_fen"],
        sum(one["difference_fen"] for one in differences), row["due_on"], fresh=False,
    )  # fmt: skip
