"""DuckDB as an in-process SQL engine over Parquet and Arrow: no lasting state, no extension, spills to disk."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pipeline.errors import AuditBroken, UsageMistake
from pipeline.rounding import MACROS

if TYPE_CHECKING:  # `explain` asks for single rows and starts without Arrow
    import pyarrow as pa

Scalar = str | int | None
ROW_GROUP_ROWS = 250_000
# Half the time of the defaults, and smaller files; whatever reads Parquet since 2021 reads them.
PARQUET = (
    f"FORMAT parquet, ROW_GROUP_SIZE {ROW_GROUP_ROWS}, PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 10000, "
    "COMPRESSION zstd, COMPRESSION_LEVEL 1"
)


@cache
def statement(name: str) -> str:
    """The text of `pipeline/sql/<name>.sql`."""
    return (package_files("pipeline") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def audit_names(area: str = "audit") -> list[str]:
    """Names of the laws: files of `pipeline/sql/<area>/`."""
    folder = package_files("pipeline") / "sql" / area
    return sorted(
        f"{area}/{file.name.removesuffix('.sql')}" for file in folder.iterdir() if file.name.endswith(".sql")
    )


@contextmanager
def engine(spill: Path, memory_limit: str = "2GiB") -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that keeps under a memory limit and spills into `spill`."""
    config = {
        "memory_limit": memory_limit,
        "temp_directory": str(spill),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "threads": "2",
    }
    try:
        con = duckdb.connect(config=config)
    except duckdb.ParserException as error:
        raise UsageMistake(f"内存上限应写成如 `3GiB`，实为 `{memory_limit[:40]}`；请更正 --memory") from error
    try:
        con.execute("SET enable_progress_bar = false")  # it would stand among the JSON on stdout
        con.execute(MACROS)
        yield con
    except duckdb.OutOfMemoryException as error:
        raise UsageMistake(
            f"内存上限 {memory_limit} 不够用；已有成果未动，请用 --memory 调大后重新运行"
        ) from error
    except duckdb.IOException as error:
        if "No space left on device" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device", str(spill)) from error
        raise
    finally:
        con.close()


def parquet_view(
    con: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], filename: bool = False
) -> None:
    """Make Parquet files visible as a table. File names are quoted; they come from our own folder listing."""
    quoted = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    con.execute(
        f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet([{quoted}], "
        f"hive_partitioning = false, union_by_name = true, filename = {filename})"
    )


def table(con: duckdb.DuckDBPyConnection, name: str, **parameters: Scalar) -> pa.Table:
    """The result of a statement as an Arrow table."""
    return _relation(con, name, parameters).to_arrow_table()


def rows(con: duckdb.DuckDBPyConnection, text: str, **parameters: Scalar) -> list[dict[str, Any]]:
    """A few rows as plain values."""
    found = con.sql(text, params=parameters)
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def keep(con: duckdb.DuckDBPyConnection, name: str, **parameters: Scalar) -> None:
    """The result of a statement as a table of this connection, under the statement's own name."""
    relation = _relation(con, name, parameters)
    relation.create(name.rsplit("/", 1)[-1])


def view(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """A statement as a view of its own name: read where it is used, kept nowhere."""
    con.execute(f"CREATE OR REPLACE VIEW {name.rsplit('/', 1)[-1]} AS {statement(name)}")


def drop(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Let go of a kept table: its rows stand in a file by now."""
    con.execute(f"DROP TABLE {name}")


def store(con: duckdb.DuckDBPyConnection, name: str, path: Path, **parameters: Scalar) -> None:
    """The result of a statement as a Parquet file, which is then the table of that name."""
    quoted = str(path).replace("'", "''")
    con.execute(f"COPY ({statement(name)}) TO '{quoted}' ({PARQUET})", dict(parameters))
    parquet_view(con, name.rsplit("/", 1)[-1], [path])


def audit(con: duckdb.DuckDBPyConnection, names: Sequence[str] | None = None) -> list[str]:
    """Prove the laws, the month's unless named. Raises AuditBroken with both numbers and the difference."""
    proved = []
    for name in audit_names() if names is None else names:
        broken = _relation(con, name, {}).limit(1).fetchall()
        title = statement(name).splitlines()[0].removeprefix("-- ").strip()
        if broken:
            subject, expected, found = broken[0][:3]
            raise AuditBroken(
                f"核对不平：{title}；{subject} 应为 {expected}，实为 {found}，相差 {found - expected}；"
                "本次未写出成果，请把本消息交给开发者"
            )
        proved.append(title)
    return proved


def _relation(
    con: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Scalar]
) -> duckdb.DuckDBPyRelation:
    return con.sql(statement(name), params=dict(parameters)) if parameters else con.sql(statement(name))
