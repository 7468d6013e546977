"""How far a period has come: 预结算 → 医院确认/申诉 → 复核 → 发布. Every step is a row of the ledger, by whom and when."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pipeline import ledger_tables as tables
from pipeline.errors import UsageMistake
from pipeline.ledger import Ledger, insert, now, stamp

CONFIRMED, OBJECTED, RECHECKED, PUBLISHED = "医院确认", "医院申诉", "复核", "发布"
CALCULATED = "预结算"


def find_run(ledger: Ledger, run_id: str) -> dict[str, Any]:
    """The run of this id or of its beginning. Raises UsageMistake where none or several are meant."""
    table = tables.run
    found = (
        ledger.rows(
            sa.select(table).where(
                table.c.region == ledger.region, table.c.run_id.startswith(run_id, autoescape=True)
            )
        )
        if run_id
        else []
    )
    if len(found) != 1:
        several = f"有 {len(found)} 个批次以它开头" if found else "账本里没有这个批次"
        raise UsageMistake(f"批次 `{run_id[:40]}`：{several}；请用 `drgdip runs {ledger.region}` 查看批次号")
    return found[0]


def steps(ledger: Ledger, run_id: str) -> list[dict[str, Any]]:
    """What was said about a run, in order."""
    table = tables.period_state
    return ledger.rows(sa.select(table).where(table.c.run_id == run_id).order_by(table.c.id))


def say(
    ledger: Ledger, run: dict[str, Any], state: str, said_by: str, note: str = "", hospital_id: str = ""
) -> None:
    """Add a step. Raises UsageMistake for a nameless one."""
    if not said_by.strip():
        raise UsageMistake(f"“{state}”没有署名；请用 --by 写明是谁")
    with ledger.writing() as con:
        insert(con, tables.period_state, [step(run, state, said_by, note, hospital_id)])


def step(
    run: dict[str, Any], state: str, said_by: str, note: str = "", hospital_id: str = ""
) -> dict[str, Any]:
    """A row of period_state."""
    return {
        "region": run["region"], "period": run["period"], "run_id": run["run_id"], "state": state,
        "hospital_id": hospital_id, "said_by": said_by.strip(), "said_at": stamp(now()), "note": note,
    }  # fmt: skip


def stop_unless_rechecked(ledger: Ledger, run: dict[str, Any]) -> None:
    """Raises UsageMistake where nobody rechecked the run, or a hospital objected after it was rechecked."""
    said = steps(ledger, run["run_id"])
    rechecked = max((row["id"] for row in said if row["state"] == RECHECKED), default=None)
    if rechecked is None:
        raise UsageMistake(
            f"批次 {run['run_id']}（{run['period']}）还没有复核，不能发布；"
            f"请先 `drgdip recheck {run['region']} {run['run_id']} --by 姓名`"
        )
    later = [row["hospital_id"] for row in said if row["state"] == OBJECTED and row["id"] > rechecked]
    if later:
        raise UsageMistake(
            f"批次 {run['run_id']} 复核之后又有 {len(later)} 家医院申诉（{'、'.join(later[:5])}），不能发布；"
            "请处理后重新复核"
        )
