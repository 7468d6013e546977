"""Read discharges from Parquet: guards first, then row group by row group, in input order.

Input order is files by path in byte order, rows as stored. Code lists are read as Arrow dictionaries, so that
no later stage touches their texts row by row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.tables import DISCHARGES, Column

# A forged file of a few hundred bytes can claim gigabytes; honest discharges stay far inside these.
MOST_ROWS_PER_BYTE = 5
MOST_EXPANSION = 1_000
BULKY_ROWS = 1_500_000  # a row group above this is read in slices, slower but within memory
BULKY_BYTES = 2 << 30
SLICE_ROWS = 250_000
WORKERS = 2

DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)  # what Arrow raises on a broken file

Result = TypeVar("Result")


@dataclass(frozen=True)
class Piece:
    """One row group of one file; `start` is the input position of its first row."""

    path: Path
    row_group: int
    start: int
    rows: int
    bulky: bool


@dataclass(frozen=True)
class Source:
    """Input files that passed the guards, with the columns asked for."""

    files: tuple[Path, ...]
    columns: tuple[Column, ...]
    present: frozenset[str]
    pieces: tuple[Piece, ...]
    metadata: dict[Path, pq.FileMetaData] = field(compare=False, repr=False, default_factory=dict)
    named_by_path: dict[Path, dict[str, str | None]] = field(compare=False, repr=False, default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(piece.rows for piece in self.pieces)


def open_source(path: Path, columns: Sequence[Column] = DISCHARGES) -> Source:
    """Find the files, check size claims and columns. Raises InputError; nothing of the data is read yet."""
    files = discover(path)
    metadata = {file: _metadata(file) for file in files}
    present: frozenset[str] = frozenset()
    pieces: list[Piece] = []
    named_by_path: dict[Path, dict[str, str | None]] = {}
    start = 0
    for file in files:
        _guard(file, metadata[file])
        schema = _schema(file, metadata[file])
        named_by_path[file] = _named_by_path(file, path, schema, columns)
        # A column that only some files have keeps its values; the other files have null there.
        present |= _check_columns(file, schema, columns, named_by_path[file])
        for number in range(metadata[file].num_row_groups):
            group = metadata[file].row_group(number)
            bulky = group.num_rows > BULKY_ROWS or group.total_byte_size > BULKY_BYTES
            if group.num_rows:
                pieces.append(Piece(file, number, start, group.num_rows, bulky))
            start += group.num_rows
    if not start:
        raise InputError(f"输入没有任何记录：{path}；应至少有一行出院记录，请检查导出是否成功")
    return Source(tuple(files), tuple(columns), present, tuple(pieces), metadata, named_by_path)


def discover(path: Path) -> list[Path]:
    """The Parquet files of a path, by path in byte order. Raises InputError for a foreign file among them."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"输入不存在：{path}；请给出 Parquet 文件或文件夹")
    found: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in names:
            if name.startswith((".", "_")):  # marks and checksums that other systems leave beside their data
                continue
            if not name.endswith(".parquet"):
                advice = (
                    "平台导出的各表请先用 `drgdip convert-platform` 合成，" if name.endswith(".csv") else ""
                )
                raise InputError(
                    f"输入文件夹里有不认识的文件：{Path(folder) / name}；只接受 .parquet，{advice}请移走它或改给单个文件"
                )
            found.append(Path(folder) / name)
    if not found:
        raise InputError(f"输入文件夹里没有 .parquet 文件：{path}；请检查路径")
    return sorted(found, key=lambda file: os.fsencode(file))


