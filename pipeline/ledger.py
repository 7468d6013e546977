"""The ledger: append-only, SQLite per region by itself, PostgreSQL by one URL where several people share it.

Every write is one transaction. Nothing is ever altered or removed: triggers refuse it, in both databases.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from pipeline import ledger_tables as tables
from pipeline.errors import InputError, Locked
from pipeline.write import appearing

FILE = "ledger.sqlite"
PUBLISHED = "published"  # the folder of what was published, beside the ledger
LATER = dt.timedelta(minutes=5)  # clocks of two machines differ a little


class Ledger:
    """An open ledger of one region. Make one with `open_ledger`."""

    def __init__(self, engine: Engine, region: str, place: str, code_version: str) -> None:
        self._engine = engine
        self.region = region
        self.place = place
        self._code_version = code_version

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it stands at its end, or nothing. Raises InputError where it cannot be written."""
        with _failures(self.place), self._engine.begin() as con:
            yield con

    def rows(self, query: sa.Executable) -> list[dict[str, Any]]:
        """Rows of a query as plain values."""
        with _failures(self.place), self._engine.connect() as con:
            return [dict(row) for row in con.execute(query).mappings()]

    def stop_on_clock(self, now: dt.datetime) -> None:
        """Raises InputError where the clock stands before what is already written: order would be lost."""
        latest = [
            row["at"]
            for row in self.rows(
                sa.union_all(
                    sa.select(sa.func.max(tables.run.c.finished_at).label("at")),
                    sa.select(sa.func.max(tables.publication.c.published_at)),
                )
            )
            if row["at"]
        ]
        for text in latest:
            if dt.datetime.fromisoformat(text) > now + LATER:
                raise InputError(
                    f"系统时间早于账本：现在 {stamp(now)}，账本最后一笔 {text}（{self.place}）；请校正系统时间后再试"
                )

    def next_moment(self) -> str:
        """This moment for a publication; just after the last one where the clock went back a little (LATER).

        Publications are in the order of their times, and what a month carries depends on that order.
        """
        table = tables.publication
        query = sa.select(sa.func.max(table.c.published_at).label("at")).where(table.c.region == self.region)
        last = self.rows(query)[0]["at"]
        moment = now()
        if last:
            moment = max(moment, dt.datetime.fromisoformat(last) + dt.timedelta(milliseconds=1))
        return stamp(moment)

    def migrate(self) -> None:
        """Bring the ledger to this program's schema, step by step, each once. Raises InputError for a newer one."""
        with _failures(self.place):
            found = self._version()
            if found > tables.VERSION:
                raise InputError(
                    f"账本由较新的程序写成：{self.place} 是第 {found} 版，本程序只认到第 {tables.VERSION} 版；请升级程序"
                )
            for version in range(found + 1, tables.VERSION + 1):
                with self._engine.begin() as con:
                    MIGRATIONS[version](con)
                    con.execute(sa.insert(tables.ledger_schema).values(
                        version=version, applied_at=stamp(now()), code_version=self._code_version
                    ))  # fmt: skip

    def _version(self) -> int:
        if not sa.inspect(self._engine).has_table(tables.ledger_schema.name):
            return 0
        with self._engine.connect() as con:
            return con.execute(sa.select(sa.func.max(tables.ledger_schema.c.version))).scalar() or 0

    @contextmanager
    def occupied(self) -> Iterator[None]:
        """On a shared database one process at a time works on a region, wherever it runs. Raises Locked.

        The database lets go of it when the connection ends, however it ends; a file has the lock of its folder.
        """
        if self._engine.dialect.name != "postgresql":
            yield
            return
        # A name of 63 bytes is all that the server keeps; the start must not be what is cut off.
        start = now().isoformat(timespec="seconds")
        who = f"drgdip {os.getpid()}@{os.uname().nodename[:20]} {start}"
        key = {"key": f"drgdip/{self.region}"}
        with _failures(self.place), self._engine.connect() as con:
            con.execute(sa.text("SELECT set_config('application_name', :who, false)"), {"who": who})
            taken = con.execute(sa.text("SELECT pg_try_advisory_lock(hashtext(:key))"), key).scalar()
            if not taken:
                holder = con.execute(sa.text(
                    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE "
                    "l.locktype = 'advisory' AND l.granted AND l.objid::bigint = hashtext(:key)::bigint & 4294967295"
                ), key).scalar()  # fmt: skip
                raise Locked(
                    f"地区 `{self.region}` 正由另一进程运行：{holder or '未知'}（账本 {self.place}）；请等它结束后再试"
                )
            con.commit()
            yield

    def close(self) -> None:
        self._engine.dispose()


