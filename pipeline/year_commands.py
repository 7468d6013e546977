"""What `drgdip year` shows: the five states of a year, by whom and when, and whether what they fixed still holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline import states
from pipeline.clear_ground import stop_unless_year
from pipeline.errors import UsageMistake, UserError
from pipeline.ledger import Ledger
from pipeline.ledger_commands import reading
from pipeline.region import Region, load_region
from pipeline.standing import publications, runs
from pipeline.year_steps import CLEAR, PAY, STEPS, fixes, gap, recorded


def step_called(word: str) -> str:
    """The step of a word of the command line. Raises UsageMistake for one that there is not."""
    if word not in STEPS:
        known = "、".join(f"{name}（{step}）" for name, step in STEPS.items())
        raise UsageMistake(f"没有 `{word[:20]}` 这一步；--step 只有 {known}")
    return STEPS[word]


def year_states(region: str, year: str, out: Path, ledger_url: str | None = None) -> list[dict[str, Any]]:
    """The five states of a year in order: state, said_by, said_at, note, and `open`: what is missing or has changed."""
    stop_unless_year(year)
    with reading(region, out, ledger_url) as ledger:
        return [*_steps(ledger, load_region(region), year, out), *_ending(ledger, year)]


def _steps(ledger: Ledger, region: Region, year: str, out: Path) -> list[dict[str, Any]]:
    held = recorded(ledger, year)
    found = []
    for step in STEPS.values():
        taken = held.get(step)
        try:
            missing = gap(held, step, fixes(ledger, region, year, out, step) if taken else {})
        except UserError as error:  # what stood then cannot even be made now
            missing = str(error)
        found.append(
            _line(step, taken.said_by, taken.said_at, taken.note, missing)
            if taken
            else _line(step, open=missing)
        )
    return found


def _ending(ledger: Ledger, year: str) -> list[dict[str, Any]]:
    """The run that was computed last, its recheck, and the year's current publication."""
    computed = [row for row in runs(ledger) if row["kind"] == "clear" and row["period"] == year]
    if not computed:
        return [_line(CLEAR, open="还没有清算"), _line(PAY, open="还没有发布")]
    run = computed[-1]
    first = _line(CLEAR, run["computed_by"], run["finished_at"], f"批次 {run['run_id']}")
    published = [row for row in publications(ledger) if row["kind"] == "clear" and row["period"] == year]
    if published:
        row = published[-1]
        since = None if row["run_id"] == run["run_id"] else f"批次 {run['run_id']} 还没有发布"
        note = f"第 {row['version']} 版，批次 {row['run_id']}"
        return [first, _line(PAY, row["approved_by"], row["published_at"], note, since)]
    rechecked = [row for row in states.steps(ledger, run["run_id"]) if row["state"] == states.RECHECKED]
    if rechecked:
        last = rechecked[-1]
        return [
            first,
            _line(PAY, last["said_by"], last["said_at"], f"复核 {last['note']}".rstrip(), "还没有发布"),
        ]
    return [first, _line(PAY, open="还没有复核")]


def _line(
    state: str, said_by: str = "", said_at: str = "", note: str = "", open: str | None = None
) -> dict[str, Any]:
    return {"state": state, "said_by": said_by, "said_at": said_at, "note": note, "open": open}
