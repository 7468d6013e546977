"""Decisions of special case review (特例单议): what each says, and how the ledger keeps them.

Rows of the ledger are never altered; of two decisions about a case the later import counts.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import sqlalchemy as sa

from pipeline import ledger_tables as tables
from pipeline.ledger import Ledger, insert, now, stamp

Verdict = Literal["by_item", "adjusted", "rejected"]


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


def store(ledger: Ledger, decisions: Sequence[Decision], file_sha256: str, imported_by: str) -> bool:
    """Enter a list in the ledger, all of it or nothing; False where it changes nothing of what stands already."""
    held = {one.case_id: one for one in load_decisions(ledger)}
    if all(held.get(one.case_id) == one for one in decisions):
        return False
    told = {
        "region": ledger.region,
        "file_sha256": file_sha256,
        "imported_by": imported_by,
        "imported_at": stamp(now()),
    }
    with ledger.writing() as con:
        insert(con, tables.decision, [_row(one) | told for one in decisions])
    return True


def load_decisions(ledger: Ledger, until: str | None = None) -> tuple[Decision, ...]:
    """The decision that counts of every case, by case_id; `until`: as it was at that moment of the ledger."""
    table = tables.decision
    mine = table.c.region == ledger.region
    if until is not None:
        mine &= table.c.imported_at <= until
    rows = ledger.rows(sa.select(table).where(mine).order_by(table.c.id))
    held = {
        row["case_id"]: Decision(
            row["case_id"], row["decision"], row["standard_fen"], row["rank"], row["reviewer"],
            dt.date.fromisoformat(row["decided_on"]), row["reason"], row["document"],
        )
        for row in rows
    }  # fmt: skip
    return tuple(held[case_id] for case_id in sorted(held))


def decided_since(ledger: Ledger, moment: str) -> list[str]:
    """Cases whose decision is another now than at that moment: a run finished then does not know it."""
    before = {one.case_id: one for one in load_decisions(ledger, moment)}
    return [one.case_id for one in load_decisions(ledger) if before.get(one.case_id) != one]


def _row(one: Decision) -> dict[str, Any]:
    return {**asdict(one), "decided_on": one.decided_on.isoformat()}
