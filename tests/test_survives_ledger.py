"""Killed while it computes or publishes: the ledger opens, nothing is half made, and doing it again ends the same."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import ROOT, Said, bytes_of, environment, in_process
from ledger_fixtures import NAME, Office, case, write_cases

PERIOD = "2025-02"

# Patches one function of the program so that the process dies before or after it, then runs the command line.
DRIVER = """
import importlib, os, signal, sys
module, name, when, *words = sys.argv[1:]
holder = importlib.import_module(module)
for part in name.split(".")[:-1]:
    holder = getattr(holder, part)
real = getattr(holder, name.split(".")[-1])
def dying(*args, **more):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(*args, **more)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(holder, name.split(".")[-1], dying)
sys.argv = ["drgdip", *words]
from pipeline.cli import main
main()
"""
# Dies when the transaction has begun to write and the file's journal stands beside it.
DYING_COMMIT = """
import os, signal, sys
import sqlalchemy as sa
from pipeline import ledger
real = ledger._file_engine
def dying(path):
    engine = real(path)
    sa.event.listen(engine, "commit", lambda con: sys.argv_commit(con))
    return engine
def die(con):
    if con.connection.driver_connection.total_changes:
        os.kill(os.getpid(), signal.SIGKILL)
sys.argv_commit = die
ledger._file_engine = dying
from pipeline.cli import main
main()
"""


class Scene:
    """January published; February's input at hand, and how both acts end when nobody disturbs them."""

    def __init__(self, folder: Path) -> None:
        office = Office(folder / "model")
        office.month("2025-01", [case(f"a{one}", "2025-01-15") for one in range(20)])
        rows = [case(f"b{one}", "2025-02-15") for one in range(40)]
        self.input = write_cases(folder / "february.parquet", rows)
        self.published_one = office.copy(folder / "start")
        outcome = office.run(PERIOD, self.input)
        office.recheck(outcome.run)
        self.computed = office.copy(folder / "computed")
        office.publish(outcome.run, recheck=False)
        self.run_id, self.pack = outcome.run, office.pack
        self.end = Stands(office)
        self.seconds = {"run": 0.0, "publish": 0.0}

    def words(self, act: str, out: Path) -> list[str]:
        given = (
            ["--period", PERIOD, "--input", str(self.input), "--by", "甲"]
            if act == "run"
            else [self.run_id, "--approved-by", "乙"]
        )
        return [act, self.pack, *given, "--out", str(out)]

    def start(self, act: str, folder: Path) -> Office:
        """The office as it stood before the act."""
        shutil.rmtree(folder, ignore_errors=True)
        return (self.published_one if act == "run" else self.computed).copy(folder)


