"""How far a year has come before it is cleared: 方案制定 → 数据准备 → 综合考核, each by whom, when, and what it fixed.

What follows is recorded elsewhere: 金额核算 is the clearing's run, 审定拨付 its recheck and publication. DESIGN §7 Year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from pipeline import ledger_tables as tables
from pipeline.clear_ground import stop_unless_year
from pipeline.errors import AuditBroken, UsageMistake
from pipeline.identity import code_version
from pipeline.ledger import Ledger, insert, now, open_ledger, stamp
from pipeline.region import Region
from pipeline.region_check import stop_on_draft
from pipeline.runfolder import occupied
from pipeline.year_ground import assessment_of, data_of, plan_of, sha_of

PLAN, DATA, ASSESSMENT = "方案制定", "数据准备", "综合考核"
STEPS = {"plan": PLAN, "data": DATA, "assessment": ASSESSMENT}  # as the command line calls them, in order
CLEAR, PAY = "金额核算", "审定拨付"  # what follows the steps
SHOWN = 3  # changes in a sentence
LONGEST = 40  # of a value in a sentence


@dataclass(frozen=True)
class Taken:
    """A step as recorded; `fixed`: name → value. `fresh` is false where the same one stood already."""

    number: int
    step: str
    sha256: str
    said_by: str
    said_at: str
    note: str
    fixed: Mapping[str, str]
    fresh: bool = False


def recorded(ledger: Ledger, year: str) -> dict[str, Taken]:
    """The last row of every step of a year, by step."""
    table, things = tables.year_step, tables.year_fixed
    mine = (table.c.region == ledger.region) & (table.c.year == year)
    last = {row["step"]: row for row in ledger.rows(sa.select(table).where(mine).order_by(table.c.id))}
    found = {}
    for step, row in last.items():
        fixed = ledger.rows(sa.select(things).where(things.c.step_id == row["id"]).order_by(things.c.name))
        found[step] = Taken(
            row["id"], step, row["sha256"], row["said_by"], row["said_at"], row["note"],
            {one["name"]: one["value"] for one in fixed},
        )  # fmt: skip
    return found


def prove_steps(ledger: Ledger) -> int:
    """Every step's hash against what it fixed; how many. Raises AuditBroken where rows were altered past the program."""
    table, things = tables.year_step, tables.year_fixed
    fixed: dict[int, dict[str, str]] = {}
    for row in ledger.rows(sa.select(things)):
        fixed.setdefault(row["step_id"], {})[row["name"]] = row["value"]
    steps = ledger.rows(sa.select(table).where(table.c.region == ledger.region).order_by(table.c.id))
    for row in steps:
        found = sha_of(fixed.get(row["id"], {}))
        if found != row["sha256"]:
            raise AuditBroken(
                f"账本被改动：{row['year']} 年“{row['step']}”（第 {row['id']} 号）定下的内容应为 sha256 "
                f"{row['sha256'][:12]}…，实为 {found[:12]}…；请从备份恢复账本"
            )
    return len(steps)


def fixes(ledger: Ledger, region: Region, year: str, out: Path, step: str) -> dict[str, str]:
    """What a step would fix now. Raises UsageMistake, ConfigurationError where it cannot be taken."""
    if step == PLAN:
        return plan_of(region, year)
    return data_of(ledger, region, year, out) if step == DATA else assessment_of(ledger, region, year)


def gap(held: Mapping[str, Taken], step: str, current: Mapping[str, str]) -> str | None:
    """Why a step does not stand, in Chinese; None where it does. `current`: what it would fix now."""
    taken = held.get(step)
    if taken is None:
        return f"还没有“{step}”"
    order = list(STEPS.values())
    before = [one for one in order[: order.index(step)] if one in held and held[one].number > taken.number]
    if before:
        return f"“{before[0]}”是在“{step}”之后定的，“{step}”要在它之后重新确认"
    if sha_of(current) == taken.sha256:
        return None
    names = sorted(
        name for name in taken.fixed.keys() | current.keys() if taken.fixed.get(name) != current.get(name)
    )
    told = "；".join(_change(name, taken.fixed.get(name), current.get(name)) for name in names[:SHOWN])
    more = f"等 {len(names)} 项" if len(names) > SHOWN else ""
    return f"“{step}”之后变了：{told}{more}"


def stop_unless_fixed(
    ledger: Ledger, region: Region, year: str, out: Path, act: str = CLEAR
) -> dict[str, str]:
    """The hashes of the steps of a year by step; all of them must stand, or those before the step that `act` is.

    Raises UsageMistake naming the first that is missing, out of order, or fixed something that has changed since.
    """
    held = recorded(ledger, year)
    proved = {}
    for word, step in STEPS.items():
        if step == act:
            break
        why = gap(held, step, fixes(ledger, region, year, out, step) if step in held else {})
        if why is not None:
            trial = "；只想看看结果就加 --trial 试算" if act == CLEAR else ""
            raise UsageMistake(
                f"{year} 年不能做“{act}”：{why}；请先 `drgdip year {region.spoken} --year {year} --step {word} --by 姓名`{trial}"
            )
        proved[step] = held[step].sha256
    return proved


def stop_unless_of_steps(
    ledger: Ledger, region: Region, year: str, out: Path, steps: Mapping[str, str] | None
) -> None:
    """Before a clearing is published: the steps stand, and are those it was computed by. Raises UsageMistake."""
    if stop_unless_fixed(ledger, region, year, out, PAY) != steps:
        raise UsageMistake(
            f"这个批次不是按现在定下的方案、数据、考核算的；请重新 `drgdip clear {region.spoken} --year {year}` 再发布"
        )


def take_step(
    region: Region,
    year: str,
    step: str,
    out: Path,
    said_by: str,
    note: str = "",
    ledger_url: str | None = None,
) -> Taken:
    """Record a step (a value of STEPS) with all that it fixes; one that stands already is left as it is.

    Raises UsageMistake for a nameless one and where an earlier step does not stand.
    """
    stop_unless_year(year)
    if not said_by.strip():
        raise UsageMistake(f"“{step}”没有署名；请用 --by 写明是谁")
    stop_on_draft(region)
    name = region.pack.name
    with (
        occupied(out / name, name),
        open_ledger(out / name, name, code_version(), ledger_url) as ledger,
        ledger.occupied(),
    ):
        stop_unless_fixed(ledger, region, year, out, step)
        fixed = fixes(ledger, region, year, out, step)
        held = recorded(ledger, year)
        if gap(held, step, fixed) is None:
            return held[step]
        row = {
            "region": ledger.region, "year": year, "step": step, "sha256": sha_of(fixed), "said_by": said_by.strip(),
            "said_at": stamp(now()), "note": note,
        }  # fmt: skip
        table = tables.year_step
        with ledger.writing() as con:
            number = con.execute(sa.insert(table).values(row).returning(table.c.id)).scalar_one()
            insert(con, tables.year_fixed, [
                {"step_id": number, "name": one, "value": value} for one, value in sorted(fixed.items())
            ])  # fmt: skip
        return Taken(number, step, row["sha256"], row["said_by"], row["said_at"], note, fixed, fresh=True)


def _change(name: str, before: str | None, after: str | None) -> str:
    if max(len(before or ""), len(after or "")) > LONGEST:
        return name
    return f"{name}（{before or '没有'} → {after or '没有'}）"
