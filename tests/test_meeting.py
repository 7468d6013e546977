"""The meeting of tests/bench/meeting.py in small: two months, a few hundred cases, every command in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import in_process

from tests.bench.meeting import Meeting, play, prepare


def command(words: Sequence[str], folder: Path) -> tuple[int, str, str]:
    done = in_process(*words)
    return done.code, done.out, done.err


@pytest.mark.slow
def test_a_meeting_is_held_applied_and_undone(tmp_path: Path) -> None:
    """Every sum is proved inside: complaints by cell, Σ w·n, adjustments = new − old publication, net zero at the end."""
    meeting = Meeting(tmp_path, ["2025-01", "2025-02"], command)
    prepare(meeting, cases=600, hospitals=3)
    done = play(meeting)
    assert (
        done["accepted"]["replaces"] == "weights-2025.csv"
        and done["undone"]["replaces"] == "weights-2025-01-01-1.csv"
    )
    assert {month for month, _, _ in done["moved"]} == {"2025-01", "2025-02"}
    assert sum(done["moved"].values()) == -sum(done["back"].values())
