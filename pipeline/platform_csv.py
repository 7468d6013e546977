"""Read one CSV file of the platform as text, in row order, in bounded memory.

UTF-8 (with or without BOM) or GB18030, decided by strict decoding of the whole file, never guessed
from a sample. Source: DESIGN §2 fact 8 (GB18030 is what the platform's Windows exports hold).
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from pipeline.errors import InputError

BLOCK = 8 << 20
# Chinese, a byte order mark and full-width forms lie here. Below it two-byte UTF-8 may be GB18030 as well:
# 一千 in GB18030 is the UTF-8 of two Cyrillic and Latin letters.
_WIDE = re.compile("[\u0800-\U0010ffff]")


@dataclass(frozen=True)
class _Scan:
    encoding: str
    bytes: int
    lines: int
    narrow: bool  # characters beyond ASCII, but none that only Chinese text in this encoding holds


def csv_batches(
    path: Path, must: tuple[str, ...], wanted: tuple[str, ...], name_zh: str
) -> Iterator[pa.RecordBatch]:
    """Yield the wanted columns that the file has, as text, in row order.

    Raises InputError: not text, a missing or repeated column, a row of another width, an open quote.
    """
    encoding, lines = _encoding_and_lines(path, name_zh)
    header = _header(path, encoding, name_zh)
    picked = pick_columns(path, header, must, wanted, name_zh)
    if lines == 0:
        return  # a header without a line end: no rows
    places = {f"c{header.index(original)}": name for name, original in picked.items()}
    rows = 0
    for batch in _read(path, encoding, len(header), list(places), name_zh):
        rows += batch.num_rows
        yield pa.RecordBatch.from_arrays(batch.columns, names=list(places.values()))
    if rows + 1 != lines:
        _refuse_swallowed_rows(path, encoding, len(header), name_zh)


def pick_columns(
    path: Path, header: list[str], must: tuple[str, ...], wanted: tuple[str, ...], name_zh: str
) -> dict[str, str]:
    """Return {platform column: the file's own spelling} for the wanted columns that the file has."""
    spelled: dict[str, list[str]] = {}
    for original in header:
        spelled.setdefault(original.strip("\ufeff \t").casefold(), []).append(original)
    missing = [name for name in must if name not in spelled]
    if missing:
        raise InputError(
            f"`{path}`（{name_zh}）缺少字段 {_listed(missing)}，请按平台字段名补上后重新导出，"
            f"表中现有：{_listed(header[:60])}"
        )
    twice = [name for name in wanted if len(spelled.get(name, ())) > 1]
    if twice:
        raise InputError(f"`{path}`（{name_zh}）有重复的字段，请各留一列：{_listed(twice)}")
    return {name: spelled[name][0] for name in wanted if name in spelled}


def _listed(names: list[str]) -> str:
    return "、".join(f"`{name[:40]}`" for name in names)


def _encoding_and_lines(path: Path, name_zh: str) -> tuple[str, int]:
    """Return the encoding in which the whole file decodes, and how many line ends it has."""
    scan = _scan(path, "utf-8")
    if scan is None or scan.narrow:
        other = _scan(path, "gb18030")
        if scan and other:
            raise InputError(
                f"{name_zh}文件的中文太少，按 UTF-8 和 GB18030 都读得通，请另存为“CSV UTF-8”后重试：`{path}`"
            )
        scan = scan or other
    if scan is None:
        raise InputError(f"{name_zh}文件不是 UTF-8 或 GB18030 的文本，请用“另存为 CSV”重新导出：`{path}`")
    if not scan.bytes:
        raise InputError(f"{name_zh}文件是空的，至少要有一行字段名：`{path}`")
    return scan.encoding, scan.lines


def _scan(path: Path, encoding: str) -> _Scan | None:
    """Decode the whole file strictly; None if it is no text in this encoding."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    size, ends, last, wide, narrow = 0, 0, b"", False, False
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                text = decoder.decode(block)
                if b"\0" in block:
                    return None
                if not wide and not text.isascii():
                    wide, narrow = _WIDE.search(text) is not None, True
                size += len(block)
                ends += block.count(b"\n") or block.count(b"\r")
                last = block[-1:]
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    lines = ends + (ends > 0 and last not in b"\r\n")
    return _Scan(encoding, size, lines, narrow and not wide)


def _header(path: Path, encoding: str, name_zh: str) -> list[str]:
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline(1 << 20)
    names = next(csv.reader([first.lstrip("\ufeff")]), [])
    if not names:
        raise InputError(f"{name_zh}文件的第一行没有字段名：`{path}`")
    return names


def _read(
    path: Path, encoding: str, width: int, columns: list[str], name_zh: str
) -> Iterator[pa.RecordBatch]:
    wrong: list[arrow_csv.InvalidRow] = []

    def stop(row: arrow_csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    names = [f"c{place}" for place in range(width)]
    try:
        reader = arrow_csv.open_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                encoding=encoding,
                column_names=names,
                skip_rows_after_names=1,
                block_size=BLOCK,
                use_threads=False,
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=stop),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=columns,
                strings_can_be_null=False,
            ),
        )
        yield from reader
    except (pa.ArrowException, OSError) as problem:
        # Arrow's own message prints the row, which may hold a person's name.
        where = f"`{path}`"
        if wrong:
            row = wrong[0]
            place = "" if row.number is None else f"第 {row.number} 行"
            where += f" {place}应有 {row.expected_columns} 列，实有 {row.actual_columns} 列"
        raise InputError(f"{name_zh}文件不是完整的 CSV，请检查逗号和引号后重新导出：{where}") from problem


def _refuse_swallowed_rows(path: Path, encoding: str, width: int, name_zh: str) -> None:
    """Refuse a file in which a stray quote swallowed whole rows into one value.

    Such a value holds line ends and at least width - 1 commas, else the row would not have its width.
    """
    for batch in _read(path, encoding, width, [f"c{place}" for place in range(width)], name_zh):
        for column in batch.columns:
            broken = pc.match_substring_regex(column, "[\r\n]")
            commas = pc.greater_equal(pc.count_substring(column, ","), width - 1)
            if pc.any(pc.and_(broken, commas)).as_py():
                raise InputError(
                    f"{name_zh}文件有不成对的引号，多行被当成一个值，请补齐引号后重新导出：`{path}`"
                )
