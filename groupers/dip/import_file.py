"""Import an agency's DIP catalogue from a workbook or CSV as a sealed scheme folder.

Every row of the file ends in exactly one place: taken as a row, taken as an auxiliary subtype, or refused with
its line and the reason; `import-report.csv` in the new folder tells all three.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from groupers.codes import CodeTables, load_code_tables
from groupers.dip.auxiliary import COEFFICIENT_DIGITS
from groupers.dip.import_cells import Cells, Refusal
from groupers.dip.import_header import COEFFICIENT, SEVERITY, Header, find_header
from groupers.dip.import_rows import Draft, settle_rows
from groupers.dip.import_sheet import Line, read_sheets
from groupers.dip.lint import TO_FILL
from groupers.dip.write import dx4_names, row_name, write_catalogue
from groupers.scheme import SchemeError

Outcome = Literal["taken", "auxiliary", "refused"]
TOLD = {"taken": "收入病种", "auxiliary": "收为辅助分型", "refused": "拒收"}
REPORT_COLUMNS = ("行号", "病种编码", "结果", "说明")
# 严重合并症或并发症 is the national word for MCC, 一般 for CC (DESIGN §5: severe = MCC, moderate = CC).
# What is beyond severe has no public trigger: its list waits to be filled and is never met until then.
CONDITIONS = {
    "严重并发症/合并症": "severity == mcc",
    "严重合并症/并发症": "severity == mcc",
    "一般并发症/合并症": "severity == cc",
    "一般合并症/并发症": "severity == cc",
    "极严重并发症/合并症": "other_dx in extremely_severe",
    "极严重合并症/并发症": "other_dx in extremely_severe",
}
NEVER = dt.date(9999, 12, 31)  # a scheme whose first day is not given must not come into force by itself


@dataclass(frozen=True)
class ReportRow:
    """What became of one row of the file."""

    line: int
    row: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True)
class ImportReport:
    """Counts of an import; rows = taken + auxiliary + refused. `notes` tell what concerns the whole file."""

    folder: Path
    rows: int
    taken: int
    auxiliary: int
    refused: int
    repaired: int
    columns: Mapping[str, str]  # field → header in the file
    notes: tuple[str, ...]
    details: tuple[ReportRow, ...] = field(repr=False)


def import_catalogue(
    file: Path,
    name: str,
    target: Path,
    mapping: Mapping[str, str] | None = None,
    about: Mapping[str, str | dt.date] | None = None,
) -> ImportReport:
    """Read `file` and write the new scheme folder `target`. Raises SchemeError where no row can be taken.

    `mapping`: field → header (`dx4` → 诊断编码; `coefficient:三级` → 系数1; "" for none), and
    `severity:PHRASE` → condition; what it leaves open is guessed from common headers.
    `about`: title, issuer, document, source, effective_from; what is absent is marked 待补.
    """
    if not re.fullmatch(r"[\w.-]{1,64}", name):
        raise SchemeError(f"方案名不可用：`{name}`；只用字母、数字、汉字、点、横线，不超过 64 字")
    mapping, tables = dict(mapping or {}), load_code_tables()
    sheet, header = find_header(read_sheets(file), mapping)
    reader = _Reader(header, tables, mapping)
    lines = [line for line in sheet.lines if line.number > header.last_line and not line.is_blank]
    drafts: list[Draft] = []
    refused: dict[int, tuple[str, str]] = {}
    for line in lines:
        try:
            drafts.append(reader.draft(line))
        except Refusal as reason:
            refused[line.number] = (reader.row_as_printed(line), str(reason))
    settled = settle_rows(drafts)
    refused |= settled.refused
    details = _details(settled.taken, settled.auxiliary, refused)
    if not settled.taken:
        first = f"；第 {details[0].line} 行：{details[0].detail}" if details else ""
        raise SchemeError(f"`{file.name}` 的 {len(lines)} 行没有一行可收为病种{first}")
    kept = [*settled.taken, *(draft for draft, _ in settled.auxiliary)]
    report = ImportReport(
        folder=target,
        rows=len(lines),
        taken=len(settled.taken),
        auxiliary=len(settled.auxiliary),
        refused=len(refused),
        repaired=sum(bool(draft.repairs) for draft in kept),
        columns=header.titles,
        notes=_notes(header),
        details=details,
    )
    # Nothing dropped silently, nothing counted twice.
    assert report.rows == report.taken + report.auxiliary + report.refused == len(details)
    write_catalogue(
        target,
        _manifest(file, name, about or {}, report),
        _tables_of(settled.taken, settled.auxiliary, reader.conditions),
        {"import-report.csv": (REPORT_COLUMNS, [_report_cells(row) for row in details])},
    )
    return report


class _Reader:
    """Turns lines into drafts, by the columns found and the code tables."""

    def __init__(self, header: Header, tables: CodeTables, mapping: Mapping[str, str]) -> None:
        self._header = header
        self._tables = tables
        self._cells = Cells(tables)
        self._dx_names = dx4_names(tables)
        self.conditions = CONDITIONS | {
            normalize("NFKC", phrase.removeprefix(SEVERITY)): text
            for phrase, text in mapping.items()
            if phrase.startswith(SEVERITY)
        }

    def _cell(self, line: Line, name: str) -> str:
        column = self._header.columns.get(name)
        return line.cells[column] if column is not None and column < len(line.cells) else ""

    def row_as_printed(self, line: Line) -> str:
        return self._cell(line, "row").strip()

    def draft(self, line: Line) -> Draft:
        """Raises Refusal."""
        self._check_shape(line)
        cells = self._cells
        cells.repairs = []
        row = cells.row(self._cell(line, "row"))
        note_columns = {
            name.removeprefix("flag:"): self._cell(line, name)
            for name in self._header.columns
            if name.startswith("flag:")
        }
        notes = f"{self._cell(line, 'note')};{self._cell(line, 'flags')}"
        flags, phrase, unread = cells.flags(notes, note_columns)
        if phrase and phrase not in self.conditions:
            raise Refusal(
                f"备注 `{phrase}` 的触发条件不知道；请用列名对照给出，如 {SEVERITY}{phrase}=severity == mcc"
            )
        kind = cells.kind(self._cell(line, "kind"))
        principal = ""
        related: tuple[tuple[str, ...], ...] = ()
        if kind == "pooled":
            dx = cells.dx3(self._cell(line, "dx4"))
            of_class = cells.pooled_class(self._cell(line, "class"))
            if self._cell(line, "principal_px").strip() or self._cell(line, "related").strip():
                raise Refusal("综合病种不应写手术操作编码；请删去编码，或把病种类型改为核心")
        else:
            dx = cells.dx4(self._cell(line, "dx4"))
            principal, related = cells.procedures(
                self._cell(line, "principal_px"), self._cell(line, "related")
            )
            of_table = self._tables.procedure_classes.get(principal, "")
            of_class = cells.treatment_class(self._cell(line, "class"), of_table, bool(principal))
        score = cells.number("分值", self._cell(line, "score"))
        if "score" in self._header.columns and not score:
            raise Refusal("分值为空；请补分值，或确认后删去该行")
        coefficients = tuple(
            (level, cells.number(f"{level}系数", self._cell(line, COEFFICIENT + level), COEFFICIENT_DIGITS))
            for level in self._header.levels
        )
        return Draft(
            line=line.number, row=row, kind=kind or "core", dx=dx, principal_px=principal, related=related,
            treatment_class=of_class, score=score,
            mean_cost=cells.number("次均费用", self._cell(line, "mean_cost_yuan"), 2),
            flags=tuple(flags), phrase=phrase, coefficients=coefficients,
            name=self._name(line, dx, principal, related, of_class),
            repairs=tuple(cells.repairs), unread=tuple(unread),
        )  # fmt: skip

    def _check_shape(self, line: Line) -> None:
        formulas = [name for name, column in self._header.columns.items() if column in line.formulas]
        if formulas:
            titles = "、".join(f"`{self._header.titles[name]}`" for name in formulas)
            raise Refusal(f"{titles} 是公式，不是数值；请在 Excel 中复制后选择性粘贴为数值，再导入")
        if len(line.cells) <= max(self._header.columns.values()):
            raise Refusal(f"该行只有 {len(line.cells)} 格，少于表头；请检查是否缺逗号或换行错位")

    def _name(
        self, line: Line, dx: str, principal: str, related: tuple[tuple[str, ...], ...], of_class: str
    ) -> str:
        text = self._cells.text
        if name := text(self._cell(line, "name")):
            return name
        dx_name = text(self._cell(line, "dx_name")) or self._dx_names.get(dx, "")
        if not dx_name:  # a pooled group: the category's first name
            dx_name = next((n for code, n in self._dx_names.items() if code.startswith(dx)), dx)
        if len(dx) == 3:
            return f"{dx_name}：{of_class}（综合）"
        first = text(self._cell(line, "px_name")) or self._tables.procedure_names.get(principal, "")
        others = ["/".join(self._tables.procedure_names[px] for px in one_of) for one_of in related]
        return row_name(dx_name, [first, *others] if principal else [])


def _details(
    taken: list[Draft], auxiliary: list[tuple[Draft, Draft]], refused: dict[int, tuple[str, str]]
) -> tuple[ReportRow, ...]:
    rows = [ReportRow(draft.line, draft.row, "taken", draft.remarks) for draft in taken]
    for draft, base in auxiliary:
        told = f"属病种 `{base.row}`，触发：{draft.phrase}"
        if "极严重" in draft.phrase:
            told += f"；名单 extremely_severe {TO_FILL}时不会命中"
        rows.append(
            ReportRow(draft.line, draft.row, "auxiliary", "；".join(filter(None, [told, draft.remarks])))
        )
    rows += [ReportRow(line, row, "refused", reason) for line, (row, reason) in refused.items()]
    return tuple(sorted(rows, key=lambda row: row.line))


def _report_cells(row: ReportRow) -> tuple[str, ...]:
    # A code that begins like a formula must stay text when the report is opened in Excel.
    code = f"'{row.row}" if row.row.startswith(("=", "+", "-", "@")) else row.row
    return (str(row.line), code, TOLD[row.outcome], row.detail)


def _notes(header: Header) -> tuple[str, ...]:
    notes = []
    if header.skipped_lines:
        notes.append(f"表头之上的第 {'、'.join(map(str, header.skipped_lines))} 行未读")
    if header.unused:
        shown = "、".join(header.unused[:20]) + ("……" if len(header.unused) > 20 else "")
        notes.append(f"{len(header.unused)} 列未使用：{shown}")
    return tuple(notes)


def _manifest(
    file: Path, name: str, about: Mapping[str, str | dt.date], report: ImportReport
) -> dict[str, object]:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    notes = [
        f"由 `{file.name}`（sha256 {digest}）导入：{report.rows} 行，收入病种 {report.taken}、"
        f"辅助分型 {report.auxiliary}、拒收 {report.refused}，逐行见 import-report.csv",
        *report.notes,
    ]
    if "effective_from" not in about:
        notes.append(f"生效日期{TO_FILL}，补上之前方案不会生效")
    return {
        "name": name,
        "kind": "dip",
        **{key: about.get(key, TO_FILL) for key in ("title", "issuer", "document")},
        "effective_from": about.get("effective_from", NEVER),
        "effective_to": None,
        "source": about.get("source", TO_FILL),
        "notes": notes,
    }


def _tables_of(
    taken: list[Draft], auxiliary: list[tuple[Draft, Draft]], conditions: Mapping[str, str]
) -> dict[str, list[tuple[str, ...]]]:
    core = [draft for draft in taken if draft.kind == "core"]
    pooled = [draft for draft in taken if draft.kind == "pooled"]
    subtypes = [(one, base, conditions[one.phrase]) for one, base in auxiliary]
    waits = any("in extremely_severe" in condition for _, _, condition in subtypes)
    return {
        "core.csv": [
            (one.row, one.dx, one.principal_px, one.related_text, *one.values) for one in core
        ],
        "pooled.csv": [(one.row, one.dx, *one.values) for one in pooled],
        "coefficients.csv": [(one.row, level, text) for one in taken for level, text in one.coefficients if text],
        "auxiliary.csv": [
            (
                one.row, base.row, "own", condition,
                ";".join(f"{level}={text}" for level, text in one.coefficients), one.phrase,
            )
            for one, base, condition in subtypes
        ],
        "auxiliary_lists.csv": [("extremely_severe", TO_FILL)] if waits else [],
    }  # fmt: skip
