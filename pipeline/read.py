"""Read discharges from Parquet: guards first, then row group by row group, in input order.

Input order is files by path in byte order, rows as stored. Code lists are read as Arrow dictionaries, so that
no later stage touches their texts row by row.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

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

    @property
    def rows(self) -> int:
        return sum(piece.rows for piece in self.pieces)

    @property
    def row_size(self) -> int:
        return sum(path.stat().st_size for path in self.files)


def open_source(path: Path, columns: Sequence[Column] = DISCHARGES) -> Source:
    """Find the files, check size claims and columns. Raises InputError; nothing of the data is read yet."""
    files = discover(path)
    metadata = {file: _metadata(file) for file in files}
    present: frozenset[str] | None = None
    pieces: list[Piece] = []
    start = 0
    for file in files:
        _guard(file, metadata[file])
        names = _check_columns(file, metadata[file].schema.to_arrow_schema(), columns)
        present = names if present is None else present & names
        for number in range(metadata[file].num_row_groups):
            group = metadata[file].row_group(number)
            bulky = group.num_rows > BULKY_ROWS or group.total_byte_size > BULKY_BYTES
            if group.num_rows:
                pieces.append(Piece(file, number, start, group.num_rows, bulky))
            start += group.num_rows
    if not start:
        raise InputError(f"输入没有任何记录：{path}；应至少有一行出院记录，请检查导出是否成功")
    return Source(tuple(files), tuple(columns), present or frozenset(), tuple(pieces), metadata)


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
                raise InputError(
                    f"输入文件夹里有不认识的文件：{Path(folder) / name}；只接受 .parquet，请移走它或改给单个文件"
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
    except (pa.ArrowException, OSError) as error:
        size = file.stat().st_size if file.exists() else 0
        raise InputError(f"不是 Parquet 文件或已损坏：{file}（{size} 字节）；请重新导出为 Parquet") from error


def _guard(file: Path, metadata: pq.FileMetaData) -> None:
    size = max(1, file.stat().st_size)
    if metadata.num_rows > size * MOST_ROWS_PER_BYTE:
        raise InputError(
            f"文件声称的行数与大小不符：{file}，{size} 字节却称有 {metadata.num_rows} 行；请确认来源并重新导出"
        )
    claimed = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if claimed > size * MOST_EXPANSION:
        raise InputError(
            f"文件解压后过大：{file}，{size} 字节将展开为 {claimed} 字节，超过 {MOST_EXPANSION} 倍；请确认来源"
        )


def _check_columns(file: Path, schema: pa.Schema, columns: Sequence[Column]) -> frozenset[str]:
    missing = [column for column in columns if column.required and column.name not in schema.names]
    if missing:
        names = "、".join(f"`{column.name}`（{column.meaning}）" for column in missing)
        raise InputError(
            f"输入缺列：{file} 缺 {names}；文件现有列：{'、'.join(schema.names)}；请按数据约定补齐"
        )
    for column in columns:
        if column.name in schema.names and not _castable(schema.field(column.name).type, column.type):
            raise InputError(
                f"列类型不符：{file} 的 `{column.name}` 应为 {column.type}，实为 {schema.field(column.name).type}；"
                "请按数据约定转换后再导出"
            )
    return frozenset(column.name for column in columns if column.name in schema.names)


def _castable(found: pa.DataType, expected: pa.DataType) -> bool:
    """Same kind of value in another width; never text for a number, nor a number for text."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_string(expected):
        return bool(
            pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)
        )
    if pa.types.is_integer(expected):
        return bool(pa.types.is_integer(found) or pa.types.is_null(found))
    if pa.types.is_list(expected):
        if not (pa.types.is_list(found) or pa.types.is_large_list(found)):
            return False
        return pa.types.is_null(found.value_type) or _castable(found.value_type, expected.value_type)
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
    names = [column.name for column in source.columns if column.name in source.present]
    lists = [
        metadata.schema.column(number).path
        for number in range(metadata.num_columns)
        if metadata.schema.column(number).path.split(".")[0] in ("dx_codes", "px_codes")
    ]
    try:
        with pq.ParquetFile(
            piece.path, metadata=metadata, read_dictionary=[] if piece.bulky else lists, memory_map=True
        ) as file:
            if not piece.bulky:
                table = file.read_row_group(piece.row_group, columns=names, use_threads=False)
                yield from _parts(source, piece, table, piece.start)
                return
            start = piece.start
            for batch in file.iter_batches(SLICE_ROWS, row_groups=[piece.row_group], columns=names):
                yield from _parts(source, piece, pa.table(batch), start)
                start += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"文件内容损坏：{piece.path} 第 {piece.row_group + 1} 个行组读不出来；请重新导出"
        ) from error


def _parts(
    source: Source, piece: Piece, table: pa.Table, start: int
) -> Iterator[tuple[Piece, pa.RecordBatch]]:
    wanted = [column for column in source.columns if column.name in source.present]
    arrays = [_conform(table.column(column.name), column) for column in wanted]
    conformed = pa.table(arrays, names=[column.name for column in wanted])
    for batch in conformed.to_batches():
        yield Piece(piece.path, piece.row_group, start, batch.num_rows, piece.bulky), batch
        start += batch.num_rows


def _conform(column: pa.ChunkedArray, wanted: Column) -> pa.ChunkedArray:
    """The contract's type. Code lists stay dictionary-encoded; an empty list column gets its type here."""
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


def content_hash(files: Sequence[Path]) -> dict[str, str]:
    """sha256 of every input file by name, read in blocks."""
    hashes = {}
    for file in files:
        with file.open("rb") as opened:
            hashes[file.name if len(files) == 1 else str(file)] = hashlib.file_digest(
                opened, "sha256"
            ).hexdigest()
    return hashes
