"""Read an agency's workbook or CSV as text, cell by cell, with the line each row stands on.

Formulas are marked, not computed: what a file keeps as their last result may be stale or absent.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from groupers.scheme import SchemeError

BYTES_AT_MOST = 64 * 1024**2
UNPACKED_AT_MOST = 1024**3
ROWS_AT_MOST = 200_000
COLUMNS_AT_MOST = 2_000
EXACT_IN_EXCEL = 10**15

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_Places = dict[int, set[int]]  # row → columns
_TEXT_FORMULA = re.compile(r'="([^"]*)"')  # how a CSV keeps Excel from eating zeros: ="03.3101"


@dataclass(frozen=True)
class Line:
    """One row of a sheet: its number as Excel shows it, its cells as text, and the cells that are formulas.

    `rounded`: cells with a number of more digits than Excel keeps, such as an id that was not typed as text.
    """

    number: int
    cells: tuple[str, ...]
    formulas: frozenset[int] = frozenset()
    rounded: frozenset[int] = frozenset()

    @property
    def is_blank(self) -> bool:
        return not self.formulas and not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook, or a CSV file as its only sheet."""

    title: str
    lines: tuple[Line, ...] = field(repr=False)


def read_sheets(file: Path) -> list[Sheet]:
    """All sheets of an xlsx, or the CSV (UTF-8 or GB18030). Raises SchemeError for anything else."""
    try:
        size = file.stat().st_size
        head = b""
        if size <= BYTES_AT_MOST:
            with file.open("rb") as opened:
                head = opened.read(8)
    except OSError as error:
        raise SchemeError(f"目录文件读不出来：{file}（{type(error).__name__}）；请检查路径") from error
    if size > BYTES_AT_MOST:
        raise SchemeError(f"目录文件过大：{file}，{size:,} 字节，上限 {BYTES_AT_MOST:,}；请只留目录一张表")
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise SchemeError(
            f"目录文件是旧版 xls 或加了密码：{file}；请在 Excel 中另存为 xlsx（不设密码）或 CSV"
        )
    return _workbook(file) if head.startswith(b"PK") else [_csv_sheet(file)]


def _csv_sheet(file: Path) -> Sheet:
    raw = file.read_bytes()
    if b"\0" in raw:
        raise SchemeError(f"目录文件不是 xlsx，也不是 CSV：{file}；请另存为其中一种")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = raw.decode("gb18030")
        except UnicodeDecodeError as error:
            raise SchemeError(f"CSV 既不是 UTF-8 也不是 GB18030：{file}；请另存为 UTF-8") from error
    lines: list[Line] = []
    try:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        before = 0
        for row in rows:
            unwrapped = [_TEXT_FORMULA.fullmatch(cell) for cell in row]
            cells = tuple(
                found.group(1) if found else cell for found, cell in zip(unwrapped, row, strict=True)
            )
            formulas = frozenset(
                place
                for place, (found, cell) in enumerate(zip(unwrapped, row, strict=True))
                if not found and cell.lstrip().startswith("=")
            )
            lines.append(Line(before + 1, cells, formulas))
            before = rows.line_num
            _check_size(file, len(lines), len(row))
    except csv.Error as error:
        raise SchemeError(
            f"CSV 第 {rows.line_num} 行读不懂：{file}（{error}）；请检查引号，或另存为 xlsx"
        ) from error
    return Sheet(file.name, tuple(lines))


def _check_size(file: Path, rows: int, columns: int) -> None:
    if rows > ROWS_AT_MOST or columns > COLUMNS_AT_MOST:
        raise SchemeError(
            f"目录文件过大：{file}，{rows:,} 行 {columns:,} 列，上限 {ROWS_AT_MOST:,} 行 {COLUMNS_AT_MOST:,} 列；"
            "请删去空行、空列和无关的表"
        )


