"""How a sheet is written: cells, number formats, frozen panes, print set-up; nothing of what it says.

Numbers reach Excel as exact decimals and dates as serial numbers; no float is made here. Text is always
written as text, so `=1+1` in a name never becomes a formula. The same calls give the same bytes: the created
date is given, XlsxWriter dates every zip entry 1980-01-31.
"""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import polars as pl
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from pipeline.words import worded, yuan_text
from pipeline.write import appearing

Kind = Literal[
    "text",
    "prose",
    "index",
    "count",
    "money",
    "weight",
    "ratio",
    "percent",
    "permille",
    "day",
    "level",
    "watch",
    "alarm",
    "value",
    "share",
    "entry",
    "entry_text",
]
Role = Literal["body", "total", "header", "section"]
Cell = tuple[Any, Kind]

EXACT_FEN = 10**15  # Excel shows 15 significant digits; a larger amount is written as text, not blurred
LONGEST_TEXT = 8_000
LINE_HEIGHT = 17  # points
WIDEST_ON_A4 = 200  # characters; a wider sheet is printed on A3, since on A4 nobody could read it
A3, A4 = 8, 9  # Excel's paper numbers
_EPOCH_IN_EXCEL = 25_569  # Excel's serial number of 1970-01-01, polars' day 0
_UNPRINTABLE = "[\x00-\x1f\x7f\ufffe\uffff]"

_KINDS: dict[Kind, dict[str, Any]] = {
    "text": {"num_format": "@", "align": "left", "indent": 1},  # "@" keeps `=1+1` text even after an edit
    "prose": {"align": "left", "indent": 1, "text_wrap": True},
    "index": {"num_format": "0", "align": "center"},
    "count": {"num_format": "#,##0"},
    "money": {"num_format": "#,##0.00"},
    "weight": {"num_format": "#,##0.0000"},
    "value": {"num_format": "#,##0.000000"},
    "share": {"num_format": "0.000000000000"},
    "ratio": {"num_format": "0.00"},
    "entry": {"num_format": "0.0000####", "bg_color": "#FFF2CC"},  # to be filled in by people
    "entry_text": {"align": "left", "bg_color": "#FFF2CC", "text_wrap": True},
    "percent": {"num_format": "0.00%"},
    "permille": {"num_format": "0.0%"},
    "day": {"num_format": "yyyy-mm-dd", "align": "center"},
    "level": {"num_format": "@", "align": "center"},
    "watch": {"num_format": "@", "align": "center", "bg_color": "#FFE699"},
    "alarm": {"num_format": "@", "align": "center", "bg_color": "#F8CBAD", "bold": True},
}
LOUD: dict[str, Kind] = {
    "预警": "watch",
    "警戒": "alarm",
}  # a level's colour says nothing that its word does not
_ROLES: dict[Role, dict[str, Any]] = {
    "body": {},
    "total": {"bold": True, "bg_color": "#F2F2F2", "top": 2},
    "header": {
        "bold": True,
        "bg_color": "#D9E2F3",
        "align": "center",
        "indent": 0,
        "text_wrap": True,
        "num_format": "@",
    },
    "section": {"bold": True, "bg_color": "#E2EFDA", "align": "left", "num_format": "@"},
}
_FONT = {"font_name": "宋体", "font_size": 10, "valign": "vcenter"}


DIP_CODE_WIDTH = 24  # Z51.1:99.2501+88.9301


@dataclass(frozen=True)
class Field:
    """One column of a sheet: the frame's column, its Chinese header, how it is shown, width in characters."""

    name: str
    title: str
    kind: Kind
    width: float

    def worded(self, kind: str) -> Field:
        """The field with its header in the words of a kind of scheme (drg | dip), and room for its codes."""
        width = DIP_CODE_WIDTH if kind == "dip" and self.name == "group_code" else self.width
        return replace(self, title=worded(self.title, kind), width=width)


def fitted(fields: Sequence[Field], *rows: Mapping[str, Any]) -> list[Field]:
    """The fields, money columns widened where an amount of `rows` (fen by name) would show as ####."""

    def room(field: Field) -> float:
        longest = max((len(f"{abs(row.get(field.name) or 0):,}") for row in rows), default=0)
        return max(field.width, longest + 4)  # the point, a sign, and bold digits

    return [replace(field, width=room(field)) if field.kind == "money" else field for field in fields]


