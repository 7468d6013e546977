"""A run that is killed, doubled, interrupted or started far from its checkout: what was published stays as it was."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import COMMAND, PERIOD, ROOT, Finished, bytes_of, environment, in_process, in_subprocess

MOMENTS = 10  # kills spread evenly over a run, jittered; the slow test makes fifty


class Disturbed:
    """A region where a good run stands, and a later input whose runs are disturbed."""

    def __init__(self, folder: Path, finished: Finished, rows: pa.Table) -> None:
        self.good = finished
        self.out, self.input = folder / "out", folder / "later.parquet"
        pq.write_table(rows.slice(0, 290), self.input)
        started = time.monotonic()
        self.undisturbed = self.run(folder / "undisturbed")
        self.seconds = time.monotonic() - started

    def words(self, out: Path) -> list[str]:
        return ["run", "demo-rate", "--period", PERIOD, "--input", str(self.input), "--out", str(out)]

    def reset(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        shutil.copytree(self.good.out, self.out)

    def run(self, out: Path) -> dict[str, bytes]:
        said = in_subprocess(*self.words(out))
        assert said.code == 0, said.err
        return bytes_of(out / "demo-rate" / PERIOD)

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*COMMAND, *self.words(self.out)], cwd=ROOT, env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    @property
    def home(self) -> Path:
        return self.out / "demo-rate" / PERIOD

    def stands_as_before(self) -> None:
        """`current` names the good run, whose bytes are unchanged, and no other folder counts as a run."""
        good = self.good.folder.name
        assert (self.home / "current").read_text() == f"{good}\n"
        assert bytes_of(self.home / good) == bytes_of(self.good.folder)
        assert [path.parent.name for path in self.home.glob("*/manifest.json")] == [good]
        visible = {path.name for path in self.home.iterdir() if not path.name.startswith(".")}
        assert visible == {good, "current"}

    def finishes(self) -> None:
        """Started again, it ends as if nothing had happened, and sweeps up."""
        self.run(self.out)
        self.is_done_and_swept()

    def is_done_and_swept(self) -> None:
        """The later run stands byte for byte as an undisturbed one, and nothing half made is left."""
        files = bytes_of(self.home)
        own = {name: content for name, content in files.items() if not name.startswith(self.good.folder.name)}
        assert own == self.undisturbed
        assert [path for path in self.out.rglob("*") if path.name.startswith(".")] == []
        assert not (self.out / "demo-rate" / "lock.holder").exists()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, finished: Finished, rows: pa.Table) -> Disturbed:
    return Disturbed(tmp_path_factory.mktemp("survives"), finished, rows)


@pytest.fixture
def disturbed(both: Disturbed) -> Disturbed:
    both.reset()
    return both


def kill_at(disturbed: Disturbed, moment: float) -> bool:
    """Kill -9 after that part of a run; whether it was still running. What stands then is proved."""
    started = time.monotonic()
    process = disturbed.start()
    try:
        process.communicate(timeout=moment * disturbed.seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    good = disturbed.good.folder.name
    if process.returncode == -signal.SIGKILL and (disturbed.home / "current").read_text() == f"{good}\n":
        # Between its two renames a whole run stands that nobody names yet.
        if {path.parent.name for path in disturbed.home.glob("*/manifest.json")} == {good}:
            disturbed.stands_as_before()
        return True
    assert process.returncode in (0, -signal.SIGKILL), process.returncode
    disturbed.seconds = time.monotonic() - started  # the machine is faster or slower than it was
    disturbed.finishes()
    disturbed.reset()
    return False


def kill_over_and_over(disturbed: Disturbed, times: int) -> None:
    """One kill in each part of a run, tried again a little earlier where the run was done before its time."""
    draw = random.Random(times)
    for number in range(times):
        tries = (kill_at(disturbed, 0.8**again * (number + draw.random()) / times) for again in range(5))
        assert any(tries)
    disturbed.finishes()


@pytest.mark.slow
def test_killed_run_leaves_the_last_good_one(disturbed: Disturbed) -> None:
    kill_over_and_over(disturbed, MOMENTS)


@pytest.mark.slow
def test_run_killed_fifty_times(disturbed: Disturbed) -> None:
    kill_over_and_over(disturbed, 50)


@pytest.mark.slow
def test_half_made_folder_never_counts(disturbed: Disturbed) -> None:
    """Killed while it writes: the folder is there, hidden and without a name; `explain` does not see it."""
    process = disturbed.start()
    until = time.monotonic() + 60
    while not list(disturbed.home.glob(".*.part/*.parquet")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert list(disturbed.home.glob(".*.part")) and list(disturbed.home.glob(".spill-*"))
    disturbed.stands_as_before()
    case = pq.read_table(disturbed.input)["case_id"][0].as_py()
    said = in_process("explain", case, "--out", disturbed.out)
    assert said.code == 0 and disturbed.good.folder.name in said.out
    disturbed.finishes()


def test_interrupt_ends_in_one_line_and_sweeps_up(disturbed: Disturbed) -> None:
    process = disturbed.start()
    until = time.monotonic() + 60
    while not list(disturbed.home.glob(".*.part/*.parquet")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said.decode()
    assert said.decode() == "中断：已按要求停止；已有成果未动\n"
    disturbed.stands_as_before()
    assert [path for path in disturbed.home.iterdir() if path.name.startswith(".")] == []


def test_two_starts_at_once(disturbed: Disturbed) -> None:
    """One finishes; the other is told who holds the region, or comes after and finds the work done."""
    both = [disturbed.start(), disturbed.start()]
    ended = [(process.communicate(timeout=120), process.returncode) for process in both]
    codes = sorted(code for _, code in ended)
    assert codes in ([0, 0], [0, 14]), ended
    for (_, error), code in ended:
        if code == 14:
            assert "正由另一进程运行" in error.decode() and error.decode().count("\n") == 1
    disturbed.is_done_and_swept()


@pytest.mark.slow
def test_wheel_works_without_the_checkout(tmp_path: Path) -> None:
    """Built, installed alone and run from an empty folder: data and configs travel inside the package."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--disable-pip-version-check",
    ]
    subprocess.run(
        [*install, "--target", str(site), str(wheel)], check=True, capture_output=True, timeout=120
    )
    where = environment(PYTHONPATH=str(site))
    found = subprocess.run(
        [sys.executable, "-c", "import pipeline, groupers; print(pipeline.__file__, groupers.__file__)"],
        cwd=empty, env=where, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert found.stdout.count(str(site)) == 2
    done = subprocess.run(
        [site / "bin" / "drgdip", "run", "demo-rate", "--period", PERIOD], cwd=empty, env=where,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (manifest,) = (empty / "out" / "demo-rate" / PERIOD).glob("*/manifest.json")
    assert (manifest.parent / "region.xlsx").is_file()
    assert "收到 6,000 行" in done.stdout and str(ROOT) not in done.stdout