def _metadata(file: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(file)
    except PermissionError as error:
        raise InputError(f"输入文件没有读取权限：{file}；请检查文件权限") from error
    except DAMAGE as error:
        size = file.stat().st_size if file.exists() else 0
        raise InputError(f"不是 Parquet 文件或已损坏：{file}（{size} 字节）；请重新导出为 Parquet") from error


def _schema(file: Path, metadata: pq.FileMetaData) -> pa.Schema:
    try:
        return metadata.schema.to_arrow_schema()
    except DAMAGE as error:
        raise InputError(
            f"不是 Parquet 文件或已损坏：{file}（列定义读不出来）；请重新导出为 Parquet"
        ) from error


def _guard(file: Path, metadata: pq.FileMetaData) -> None:
    size = max(1, file.stat().st_size)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    if rows > size * MOST_ROWS_PER_BYTE:
        raise InputError(
            f"文件声称的行数与大小不符：{file}，{size} 字节却称有 {rows} 行；请确认来源并重新导出"
        )
    if any(group.num_rows < 0 for group in groups):
        raise InputError(f"文件声称的行数为负：{file}；文件已损坏，请重新导出")
    claimed = sum(group.total_byte_size for group in groups)
    if claimed > size * MOST_EXPANSION:
        raise InputError(
            f"文件解压后过大：{file}，{size} 字节将展开为 {claimed} 字节，超过 {MOST_EXPANSION} 倍；请确认来源"
        )


def _named_by_path(
    file: Path, root: Path, schema: pa.Schema, columns: Sequence[Column]
) -> dict[str, str | None]:
    """Contract columns that a partitioned writer left in the folder names (`hospital_id=H01/`) alone."""
    wanted = {column.name for column in columns} - set(schema.names)
    parts = file.relative_to(root).parent.parts if file != root else ()
    named: dict[str, str | None] = {}
    for name, _, value in (part.partition("=") for part in parts):
        if name in wanted:
            named[name] = None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value)
    return named


def _check_columns(
    file: Path, schema: pa.Schema, columns: Sequence[Column], named: dict[str, str | None]
) -> frozenset[str]:
    missing = [column for column in columns if column.required and column.name not in {*schema.names, *named}]
    if missing:
        names = "、".join(f"`{column.name}`（{column.meaning}）" for column in missing)
        raise InputError(
            f"输入缺列：{file} 缺 {names}；文件现有列：{'、'.join(schema.names)}；请按数据约定补齐"
        )
    for column in columns:
        # SQL reads names without regard to case: of `sex` and `SEX` two readers would see different columns.
        if sum(name.lower() == column.name for name in schema.names) > 1:
            raise InputError(f"列名重复：{file} 有多列名为 `{column.name}`（不分大小写）；请只留一列后再导出")
        if column.name in schema.names and not _castable(schema.field(column.name).type, column.type):
            raise InputError(
                f"列类型不符：{file} 的 `{column.name}` 应为 {column.type}，实为 {schema.field(column.name).type}；"
                "请按数据约定转换后再导出"
            )
    return frozenset(column.name for column in columns if column.name in {*schema.names, *named})


def _castable(found: pa.DataType, expected: pa.DataType) -> bool:
    """Same kind of value in another width; never text for a number, nor a number for text."""
    if pa.types.is_null(found):  # what exporters write for a column without any value
        return True
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_string(expected):
        return bool(
            pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)
        )
    if pa.types.is_integer(expected):
        return bool(pa.types.is_integer(found))
    if pa.types.is_list(expected):
        if not (pa.types.is_list(found) or pa.types.is_large_list(found)):
            return False
        return _castable(found.value_type, expected.value_type)
    return bool(found == expected)


def stream(source: Source, stage: Callable[[Piece, pa.RecordBatch], Result]) -> Iterator[Result]:
    """Apply a stage to every piece on a few threads; results come in input order, few at a time in memory."""
    pieces = iter(source.pieces)

    def work(piece: Piece) -> list[Result]:
        return [stage(part, batch) for part, batch in read_piece(source, piece)]

    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: list[Future[list[Result]]] = [pool.submit(work, piece) for piece in islice(pieces, WORKERS)]
        while waiting:
            done = waiting.pop(0).result()
            waiting.extend(pool.submit(work, piece) for piece in islice(pieces, 1))
            yield from done