def yuan(fen: int | None) -> Decimal | str | None:
    """Fen as the exact number Excel shows, or as text where Excel would lose digits."""
    if fen is None:
        return None
    return Decimal(fen).scaleb(-2) if abs(fen) < EXACT_FEN else yuan_text(fen)


def clean(text: str) -> str:
    """Text that XML and one line can hold: line breaks and tabs become blanks, other control characters �."""
    text = re.sub(_UNPRINTABLE, lambda found: " " if found[0] in "\t\n\r" else "\ufffd", text)
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT] + "…"
    # XlsxWriter passes an inline string <r>…</r> on as finished XML; the blank keeps it text.
    return text + " " if text.startswith("<r>") and text.endswith("</r>") else text


class Book:
    """One workbook being written; `run` stands in every page's footer, `created` is its only date."""

    def __init__(self, place: Path, scratch: str, title: str, run: str, created: dt.datetime) -> None:
        self.run = clean(run).replace("&", "&&")
        self._book = xlsxwriter.Workbook(
            str(place),
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "tmpdir": scratch,
            },
        )
        self._book.set_properties({"title": clean(title), "author": "drgdip", "created": created})
        self._formats: dict[tuple[Kind, Role], Any] = {}

    def format(self, kind: Kind, role: Role) -> Any:
        key = (kind, role)
        if key not in self._formats:
            look = {**_FONT, "border": 1, "border_color": "#A6A6A6", **_KINDS[kind], **_ROLES[role]}
            if kind in LOUD.values():
                look["bg_color"] = _KINDS[kind]["bg_color"]  # in a sum's row too
            self._formats[key] = self._book.add_format(look)
        return self._formats[key]

    def plain(self, **look: Any) -> Any:
        return self._book.add_format({**_FONT, **look})

    def sheet(self, name: str) -> Sheet:
        return Sheet(self, self._book.add_worksheet(name))

    def close(self) -> None:
        try:
            self._book.close()
        except FileCreateError as wrapped:  # XlsxWriter hides the operating system's error inside its own
            raise wrapped.args[0] from wrapped


@contextmanager
def open_book(path: Path, title: str, run: str, created: dt.datetime) -> Iterator[Book]:
    """A workbook that appears at `path` complete or not at all; scratch files go with it either way."""
    with appearing(path) as part, tempfile.TemporaryDirectory(prefix="drgdip-") as scratch:
        book = Book(part, scratch, title, run, created)
        yield book
        book.close()


