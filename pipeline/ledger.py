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
        who = f"drgdip {os.getpid()}@{os.uname().nodename} {stamp(now())}"
        key = {"key": f"drgdip/{self.region}"}
        with _failures(self.place), self._engine.connect() as con:
            con.execute(sa.text("SELECT set_config('application_name', :who, false)"), {"who": who[:63]})
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
        engine = sa.create_engine(f"sqlite:///{beside}")
        Ledger(engine, region, str(beside), code_version).migrate()
        engine.dispose()


def insert(con: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows; none is no row."""
    if rows:
        con.execute(sa.insert(table), [dict(row) for row in rows])


def _engine(home: Path, url: str | None) -> tuple[Engine, str]:
    if url is None:
        path = home / FILE
        _prove_file(path)
        engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 10})
        sa.event.listen(engine, "connect", _careful)
        return engine, str(path)
    try:
        parsed = make_url(url)
        named = parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed
        return sa.create_engine(named), parsed.render_as_string(hide_password=True)
    except (ArgumentError, SQLAlchemyError, ImportError) as error:
        # The text may hold a password, so it is not shown.
        raise InputError(
            "账本地址用不了；应写作 postgresql://用户@主机/库，并装有 drgdip[postgres]；请检查 --ledger 或 DRGDIP_LEDGER"
        ) from error


def _careful(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _prove_file(path: Path) -> None:
    """A file that is there must be a whole SQLite file: a truncated one would look empty and start anew."""
    if not path.exists():
        return
    header = b"SQLite format 3\0"
    with path.open("rb") as file:
        start = file.read(len(header))
    if start != header:
        raise InputError(
            f"账本文件被截断或损坏：{path}（{path.stat().st_size} 字节）；请从备份恢复，不要删除它重来"
        )
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as con:
            found = con.execute(sa.text("PRAGMA quick_check(1)")).scalar()
    except DBAPIError as error:
        found = str(error.orig)
    finally:
        engine.dispose()
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
        advice = {
            "full": "磁盘已满，请清理后重试",
            "readonly": "没有写权限，请检查权限",
            "locked": "正被另一进程占用，请稍后再试",
        }
        for word, said in advice.items():
            if word in text.replace("-", "").replace(" ", ""):
                raise InputError(f"账本写不进去：{place}（{text}）；{said}；已有内容未动") from error
        raise InputError(f"账本读写失败：{place}（{text}）；请检查数据库后重试，已有内容未动") from error


def _first(con: Connection) -> None:
    """All tables as they stand today, and the triggers that keep them append-only."""
    tables.metadata.create_all(con)
    sqlite = con.dialect.name == "sqlite"
    if not sqlite:
        con.execute(sa.text(
            "CREATE OR REPLACE FUNCTION drgdip_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'append-only'; END $$"
        ))  # fmt: skip
    for name in tables.metadata.tables:
        for act in ("UPDATE", "DELETE"):
            body = (
                "BEGIN SELECT RAISE(ABORT, 'append-only'); END" if sqlite
                else "FOR EACH ROW EXECUTE FUNCTION drgdip_append_only()"
            )  # fmt: skip
            con.execute(sa.text(f'CREATE TRIGGER "{name}_{act.lower()}" BEFORE {act} ON "{name}" {body}'))


# One step per version of the schema; a step is never changed once a ledger has taken it.
MIGRATIONS: dict[int, Callable[[Connection], None]] = {1: _first}
