"""What all tests share: a small invented month, a finished run of it, and the command line in this process."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import settings

from pipeline import cli
from pipeline.synth import synthesise
from tests.schemes_once import read_schemes_once

# `make test` has five minutes; `make bench` looks harder.
settings.register_profile("fast", max_examples=16, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=400, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

read_schemes_once()
# As `cli.main` has it: schemes are 100,000 small rows, and collecting among them costs a third of a test.
gc.set_threshold(200_000, 50, 50)

ROOT = Path(__file__).parent.parent
PERIOD = "2025-10"
COMMAND = (sys.executable, "-c", "from pipeline.cli import main; main()")


@dataclass(frozen=True)
class Said:
    """How a command ended: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Finished:
    """A finished run: where it was read from, the folder given as --out, and the run's own folder."""

    source: Path
    out: Path
    folder: Path

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.folder / f"{name}.parquet")


# The tree of commands is the same for every call; to make it takes longer than most commands.
command_tree = cache(typer.main.get_command)


def in_process(*words: object) -> Said:
    """`drgdip WORDS` in this process; an exception that the command line lets through is a failed test."""
    out, err = io.StringIO(), io.StringIO()
    mask = os.umask(0o077)
    try:
        with (
            mock.patch.object(sys, "argv", ["drgdip", *map(str, words)]),
            mock.patch.object(typer.main, "get_command", command_tree),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            cli.main()
    finally:
        os.umask(mask)
    code = ended.value.code
    return Said(code if isinstance(code, int) else 1, out.getvalue(), err.getvalue())


def environment(**more: str) -> dict[str, str]:
    """The environment of a command in a process of its own; this checkout comes first."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def in_subprocess(*words: object, cwd: Path = ROOT, **more: str) -> Said:
    """`drgdip WORDS` in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)], cwd=cwd, env=environment(**more), capture_output=True, timeout=120
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_month(source: Path, out: Path, *words: object, region: str | Path = "demo-rate") -> Finished:
    """Run the month on `source`; it must succeed."""
    said = in_process("run", region, "--period", PERIOD, "--input", source, "--out", out, *words)
    assert said.code == 0, said.err
    (pointer,) = out.glob(f"*/{PERIOD}/current")
    return Finished(source, out, pointer.parent / pointer.read_text().strip())


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by relative path; lock, log and ledger hold times and are no results."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith(("lock", "ledger.")) and file.name != "runs.log"
    }


def pytest_collection_finish() -> None:
    """What stands now stays until the end: the collector need not walk through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """At the end everything goes, or DuckDB complains of what is left."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def drgdip() -> Callable[..., Said]:
    return in_process


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 invented discharges of three hospitals, one Parquet file in a partition folder."""
    target = tmp_path_factory.mktemp("month") / "in"
    synthesise(target, 300, [PERIOD], seed=7, hospitals=3)
    return target


@pytest.fixture(scope="session")
def rows(month: Path) -> pa.Table:
    """The same discharges as a table."""
    return pq.read_table(month / f"month={PERIOD}" / "part-000.parquet")


@pytest.fixture(scope="session")
def finished(month: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The small month, run."""
    return run_month(month, tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """The embedded month of 6,000 discharges, in which every kind of flaw is planted, run."""
    yield run_month(ROOT / "data" / "samples" / "demo-rate", tmp_path_factory.mktemp("sample"))
