"""Before anything is priced: control totals compared, repeated rows found. Both by SQL over the input files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from pipeline.errors import AuditBroken, InputError
from pipeline.query import table
from pipeline.read import Source
from pipeline.region_tables import MOST_IN_A_CELL, yuan_to_fen

CONTROL_COLUMNS = ("hospital_id", "insurance_type", "cases", "total_fee_yuan", "pool_fund_yuan")


@dataclass(frozen=True)
class Repeats:
    """Input rows that repeat an earlier row, and rows that share a case_id but differ; both sorted."""

    repeated: np.ndarray
    conflicting: np.ndarray


# What a folder name holds is text; what is stored of it later must be of the column's own type.
_SQL_TYPES = {
    "string": "VARCHAR",
    "date32[day]": "DATE",
    "int8": "TINYINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
}


def register_input(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """The input as `discharges`, with file and row as `numbered`, and `input_files` in input order."""
    columns = ", ".join(column.name for column in source.columns if column.name in source.present)
    # A file may lack an optional column that another one has; foreign columns are nobody's business here.
    with _damage_named(source):
        for view, more in (("discharges", ""), ("numbered", ", filename, file_row_number")):
            options = "".join(f", {name.strip()} = true" for name in more.split(",") if name)
            parts = " UNION ALL BY NAME ".join(_reads(source, options))
            con.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT {columns}{more} FROM ({parts})")
    starts = _starts(source)
    files = pa.table({
        "filename": [str(file) for file in source.files],
        "place": list(range(len(source.files))),
        "start": pa.array([starts.get(str(file), 0) for file in source.files], pa.int64()),
    })  # fmt: skip
    con.register("input_files", files)


def _reads(source: Source, options: str) -> Iterator[str]:
    """Files whose folders name columns, and files that hold all of theirs: DuckDB reads no mixture of them."""
    for partitioned in (True, False):
        files = [file for file in source.files if bool(source.named_by_path.get(file)) == partitioned]
        if not files:
            continue
        quoted = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        hive = (
            "hive_partitioning = true, hive_types_autocast = false"
            if partitioned
            else "hive_partitioning = false"
        )
        named = {name for file in files for name in source.named_by_path.get(file, {})}
        typed = ", ".join(
            f"TRY_CAST({column.name} AS {_SQL_TYPES[str(column.type)]}) AS {column.name}"
            for column in source.columns
            if column.name in named
        )
        replaced = f" REPLACE ({typed})" if typed else ""
        yield f"SELECT *{replaced} FROM read_parquet([{quoted}], {hive}, union_by_name = true{options})"


def find_repeats(con: duckdb.DuckDBPyConnection, source: Source) -> Repeats:
    """Rows that share a case_id: copies equal in every column but the first, and all rows that differ."""
    with _damage_named(source):
        found = table(con, "repeated_rows")
    rows = input_rows(source, found)
    differs = found.column("differs").to_numpy(zero_copy_only=False).astype(bool)
    again = found.column("nth").to_numpy() > 1
    return Repeats(np.sort(rows[~differs & again]), np.sort(rows[differs]))


def input_rows(source: Source, found: pa.Table) -> np.ndarray:
    """The input position of rows given as filename and file_row_number."""
    starts = _starts(source)
    rows = np.array([starts[name] for name in found.column("filename").to_pylist()], dtype=np.int64)
    return rows + found.column("file_row_number").to_numpy().astype(np.int64)


def _starts(source: Source) -> dict[str, int]:
    """The input position of the first row of each file that has rows."""
    starts: dict[str, int] = {}
    for piece in source.pieces:
        starts.setdefault(str(piece.path), piece.start)
    return starts


@contextmanager
def _damage_named(source: Source) -> Iterator[None]:
    """Damaged pages are the file's fault, not the program's."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:  # what damage looks like depends on the byte that is damaged
        text = str(error)
        if "No space left" in text:
            raise
        path = next((file for file in source.files if str(file) in text), source.files[0])
        among = "" if len(source.files) == 1 else f"（共 {len(source.files)} 个文件）"
        raise InputError(f"文件内容损坏：{path}{among} 的数据读不出来；请重新导出") from error


def compare_control_totals(con: duckdb.DuckDBPyConnection, path: Path, source: Source) -> int:
    """Compare count, fee and fund by hospital and insurance type; returns how many lines agree.

    Raises InputError for a file that is not of the form, AuditBroken for the first difference.
    """
    totals = _read_control_totals(path)
    con.register("control_totals", totals)
    with _damage_named(source):
        gaps = table(con, "control_gaps").to_pylist()
    for gap in gaps[:1]:
        for name, title, unit in (
            ("cases", "例数", "例"),
            ("total_fee", "医疗费总额", "分"),
            ("pool_fund", "统筹基金", "分"),
        ):
            told, found = (
                (gap["cases"], gap["cases_found"])
                if name == "cases"
                else (gap[f"{name}_fen"], gap[f"{name}_found_fen"])
            )
            if told != found:
                raise AuditBroken(
                    f"对账不符：{gap['hospital_id']}、险种 {gap['insurance_type']} 的{title}，"
                    f"对账表 {told} {unit}，收到 {found} {unit}，相差 {found - told} {unit}"
                    f"（共 {len(gaps)} 行不符）；请与平台核对后重新导出"
                )
    return totals.num_rows


def _read_control_totals(path: Path) -> pa.Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"对账表读不出来：{path}（{type(error).__name__}）；应为 UTF-8 的 CSV") from error
    if not rows or tuple(rows[0]) != CONTROL_COLUMNS:
        raise InputError(
            f"对账表表头应为 {','.join(CONTROL_COLUMNS)}，实为 {','.join(rows[0] if rows else [])}"
        )
    lines = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            hospital_id, insurance_type, cases, fee, fund = row
            if not 0 <= int(cases) <= MOST_IN_A_CELL:
                raise ValueError(cases)
            lines.append(
                {"hospital_id": hospital_id, "insurance_type": insurance_type, "cases": int(cases),
                 "total_fee_fen": yuan_to_fen(fee), "pool_fund_fen": yuan_to_fen(fund)}
            )  # fmt: skip
        except ValueError as error:
            raise InputError(
                f"对账表第 {number} 行读不懂：{path}；金额以元计、至多两位小数，例数为整数，请更正"
            ) from error
    return pa.Table.from_pylist(lines, _CONTROL)


_CONTROL = pa.schema(
    [("hospital_id", pa.string()), ("insurance_type", pa.string()), ("cases", pa.int64()),
     ("total_fee_fen", pa.int64()), ("pool_fund_fen", pa.int64())]
)  # fmt: skip
