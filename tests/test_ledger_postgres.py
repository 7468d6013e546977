"""The same ledger on a real PostgreSQL server, started by this test; skipped with a notice where none is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import in_process, in_subprocess
from ledger_fixtures import NAME, Office, case, write_cases
from sqlalchemy.exc import DBAPIError

from pipeline import ledger_tables as tables
from pipeline.errors import InputError, Locked
from pipeline.ledger import open_ledger
from pipeline.year_steps import PLAN, take_step

H1 = ("H1", "310")


def found(name: str) -> str | None:
    """A program of the server: on the path, or where Debian keeps it, the newest."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return shutil.which(name) or (str(kept[-1]) if kept else None)


INITDB, PG_CTL = found("initdb"), found("pg_ctl")
pytestmark = pytest.mark.skipif(
    not (INITDB and PG_CTL),
    reason="no PostgreSQL server here (initdb, pg_ctl): the shared ledger is not proved",
)


def as_server(*words: str) -> subprocess.CompletedProcess[bytes]:
    """The server refuses root: as nobody then."""
    become = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    return subprocess.run([*become, *words], capture_output=True, timeout=60, cwd="/")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server on a socket of its own, with an empty database."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("the server refuses root, and setpriv is not there to be somebody else")
    folder = Path(tempfile.mkdtemp(prefix="drgdip-pg-"))  # pytest's own folders let nobody else in
    try:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
        data = folder / "data"
        made = as_server(
            str(INITDB),
            "-D",
            str(data),
            "-U",
            "office",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C",
        )
        assert made.returncode == 0, made.stderr.decode()
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        log = str(folder / "log")
        started = as_server(str(PG_CTL), "-D", str(data), "-w", "-l", log, "-o", options, "start")
        assert started.returncode == 0, started.stderr.decode()
        try:
            yield f"postgresql://office@/postgres?host={folder}"
        finally:
            as_server(str(PG_CTL), "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def address(server: str) -> str:
    pytest.importorskip("psycopg", reason="psycopg is not installed: the shared ledger is not proved")
    return server


@pytest.fixture
def office(address: str, tmp_path: Path) -> Iterator[Office]:
    """An office whose ledger is a database of its own."""
    engine = sa.create_engine(
        address.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
    )
    name = f"ledger_{time.monotonic_ns()}"
    with engine.connect() as con:
        con.execute(sa.text(f"CREATE DATABASE {name}"))
    yield Office(tmp_path, ledger_url=address.replace("/postgres?", f"/{name}?"))
    with engine.connect() as con:
        con.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def test_a_month_from_run_to_verify_on_the_command_line(office: Office) -> None:
    """The real pipeline; the amounts of test_months: twenty cases of H1, due 8697.75."""
    source = write_cases(office.folder / "in.parquet", [case(f"a{one}", "2025-01-15") for one in range(20)])
    ending = ["--out", office.out, "--ledger", office.ledger_url]
    steps: list[list[object]] = [
        ["run", office.pack, "--period", "2025-01", "--input", source, "--by", "甲"],
        ["confirm", office.pack, "", "--by", "院方"], ["recheck", office.pack, "", "--by", "丙"],
        ["publish", office.pack, "", "--approved-by", "乙"], ["verify", office.pack], ["runs", office.pack],
        ["show", office.pack, ""],
    ]  # fmt: skip
    run_id = ""
    for words in steps:
        said = in_process(*(run_id if word == "" else word for word in words), *ending)
        assert said.code == 0, said
        if words[0] == "run":
            (folder,) = (office.home / "2025-01").glob("*/manifest.json")
            run_id = folder.parent.name
        if words[0] == "publish":
            assert "应付 8697.75 元" in said.out
        if words[0] == "runs":
            assert run_id in said.out and "第 1 版" in said.out
    assert not office.file.exists()  # nothing of the ledger stands beside the files


@pytest.mark.slow
def test_versions_and_adjustments_are_those_of_a_file(office: Office) -> None:
    """The same four acts in both kinds of ledger leave the same amounts."""
    beside = Office(office.folder / "file", office.pack)
    for one in (office, beside):
        one.publish(one.stub("2025-01", {H1: -300_00, ("H3", "390"): 2000_00}))
        one.publish(one.stub("2025-02", {H1: 1000_00}))
        one.publish(one.stub("2025-01", {H1: -250_00, ("H3", "390"): 1900_00}))
        one.publish(one.stub("2025-03", {H1: 1000_00, ("H3", "390"): 50_00}))
        one.verify()
    kept = []
    for one in (office, beside):
        with one.ledger() as ledger:
            kept.append([
                ledger.rows(sa.select(table).order_by(*table.primary_key.columns))
                for table in (tables.hospital_result, tables.payment, tables.adjustment, tables.adjustment_paid)
            ])  # fmt: skip
    assert kept[0] == kept[1]
    paid = {(row["publication_id"], row["hospital_id"]): row["amount_fen"] for row in kept[0][1]}
    assert paid == {
        (f"{NAME}/2025-01/v1", "H3"): 2000_00,
        (f"{NAME}/2025-02/v1", "H1"): 700_00,  # 1000 − 300
        (f"{NAME}/2025-03/v1", "H1"): 1050_00,  # 1000 + 50; H3: 50 − 100 is carried
    }


@pytest.mark.parametrize("statement", [
    "UPDATE payment SET amount_fen = 0", "DELETE FROM payment", "TRUNCATE payment", "TRUNCATE publication CASCADE",
    "INSERT INTO payment SELECT * FROM payment ON CONFLICT (publication_id, hospital_id, insurance_type, payee_id) "
    "DO UPDATE SET amount_fen = 0",
])  # fmt: skip
def test_the_server_refuses_what_is_not_an_addition(statement: str, office: Office) -> None:
    office.publish(office.stub("2025-01", {H1: 100_00}))
    with office.ledger() as ledger:
        with pytest.raises(InputError, match="账本只许追加，不许改动"), ledger.writing() as con:
            con.execute(sa.text(statement))
        assert [row["amount_fen"] for row in ledger.rows(sa.select(tables.payment))] == [100_00]


def test_a_step_of_a_year_is_kept_with_what_it_fixed(office: Office) -> None:
    office.edit(lambda text: text + "\nclearing: [{from: 2025-01-01, source: 测试取值, value: fixed}]\n")
    first, again = (
        take_step(office.region, "2025", PLAN, office.out, "丁", ledger_url=office.ledger_url)
        for _ in range(2)
    )
    assert first.fresh and not again.fresh and again.fixed == first.fixed
    assert again.fixed["预算 310"] == "第 1 版 1000000.00 元"


def test_every_table_is_kept_from_change(office: Office) -> None:
    with office.ledger() as ledger:
        found = ledger.rows(sa.text(
            "SELECT event_object_table AS name, count(*) AS number FROM information_schema.triggers GROUP BY 1"
        ))  # fmt: skip
        for name in tables.metadata.tables:  # information_schema shows no TRUNCATE
            with pytest.raises(InputError, match="只许追加"), ledger.writing() as con:
                con.execute(sa.text(f'TRUNCATE "{name}"'))
    assert {row["name"]: row["number"] for row in found} == dict.fromkeys(tables.metadata.tables, 2)


@pytest.mark.slow
def test_another_connection_is_told_who_holds_the_region(office: Office, tmp_path: Path) -> None:
    """Another machine has another folder, so only the database can tell. Another region is not hindered."""
    run_id = office.stub("2025-01", {H1: 100_00})
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(office.out, elsewhere)
    words = ["recheck", office.pack, run_id, "--by", "丙", "--out", elsewhere, "--ledger", office.ledger_url]
    with office.ledger() as ledger, ledger.occupied():
        said = in_subprocess(*words)
        assert said.code == 14 and said.err.count("\n") == 1, said
        host = os.uname().nodename[:20]
        assert f"正由另一进程运行：drgdip {os.getpid()}@{host} 20" in said.err  # pid, host, start
        assert said.err.split("drgdip ")[1].split("（")[0].count("T") == 1
        with open_ledger(office.home, "another", "0", office.ledger_url) as other, other.occupied():
            pass
    assert in_subprocess(*words).code == 0


@pytest.mark.slow
def test_the_hold_of_a_dead_connection_is_gone(office: Office) -> None:
    free = False
    with office.ledger() as ledger, suppress(InputError, DBAPIError), ledger.occupied():
        with ledger._engine.connect() as con:  # as when the holder's machine dies
            con.execute(sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
            ))  # fmt: skip
        for _ in range(50):  # the server needs a moment to end it
            time.sleep(0.1)
            with suppress(Locked), office.ledger() as other, other.occupied():
                free = True
                break
    assert free


def test_a_server_that_is_not_there_is_one_sentence(office: Office, address: str) -> None:
    gone = address.replace("/postgres?", "/no_such_database?")
    said = in_process("runs", office.pack, "--out", office.out, "--ledger", gone)
    assert said.code == 11 and said.err.count("\n") == 1 and "账本读写失败" in said.err, said
