"""Read the cells of an agency's catalogue: repair what only one reading fits, refuse the rest with the reason."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from groupers.codes import CodeTables, normal_form
from groupers.dip.catalogue import CLASSES, FLAGS, POOLED_CLASSES, dx3_of, dx4_of

DIGITS = 6  # of a stored number
FLOAT_DIGITS = 9  # decimals beyond which a number is the noise of binary arithmetic

_EXTENSION = re.compile(r"x([0-9]{2})$")
_NUMERIC = re.compile(r"([0-9]{1,2})\.([0-9]{1,4})")
_CUT_HEAD = re.compile(r"[0-9]\.[0-9]")
_CLASS_WORDS = {
    "手术": "手术", "手术治疗": "手术", "手术操作": "手术", "介入": "介入治疗", "介入治疗": "介入治疗",
    "治疗性操作": "治疗性操作", "治疗操作": "治疗性操作", "诊断性操作": "诊断性操作", "诊断操作": "诊断性操作",
    "保守治疗": "保守治疗", "保守": "保守治疗", "内科保守治疗": "保守治疗",
}  # fmt: skip
_POOLED_WORDS = {
    "手术": "相关手术", "介入治疗": "相关手术", "相关手术组": "相关手术", "治疗性操作组": "治疗性操作",
    "诊断性操作组": "诊断性操作", "内科诊疗组": "内科诊疗", "保守治疗": "内科诊疗",
} | {word: word for word in POOLED_CLASSES}  # fmt: skip
_FLAG_WORDS = {flag: flag for flag in FLAGS} | {
    "基层病组": "基层病种", "基础病种": "基层病种", "中医优势": "中医优势病种", "日间手术": "日间", "日间病种": "日间",
}  # fmt: skip
_KIND_WORDS = {"核心": "core", "综合": "pooled"}
_YES, _NO = {"是", "1", "y", "yes", "true", "√", "✓"}, {"否", "0", "n", "no", "false", "×"}
SEVERE = re.compile(r"(?:并发症|合并症|严重程度)")


class Refusal(Exception):
    """A row cannot be taken; the message says why, in Chinese."""


class Cells:
    """Reads cells of one row after another and keeps what was repaired in the current one."""

    def __init__(self, tables: CodeTables) -> None:
        self._procedures = tables.procedure_names
        self._diagnoses = tables.diagnosis_names
        self._dx4s = {dx4_of(code) for code in tables.diagnosis_names}
        self._dx3s = {dx3_of(code) for code in tables.diagnosis_names}
        divided = {dx4[:3] for dx4 in self._dx4s if not dx4.endswith(".x")}
        self._undivided = {dx4[:3] for dx4 in self._dx4s} - divided
        self.repairs: list[str] = []

    def _repaired(self, was: str, now: str) -> str:
        if was != now:
            self.repairs.append(f"`{was}` → `{now}`")
        return now

    def text(self, cell: str) -> str:
        """Text on one line without blanks at its ends."""
        return " ".join(cell.split())

    def row(self, cell: str) -> str:
        """The row's code; digits that became a float lose their `.0` again."""
        code = "".join(unicodedata.normalize("NFKC", cell).split())
        if re.fullmatch(r"[0-9]+\.0", code):
            code = code.removesuffix(".0")
        if not code:
            raise Refusal("病种编码为空；若是合并单元格，请取消合并并逐行填满")
        return self._repaired(cell, code)

    def dx4(self, cell: str) -> str:
        code = normal_form(cell)
        if not code:
            raise Refusal("诊断编码为空；若是合并单元格，请取消合并并逐行填满")
        if code not in self._dx4s:
            # A category that has no fourth character is printed without its `.x`; a point may be lost.
            undivided = len(code) == 3 and code in self._undivided
            fits = {f"{code}.x" if undivided else f"{code[:3]}.{code[3:]}"} & self._dx4s
            if len(fits) != 1:
                raise Refusal(self._unknown_dx4(cell, code))
            (code,) = fits
        return self._repaired(cell, code)

    def _unknown_dx4(self, cell: str, code: str) -> str:
        if code in self._diagnoses:
            return f"诊断编码 `{cell}` 是完整的诊断编码，病种应写四位亚目 `{dx4_of(code)}`；请核对"
        if code in self._dx3s:
            return f"诊断编码 `{cell}` 只有三位，类目下还分亚目；综合病种请在病种类型列写“综合”"
        return f"诊断编码 `{cell}` 不在编码表内；应为四位亚目，如 I63.9、A38.x"

    def dx3(self, cell: str) -> str:
        code = normal_form(cell).removesuffix(".x")
        if code not in self._dx3s:
            raise Refusal(f"综合病种的诊断编码 `{cell}` 不在编码表内；应为三位类目，如 I63")
        return self._repaired(cell, code)

    def procedure(self, cell: str) -> str:
        """One procedure; zeros lost to a spreadsheet come back only where one code of the table fits."""
        code = normal_form(cell)
        if code in self._procedures:
            return self._repaired(cell, code)
        fits = {one for one in _restored(code) if one in self._procedures}
        if len(fits) != 1:
            raise Refusal(f"手术操作编码 `{cell}` 不在编码表内；请对照医保版 2.0 更正")
        return self._repaired(cell, fits.pop())

    def procedures(self, principal: str, related: str) -> tuple[str, tuple[tuple[str, ...], ...]]:
        """The principal procedure and the related ones; `A~B+C/D` may also stand in one cell."""
        first, *rest = [part for part in re.split(r"[+~]", _half_width(principal)) if part] or [""]
        more = [part for part in re.split(r"\+", _half_width(related)) if part]
        if not first and more:
            raise Refusal(f"有相关手术 `{related}` 却没有主要手术；请补主要手术操作编码")
        sets = [tuple(self.procedure(one) for one in part.split("/")) for part in (*rest, *more)]
        return (self.procedure(first) if first else ""), tuple(sets)

    def number(self, column: str, cell: str, digits: int = DIGITS) -> str:
        """A number above zero as text, "" where blank."""
        text = "".join(unicodedata.normalize("NFKC", cell).split())
        if not text:
            return ""
        try:
            value = Decimal(re.sub(r"(?<=[0-9]),(?=[0-9]{3}(?:[,.]|$))", "", text))
        except InvalidOperation:
            value = Decimal(0)
        if not value.is_finite() or value <= 0 or value >= 10**9:
            raise Refusal(f"{column} 应为大于 0 的数，实为 `{cell.strip()}`；未知请留空")
        if -int(value.as_tuple().exponent) > FLOAT_DIGITS:
            value = value.quantize(Decimal(1).scaleb(-FLOAT_DIGITS), ROUND_HALF_UP)
        plain = f"{value.normalize():f}"
        if len(plain.partition(".")[2]) > digits or not Decimal(plain):
            raise Refusal(f"{column} 的小数最多 {digits} 位，实为 `{cell.strip()}`；请按公布的位数填写")
        if Decimal(plain) != _decimal(cell) or not text.isascii():
            self._repaired(cell, plain)
        return plain

    def kind(self, cell: str) -> str:
        """core, pooled, or "" where the column does not say."""
        text = self.text(cell)
        found = {kind for word, kind in _KIND_WORDS.items() if word in text}
        if text and len(found) != 1:
            raise Refusal(f"病种类型 `{text}` 不认识；应为核心或综合")
        return found.pop() if found else ""

    def treatment_class(self, cell: str, of_table: str, has_procedure: bool) -> str:
        """The class as printed; where blank, that of the principal procedure in the code table."""
        text = _half_width(cell)
        if not text:
            if has_procedure and not of_table:
                raise Refusal("治疗方式为空，主要手术在编码表里也没有类别；请填治疗方式")
            return self._repaired("（治疗方式空白）", of_table if has_procedure else "保守治疗")
        of_class = _CLASS_WORDS.get(text, "")
        if not of_class:
            raise Refusal(f"治疗方式 `{cell.strip()}` 不认识；可用：{'、'.join(CLASSES)}")
        if not has_procedure and of_class != "保守治疗":
            raise Refusal(f"治疗方式为 {of_class}，却没有手术操作编码；请补编码或更正治疗方式")
        return of_class

    def pooled_class(self, cell: str) -> str:
        text = _half_width(cell)
        of_class = _POOLED_WORDS.get(_CLASS_WORDS.get(text, text), "")
        if not of_class:
            raise Refusal(f"综合病种的治疗方式 `{cell.strip()}` 不认识；可用：{'、'.join(POOLED_CLASSES)}")
        return of_class

    def flags(self, note: str, columns: dict[str, str]) -> tuple[list[str], str, list[str]]:
        """Flags, the severity phrase ("" for none) and the words that say neither."""
        said: dict[str, set[bool]] = {}
        phrases, unread = [], []
        for word in filter(None, re.split(r"[;,、。\s]+", unicodedata.normalize("NFKC", note))):
            denied = word not in _FLAG_WORDS and word.startswith("非") and word[1:] in _FLAG_WORDS
            if word in _FLAG_WORDS or denied:
                said.setdefault(_FLAG_WORDS[word.removeprefix("非") if denied else word], set()).add(
                    not denied
                )
            elif SEVERE.search(word):
                phrases.append(word)
            else:
                unread.append(word)
        for flag, cell in columns.items():
            if text := _half_width(cell).lower():
                if text not in _YES | _NO and _FLAG_WORDS.get(text) != flag:
                    raise Refusal(f"列“{flag}”的 `{cell.strip()}` 不认识；应为是或否")
                said.setdefault(flag, set()).add(text not in _NO)
        for flag, answers in said.items():
            if len(answers) > 1:
                raise Refusal(f"标识自相矛盾：既说是{flag}，又说不是；请更正")
        if len(phrases) > 1:
            raise Refusal(f"备注写了两个严重程度：{'、'.join(phrases)}；请分成两行")
        return [flag for flag in FLAGS if said.get(flag) == {True}], "".join(phrases), unread


def _restored(code: str) -> Iterable[str]:
    """Codes that a spreadsheet could have made into this one."""
    headed = f"0{code}" if _CUT_HEAD.match(code) else code
    yield headed
    if found := _NUMERIC.fullmatch(code):
        yield f"{found.group(1).zfill(2)}.{found.group(2).ljust(4, '0')}"
    if _EXTENSION.search(headed):
        yield _EXTENSION.sub(r"x0\1", headed)


def _half_width(cell: str) -> str:
    return "".join(unicodedata.normalize("NFKC", cell).split())


def _decimal(cell: str) -> Decimal | None:
    try:
        return Decimal(cell.strip())
    except InvalidOperation:
        return None