def now() -> dt.datetime:
    """This moment with its zone; times stand in the ledger and the log only."""
    return dt.datetime.now().astimezone()


def stamp(moment: dt.datetime) -> str:
    """A moment as the ledger writes it: UTC, so that texts sort by time."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")


@contextmanager
def open_ledger(home: Path, region: str, code_version: str, url: str | None = None) -> Iterator[Ledger]:
    """The ledger of a region, brought up to date: `home/ledger.sqlite`, or the database that `url` names.

    Raises InputError where it is damaged, of a newer program, or cannot be reached.
    """
    if url is None:
        _begin_file(home / FILE, region, code_version)
    engine, place = _engine(home, url)
    ledger = Ledger(engine, region, place, code_version)
    try:
        ledger.migrate()
        yield ledger
    finally:
        ledger.close()


def _begin_file(path: Path, region: str, code_version: str) -> None:
    """A new ledger appears with all its tables or not at all; one that is gone is not begun anew."""
    if path.exists():
        return
    if (path.parent / PUBLISHED).is_dir():
        raise InputError(
            f"账本不见了：{path} 不存在，但 {path.parent / PUBLISHED} 里已有发布的结果；请从备份恢复账本后再试"
        )
    with appearing(path) as beside:
        engine = _file_engine(beside)
        Ledger(engine, region, str(path), code_version).migrate()
        engine.dispose()


def insert(con: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows; none is no row."""
    if rows:
        con.execute(sa.insert(table), [dict(row) for row in rows])


def _engine(home: Path, url: str | None) -> tuple[Engine, str]:
    if url is None:
        path = home / FILE
        _prove_file(path)
        return _file_engine(path), str(path)
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "postgresql":
            raise ArgumentError("a file has its place in the region's folder")
        named = parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed
        # What follows the question mark may hold a password too.
        return sa.create_engine(named), parsed.set(query={}).render_as_string(hide_password=True)
    except (ArgumentError, SQLAlchemyError, ImportError, ValueError) as error:
        # The text may hold a password, so it is not shown.
        raise InputError(
            "账本地址用不了；应写作 postgresql://用户@主机/库，并装有 drgdip[postgres]；请检查 --ledger 或 DRGDIP_LEDGER"
        ) from error


def _file_engine(path: Path) -> Engine:
    """The database in a file, whatever characters its name has; a transaction holds changes of the schema too."""
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": 10})
    sa.event.listen(engine, "connect", _careful)
    sa.event.listen(engine, "begin", lambda con: con.exec_driver_sql("BEGIN"))
    return engine