def read_piece(source: Source, piece: Piece) -> Iterator[tuple[Piece, pa.RecordBatch]]:
    """The rows of one piece in contract types; a bulky one in slices. Raises InputError where data is damaged."""
    metadata = source.metadata[piece.path]
    try:
        paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
        inside = {path.split(".")[0] for path in paths}
        names = [column.name for column in source.columns if column.name in inside]
        lists = [path for path in paths if path.split(".")[0] in ("dx_codes", "px_codes")]
        if not piece.bulky:
            yield from _parts(source, piece, _row_group(piece, metadata, names, lists), piece.start)
            return
        with pq.ParquetFile(piece.path, metadata=metadata, memory_map=True) as file:
            start = piece.start
            for batch in file.iter_batches(SLICE_ROWS, row_groups=[piece.row_group], columns=names):
                yield from _parts(source, piece, pa.table(batch), start)
                start += batch.num_rows
    except DAMAGE as error:
        raise InputError(
            f"文件内容损坏：{piece.path} 第 {piece.row_group + 1} 个行组读不出来；请重新导出"
        ) from error


def _row_group(piece: Piece, metadata: pq.FileMetaData, names: list[str], lists: list[str]) -> pa.Table:
    """A row group, its code lists as dictionaries; Arrow cannot make them of delta-encoded texts, which come as texts."""
    try:
        with pq.ParquetFile(piece.path, metadata=metadata, read_dictionary=lists, memory_map=True) as file:
            return file.read_row_group(piece.row_group, columns=names, use_threads=False)
    except OSError as error:
        if "Not yet implemented" not in str(error):
            raise
    with pq.ParquetFile(piece.path, metadata=metadata, memory_map=True) as file:
        return file.read_row_group(piece.row_group, columns=names, use_threads=False)


def _parts(
    source: Source, piece: Piece, table: pa.Table, start: int
) -> Iterator[tuple[Piece, pa.RecordBatch]]:
    wanted = [column for column in source.columns if column.name in source.present]
    arrays = [
        _conform(table.column(column.name), column, piece)
        if column.name in table.column_names
        else _constant(source.named_by_path[piece.path].get(column.name), table.num_rows, column, piece)
        for column in wanted
    ]
    conformed = pa.table(arrays, names=[column.name for column in wanted])
    for batch in conformed.to_batches():
        yield Piece(piece.path, piece.row_group, start, batch.num_rows, piece.bulky), batch
        start += batch.num_rows


def _constant(value: str | None, rows: int, wanted: Column, piece: Piece) -> pa.Array:
    """A column with one value for the whole file: what its folder is named, else null."""
    try:
        return pa.array([value], pa.string()).cast(wanted.type).take(pa.array([0] * rows, pa.int32()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"分区文件夹的名称读不懂：{piece.path} 的 `{wanted.name}` 应为 {wanted.type}，实为 `{value}`；请更正文件夹名"
        ) from error


def _conform(column: pa.ChunkedArray, wanted: Column, piece: Piece) -> pa.ChunkedArray:
    """The contract's type, proved to hold what it says. Raises InputError where it does not.

    Arrow takes texts and dictionary positions from a file unseen; in other encodings they crash later stages.
    """
    where = f"{piece.path} 第 {piece.row_group + 1} 个行组的 `{wanted.name}`"
    try:
        conformed = _cast(column, wanted)
        conformed.validate(full=True)
        return conformed
    except DAMAGE as error:
        if pa.types.is_integer(wanted.type):
            span = pc.min_max(column)
            raise InputError(
                f"数值放不下：{where} 应为 {wanted.type}，实有 {span['min']} 至 {span['max']}；请核对单位与数值后重新导出"
            ) from error
        # The text itself is not shown: it may name a person.
        raise InputError(f"列内容读不懂：{where} 不是 UTF-8 文本或已损坏；请以 UTF-8 重新导出") from error


def _cast(column: pa.ChunkedArray, wanted: Column) -> pa.ChunkedArray:
    """Code lists stay dictionary-encoded; an empty list column gets its type here."""
    if pa.types.is_null(column.type):
        return column.cast(wanted.type)
    if pa.types.is_list(wanted.type):
        if pa.types.is_large_list(column.type):
            column = column.cast(pa.list_(column.type.value_type))
        inner = column.type.value_type
        plain = inner.value_type if pa.types.is_dictionary(inner) else inner
        if not pa.types.is_string(plain):
            column = column.cast(wanted.type)
        return column
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    return column if column.type == wanted.type else column.cast(wanted.type)