def _workbook(file: Path) -> list[Sheet]:
    import fastexcel

    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > UNPACKED_AT_MOST:
                raise SchemeError(
                    f"工作簿解压后过大：{file}，{unpacked:,} 字节，上限 {UNPACKED_AT_MOST:,}；请只留目录一张表"
                )
            reader = fastexcel.read_excel(str(file))
            return [
                _sheet(file, reader, title, *_marked(archive, part))
                for title, part in _parts(archive)
                if title in reader.sheet_names
            ]
    except (
        zipfile.BadZipFile, KeyError, ValueError, ElementTree.ParseError, OSError, fastexcel.FastExcelError,
    ) as error:  # fmt: skip
        raise SchemeError(
            f"工作簿读不出来：{file}（{type(error).__name__}）；请在 Excel 中打开后另存为 xlsx 或 CSV"
        ) from error


def _sheet(file: Path, reader: object, title: str, formulas: _Places, rounded: _Places, first: int) -> Sheet:
    # Rows count from the top of the sheet (skip_rows=0), columns from the first that is used.
    loaded = reader.load_sheet(title, header_row=None, skip_rows=0, dtypes="string")  # type: ignore[attr-defined]
    _check_size(file, loaded.height, loaded.width)
    lines = [
        Line(
            number,
            tuple(cell or "" for cell in cells),
            frozenset(column - first for column in formulas.get(number, ())),
            frozenset(column - first for column in rounded.get(number, ())),
        )
        for number, cells in enumerate(loaded.to_polars().iter_rows(), start=1)
    ]
    return Sheet(title, tuple(lines))


def _parts(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Every sheet's title and its place in the archive."""
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    target_of = {one.get("Id", ""): one.get("Target", "") for one in relations}
    for sheet in ElementTree.fromstring(archive.read("xl/workbook.xml")).iter(f"{_MAIN}sheet"):
        target = target_of.get(sheet.get(_RELATION, ""), "")
        part = PurePosixPath(target.lstrip("/"))
        inside = part if target.startswith("/") else "xl" / part
        if str(inside) in archive.namelist():
            yield sheet.get("name", ""), str(inside)


def _marked(archive: zipfile.ZipFile, part: str) -> tuple[_Places, _Places, int]:
    """Columns of the formulas and of the rounded numbers in every row, and the first column that holds anything.

    Rows count from 1, columns from 0.
    """
    found: _Places = {}
    rounded: _Places = {}
    first = COLUMNS_AT_MOST * 10
    row_number, column = 0, -1
    with archive.open(part) as stream:
        for event, element in ElementTree.iterparse(stream, events=("start", "end")):
            if element.tag == f"{_MAIN}row":
                if event == "start":
                    row_number, column = int(element.get("r") or row_number + 1), -1
                else:
                    element.clear()
            elif element.tag == f"{_MAIN}c" and event == "end":
                place = element.get("r")
                column = _column(place) if place else column + 1
                # An error value (#REF!) is read as an empty cell: it is marked, like the formula it comes from.
                if element.find(f"{_MAIN}f") is not None or element.get("t") == "e":
                    found.setdefault(row_number, set()).add(column)
                if element.get("t", "n") == "n" and _is_rounded(element.findtext(f"{_MAIN}v")):
                    rounded.setdefault(row_number, set()).add(column)
                if element.find(f"{_MAIN}v") is not None or element.find(f"{_MAIN}is") is not None:
                    first = min(first, column)
    return found, rounded, first


def _is_rounded(number: str | None) -> bool:
    """Whether a number cell has more digits than the fifteen that Excel keeps."""
    try:
        return number is not None and abs(Decimal(number)) >= EXACT_IN_EXCEL
    except InvalidOperation:
        return False


def _column(place: str) -> int:
    """`C7` → 2."""
    number = 0
    for letter in place.rstrip("0123456789"):
        number = number * 26 + ord(letter.upper()) - ord("A") + 1
    return number - 1
