"""Decisions of special case review (特例单议): what each says, and where a region keeps them.

One file per imported list under `<out>/<region>/decisions/`, never altered; lists are numbered in order of import, and
of two decisions about a case the later counts. A ledger may take the place of the files: nothing else knows of them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import InputError
from pipeline.write import appearing

Verdict = Literal["by_item", "adjusted", "rejected"]
FOLDER = "decisions"


@dataclass(frozen=True)
class Decision:
    """What the reviewers decided about one case. `standard_fen`: the payment standard of `adjusted`, else None.

    `rank`: place in the list, 1 is served first when the quota does not suffice; 0 where a rejection has none.
    """

    case_id: str
    decision: Verdict
    standard_fen: int | None
    rank: int
    reviewer: str
    decided_on: dt.date
    reason: str
    document: str

    @property
    def approves(self) -> bool:
        """Whether it takes a place of the quota."""
        return self.decision != "rejected"


def decisions_sha(decisions: Iterable[Decision]) -> str:
    """The hash of a set of decisions in whatever order they come: part of the name of a run that meets them."""
    rows = sorted((_row(one) for one in decisions), key=lambda row: str(row["case_id"]))
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def store(home: Path, decisions: Sequence[Decision], imported_by: str) -> Path | None:
    """Keep a list as `<home>/decisions/<sha12>.json`; None where it changes nothing of what is kept already.

    `home` is `<out>/<region>`; the caller holds the region's lock. Raises InputError as `load_decisions`.
    """
    kept = _lists(home)
    held = _latest(kept)
    if all(held.get(one.case_id) == one for one in decisions):
        return None
    number = len(kept) + 1
    rows = [_row(one) for one in decisions]
    name = hashlib.sha256(json.dumps([number, rows], ensure_ascii=False).encode()).hexdigest()[:12]
    target = home / FOLDER / f"{name}.json"
    content = {"number": number, "imported_by": imported_by, "decisions": rows}
    with appearing(target) as beside:
        beside.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return target


def load_decisions(home: Path) -> tuple[Decision, ...]:
    """The decision that counts of every case, by case_id. Raises InputError for a file that cannot be read."""
    held = _latest(_lists(home))
    return tuple(held[case_id] for case_id in sorted(held))


def _latest(lists: Sequence[dict[str, Any]]) -> dict[str, Decision]:
    return {one.case_id: one for content in lists for one in content["decisions"]}


def _lists(home: Path) -> list[dict[str, Any]]:
    """Every kept list in order of import, its rows as decisions."""
    found = [_list(path) for path in sorted((home / FOLDER).glob("*.json"))]
    found.sort(key=lambda content: content["number"])
    numbers = [content["number"] for content in found]
    if numbers != list(range(1, len(found) + 1)):
        raise InputError(
            f"单议决定不完整：{home / FOLDER} 应有第 1 至 {max(numbers)} 次导入各一份，实有 {len(numbers)} 份；"
            "请从备份恢复缺的文件"
        )
    return found


def _list(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            Decision(**{**row, "decided_on": dt.date.fromisoformat(row["decided_on"])})
            for row in content["decisions"]
        ]
        return {"number": int(content["number"]), "decisions": rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"单议决定读不出来：{path}（{type(error).__name__}）；请从备份恢复该文件，不要手工改动"
        ) from error


def _row(one: Decision) -> dict[str, Any]:
    return {**asdict(one), "decided_on": one.decided_on.isoformat()}
