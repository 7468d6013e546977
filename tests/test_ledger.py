"""The ledger keeps what was said: append-only, whole or not at all, and nobody publishes alone.

Runs are made up (`Office.stub`): a hospital is due an amount, the rest follows. The real pipeline is in test_months.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import in_process
from ledger_fixtures import NAME, Office

from pipeline import ledger as ledger_module
from pipeline import ledger_laws
from pipeline import ledger_tables as tables
from pipeline.decisions import Decision, Verdict, store
from pipeline.errors import AuditBroken, ConfigurationError, InputError, UsageMistake
from pipeline.identity import code_version
from pipeline.ledger import open_ledger
from pipeline.ledger_commands import confirm_run, listed_runs, shown_run
from pipeline.ledger_laws import prove_laws
from tests.region_pack_slips_dip import put

DUE = {("H1", "310"): 1000_00, ("H3", "390"): 2000_00}
CLEARING = "\nclearing: [{from: 2025-01-01, source: 测试取值, value: fixed, without_assessment: one}]\n"
MORE = {("H1", "310"): 1100_00, ("H3", "390"): 1950_00}  # +100.00 and −50.00


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture(scope="module")
def one_month(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """January published; tests that change it take a copy."""
    office = Office(tmp_path_factory.mktemp("one-month"))
    office.publish(office.stub("2025-01", DUE))
    return office


@pytest.fixture
def published(one_month: Office, tmp_path: Path) -> Office:
    return one_month.copy(tmp_path)


def raw(con: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    return con.execute(f'SELECT * FROM "{table}"').fetchall()


# --- a ledger is begun, and only added to


def test_a_fresh_ledger_has_every_table_and_this_version(office: Office) -> None:
    with office.ledger():
        pass
    found = {name for (name,) in office.sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert set(tables.metadata.tables) <= found
    versions = [(number, code_version()) for number in range(1, tables.VERSION + 1)]
    assert office.sql("SELECT version, code_version FROM ledger_schema ORDER BY 1") == versions
    assert sorted(path.name for path in office.home.iterdir()) == ["ledger.sqlite"]
    assert office.file.stat().st_mode & 0o077 == 0  # nobody else's business


def test_opened_again_it_is_the_same_file(office: Office) -> None:
    with office.ledger():
        pass
    before = office.file.read_bytes()
    with office.ledger():
        pass
    assert office.file.read_bytes() == before


FILLED = (
    "run", "run_input", "run_scheme", "hospital_result", "publication", "payment", "adjustment",
    "adjustment_paid", "period_state", "decision", "ledger_schema", "alliance_result", "year_step", "year_fixed",
)  # fmt: skip


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """A ledger with a row in every table."""
    office = Office(tmp_path_factory.mktemp("full"))
    office.publish(office.stub("2025-01", DUE))
    office.publish(office.stub("2025-01", MORE))
    office.publish(office.stub("2025-02", DUE))
    with office.ledger() as ledger, ledger.writing() as con:
        run_id = listed_runs(office.pack, office.out, None)[0]["run_id"]
        for table in (tables.run_input, tables.run_scheme):
            con.execute(sa.insert(table).values(run_id=run_id, place=0, name="x", sha256="0"))
        con.execute(sa.insert(tables.alliance_result).values(
            run_id=run_id, alliance_id="A1", insurance_type="310", kept_fen=1
        ))  # fmt: skip
        con.execute(sa.insert(tables.year_step).values(
            region=NAME, year="2025", step="x", sha256="0", said_by="x", said_at="x", note=""
        ))  # fmt: skip
        con.execute(sa.insert(tables.year_fixed).values(step_id=1, name="x", value="x"))
        con.execute(sa.insert(tables.decision).values(
            region=NAME, case_id="c", decision="rejected", rank=1, reviewer="x", decided_on="2025-02-01", reason="x",
            document="x", file_sha256="0", imported_by="x", imported_at="x",
        ))  # fmt: skip
    return office


@pytest.mark.parametrize("table", FILLED)
def test_no_row_is_altered_removed_or_replaced(table: str, full: Office) -> None:
    con = sqlite3.connect(full.file)
    try:
        before = raw(con, table)
        assert before, "an empty table proves nothing"
        (column,) = con.execute(f'SELECT name FROM pragma_table_info("{table}") LIMIT 1').fetchone()
        marks = ", ".join("?" for _ in before[0])
        for statement, values in (
            (f'UPDATE "{table}" SET "{column}" = "{column}"', ()),
            (f'DELETE FROM "{table}"', ()),
            (f'INSERT OR REPLACE INTO "{table}" VALUES ({marks})', before[0]),
        ):
            with pytest.raises(sqlite3.IntegrityError, match=r"append-only"):
                con.execute(statement, values)
        assert raw(con, table) == before
    finally:
        con.rollback()
        con.close()


def test_the_program_says_so_in_one_sentence(full: Office) -> None:
    with (
        full.ledger() as ledger,
        pytest.raises(InputError, match=r"账本只许追加，不许改动：.*ledger.sqlite"),
        ledger.writing() as con,
    ):
        con.execute(sa.delete(tables.payment))


def test_every_table_was_tried() -> None:
    assert set(FILLED) == set(tables.metadata.tables)


def test_a_transaction_that_fails_leaves_nothing(published: Office) -> None:
    before = published.sql("SELECT count(*) FROM period_state")
    with published.ledger() as ledger, pytest.raises(ZeroDivisionError), ledger.writing() as con:
        con.execute(sa.insert(tables.period_state).values(
            region=NAME, period="2025-01", run_id="x", state="x", hospital_id="", said_by="x", said_at="x", note="",
        ))  # fmt: skip
        raise ZeroDivisionError
    assert published.sql("SELECT count(*) FROM period_state") == before


# --- versions of the schema


def _add_table(con: sa.Connection) -> None:
    con.execute(sa.text("CREATE TABLE later (x INTEGER)"))


def _add_half(con: sa.Connection) -> None:
    _add_table(con)
    raise ZeroDivisionError


def test_an_empty_database_is_brought_up(office: Office) -> None:
    """Version 0: SQLite's own file without a table of ours."""
    office.home.mkdir(parents=True)
    con = sqlite3.connect(office.file)
    con.execute("CREATE TABLE note (x TEXT)")
    con.commit()
    con.close()
    with office.ledger():
        pass
    assert office.sql("SELECT max(version) FROM ledger_schema") == [(tables.VERSION,)]


