"""Which column of an agency's catalogue is which: by the user's mapping, else by common headers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groupers.dip.catalogue import FLAGS
from groupers.dip.import_sheet import Line, Sheet
from groupers.scheme import SchemeError

HEADER_WITHIN = 20  # lines; titles and remarks may stand above the header
# Common headers of every field, the better ones first; brackets, blanks and case do not count.
HEADERS: dict[str, tuple[str, ...]] = {
    "row": ("dip_code", "row", "dip编码", "dip代码", "dip病种编码", "病种编码", "病种代码", "病种编号",
            "dip目录编码", "目录编码", "分组编码"),
    "dx4": ("dx4", "主要诊断亚目编码", "诊断亚目编码", "亚目编码", "亚目", "主要诊断编码", "主要诊断代码",
            "主诊断编码", "主诊断代码", "诊断编码", "诊断代码", "疾病编码", "icd10", "icd-10", "icd10编码"),
    "dx_name": ("dx4_name", "主要诊断亚目名称", "诊断亚目名称", "亚目名称", "主要诊断名称", "主诊断名称",
                "诊断名称", "疾病名称"),
    "principal_px": ("px_fixed", "principal_px", "主要手术操作编码", "主要手术操作代码", "主手术操作编码",
                     "主要操作编码", "主要手术编码", "手术操作编码", "手术操作代码", "手术编码", "操作编码",
                     "icd9", "icd-9-cm-3", "icd9编码", "px", "px_as_stored"),
    "px_name": ("px_name", "主要手术操作名称", "主手术操作名称", "主要操作名称", "手术操作名称", "手术名称", "操作名称"),
    "related": ("related", "related_px", "相关手术操作编码", "相关手术操作代码", "相关手术编码", "相关手术操作",
                "其他手术操作编码", "次要手术操作编码"),
    "class": ("treatment_type", "treatment_class", "class", "治疗方式", "治疗类型", "治疗方式分类", "病种治疗方式"),
    "kind": ("kind", "病种类型", "病种类别", "病种性质", "目录类型"),
    "score": ("score", "分值", "病种分值", "dip分值", "dip病种分值", "基准分值"),
    "mean_cost_yuan": ("mean_cost_yuan", "次均费用", "例均费用", "均次费用", "平均费用", "病种均费"),
    "note": ("note", "备注", "说明", "病种标识"),
    "flags": ("flags",),
    "name": ("name", "病种名称", "dip病种名称", "dip名称", "目录名称"),
} | {f"flag:{flag}": (f"是否{flag}", f"是否为{flag}", flag) for flag in FLAGS}  # fmt: skip
REQUIRED = ("row", "dx4")
COEFFICIENT = "coefficient:"  # + the level's name, as the hospitals' table writes it
SEVERITY = "severity:"  # + a phrase of the notes; the value is a condition, not a header

_BRACKETS = re.compile(r"\(.*?\)|\[.*?\]|【.*?】")
_LEVELS = {"1": "一级", "2": "二级", "3": "三级"}
_LEVEL = re.compile(r"([一二三])级")


@dataclass(frozen=True)
class Header:
    """Where every field stands, the lines above the first row of data, and what is not used."""

    columns: dict[str, int]
    titles: dict[str, str]  # field → the header as printed
    last_line: int
    skipped_lines: tuple[int, ...]
    unused: tuple[str, ...]

    @property
    def levels(self) -> list[str]:
        return [name.removeprefix(COEFFICIENT) for name in self.columns if name.startswith(COEFFICIENT)]


def find_header(sheets: Sequence[Sheet], mapping: Mapping[str, str]) -> tuple[Sheet, Header]:
    """The sheet whose first lines hold a header with the required fields. Raises SchemeError."""
    _check_mapping(mapping)
    found = [(sheet, header) for sheet in sheets if (header := _header_of(sheet, mapping))]
    if len(found) == 1:
        return found[0]
    if found:
        titles = "、".join(f"`{sheet.title}`" for sheet, _ in found)
        raise SchemeError(f"工作簿里有 {len(found)} 张像目录的表：{titles}；请只留一张")
    seen = next((line.cells for sheet in sheets for line in sheet.lines if not line.is_blank), ())
    told = "、".join(cell.strip() for cell in seen[:12] if cell.strip()) or "（空）"
    wanted = "、".join(f"`{mapping.get(one) or HEADERS[one][5]}`（{one}）" for one in REQUIRED)
    raise SchemeError(
        f"前 {HEADER_WITHIN} 行里找不到表头：需要 {wanted} 这样的列，首行是 {told}；"
        "请更正表头，或用列名对照指明，如 dx4=诊断编码"
    )


def plain(text: str) -> str:
    """A header as it is compared: half-width, lower case, without blanks and brackets."""
    text = "".join(unicodedata.normalize("NFKC", text).lower().split())
    return _BRACKETS.sub("", text) or text


def _check_mapping(mapping: Mapping[str, str]) -> None:
    for name in mapping:
        if name not in HEADERS and not (
            name.startswith((COEFFICIENT, SEVERITY)) and name.partition(":")[2].strip()
        ):
            raise SchemeError(
                f"列名对照里的 `{name}` 不认识；可用：{'、'.join(HEADERS)}、{COEFFICIENT}级别、{SEVERITY}备注用语"
            )


def _header_of(sheet: Sheet, mapping: Mapping[str, str]) -> Header | None:
    lines = [line for line in sheet.lines[:HEADER_WITHIN] if not line.is_blank]
    for place, line in enumerate(lines):
        texts: list[tuple[str, ...]] = [(cell,) for cell in line.cells]
        columns = _columns(texts, mapping)
        if not all(name in columns for name in REQUIRED):
            continue
        last = line
        if place + 1 < len(lines) and (merged := _second_line(line, lines[place + 1], columns, mapping)):
            texts, columns, last = merged
        _check_found(sheet, texts, columns, mapping)
        titles = {name: texts[column][0].strip() for name, column in columns.items()}
        unused = [
            text[0].strip()
            for column, text in enumerate(texts)
            if text[0].strip() and column not in columns.values()
        ]
        skipped = tuple(above.number for above in lines[:place])
        return Header(columns, titles, last.number, skipped, tuple(unused))
    return None


def _second_line(
    upper: Line, lower: Line, columns: dict[str, int], mapping: Mapping[str, str]
) -> tuple[list[tuple[str, ...]], dict[str, int], Line] | None:
    """A merged header goes on in the next line: 级别系数 above 三级, 二级, 一级. None where that line is data."""
    if any(_cell(lower, columns[name]) for name in REQUIRED):
        return None
    texts: list[tuple[str, ...]] = []
    above = ""
    for column in range(max(len(upper.cells), len(lower.cells))):
        top, bottom = _cell(upper, column), _cell(lower, column)
        above = top or (above if bottom else "")
        texts.append((above + bottom, bottom) if bottom else (top,))
    combined = _columns(texts, mapping)
    return (texts, combined, lower) if len(combined) > len(columns) else None


def _cell(line: Line, column: int) -> str:
    return line.cells[column].strip() if column < len(line.cells) else ""


def _columns(texts: Sequence[tuple[str, ...]], mapping: Mapping[str, str]) -> dict[str, int]:
    """Field → column. Every column serves one field; a mapped field is never guessed."""
    forms = [[plain(text) for text in texts_of] for texts_of in texts]
    columns: dict[str, int] = {}
    for name, title in mapping.items():
        if name.startswith(SEVERITY) or not title.strip():
            continue
        exact = [
            place for place, texts_of in enumerate(texts) if title.strip() in {t.strip() for t in texts_of}
        ]
        alike = exact or [place for place, of in enumerate(forms) if plain(title) in of]
        if len(alike) > 1:
            raise SchemeError(
                f"列名对照里的 `{name}` 指向 `{title}`，文件里有 {len(alike)} 列叫这个名；请改表头"
            )
        if alike:
            columns[name] = alike[0]
    for name, known in HEADERS.items():
        for title in known if name not in mapping else ():
            places = [p for p, of in enumerate(forms) if plain(title) in of and p not in columns.values()]
            if len(places) > 1:
                told = "、".join(str(place + 1) for place in places)
                raise SchemeError(
                    f"第 {told} 列的表头都是 `{texts[places[0]][0].strip()}`，分不清哪一列是 {name}；请改表头或用列名对照指明"
                )
            if places:
                columns[name] = places[0]
                break
    for place, of in enumerate(forms):
        level = next(filter(None, map(_level_of, of)), None)
        if level and place not in columns.values() and COEFFICIENT + level not in mapping:
            if COEFFICIENT + level in columns:
                raise SchemeError(
                    f"有两列都像 {level} 的系数；请用列名对照指明，如 {COEFFICIENT}{level}=表头"
                )
            columns[COEFFICIENT + level] = place
    return columns


def _level_of(form: str) -> str | None:
    """`coef_level3` and `三级医院系数` are the coefficient of 三级."""
    if found := re.fullmatch(r"coef(?:ficient)?_?(?:level)?_?([123])", form):
        return _LEVELS[found.group(1)]
    levels = _LEVEL.findall(form)
    return f"{levels[0]}级" if len(levels) == 1 and "系数" in form else None


def _check_found(
    sheet: Sheet, texts: Sequence[tuple[str, ...]], columns: dict[str, int], mapping: Mapping[str, str]
) -> None:
    for name, title in mapping.items():
        if title.strip() and not name.startswith(SEVERITY) and name not in columns:
            known = "、".join(text[0].strip() for text in texts[:40] if text[0].strip())
            raise SchemeError(
                f"列名对照里的 `{name}` 指向 `{title}`，表 `{sheet.title}` 没有这一列；现有：{known}"
            )