class Stands:
    """What counts of an office: files by their bytes, and the ledger without times, hosts and processes."""

    def __init__(self, office: Office) -> None:
        self.files = {
            name: content
            for name, content in bytes_of(office.home).items()
            if not Path(name).name.startswith("ledger.sqlite")
        }
        self.ledger = {
            table: office.sql(f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3")
            for table, columns in (
                ("run", "run_id, period, manifest_sha256, computed_by, payable_fen"),
                ("hospital_result", "run_id, hospital_id, insurance_type, due_fen, payable_fen, carried_fen"),
                (
                    "publication",
                    "publication_id, run_id, manifest_sha256, computed_by, approved_by, due_on, paid_fen",
                ),
                ("payment", "publication_id, hospital_id, insurance_type, payee_id, amount_fen, due_on"),
            )
        }


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


def said_in_process(*words: object) -> Said:
    return in_process(*words)


def stands_whole(office: Office, act: str) -> None:
    """The ledger opens; verify passes, or says exactly that the publication must be made again."""
    said = in_process("verify", office.pack, "--out", office.out)
    again = f"{PERIOD}-v1；若是上次发布中断所留，重新发布该月即可"
    assert said.code == 0 or (act == "publish" and said.code == 11 and again in said.err), said
    visible = [path for path in office.home.rglob("*") if path.is_dir() and not path.name.startswith(".")]
    for folder in visible:
        if folder.parent.name in ("published", "2025-01", PERIOD) and folder.parent.parent == office.home:
            assert (folder / "manifest.json").is_file(), folder


def ends_the_same(scene: Scene, office: Office, act: str) -> None:
    """Started again it ends as if nothing had happened; the other act after it as well."""
    for one in ("run", "recheck", "publish") if act == "run" else ("publish",):
        if one == "recheck":
            office.recheck(scene.run_id)
            continue
        said = in_process(*scene.words(one, office.out))
        assert said.code == 0, said
    office.verify()
    found = Stands(office)
    assert found.ledger == scene.end.ledger
    assert found.files == scene.end.files
    assert list(office.out.rglob(".*")) == []
    assert [path.name for path in office.home.glob("ledger*")] == ["ledger.sqlite"]


def driven(scene: Scene, office: Office, act: str, where: Sequence[str]) -> None:
    """Run the act to its death."""
    words = scene.words(act, office.out)
    program = [sys.executable, "-c", DYING_COMMIT, *words] if not where else [
        sys.executable, "-c", DRIVER, *where, *words
    ]  # fmt: skip
    done = subprocess.run(program, cwd=ROOT, env=environment(), capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


POINTS = {
    "run, its folder not yet named": ("run", ("pipeline.run", "write_month", "after")),
    "run, its folder named, not yet in the ledger": ("run", ("pipeline.run", "enter_run", "before")),
    "run, in the ledger, not yet pointed to": ("run", ("pipeline.run", "point_to", "before")),
    "run, while the ledger is written": ("run", ()),
    "publish, before its folder": ("publish", ("pipeline.publish", "write_publication", "before")),
    "publish, its folder named, nothing in the ledger": ("publish", ("pipeline.publish", "write_publication", "after")),
    "publish, rows written but not final": ("publish", ("pipeline.publish", "prove_laws", "after")),
    "publish, while the ledger is written": ("publish", ()),
}  # fmt: skip


OFTEN = ("run, its folder named, not yet in the ledger", "run, while the ledger is written",
         "publish, its folder named, nothing in the ledger", "publish, rows written but not final")  # fmt: skip


@pytest.mark.parametrize(
    "point", [point if point in OFTEN else pytest.param(point, marks=pytest.mark.slow) for point in POINTS]
)
def test_killed_at_a_chosen_point(point: str, scene: Scene, tmp_path: Path) -> None:
    act, where = POINTS[point]
    office = scene.start(act, tmp_path)
    driven(scene, office, act, where)
    stands_whole(office, act)
    ends_the_same(scene, office, act)


def test_killed_while_the_first_ledger_is_begun(scene: Scene, tmp_path: Path) -> None:
    """No ledger stands with half of its tables, and what was left is swept up."""
    office = Office(tmp_path, scene.pack)
    driven(scene, office, "run", ("pipeline.ledger", "_refused_by_file", "before"))
    assert not office.file.exists()
    said = in_process(*scene.words("run", office.out))
    assert said.code == 0, said
    assert list(office.out.rglob(".*")) == []
    office.verify()


def test_the_lock_of_a_killed_process_is_free_and_a_living_one_is_named(scene: Scene, tmp_path: Path) -> None:
    office = scene.start("run", tmp_path)
    program = (
        "import sys; from pathlib import Path; from pipeline.runfolder import occupied\n"
        f"with occupied(Path(sys.argv[1]), '{NAME}'): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(office.home)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    for words in (
        scene.words("run", office.out), scene.words("publish", office.out),
        ["recheck", scene.pack, scene.run_id, "--by", "丙", "--out", str(office.out)],
        ["confirm", scene.pack, scene.run_id, "--by", "丙", "--out", str(office.out)],
    ):  # fmt: skip
        said = in_process(*words)
        assert said.code == 14 and said.err.count("\n") == 1, said
        assert f"进程 {holder.pid}，主机 " in said.err and "开始于 20" in said.err
    holder.kill()
    holder.communicate()
    ends_the_same(scene, office, "run")


def test_two_publishers_at_once(scene: Scene, tmp_path: Path) -> None:
    """One publishes; the other is told who holds the region, or comes after and finds it done. Paid once."""
    office = scene.start("publish", tmp_path)
    command = [
        sys.executable,
        "-c",
        "from pipeline.cli import main; main()",
        *scene.words("publish", office.out),
    ]
    both = [
        subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    ended = [(process.communicate(timeout=120), process.returncode) for process in both]
    assert sorted(code for _, code in ended) in ([0, 0], [0, 14]), ended
    for (_, error), code in ended:
        if code == 14:
            assert "正由另一进程运行：进程" in error.decode()
    assert Stands(office).ledger == scene.end.ledger
    office.verify()


def kill_at(scene: Scene, act: str, moment: float, folder: Path) -> bool:
    """Kill -9 after that part of an act; whether it was still running."""
    office = scene.start(act, folder)
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *scene.words(act, office.out)]
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        process.communicate(timeout=moment * scene.seconds[act] if scene.seconds[act] else None)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    killed = process.returncode == -signal.SIGKILL
    assert killed or process.returncode == 0, process.returncode
    if not killed:
        scene.seconds[act] = time.monotonic() - started  # the machine is faster or slower than it was
    if (office.home / "ledger.sqlite").exists():
        stands_whole(office, act)
    ends_the_same(scene, office, act)
    return killed


@pytest.mark.slow
@pytest.mark.parametrize(("act", "times"), [("run", 25), ("publish", 25)])
def test_killed_over_and_over(act: str, times: int, scene: Scene, tmp_path: Path) -> None:
    """Spread evenly over the act, jittered; tried again a little earlier where it was done before its time."""
    draw = random.Random(times)
    assert not kill_at(scene, act, 1, tmp_path / "measure")  # how long it takes
    kills = 0
    for number in range(times):
        moment = (number + draw.random()) / times
        kills += any(kill_at(scene, act, moment * 0.8**again, tmp_path / "office") for again in range(5))
    assert kills == times


CLEARING = "\nclearing: [{from: 2025-01-01, source: 测试取值, value: fixed, without_assessment: one}]\n"
CLEAR_POINTS = (
    ("pipeline.clear_run", "write_clearing", "before"), ("pipeline.clear_run", "enter_run", "before"),
    ("pipeline.clear_run", "point_to", "before"), ("pipeline.publish", "write_publication", "after"),
    ("pipeline.publish", "prove_laws", "after"),
)  # fmt: skip


@pytest.mark.slow
def test_clearing_killed_at_chosen_points_and_over_and_over(tmp_path: Path) -> None:
    """A year is cleared and published under kills; the ledger and every file end as in an undisturbed office."""
    start = Office(tmp_path / "start")
    start.edit(lambda text: text + CLEARING)
    for number in range(1, 13):
        month = f"2025-{number:02}"
        start.month(month, [case(f"{month}-{one}", f"{month}-15") for one in range(3)])
    start.prepare_year("2025")
    words = ["clear", start.pack, "--year", "2025", "--by", "甲", "--out"]

    def finish(office: Office) -> Stands:
        said = in_process(*words, office.out)
        assert said.code == 0, said
        office.publish((office.home / "2025" / "current").read_text().strip())
        office.verify()
        assert list(office.out.rglob(".*")) == []
        return Stands(office)

    model = start.copy(tmp_path / "model")
    end = finish(model)
    run_id = (model.home / "2025" / "current").read_text().strip()
    draw = random.Random(7)
    for number in range(len(CLEAR_POINTS) + 10):
        office = start.copy(tmp_path / f"office-{number}")
        if number < len(CLEAR_POINTS):
            where = CLEAR_POINTS[number]
            act = [*words, str(office.out)]
            if where[0] == "pipeline.publish":
                assert in_process(*act).code == 0
                office.recheck(run_id)
                act = ["publish", office.pack, run_id, "--approved-by", "乙", "--out", str(office.out)]
            done = subprocess.run(
                [sys.executable, "-c", DRIVER, *where, *act], cwd=ROOT, env=environment(), capture_output=True
            )
            assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        else:
            command = [sys.executable, "-c", "from pipeline.cli import main; main()", *words, str(office.out)]
            process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL)
            time.sleep(draw.uniform(0.3, 2.5))
            process.kill()
            process.wait()
        found = finish(office)
        assert found.ledger == end.ledger and found.files == end.files
