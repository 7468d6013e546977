"""Read the reviewers' decision list (特例单议评议决定表) from a workbook or CSV; every complaint at once, by cell.

Nothing is guessed: a list with a single doubtful cell is not taken at all, since half a list would shift the ranks.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from unicodedata import normalize

from groupers.dip.import_sheet import Line, Sheet, read_sheets
from groupers.scheme import SchemeError
from pipeline.decisions import Decision, Verdict
from pipeline.errors import InputError
from pipeline.words import DECISION_NAMES

# Field → the headers by which it is known; the first is ours.
HEADERS: dict[str, tuple[str, ...]] = {
    "case_id": ("结算ID", "case_id"),
    "decision": ("决定", "decision"),
    "adjusted_yuan": ("调整后支付标准（元）", "调整后支付标准(元)", "调整后支付标准", "adjusted_yuan"),
    "rank": ("排名", "排序", "rank"),
    "reviewer": ("评议人", "reviewer"),
    "decided_on": ("评议日期", "日期", "date"),
    "reason": ("评议理由", "理由", "reason"),
    "document": ("文书号", "document"),
}
VERDICTS: dict[str, Verdict] = {
    "按项目": "by_item", "by_item": "by_item", "调整": "adjusted", "adjusted": "adjusted",
    "不予": "rejected", "rejected": "rejected",
}  # fmt: skip
LISTED = 20  # complaints shown in one message
SHOWN = 20  # characters of a cell shown in a complaint
LONGEST = 200  # characters of a text
HEADER_WITHIN = 20  # rows from the top of a sheet
MOST_YUAN = Decimal(100_000_000)  # as the finding absurd_amount
YUAN = re.compile(r"([0-9]{1,9}|[0-9]{1,3}(,[0-9]{3}){1,2})(\.[0-9]{1,2})?")
RANK = re.compile(r"[1-9][0-9]{0,5}")
DAY = re.compile(r"(\d{4})(?:-(\d{1,2})-|/(\d{1,2})/|年(\d{1,2})月)(\d{1,2})日?(?: 00:00:00)?")


@dataclass(frozen=True)
class Known:
    """A case that a finished run of the region knows; `obstacle` tells why it cannot be reviewed, if so."""

    period: str
    obstacle: str | None = None


@dataclass
class _Row:
    """One row of the list as it stands, and where."""

    sheet: str
    line: Line
    cells: dict[str, str]
    places: dict[str, int] = field(repr=False)
    complaints: list[str] = field(default_factory=list)

    def where(self, name: str) -> str:
        return f"{self.sheet} 第 {self.line.number} 行「{HEADERS[name][0]}」"

    def complain(self, name: str, message: str) -> None:
        self.complaints.append(f"{self.where(name)}{message}")


def read_decisions(path: Path, known: Callable[[Collection[str]], Mapping[str, Known]]) -> list[Decision]:
    """The decisions of a list in its order. `known` tells what the region's runs know of the cases asked for.

    Columns: see HEADERS; `adjusted_yuan` is filled for 调整 alone, `rank` may be empty for 不予, `document` for all.
    Raises InputError with up to twenty complaints and their number.
    """
    rows = [row for sheet in _sheets(path) for row in _rows(path, sheet)]
    if not rows:
        raise InputError(
            f"评议决定表里没有决定：{path}；应有一行表头（{'、'.join(names[0] for names in HEADERS.values())}），"
            "每例一行，请填好后再导入"
        )
    decisions = [_decision(row) for row in rows]
    _judge_list(rows)
    cases = known({row.cells["case_id"] for row in rows if row.cells["case_id"]})
    for row in rows:
        _judge_case(row, cases)
    complaints = [complaint for row in rows for complaint in row.complaints]
    if complaints:
        shown = "；".join(complaints[:LISTED])
        more = f"；其余 {len(complaints) - LISTED} 处从略" if len(complaints) > LISTED else ""
        raise InputError(
            f"评议决定表有 {len(complaints)} 处错误，一行也没有导入：{path}：{shown}{more}；请更正后重新导入"
        )
    return [one for one in decisions if one is not None]


def _sheets(path: Path) -> list[Sheet]:
    try:
        return read_sheets(path)
    except SchemeError as error:  # the same guards as for a catalogue, said of a decision list
        raise InputError(str(error).replace("目录", "评议决定表")) from error


def _rows(path: Path, sheet: Sheet) -> Iterator[_Row]:
    """The rows below the header; a sheet without 结算ID and 决定 side by side is another table."""
    by_title = {title: name for name, titles in HEADERS.items() for title in titles}
    for number, line in enumerate(sheet.lines[:HEADER_WITHIN]):
        titles = [
            normalize("NFKC", cell).strip().replace("(", "（").replace(")", "）") for cell in line.cells
        ]
        named = [by_title.get(title) or by_title.get(title.lower()) for title in titles]
        if "case_id" not in named or "decision" not in named:
            continue
        if missing := [titles[0] for name, titles in HEADERS.items() if name not in named]:
            raise InputError(
                f"评议决定表缺列：{path} 的 {sheet.title} 第 {line.number} 行表头缺 {'、'.join(missing)}；请补齐"
            )
        if twice := [HEADERS[name][0] for name in HEADERS if named.count(name) > 1]:
            raise InputError(
                f"评议决定表列名重复：{path} 的 {sheet.title} 第 {line.number} 行有多列 {'、'.join(twice)}；请只留一列"
            )
        places = {name: named.index(name) for name in HEADERS}
        for below in sheet.lines[number + 1 :]:
            cells = {name: _text(below, place) for name, place in places.items()}
            if any(cells.values()) or below.formulas & set(places.values()):
                yield _Row(sheet.title, below, cells, places)
        return


def _text(line: Line, place: int) -> str:
    """A cell on one line, without blanks around it."""
    cell = line.cells[place] if place < len(line.cells) else ""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in cell).split())


def _decision(row: _Row) -> Decision | None:
    """The row as a decision; with complaints there is none."""
    cells = row.cells
    for name, place in row.places.items():
        if place in row.line.formulas:
            row.complain(name, "是公式；请粘贴为数值")
        elif len(cells[name]) > LONGEST:
            row.complain(name, f"超过 {LONGEST} 个字；请写短")
    if row.places["case_id"] in row.line.rounded:
        row.complain(
            "case_id", "是数字格式，Excel 只留 15 位有效数字，已不是原来的结算ID；请设为文本格式后重新填写"
        )
    elif not cells["case_id"]:
        row.complain("case_id", "是空的；请填结算ID")
    verdict = VERDICTS.get(cells["decision"])
    if verdict is None:
        row.complain(
            "decision",
            f"应为{'、'.join(DECISION_NAMES.values())}，实为 `{cells['decision'][:SHOWN]}`；请更正",
        )
    fen = _fen(row, verdict)
    rank = _rank(row, verdict)
    for name in ("reviewer", "reason"):
        if not cells[name]:
            row.complain(name, "是空的；请填写")
    day = _day(row)
    if row.complaints or verdict is None or rank is None or day is None:
        return None
    return Decision(
        cells["case_id"], verdict, fen, rank, cells["reviewer"], day, cells["reason"], cells["document"]
    )


def _fen(row: _Row, verdict: Verdict | None) -> int | None:
    """The adjusted standard in fen: for 调整 it must be there, for the others it must not."""
    text = row.cells["adjusted_yuan"]
    if not text:
        if verdict == "adjusted":
            row.complain("adjusted_yuan", "是空的；决定为调整的，请填调整后的支付标准")
        return None
    if verdict is not None and verdict != "adjusted":
        row.complain(
            "adjusted_yuan",
            f"决定为{DECISION_NAMES[verdict]}的不填金额，实为 `{text[:SHOWN]}`；请更正决定或删去金额",
        )
        return None
    plain = normalize("NFKC", text)
    if not YUAN.fullmatch(plain) or not 0 < (yuan := Decimal(plain.replace(",", ""))) <= MOST_YUAN:
        row.complain(
            "adjusted_yuan", f"应为大于零、不超过一亿、至多两位小数的元，实为 `{text[:SHOWN]}`；请更正"
        )
        return None
    return int(yuan * 100)


def _rank(row: _Row, verdict: Verdict | None) -> int | None:
    text = normalize("NFKC", row.cells["rank"])
    if not text and verdict == "rejected":
        return 0
    if not RANK.fullmatch(text):
        row.complain(
            "rank", f"应为 1、2、3…的整数，实为 `{row.cells['rank'][:SHOWN]}`；超过限额时按排名取舍，请填写"
        )
        return None
    return int(text)


def _day(row: _Row) -> dt.date | None:
    text = normalize("NFKC", row.cells["decided_on"])
    found = DAY.fullmatch(text)
    try:
        if found:
            return dt.date(int(found[1]), int(found[2] or found[3] or found[4]), int(found[5]))
    except ValueError:
        pass
    message = f"应写作 2025-10-20，实为 `{text[:SHOWN]}`；请更正" if text else "是空的；请填写"
    row.complain("decided_on", message)
    return None


def _judge_list(rows: Sequence[_Row]) -> None:
    """A case stands once in a list, and so does a rank."""
    cases: dict[str, _Row] = {}
    ranks: dict[str, _Row] = {}
    for row in rows:
        case_id, rank = row.cells["case_id"], normalize("NFKC", row.cells["rank"])
        if case_id and (first := cases.setdefault(case_id, row)) is not row:
            row.complain("case_id", f"与{_place(first, row)}重复；一例只能有一个决定")
        if RANK.fullmatch(rank) and (first := ranks.setdefault(rank, row)) is not row:
            row.complain("rank", f"的 {rank[:SHOWN]} 与{_place(first, row)}重复；排名不能并列")


def _place(first: _Row, row: _Row) -> str:
    sheet = "" if first.sheet == row.sheet else f" {first.sheet}"
    return f"{sheet}第 {first.line.number} 行"


def _judge_case(row: _Row, cases: Mapping[str, Known]) -> None:
    case_id = row.cells["case_id"]
    if not case_id or row.places["case_id"] in row.line.rounded:
        return
    known = cases.get(case_id)
    if known is None:
        row.complain("case_id", f"不认识：`{case_id[:SHOWN]}` 不在本地区任何一期的现行批次中；请核对")
    elif known.obstacle:
        row.complain("case_id", f"不能单议：`{case_id[:SHOWN]}` {known.obstacle}；请从表中删去")