FIRST_TABLES = {
    "ledger_schema", "run", "run_input", "run_scheme", "hospital_result", "publication", "payment", "adjustment",
    "adjustment_paid", "period_state", "decision",
}  # fmt: skip
OLD_YEAR = """
INSERT INTO run VALUES ('r1', 'small-dip', 'clear', '2024', '2024/r1', '0', '1', '0', '0', '甲', 'h', 1, 't', 't', 1, 1, 0, 0, 1, 0, 0);
INSERT INTO run VALUES ('r2', 'small-dip', 'clear', '2024', '2024/r2', '0', '1', '0', '0', '甲', 'h', 1, 't', 't', 1, 1, 0, 0, 1, 0, 0);
INSERT INTO hospital_result VALUES ('r1', 'H1', '310', 1, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 100, 0);
INSERT INTO hospital_result VALUES ('r1', 'H2', '310', 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 7, 0);
INSERT INTO hospital_result VALUES ('r2', 'H1', '310', 1, 0, 0, 0, 0, 0, 0, 0, 90, 0, 0, 90, 0);
INSERT INTO publication VALUES ('v1', 'small-dip', 'clear', '2024', 1, 'r1', 'f', '0', '甲', '乙', '2025-02-01', 'd', 117);
INSERT INTO publication VALUES ('v2', 'small-dip', 'clear', '2024', 2, 'r2', 'g', '0', '甲', '乙', '2025-03-01', 'd', -19);
INSERT INTO payment VALUES ('v1', 'H1', '310', 'H1', 100, 'd'), ('v1', 'H2', '310', 'H1', 7, 'd'), ('v1', 'A1', '310', 'H1', 10, 'd'),
    ('v2', 'H1', '310', 'H1', -10, 'd'), ('v2', 'H2', '310', 'H1', -7, 'd'), ('v2', 'A1', '310', 'H3', -2, 'd');
"""


