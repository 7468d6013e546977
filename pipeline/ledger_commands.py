"""What the commands about the ledger do, short of publishing: confirm, recheck, list and show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline import ledger_tables as tables
from pipeline import states
from pipeline.errors import UsageMistake
from pipeline.finish import Tick
from pipeline.identity import code_version
from pipeline.ledger import FILE, Ledger, open_ledger
from pipeline.publish import publish
from pipeline.region import load_region
from pipeline.rerun import published_between, rerun_month
from pipeline.runfolder import occupied
from pipeline.standing import publications, results
from pipeline.standing import runs as all_runs


@contextmanager
def reading(region: str, out: Path, ledger_url: str | None) -> Iterator[Ledger]:
    """The ledger of a region to look into. Raises UsageMistake where nothing was ever computed."""
    name = load_region(region).pack.name
    if ledger_url is None and not (out / name / FILE).is_file():
        raise UsageMistake(
            f"地区 `{name}` 在 {out} 里还没有账本；请先 `drgdip run {region} --period 年-月`，或用 --out 指明文件夹"
        )
    with open_ledger(out / name, name, code_version(), ledger_url) as ledger:
        yield ledger


def confirm_run(
    region: str, run_id: str, out: Path, by: str, hospitals: Sequence[str], objection: str | None,
    ledger_url: str | None,
) -> int:  # fmt: skip
    """Enter a hospital's word (all hospitals of the run where none is named); returns how many."""
    state = states.CONFIRMED if objection is None else states.OBJECTED
    name = load_region(region).pack.name
    with reading(region, out, ledger_url) as ledger, occupied(out / name, name), ledger.occupied():
        run = states.find_run(ledger, run_id)
        known = {row["hospital_id"] for row in results(ledger, run["run_id"])}
        strange = [one for one in hospitals if one not in known]
        if strange or (objection is not None and not (hospitals and objection.strip())):
            what = (
                f"批次里没有医院 `{strange[0][:40]}`"
                if strange
                else "申诉须写明医院（--hospital）和理由（--object）"
            )
            raise UsageMistake(f"{what}；请核对后再记")
        for hospital_id in hospitals or sorted(known):
            states.say(ledger, run, state, by, objection or "", hospital_id)
    return len(hospitals or known)


def recheck_run(
    region: str, run_id: str, out: Path, by: str, note: str, ledger_url: str | None
) -> dict[str, Any]:
    """Enter that a run was rechecked (复核)."""
    name = load_region(region).pack.name
    with reading(region, out, ledger_url) as ledger, occupied(out / name, name), ledger.occupied():
        run = states.find_run(ledger, run_id)
        states.say(ledger, run, states.RECHECKED, by, note)
    return run


def listed_runs(region: str, out: Path, ledger_url: str | None) -> list[dict[str, Any]]:
    """Every run of a region with the versions under which it was published."""
    with reading(region, out, ledger_url) as ledger:
        published: dict[str, list[int]] = {}
        for row in publications(ledger):
            published.setdefault(row["run_id"], []).append(row["version"])
        return [row | {"published_as": published.get(row["run_id"], [])} for row in all_runs(ledger)]


def shown_run(region: str, run_id: str, out: Path, ledger_url: str | None) -> dict[str, Any]:
    """A run with its inputs, schemes, hospital results and steps."""
    with reading(region, out, ledger_url) as ledger:
        run = states.find_run(ledger, run_id)
        of_run = {
            name: ledger.rows(
                sa.select(table).where(table.c.run_id == run["run_id"]).order_by(*table.primary_key.columns)
            )
            for name, table in (
                ("inputs", tables.run_input), ("schemes", tables.run_scheme), ("hospitals", tables.hospital_result),
                ("steps", tables.period_state), ("publications", tables.publication),
            )
        }  # fmt: skip
        return run | of_run


def rerun_months(
    region: str, first: str, last: str, out: Path, computed_by: str | None, names: tuple[str | None, str | None],
    memory_limit: str, tick: Tick, ledger_url: str | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Compute published months again, in order; with (rechecked_by, approved_by) publish each before the next.

    The months are tied: a reversal takes back what an earlier month pays now, so each is published before the next.
    """
    rechecked_by, approved_by = names
    if (rechecked_by is None) != (approved_by is None):
        raise UsageMistake("要发布须同时写明 --rechecked-by 与 --approved-by；只想试算就都不写")
    pack = load_region(region)
    with reading(region, out, ledger_url) as ledger:
        periods = published_between(ledger, first, last)
    found = []
    for period in periods:
        made = rerun_month(pack, period, out, computed_by, memory_limit, tick, ledger_url)
        line = {
            "period": period, "run": made.outcome.run, "published_fen": made.published_fen,
            "recomputed_fen": made.recomputed_fen, "hospitals_changed": made.hospitals_changed,
            "version": made.version, "is_published": False,
        }  # fmt: skip
        if rechecked_by is not None and approved_by is not None:
            recheck_run(region, made.outcome.run, out, rechecked_by, "重算", ledger_url)
            done = publish(pack, made.outcome.run, out, approved_by, ledger_url)
            line |= {"version": done.version, "is_published": True}
        found.append(line)
    return found