def _careful(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # Python's driver begins no transaction before CREATE TABLE; we do
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _prove_file(path: Path) -> None:
    """A file that is there must be a whole SQLite file: a truncated one would look empty and start anew."""
    if not path.exists():
        return
    header = b"SQLite format 3\0"
    with path.open("rb") as file:
        start = file.read(len(header) + 2)  # and the size of a page, 1 for 65536
    if not start.startswith(header):
        raise InputError(
            f"账本文件被截断或损坏：{path}（{path.stat().st_size} 字节）；请从备份恢复，不要删除它重来"
        )
    engine = _file_engine(path)
    try:
        with engine.connect() as con:
            found = con.execute(sa.text("PRAGMA quick_check(1)")).scalar()
    except DBAPIError as error:
        found = str(error.orig)
    finally:
        engine.dispose()
    # Of a page cut short SQLite reads zeros: where the page was nearly empty, nothing seems to be missing.
    page, size = int.from_bytes(start[16:18], "big"), path.stat().st_size
    if found == "ok" and size % max(page, 512):
        found = f"{size} 字节，不是整页"
    if found != "ok":
        raise InputError(f"账本文件被截断或损坏：{path}（{found}）；请从备份恢复，不要删除它重来")


@contextmanager
def _failures(place: str) -> Iterator[None]:
    """A database's refusal as one sentence."""
    try:
        yield
    except DBAPIError as error:
        text = str(error.orig).splitlines()[0] if error.orig else type(error).__name__
        if "append-only" in text:
            raise InputError(f"账本只许追加，不许改动：{place}；请用新的一笔更正") from error
        if "full" in text:
            raise InputError(
                f"磁盘已满：写 {place} 时空间不足；已有成果未动，请清理磁盘后重新运行"
            ) from error
        advice = {
            "readonly": "没有写权限，请检查权限",
            "locked": "正被另一进程占用，请稍后再试",
        }
        for word, said in advice.items():
            if word in text.replace("-", "").replace(" ", ""):
                raise InputError(f"账本写不进去：{place}（{text}）；{said}；已有内容未动") from error
        raise InputError(f"账本读写失败：{place}（{text}）；请检查数据库后重试，已有内容未动") from error


def _first(con: Connection) -> None:
    """The tables of the first version, and on a server what their triggers call."""
    if con.dialect.name != "sqlite":
        con.execute(sa.text(
            "CREATE OR REPLACE FUNCTION drgdip_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'append-only'; END $$"
        ))  # fmt: skip
    _add_tables(con, 1)


def _second(con: Connection) -> None:
    """What alliances keep or bear; of clearings published before, it is what was paid to no hospital."""
    _add_tables(con, 2)
    con.execute(sa.text(
        "INSERT INTO alliance_result (run_id, alliance_id, insurance_type, kept_fen) "
        "SELECT p.run_id, m.hospital_id, m.insurance_type, sum(m.amount_fen) FROM publication p "
        "JOIN publication q ON q.region = p.region AND q.period = p.period AND q.version <= p.version "
        "JOIN payment m ON m.publication_id = q.publication_id "
        "WHERE p.kind = 'clear' AND p.version = (SELECT max(x.version) FROM publication x WHERE x.run_id = p.run_id) "
        "AND NOT EXISTS (SELECT 1 FROM hospital_result h JOIN run r ON r.run_id = h.run_id WHERE r.kind = 'clear' "
        "AND r.region = p.region AND r.period = p.period AND h.hospital_id = m.hospital_id) "
        "GROUP BY p.run_id, m.hospital_id, m.insurance_type HAVING sum(m.amount_fen) <> 0"
    ))  # fmt: skip


def _add_tables(con: Connection, version: int) -> None:
    """The tables that a version of the schema brought, and the triggers that keep them append-only."""
    brought = [
        table for table in tables.metadata.tables.values() if table.info.get(tables.SINCE, 1) == version
    ]
    tables.metadata.create_all(con, brought)
    for table in brought:
        for act, when in (_refused_by_file if con.dialect.name == "sqlite" else _refused_by_server)(table):
            con.execute(
                sa.text(f'CREATE TRIGGER "{table.name}_{act.lower()}" BEFORE {act} ON "{table.name}" {when}')
            )


def _refused_by_server(table: sa.Table) -> Iterator[tuple[str, str]]:
    for act, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
        yield act, f"FOR EACH {each} EXECUTE FUNCTION drgdip_append_only()"


def _refused_by_file(table: sa.Table) -> Iterator[tuple[str, str]]:
    """SQLite's INSERT OR REPLACE removes a row of the same key and asks no other trigger."""
    body = "BEGIN SELECT RAISE(ABORT, 'append-only'); END"
    yield "UPDATE", body
    yield "DELETE", body
    keys = [list(table.primary_key.columns)]
    keys += [list(one.columns) for one in table.constraints if isinstance(one, sa.UniqueConstraint)]
    same = " OR ".join(
        "(" + " AND ".join(f'"{column.name}" = NEW."{column.name}"' for column in key) + ")" for key in keys
    )
    yield "INSERT", f'WHEN EXISTS (SELECT 1 FROM "{table.name}" WHERE {same}) {body}'


# One step per version of the schema; a step is never changed once a ledger has taken it.
MIGRATIONS: dict[int, Callable[[Connection], None]] = {1: _first, 2: _second}