class Sheet:
    """One sheet, written downwards only (constant memory): banner, header, rows, total, note."""

    def __init__(self, book: Book, page: Any) -> None:
        self._book, self._page, self._row = book, page, 0
        page.set_landscape()
        page.set_paper(A4)
        page.fit_to_pages(1, 0)
        page.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        page.center_horizontally()
        page.set_footer(f"&L批次 {book.run}&C第 &P 页，共 &N 页&R&A")
        page.set_default_row(LINE_HEIGHT)
        page.hide_gridlines(2)
        page.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})  # ids are digits that are no numbers

    def banner(self, title: str, lines: Sequence[Sequence[str]], across: int = 0, right: int = 0) -> None:
        """Title (centred over `across` columns, else at the left) and lines of one or two texts.

        The second text of a line stands in column `right`.
        """
        self._page.set_row(self._row, 30)
        look: dict[str, Any] = {"bold": True, "font_size": 16}
        if across > 1:
            shape = self._book.plain(**look, align="center")
            self._page.merge_range(self._row, 0, self._row, across - 1, clean(title), shape)
        else:
            self._page.write_string(self._row, 0, clean(title), self._book.plain(**look))
        shape = self._book.plain()
        for line in lines:
            self._row += 1
            for text, column in zip(line, (0, right), strict=False):
                self._page.write_string(self._row, column, clean(text), shape)
        self._row += 1

    def header(
        self,
        fields: Sequence[Field],
        *,
        frozen: int,
        bands: Sequence[tuple[str, int]] = (),
        filtered: int = 0,
    ) -> None:
        """Header row with widths, frozen panes, repeated rows in print.

        `bands` are captions over so many columns each; `filtered` is how many rows the filter covers.
        """
        first, column = self._row, 0
        shape = self._book.format("text", "header")
        for caption, width in bands:
            if width > 1:
                self._page.merge_range(
                    self._row, column, self._row, column + width - 1, clean(caption), shape
                )
            else:
                self._page.write_string(self._row, column, clean(caption), shape)
            column += width
        self._row += 1 if bands else 0
        self._page.set_row(self._row, 32)
        for column, field in enumerate(fields):
            self._page.set_column(column, column, field.width)
            self._page.write_string(self._row, column, clean(field.title), shape)
        if sum(field.width for field in fields) > WIDEST_ON_A4:
            self._page.set_paper(A3)
        if filtered:
            self._page.autofilter(self._row, 0, self._row + filtered, len(fields) - 1)
        self._row += 1
        self._page.freeze_panes(self._row, frozen)
        self._page.repeat_rows(first, self._row - 1)

    def rows(self, frame: pl.DataFrame, fields: Sequence[Field]) -> None:
        """Every row of `frame`, in its order."""
        columns = [(_cells(frame[f.name], f.kind), self._book.format(f.kind, "body")) for f in fields]
        prose = [
            (values, f.width - 1) for f, (values, _) in zip(fields, columns, strict=True) if f.kind == "prose"
        ]
        for index in range(frame.height):
            lines = max((_lines(values[index], width) for values, width in prose), default=1)
            if lines > 1:
                self._page.set_row(self._row, LINE_HEIGHT * lines)
            for column, (values, shape) in enumerate(columns):
                self._put(column, values[index], shape)
            self._row += 1

    def choices(self, column: int, height: int, allowed: Sequence[str]) -> None:
        """Offer these texts, and an empty cell, in a column of the next `height` rows."""
        if height:
            offer = {"validate": "list", "source": list(allowed), "error_title": "请从列表中选"}
            self._page.data_validation(self._row, column, self._row + height - 1, column, offer)

    def line(self, cells: Sequence[Cell], role: Role = "body") -> None:
        """One row of (value, kind); money in fen."""
        for column, (value, told) in enumerate(cells):
            kind = LOUD.get(value, told) if told == "level" else told
            shown = clean(value) if isinstance(value, str) else yuan(value) if kind == "money" else value
            self._put(column, shown, self._book.format(kind, role))
        self._row += 1

    def total(self, values: Mapping[str, Any], fields: Sequence[Field], role: Role = "total") -> None:
        """One row by column name; a column without a value stays empty."""
        self.line([(values.get(f.name), f.kind) for f in fields], role)

    def note(self, text: str, below: int = 0) -> None:
        """A line of text under the table, `below` empty rows lower."""
        self._row += below
        self._page.write_string(self._row, 0, clean(text), self._book.plain())
        self._row += 1

    def one_page(self) -> None:
        """Print on one page, for a sheet that is read as one."""
        self._page.fit_to_pages(1, 1)

    def _put(self, column: int, value: Any, shape: Any) -> None:
        if value is None:
            self._page.write_blank(self._row, column, None, shape)
        elif isinstance(value, str):
            self._page.write_string(self._row, column, value, shape)
        else:
            self._page.write_number(self._row, column, value, shape)


def _lines(text: str | None, width: float) -> int:
    """Lines a text needs in a column, a Chinese character being two wide; at most ten."""
    wide = sum(2 if ord(sign) > 0x2E80 else 1 for sign in text or "")
    return min(10, 1 + int(wide * 1.05 // width))  # 5 % for line ends that do not fill up


def _cells(column: pl.Series, kind: Kind) -> list[Any]:
    if kind == "money":
        return [yuan(fen) for fen in column.to_list()]
    if kind == "day":
        return (column.cast(pl.Int32) + _EPOCH_IN_EXCEL).to_list()
    if kind in ("text", "prose"):
        return [None if text is None else clean(text) for text in column.cast(pl.String).to_list()]
    return column.to_list()