def test_a_ledger_of_the_first_version_learns_what_its_alliances_keep(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first version paid A1 10, the second took back 2: it keeps 10, then 8. H2, gone since, is no alliance."""
    with monkeypatch.context() as then:
        then.setattr(tables, "VERSION", 1)
        with office.ledger():
            pass
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    assert {name for (name,) in office.sql(names)} == FIRST_TABLES
    with sqlite3.connect(office.file) as con:
        con.executescript(OLD_YEAR)
    before = office.sql("SELECT * FROM payment ORDER BY 1, 2")
    with office.ledger() as ledger:
        prove_laws(NAME, ledger.rows)
    assert {name for (name,) in office.sql(names)} == set(tables.metadata.tables)
    assert office.sql("SELECT * FROM alliance_result ORDER BY run_id") == [
        ("r1", "A1", "310", 10), ("r2", "A1", "310", 8),
    ]  # fmt: skip
    assert office.sql("SELECT * FROM payment ORDER BY 1, 2") == before
    guarded = office.sql("SELECT tbl_name, count(*) FROM sqlite_master WHERE type = 'trigger' GROUP BY 1")
    assert dict(guarded) == dict.fromkeys(tables.metadata.tables, 3)  # UPDATE, DELETE, INSERT OR REPLACE


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> int:
    version = tables.VERSION + 1
    monkeypatch.setattr(tables, "VERSION", version)
    monkeypatch.setitem(ledger_module.MIGRATIONS, version, _add_table)
    return version


def test_an_older_ledger_takes_each_step_once_and_keeps_its_rows(
    published: Office, next_version: int
) -> None:
    before = published.sql("SELECT * FROM payment ORDER BY 1, 2, 3")
    for _ in range(2):  # the second time there is nothing to do
        with published.ledger():
            pass
    assert published.sql("SELECT version FROM ledger_schema ORDER BY 1") == [
        (version,) for version in range(1, next_version + 1)
    ]
    assert published.sql("SELECT count(*) FROM later") == [(0,)]
    assert published.sql("SELECT * FROM payment ORDER BY 1, 2, 3") == before


def test_a_step_that_fails_leaves_the_old_version_whole(
    published: Office, next_version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ledger_module.MIGRATIONS, next_version, _add_half)
    with pytest.raises(ZeroDivisionError), published.ledger():
        pass
    assert published.sql("SELECT max(version) FROM ledger_schema") == [(next_version - 1,)]
    assert published.sql("SELECT name FROM sqlite_master WHERE name = 'later'") == []


def test_a_newer_ledger_is_refused_and_left_as_it_is(published: Office) -> None:
    newer = tables.VERSION + 1
    con = sqlite3.connect(published.file)
    con.execute("INSERT INTO ledger_schema VALUES (?, '2030-01-01', '9')", (newer,))
    con.commit()
    con.close()
    before = published.file.read_bytes()
    with pytest.raises(
        InputError, match=rf"较新的程序.*第 {newer} 版.*只认到第 {tables.VERSION} 版.*请升级程序"
    ):
        published.verify()
    assert published.file.read_bytes() == before


# --- damaged, lost, unwritable


@pytest.mark.parametrize("part", [0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999])
def test_a_truncated_ledger_is_named_and_never_begun_anew(part: float, published: Office) -> None:
    content = published.file.read_bytes()
    cut = content[: int(len(content) * part)]
    published.file.write_bytes(cut)
    for act in (published.verify, lambda: published.stub("2025-02", DUE)):
        with pytest.raises(InputError, match=r"账本文件被截断或损坏：.*ledger.sqlite.*请从备份恢复"):
            act()
    assert published.file.read_bytes() == cut


def test_a_ledger_cut_at_any_page_is_never_taken_for_a_whole_one(published: Office) -> None:
    content = published.file.read_bytes()
    size = int.from_bytes(content[16:18], "big")  # SQLite's page size
    for end in range(size, len(content), size):
        published.file.write_bytes(content[:end])
        with pytest.raises(InputError, match=r"被截断或损坏"), published.ledger():
            pass


@pytest.mark.parametrize("content", [b"PK\x03\x04 no ledger", b"SQLite format 3\0" + b"\xff" * 8192])
def test_a_foreign_file_is_no_ledger(content: bytes, published: Office) -> None:
    published.file.write_bytes(content)
    with pytest.raises(InputError, match=r"被截断或损坏"):
        published.verify()


def test_a_lost_ledger_of_published_months_is_not_begun_anew(published: Office) -> None:
    published.file.unlink()
    with pytest.raises(InputError, match=r"账本不见了：.*published.*请从备份恢复"):
        published.stub("2025-02", DUE)
    assert not published.file.exists()


def test_a_lost_ledger_of_nothing_published_is_begun_anew(office: Office) -> None:
    run_id = office.stub("2025-01", DUE)
    office.file.unlink()
    assert office.stub("2025-01", DUE) == run_id
    assert [row["run_id"] for row in listed_runs(office.pack, office.out, None)] == [run_id]


def _as_nobody(program: str, *words: object) -> tuple[int, str]:
    """A program as an unprivileged user: nothing is forbidden to root."""
    import os
    import subprocess
    import sys

    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv to become somebody else")
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", program,
         *map(str, words)],
        capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(Path.cwd()), "HOME": "/"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_ledger_on_a_read_only_disk_says_so(published: Office, tmp_path: Path) -> None:
    """Read it may be; what would be written is refused in one sentence, and the file stays as it was."""
    import subprocess

    mount = tmp_path / "disk"
    mount.mkdir()
    if subprocess.run(["mount", "--bind", str(published.out), str(mount)], capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(mount)], check=True)
        with open_ledger(mount / NAME, NAME, "0") as ledger:
            with pytest.raises(InputError, match=r"账本写不进去：.*没有写权限"), ledger.writing() as con:
                con.execute(
                    sa.insert(tables.ledger_schema).values(version=99, applied_at="", code_version="")
                )
            assert len(ledger.rows(sa.select(tables.payment))) == 2
        said = in_process("verify", published.pack, "--out", mount)
        assert said.code == 0 and "发布 1 次" in said.out
        said = in_process("recheck", published.pack, "x", "--by", "丙", "--out", mount)
        assert said.code == 11 and "不可写" in said.err and said.err.count("\n") == 1
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


@pytest.mark.parametrize("name", ["with space", "百分之%20", "question?mark=1", "sharp#one"])
def test_a_folder_of_any_name_holds_a_ledger(name: str, tmp_path: Path) -> None:
    with open_ledger(tmp_path / name, NAME, "0"):
        pass
    assert (tmp_path / name / "ledger.sqlite").stat().st_size > 4096
    assert [path.name for path in tmp_path.iterdir()] == [name]


# --- the clock


def _clock(monkeypatch: pytest.MonkeyPatch, moved: dt.timedelta) -> None:
    real = ledger_module.now
    for module in ("ledger", "ledger_entries", "publish", "states"):
        monkeypatch.setattr(f"pipeline.{module}.now", lambda: real() + moved)


@pytest.mark.parametrize("what", ["run", "publish"])
def test_a_clock_moved_back_stops_the_order_from_being_lost(
    what: str, published: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = published.stub("2025-02", DUE)
    published.recheck(run_id)
    _clock(monkeypatch, dt.timedelta(hours=-1))
    with pytest.raises(InputError, match=r"系统时间早于账本：现在 .*账本最后一笔 .*请校正系统时间"):
        if what == "run":
            published.stub("2025-02", MORE)
        else:
            published.publish(run_id, recheck=False)
    assert published.sql("SELECT count(*) FROM publication") == [(1,)]


def test_a_clock_a_minute_back_keeps_the_order_of_publishing(
    published: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """February carries −300 into March although the clock went back between: order is that of publishing."""
    _clock(monkeypatch, dt.timedelta(minutes=-1))
    published.publish(published.stub("2025-02", {("H1", "310"): -300_00}))
    _clock(monkeypatch, dt.timedelta(minutes=-1))
    march = published.publish(published.stub("2025-03", {("H1", "310"): 500_00}))
    assert published.payments(march.publication_id) == {("H1", "310"): 200_00}  # 500 − 300
    published.verify()


# --- addresses of a shared ledger


SECRET = "geheim-7431"


@pytest.mark.parametrize("url", [
    f"postgresql://u:{SECRET}@127.0.0.1:1/db", f"postgresql://127.0.0.1:1/db?user=u&password={SECRET}",
    f"mysql://u:{SECRET}@h/db", f"postgresql://u:{SECRET}@h:port/db", f"nonsense {SECRET}", f"sqlite:///{SECRET}.db",
])  # fmt: skip
def test_no_password_of_an_address_is_ever_shown(url: str, office: Office) -> None:
    said = in_process("runs", office.pack, "--out", office.out, "--ledger", url)
    assert said.code == 11, said
    assert said.err.count("\n") == 1 and SECRET not in said.err + said.out
    assert not Path(f"{SECRET}.db").exists()


# --- two people, in their order


def test_one_person_cannot_compute_and_approve(office: Office) -> None:
    run_id = office.stub("2025-01", DUE, by="甲 ")
    office.recheck(run_id)
    for name in ("甲", " 甲", "", "  "):
        with pytest.raises(UsageMistake, match=r"须是两个人：计算 `甲`.*--approved-by"):
            office.publish(run_id, by=name, recheck=False)
    done = office.publish(run_id, by=" 乙 ", recheck=False)
    assert office.sql("SELECT computed_by, approved_by FROM publication") == [("甲", "乙")]
    assert done.paid_fen == 3000_00  # 1000 + 2000


def test_a_nameless_word_is_not_entered(office: Office) -> None:
    run_id = office.stub("2025-01", DUE)
    with pytest.raises(UsageMistake, match=r"没有署名"):
        office.recheck(run_id, by="  ")
    assert office.sql("SELECT count(*) FROM period_state") == [(0,)]


def test_an_account_without_a_name_counts_by_its_number(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container the account is often a bare number; getuser() raises there what a person cannot mend."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("pipeline.ledger_entries.getuser", nameless)
    run_id = office.stub("2025-01", {("H1", "310"): 100}, by="")
    with office.ledger() as ledger:
        (row,) = ledger.rows(sa.select(tables.run).where(tables.run.c.run_id == run_id))
    assert row["computed_by"] == f"uid {os.getuid()}"


def test_confirm_and_recheck_tell_machines_what_they_entered(office: Office) -> None:
    run_id = office.stub("2025-01", {("H1", "310"): 100})
    told = ("--by", "丙", "--out", office.out, "--json")
    assert json.loads(in_process("confirm", office.pack, run_id, *told).out) == {
        "run": run_id, "state": "确认", "hospitals": 1,
    }  # fmt: skip
    found = json.loads(in_process("recheck", office.pack, run_id, *told).out)
    assert (found["run_id"], found["payable_fen"]) == (run_id, 100)


def test_without_a_recheck_nothing_is_published(office: Office) -> None:
    run_id = office.stub("2025-01", DUE)
    with pytest.raises(UsageMistake, match=rf"{run_id}.*还没有复核.*drgdip recheck {NAME} {run_id} --by"):
        office.publish(run_id, recheck=False)


def test_an_objection_after_the_recheck_calls_for_another(office: Office) -> None:
    run_id = office.stub("2025-01", DUE)
    assert confirm_run(office.pack, run_id, office.out, "院方", [], None, None) == 2
    office.recheck(run_id)
    assert confirm_run(office.pack, run_id, office.out, "院方", ["H3"], "例数不符", None) == 1
    with pytest.raises(UsageMistake, match=r"复核之后又有 1 家医院申诉（H3）.*重新复核"):
        office.publish(run_id, recheck=False)
    office.recheck(run_id)
    office.publish(run_id, recheck=False)
    said = shown_run(office.pack, run_id, office.out, None)["steps"]
    assert [(one["state"], one["hospital_id"]) for one in said] == [
        ("医院确认", "H1"), ("医院确认", "H3"), ("复核", ""), ("医院申诉", "H3"), ("复核", ""), ("发布", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(("hospitals", "objection", "said"), [
    (["H9"], None, "没有医院 `H9`"), ([], "不同意", "申诉须写明医院"), (["H1"], "  ", "申诉须写明医院"),
])  # fmt: skip
def test_a_word_of_nobody_or_without_a_reason_is_refused(
    hospitals: list[str], objection: str | None, said: str, office: Office
) -> None:
    run_id = office.stub("2025-01", DUE)
    with pytest.raises(UsageMistake, match=said):
        confirm_run(office.pack, run_id, office.out, "院方", hospitals, objection, None)
    assert office.sql("SELECT count(*) FROM period_state") == [(0,)]


# --- publishing


def test_publishing_twice_says_so_and_does_nothing(published: Office) -> None:
    ((run_id,),) = published.sql("SELECT run_id FROM publication")
    before = published.file.read_bytes()
    done = published.publish(run_id, recheck=False)
    assert not done.fresh and done.version == 1 and done.paid_fen == 3000_00
    said = in_process("publish", published.pack, run_id, "--approved-by", "乙", "--out", published.out)
    assert said.code == 0 and "已经发布过，什么也没有做" in said.out
    assert published.file.read_bytes() == before


def test_a_run_from_before_another_publication_is_stale(office: Office) -> None:
    early = office.stub("2025-02", DUE)
    office.publish(office.stub("2025-01", DUE))
    with pytest.raises(
        UsageMistake, match=rf"{early}.*已经过时.*drgdip run {re.escape(office.pack)} --period 2025-02"
    ):
        office.publish(early)
    again = office.stub("2025-02", DUE)
    assert again != early
    office.publish(again)
    office.verify()


def decide(office: Office, case_id: str, verdict: Verdict = "by_item") -> None:
    decision = Decision(case_id, verdict, None, 1, "专家组", dt.date(2025, 2, 1), "费用极高", "单议1号")
    with office.ledger() as ledger:
        assert store(ledger, [decision], "0", "丙")


def test_a_run_older_than_a_decision_about_its_case_is_not_published(office: Office) -> None:
    """The command says what to do and ends with 2; the run made after the decision is published."""
    old = office.stub("2025-01", DUE, cases=["a1", "a2"])
    decide(office, "a2")
    office.recheck(old)
    said = in_process("publish", office.pack, old, "--approved-by", "乙", "--out", office.out)
    assert said.code == 2 and said.err.count("\n") == 1
    assert f"批次 {old} 算好之后又导入了 1 个涉及它的单议决定" in said.err
    assert f"请重新 `drgdip run {office.pack} --period 2025-01` 再发布" in said.err
    assert office.sql("SELECT count(*) FROM publication") == [(0,)]
    office.publish(office.stub("2025-01", MORE, cases=["a1", "a2"]))
    assert office.sql("SELECT paid_fen FROM publication") == [(3050_00,)]  # 1100 + 1950


def test_a_later_decision_about_another_case_hinders_nothing(office: Office) -> None:
    run_id = office.stub("2025-01", DUE, cases=["a1"])
    decide(office, "b1")
    assert office.publish(run_id).fresh


def test_a_decision_taken_back_to_what_the_run_knew_hinders_nothing(office: Office) -> None:
    """Run again by the first decision it is the same run, of the same moment: only what is other now counts."""
    decide(office, "a1")
    run_id = office.stub("2025-01", DUE, cases=["a1"])
    decide(office, "a1", "rejected")
    with pytest.raises(UsageMistake, match=r"又导入了 1 个"):
        office.publish(run_id)
    decide(office, "a1")
    assert office.publish(run_id, recheck=False).fresh


@pytest.mark.parametrize("name", ["hospital_payment.parquet", "manifest.json", "hospitals/H1.xlsx"])
def test_an_altered_run_is_not_published(name: str, office: Office) -> None:
    run_id = office.stub("2025-01", DUE)
    path = office.home / "2025-01" / run_id / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises((InputError, UsageMistake), match=r"(被改动|与账本所记不同).*请移走文件夹.*重新运行"):
        office.publish(run_id)
    assert office.sql("SELECT count(*) FROM publication") == [(0,)]
    assert not (office.home / "published").exists()


@pytest.mark.parametrize("key", ["declare_by_day: 10, ", ", due_workdays: 20"])
def test_without_a_term_of_payment_nothing_is_published(key: str, office: Office) -> None:
    office.edit(put(key, ""))
    run_id = office.stub("2025-01", DUE)
    with pytest.raises(ConfigurationError, match=r"没有拨付期限：.*declare_by_day 或 due_workdays.*再发布"):
        office.publish(run_id)
    assert office.sql("SELECT count(*) FROM publication") == [(0,)]
    assert not (office.home / "published").exists()


def test_a_month_of_a_year_that_is_cleared_stays_as_it_is(published: Office) -> None:
    with published.ledger() as ledger, ledger.writing() as con:
        con.execute(sa.insert(tables.publication).values(
            publication_id="c", region=NAME, kind="clear", period="2025", version=1, run_id="r", folder="published/2025-v1",
            manifest_sha256="0", computed_by="甲", approved_by="乙", published_at="2026-01-01", due_on="2026-01-31",
            paid_fen=0,
        ))  # fmt: skip
    for period in ("2025-01", "2025-02"):
        run_id = published.stub(period, MORE, mark="after")
        with pytest.raises(UsageMistake, match=rf"2025 年的清算已经发布，{period} 不能再发布"):
            published.publish(run_id)


@pytest.mark.parametrize("run_id", ["ffffffffffff", "", "%", "_"])
def test_a_run_that_is_not_there(run_id: str, published: Office) -> None:
    with pytest.raises(UsageMistake, match=r"账本里没有这个批次.*drgdip runs"):
        published.recheck(run_id)


def test_a_beginning_that_two_runs_share_is_not_guessed(office: Office) -> None:
    ids: list[str] = []
    while len({one[0] for one in ids}) == len(ids):
        ids.append(office.stub("2025-01", DUE, mark=str(len(ids))))
    shared = ids[-1][0]
    with pytest.raises(UsageMistake, match=r"有 2 个批次以它开头"):
        office.recheck(shared)


def test_a_looker_before_the_first_run_is_told_what_to_do(office: Office) -> None:
    said = in_process("runs", office.pack, "--out", office.out)
    assert said.code == 2 and f"drgdip run {office.pack} --period" in said.err
    assert not office.out.exists()


# --- what a publication leaves on disk


def test_the_folder_left_by_a_killed_publisher_is_made_anew(published: Office, one_month: Office) -> None:
    """The folder stood, the ledger did not know of it: verify says so, publishing again ends the same."""
    run_id = published.stub("2025-02", DUE)
    published.publish(run_id)
    after = published.file.read_bytes()
    shutil.copy2(one_month.file, published.file)  # the ledger as it was before
    with pytest.raises(InputError, match=r"账本不认识的内容：.*2025-02-v1.*重新发布该月即可"):
        published.verify()
    folder = published.home / "published" / "2025-02-v1"
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert published.stub("2025-02", DUE) == run_id
    published.publish(run_id)
    assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    published.verify()
    assert after != one_month.file.read_bytes()


def test_a_publication_that_the_ledger_lost_is_not_overwritten(published: Office, one_month: Office) -> None:
    """An older backup of the ledger: what finance paid from may not be replaced by another run."""
    published.publish(published.stub("2025-02", DUE))
    shutil.copy2(one_month.file, published.file)
    listed = (published.home / "published" / "2025-02-v1" / "payments.csv").read_bytes()
    other = published.stub("2025-02", MORE)
    with pytest.raises(InputError, match=r"2025-02-v1.*另一个批次.*从备份恢复账本"):
        published.publish(other)
    assert (published.home / "published" / "2025-02-v1" / "payments.csv").read_bytes() == listed
    assert published.sql("SELECT count(*) FROM publication") == [(1,)]


def test_what_fails_while_publishing_leaves_nothing(
    published: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = published.stub("2025-02", DUE)
    published.recheck(run_id)
    before = published.file.read_bytes()
    real = ledger_module.insert

    def full(con: sa.Connection, table: sa.Table, rows: list[object]) -> None:
        if table is tables.payment:
            raise sa.exc.OperationalError("", {}, sqlite3.OperationalError("database or disk is full"))
        real(con, table, rows)  # type: ignore[arg-type]

    monkeypatch.setattr("pipeline.publish.insert", full)
    with pytest.raises(InputError, match=r"磁盘已满：写 .*ledger.sqlite 时空间不足"):
        published.publish(run_id, recheck=False)
    assert published.file.read_bytes() == before
    assert [path.name for path in (published.home / "published").iterdir()] == ["2025-01-v1"]


@pytest.mark.parametrize("what", ["altered", "gone", "added"])
def test_verify_finds_what_was_done_to_a_publication(what: str, published: Office) -> None:
    folder = published.home / "published" / "2025-01-v1"
    if what == "altered":
        (folder / "payments.csv").write_bytes((folder / "payments.csv").read_bytes() + b"x")
    elif what == "gone":
        shutil.rmtree(folder)
    else:
        (folder / "payments (2).xlsx").write_bytes(b"PK")
    said = {
        "altered": "被改动：.*payments.csv",
        "gone": "成果不见了",
        "added": "多出.*payments \\(2\\).xlsx",
    }[what]
    with pytest.raises(InputError, match=said):
        published.verify()


def test_a_run_never_published_may_be_removed(published: Office) -> None:
    run_id = published.stub("2025-02", DUE)
    assert published.verify()["runs"] == 2
    shutil.rmtree(published.home / "2025-02" / run_id)
    assert published.verify()["runs"] == 1


def test_a_published_run_may_not_be_removed(published: Office) -> None:
    ((folder,),) = published.sql("SELECT folder FROM run")
    shutil.rmtree(published.home / folder)
    with pytest.raises(InputError, match=r"的成果不见了"):
        published.verify()
    with pytest.raises(InputError, match=r"已发布的批次不见了"):
        published.stub("2025-02", DUE)


# --- forged rows: the triggers dropped, the file altered by hand


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """January carries −300 of H1, February takes it up, January is computed again, March pays the difference."""
    office = Office(tmp_path_factory.mktemp("three"))
    office.edit(lambda text: text + CLEARING)
    office.publish(office.stub("2025-01", {("H1", "310"): -300_00, ("H3", "390"): 2000_00}))
    office.publish(office.stub("2025-02", DUE))
    office.publish(office.stub("2025-01", {("H1", "310"): -250_00, ("H3", "390"): 1900_00}))
    office.publish(office.stub("2025-03", DUE))
    office.verify()
    return office


@pytest.fixture(scope="module")
def cleared(three: Office, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """The same, the rest of the year without cases, and cleared twice: the second version pays what it owes beyond."""
    office = three.copy(tmp_path_factory.mktemp("cleared"))
    for number in range(4, 13):
        office.publish(office.stub(f"2025-{number:02}", {}))
    office.prepare_year("2025")
    office.publish(
        office.stub_year("2025", {("H1", "310"): 500_00}, {("A1", "310"): 80_00, ("A2", "390"): -30_00})
    )
    second = office.publish(office.stub_year("2025", {("H1", "310"): 520_00}, {("A1", "310"): 60_00}))
    assert second.paid_fen == 20_00 - 20_00 + 30_00
    office.verify()
    return office


CLEARED = ("清算的拨付等于清算结果.*{} 应为 {} 分，实为 {} 分").format

# what was forged → which law, subject and numbers (fen) name it
FORGED = {
    "a payment": (
        ["UPDATE payment SET amount_fen = amount_fen + 1 WHERE publication_id LIKE '%2025-02%' AND hospital_id = 'H1'"],
        "各月拨付＋.*H1、310 应为 175000 分，实为 175001 分，相差 1 分",  # due −250 + 1000 + 1000 = 1750
    ),
    "a payment and its sum": (
        ["UPDATE payment SET amount_fen = amount_fen + 1 WHERE publication_id LIKE '%2025-02%' AND hospital_id = 'H1'",
         "UPDATE publication SET paid_fen = paid_fen + 1 WHERE period = '2025-02'"],
        "H1、310 应为 175000 分，实为 175001 分",
    ),
    "the sum of a publication": (
        ["UPDATE publication SET paid_fen = paid_fen + 100 WHERE period = '2025-02'"],
        "拨付总额等于它的各笔之和.*2025-02/v1 应为 270100 分，实为 270000 分",  # 1000 − 300 + 2000
    ),
    "what was due": (
        ["UPDATE hospital_result SET due_fen = due_fen + 5 WHERE hospital_id = 'H3' AND run_id = "
         "(SELECT run_id FROM publication WHERE period = '2025-03')"],
        "H3、390 应为 590005 分，实为 590000 分",  # 1900 + 2000 + 2000
    ),
    "a carry that nobody took up": (
        ["UPDATE hospital_result SET carried_fen = 0, due_fen = 0 WHERE carried_fen < 0"],
        "结转一分不少.*2025-02/v1、H1、310 应为 0 分，实为 -30000 分",
    ),
    "a carry whose row is gone": (
        ["DELETE FROM hospital_result WHERE carried_in_fen < 0",
         "DELETE FROM payment WHERE publication_id LIKE '%2025-02%' AND hospital_id = 'H1'",
         "UPDATE publication SET paid_fen = 200000 WHERE period = '2025-02'"],
        "结转一分不少.*2025-02/v1、H1、310 应为 -30000 分，实为 0 分",
    ),
    "an adjustment": (
        ["UPDATE adjustment SET difference_fen = difference_fen - 7 WHERE hospital_id = 'H1'"],
        "补差等于版本之差.*2025-01、H1、310 应为 5000 分，实为 4993 分",  # −250 − −300 = 50
    ),
    "an adjustment paid twice": (
        ["DELETE FROM adjustment_paid"],
        "补差只付一次.*2025-03/v1、H1、310 应为 0 分，实为 5000 分",
    ),
    "a payment without a result": (
        ["INSERT INTO payment VALUES ('small-dip/2025-03/v1', 'H9', '310', 'H9', 1, '2025-05-12')",
         "UPDATE publication SET paid_fen = paid_fen + 1 WHERE period = '2025-03'"],
        "2025-03/v1、H9、310 应为 0 分，实为 1 分",
    ),
    "a payment by a later version": (
        ["INSERT INTO payment VALUES ('small-dip/2025-01/v2', 'H1', '310', 'H1', 1, '2025-05-12')",
         "UPDATE publication SET paid_fen = 1 WHERE version = 2"],
        "2025-01/v2、H1、310 应为 0 分，实为 1 分",
    ),
    "a clearing's payment and its sum": (
        ["UPDATE payment SET amount_fen = amount_fen + 3 WHERE publication_id LIKE '%2025/v2' AND hospital_id = 'H1'",
         "UPDATE publication SET paid_fen = paid_fen + 3 WHERE publication_id LIKE '%2025/v2'"],
        CLEARED("2025、H1、310", 52000, 52003),  # v1 500.00, v2 20.00
    ),
    "what a hospital's clearing is": (
        ["UPDATE hospital_result SET due_fen = due_fen + 1, payable_fen = payable_fen + 1 WHERE run_id = "
         "(SELECT run_id FROM publication WHERE publication_id LIKE '%2025/v2')"],
        CLEARED("2025、H1、310", 52001, 52000),
    ),
    "what an alliance keeps": (
        ["UPDATE alliance_result SET kept_fen = 8000 WHERE kept_fen = 6000"],  # as in the first version
        CLEARED("2025、A1、310", 8000, 6000),  # v1 80.00, v2 −20.00
    ),
    "what an alliance bears": (
        ["DELETE FROM payment WHERE hospital_id = 'A2' AND amount_fen > 0",
         "UPDATE publication SET paid_fen = 0 WHERE publication_id LIKE '%2025/v2'"],
        CLEARED("2025、A2、390", 0, -3000),  # borne in the first version only
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_row_breaks_a_law_with_both_numbers(what: str, cleared: Office, tmp_path: Path) -> None:
    statements, said = FORGED[what]
    office = cleared.copy(tmp_path)
    office.forge(*statements)
    with office.ledger() as ledger, pytest.raises(AuditBroken) as broken:
        prove_laws(NAME, ledger.rows)
    told = []  # the first law to break is told; the one meant is among them
    with office.ledger() as ledger:
        for law in sorted((Path(ledger_laws.__file__).parent / "sql" / "ledger").glob("*.sql")):
            text = law.read_text(encoding="utf-8")
            for row in ledger.rows(sa.text(text).bindparams(region=NAME)):
                told.append(
                    f"{text.splitlines()[0]} {row['subject']} 应为 {row['expected']} 分，实为 {row['found']} 分，"
                    f"相差 {row['found'] - row['expected']} 分"
                )
    assert re.search(said, "\n".join(told)), told
    assert re.search("账本不平：.*应为 -?\\d+ 分，实为 -?\\d+ 分，相差 -?\\d+ 分", str(broken.value))
    assert in_process("verify", office.pack, "--out", office.out).code == 13


def test_every_law_is_broken_by_some_forgery(cleared: Office, tmp_path: Path) -> None:
    laws = {path.stem for path in (Path(ledger_laws.__file__).parent / "sql" / "ledger").glob("*.sql")}
    broken = set()
    for number, (statements, _) in enumerate(FORGED.values()):
        office = Office(tmp_path / str(number), cleared.pack)  # the file alone: nothing else is asked
        office.home.mkdir(parents=True)
        shutil.copy2(cleared.file, office.file)
        office.forge(*statements)
        with office.ledger() as ledger:
            for name in laws - broken:
                text = (Path(ledger_laws.__file__).parent / "sql" / "ledger" / f"{name}.sql").read_text(
                    "utf-8"
                )
                if ledger.rows(sa.text(text).bindparams(region=NAME)):
                    broken.add(name)
    assert broken == laws


@pytest.mark.parametrize("statements", [
    # One more fen for H1 in March, carried through every table so that all laws hold: the files know better.
    ["UPDATE hospital_result SET due_fen = due_fen + 1, payable_fen = payable_fen + 1 WHERE hospital_id = 'H1' "
     "AND run_id = (SELECT run_id FROM publication WHERE period = '2025-03')",
     "UPDATE payment SET amount_fen = amount_fen + 1 WHERE publication_id LIKE '%2025-03%' AND hospital_id = 'H1'",
     "UPDATE publication SET paid_fen = paid_fen + 1 WHERE period = '2025-03'"],
    ["UPDATE payment SET payee_id = 'H1' WHERE hospital_id = 'H3'"],
    ["UPDATE hospital_result SET deposit_fen = 1 WHERE hospital_id = 'H1'"],
])  # fmt: skip
def test_a_forgery_that_keeps_every_law_differs_from_the_files(
    statements: list[str], three: Office, tmp_path: Path
) -> None:
    office = three.copy(tmp_path)
    office.forge(*statements)
    with office.ledger() as ledger:
        prove_laws(NAME, ledger.rows)
    with pytest.raises(AuditBroken, match=r"账本与成果不符：H[13]、3[19]0 的 .*账本记 .* 是"):
        office.verify()


def test_a_publication_that_would_break_a_law_is_not_made(three: Office, tmp_path: Path) -> None:
    """The run's own numbers do not add up: nothing of it becomes final."""
    office = three.copy(tmp_path)
    run_id = office.stub("2025-04", DUE)
    office.forge(f"UPDATE hospital_result SET payable_fen = payable_fen + 1 WHERE run_id = '{run_id}'")
    with pytest.raises(AuditBroken, match=r"账本不平"):
        office.publish(run_id)
    assert office.sql("SELECT count(*) FROM publication WHERE period = '2025-04'") == [(0,)]
    assert not (office.home / "published" / "2025-04-v1").exists()
