"""What `regions check` says of a pack: one problem a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SHOWN = 8


@dataclass(frozen=True)
class Problem:
    """An error stops the pack from being used; a warning is for a person to judge.

    `refuses_cases`: a run goes on, since it refuses the cases concerned one by one (no price, no rate).
    """

    severity: Literal[
        "error", "warning", "supply", "unverified"
    ]  # the last two: what a draft still waits for
    where: str
    message: str
    refuses_cases: bool = False


def some(names: Sequence[str]) -> str:
    """The first of many names, and how many there are."""
    return "、".join(names[:SHOWN]) + (f" 等 {len(names)} 个" if len(names) > SHOWN else "")
