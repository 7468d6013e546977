"""Read a returned negotiation file (谈判表): the workbook of `negotiate template`, or a CSV; cell by cell, as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from unicodedata import normalize

from groupers.dip.import_sheet import Line, Sheet, read_sheets
from groupers.scheme import SchemeError
from pipeline.errors import InputError
from pipeline.negotiate_sheet import COLUMNS, GUIDE, STAMP, STAMP_KEYS
from pipeline.words import DIP_WORDS

CSV_COLUMNS = ("group_code", "proposed_weight", "reason", "panel", "lock")
HEADER_WITHIN = 20  # rows from the top of a sheet
TOTAL = "合计"
# Header → column; `分值` of a DIP region is `权重` here.
_TITLES = (
    {field.title: name for name, field in COLUMNS.items()}
    | {name: name for name in CSV_COLUMNS}
    | {"专家组": "panel"}
)
_NUMBER = re.compile(r"[-+]?[0-9]{1,12}(\.[0-9]{0,15})?")


@dataclass(frozen=True)
class Complaint:
    """What is wrong at one cell, or on one sheet where `cell` is empty. `code` names the kind, for machines."""

    code: str
    sheet: str
    cell: str
    message: str

    @property
    def line(self) -> str:
        """The complaint as people read it."""
        return f"{self.sheet}{'!' if self.cell else ''}{self.cell}：{self.message}"


@dataclass(frozen=True)
class Entry:
    """One group's row as it stands. `places`: column → its letters; `formulas`: columns that hold a formula or error."""

    sheet: str
    line: int
    cells: dict[str, str]
    places: dict[str, str] = field(repr=False)
    formulas: frozenset[str] = frozenset()

    def at(self, name: str) -> str:
        """The cell of a column, as `H12`."""
        return f"{self.places[name]}{self.line}"


@dataclass(frozen=True)
class Filled:
    """A returned file. `stamp`: what its sheet 核对 says, by key; `ground`: that sheet's rows, as they stand.

    `sheets`: the panels' sheets in order. `faults`: sheets that cannot be read as a panel's.
    """

    is_csv: bool
    entries: tuple[Entry, ...]
    stamp: dict[str, str] | None
    ground: dict[str, tuple[str, int, Decimal]]
    sheets: tuple[str, ...]
    faults: tuple[Complaint, ...]


def read_filled(path: Path) -> Filled:
    """The rows of a negotiation file. Raises InputError for a file that is neither xlsx nor CSV, or holds no rows."""
    try:
        sheets = read_sheets(path)
    except SchemeError as error:  # the same guards as for a catalogue, said of a negotiation file
        raise InputError(str(error).replace("目录", "谈判表")) from error
    is_csv = path.suffix.lower() == ".csv" or [sheet.title for sheet in sheets] == [path.name]
    entries: list[Entry] = []
    faults: list[Complaint] = []
    panels: list[str] = []
    stamp: dict[str, str] | None = None
    rows: dict[str, tuple[str, int, Decimal]] = {}
    for sheet in sheets:
        if not is_csv and sheet.title == STAMP:
            stamp, rows = _stamp(sheet)
        elif not (not is_csv and sheet.title == GUIDE):
            found = _entries(sheet, CSV_COLUMNS if is_csv else tuple(COLUMNS))
            if isinstance(found, Complaint):
                faults.append(found)
            else:
                panels.append(sheet.title)
                entries += found
    if not entries and not faults:
        raise InputError(
            f"谈判表里没有病组：{path}；请用 `drgdip negotiate template` 出的表，或带表头 {','.join(CSV_COLUMNS)} 的 CSV"
        )
    return Filled(is_csv, tuple(entries), stamp, rows, tuple(panels), tuple(faults))


def number_of(text: str) -> Decimal | None:
    """A plain decimal number, full-width digits too; None for anything else. A comma is refused: `1,2` could be 1.2."""
    text = normalize("NFKC", text).strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _entries(sheet: Sheet, asked: tuple[str, ...]) -> list[Entry] | Complaint:
    for number, line in enumerate(sheet.lines[:HEADER_WITHIN]):
        named = [_TITLES.get(_title(cell), _title(cell)) for cell in line.cells]
        if "group_code" not in named:
            continue
        missing = [name for name in asked if name not in named]
        twice = [name for name in asked if named.count(name) > 1]
        if missing or twice:
            told = f"缺 {_told(missing)}" if missing else f"有多列 {_told(twice)}"
            return Complaint("header", sheet.title, f"A{line.number}", f"表头不符：{told}；请照原样恢复")
        places = {name: named.index(name) for name in asked}
        return list(_rows(sheet, number, places))
    return Complaint(
        "header",
        sheet.title,
        "",
        f"没有表头：前 {HEADER_WITHIN} 行里找不到「编码」；请照原样恢复，多出的表请删去",
    )


def _rows(sheet: Sheet, header: int, places: dict[str, int]) -> Iterator[Entry]:
    letters = {name: _letters(place) for name, place in places.items()}
    for line in sheet.lines[header + 1 :]:
        cells = {name: _text(line, place) for name, place in places.items()}
        formulas = frozenset(name for name, place in places.items() if place in line.formulas)
        if cells["group_code"] == TOTAL or not (any(cells.values()) or formulas):
            continue
        yield Entry(sheet.title, line.number, cells, letters, formulas)


def _stamp(sheet: Sheet) -> tuple[dict[str, str], dict[str, tuple[str, int, Decimal]]]:
    """The keys above the header and the rows below; what cannot be read is left out, and the fingerprint tells."""
    stamp: dict[str, str] = {}
    rows: dict[str, tuple[str, int, Decimal]] = {}
    for line in sheet.lines:
        first, *others = [*line.cells, "", "", "", ""][:4]
        key, found, text = first.partition("：")
        if found and key in STAMP_KEYS:
            stamp[key] = text.strip()
            continue
        panel, cases, present = others
        weight = number_of(present)
        if weight is not None and re.fullmatch(r"[0-9]{1,12}", cases):
            rows[first.strip()] = panel.strip(), int(cases), weight
    return stamp, rows


def _title(cell: str) -> str:
    text = normalize("NFKC", cell).strip().replace("(", "（").replace(")", "）")
    for word, other in DIP_WORDS.items():
        text = text.replace(other, word) if other in ("分值", "病种") else text
    return text


def _told(names: list[str]) -> str:
    return "、".join(COLUMNS[name].title if name in COLUMNS else name for name in names)


def _text(line: Line, place: int) -> str:
    """A cell on one line, without blanks around it."""
    cell = line.cells[place] if place < len(line.cells) else ""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in cell).split())


def _letters(place: int) -> str:
    """2 → `C`."""
    text = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
