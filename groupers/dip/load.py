"""A DIP catalogue on disk: one CSV per table, each sealed by hash; what is wrong is one sentence with its line.

    core.csv          row,dx4,principal_px,related,class,score,mean_cost_yuan,flags,name
    pooled.csv        row,dx3,class,score,mean_cost_yuan,flags,name
    exclusions.csv    prefix,reason
    coefficients.csv  row,level,coefficient           a level that is not listed is unknown, never 1
    auxiliary.csv, auxiliary_lists.csv                see groupers/dip/auxiliary.py

`related` is `A+B/C` (all of `+`, one of `/`), `flags` are joined by `;`, a flag that is denied starts with 非.
Procedure classes come from the code tables.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from decimal import Decimal
from pathlib import Path

from groupers.codes import load_code_tables, normal_form
from groupers.dip.auxiliary import COLUMNS as AUXILIARY_COLUMNS
from groupers.dip.auxiliary import auxiliary_of
from groupers.dip.catalogue import (
    CLASSES,
    FLAGS,
    POOLED_CLASSES,
    UNGROUPED,
    Catalogue,
    CoreRow,
    DipChoices,
    Exclusion,
    PooledRow,
    Requirement,
    requirement,
)
from groupers.scheme import DipBlock, SchemeError, read_table, scheme_folder, sealed_files

TABLES: dict[str, tuple[str, ...]] = {
    "core.csv": (
        "row", "dx4", "principal_px", "related", "class", "score", "mean_cost_yuan", "flags", "name",
    ),
    "pooled.csv": ("row", "dx3", "class", "score", "mean_cost_yuan", "flags", "name"),
    "exclusions.csv": ("prefix", "reason"),
    "coefficients.csv": ("row", "level", "coefficient"),
    "auxiliary.csv": AUXILIARY_COLUMNS,
    "auxiliary_lists.csv": ("list", "prefix"),
}  # fmt: skip
CONSERVATIVE = "保守治疗"
DENIED = "非"

_DX4 = re.compile(r"[A-Z][0-9][0-9A-Z]\.[0-9x]")
_DX3 = re.compile(r"[A-Z][0-9][0-9A-Z]")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_YUAN = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?")


def load_catalogue(name: str, root: Path | None = None) -> Catalogue:
    """Read a DIP scheme by name or path, every file proved against its hash. Raises SchemeError."""
    manifest, files = sealed_files(scheme_folder(name, root))
    if manifest.kind != "dip":
        raise SchemeError(f"方案 `{name}` 是 {manifest.kind} 方案，这里需要 DIP 病种目录（kind: dip）")
    block = manifest.dip or DipBlock()
    core, pooled = tuple(_core(files)), tuple(_pooled(files))
    rows = _row_codes(core, pooled)
    return Catalogue(
        manifest=manifest,
        choices=DipChoices(block.conservative, block.related, block.score_scale, block.tie_breakers),
        core=core,
        pooled=pooled,
        exclusions=tuple(_exclusions(files)),
        coefficients=_coefficients(files, rows),
        # A procedure of no class is as if it had not been done: it is not in the table.
        procedure_classes={px: of for px, of in load_code_tables().procedure_classes.items() if of},
        auxiliary=auxiliary_of(files, rows),
    )


class Place:
    """A line of a table, to say where something is wrong."""

    def __init__(self, table: str, line: int) -> None:
        self._table, self._line = table, line

    def wrong(self, what: str) -> SchemeError:
        return SchemeError(f"表 `{self._table}` 第 {self._line} 行{what}")


class Once:
    """Keys that may stand in a table once."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._line_of: dict[Hashable, int] = {}

    def check(self, key: Hashable, line: int, told: str) -> None:
        first = self._line_of.setdefault(key, line)
        if first != line:
            raise SchemeError(
                f"表 `{self._table}` 第 {first} 行与第 {line} 行的{told}相同，病例无从选择；请删去一行或更正"
            )


def _lines(files: dict[str, bytes], table: str) -> Iterator[tuple[int, Place, list[str]]]:
    for line, cells in enumerate(read_table(files, table, TABLES[table]), start=2):
        yield line, Place(table, line), cells


def _core(files: dict[str, bytes]) -> Iterator[CoreRow]:
    once = Once("core.csv")
    for line, place, cells in _lines(files, "core.csv"):
        row, dx4, principal, related_text, of_class, score, cost, flags, name = cells
        if not _DX4.fullmatch(dx4):
            raise place.wrong(f"的 dx4 应为四位亚目（如 I63.9、A38.x），实为 `{dx4}`；请更正")
        related = _requirement(place, related_text)
        if principal:
            _check_code(place, "principal_px", principal)
        elif related:
            raise place.wrong(f"有相关手术 `{related_text}` 却没有主要手术；请补 principal_px")
        if of_class not in CLASSES:
            raise place.wrong(f"的 class 不认识：`{of_class}`；可用：{'、'.join(CLASSES)}")
        if not principal and of_class != CONSERVATIVE:
            raise place.wrong(f"没有手术操作，class 应为 {CONSERVATIVE}，实为 `{of_class}`；请更正其一")
        told = f"全键（{dx4}、{principal or '无手术'}、{related_text or '无相关手术'}）"
        once.check((dx4, principal, frozenset(related)), line, told)
        yield CoreRow(
            row=_row_code(place, row),
            order=line - 2,
            dx4=dx4,
            principal_px=principal,
            related=related,
            treatment_class=of_class,
            score=_positive(place, "score", score),
            mean_cost_fen=_fen(place, cost),
            flags=_flags(place, flags),
            name=name,
        )


def _pooled(files: dict[str, bytes]) -> Iterator[PooledRow]:
    once = Once("pooled.csv")
    for line, place, (row, dx3, of_class, score, cost, flags, name) in _lines(files, "pooled.csv"):
        if not _DX3.fullmatch(dx3):
            raise place.wrong(f"的 dx3 应为三位类目（如 I63），实为 `{dx3}`；请更正")
        if of_class not in POOLED_CLASSES:
            raise place.wrong(f"的 class 不认识：`{of_class}`；综合病种可用：{'、'.join(POOLED_CLASSES)}")
        once.check((dx3, of_class), line, f"全键（{dx3}、{of_class}）")
        yield PooledRow(
            row=_row_code(place, row),
            dx3=dx3,
            pooled_class=of_class,
            score=_positive(place, "score", score),
            mean_cost_fen=_fen(place, cost),
            flags=_flags(place, flags),
            name=name,
        )


def _exclusions(files: dict[str, bytes]) -> Iterator[Exclusion]:
    once = Once("exclusions.csv")
    for line, place, (prefix, reason) in _lines(files, "exclusions.csv"):
        _check_code(place, "prefix", prefix)
        once.check(prefix, line, f"前缀 `{prefix}`")
        yield Exclusion(prefix, reason)


def _coefficients(files: dict[str, bytes], rows: frozenset[str]) -> dict[tuple[str, str], Decimal]:
    once = Once("coefficients.csv")
    found: dict[tuple[str, str], Decimal] = {}
    for line, place, (row, level, text) in _lines(files, "coefficients.csv"):
        if row not in rows:
            raise place.wrong(f"的病种 `{row}` 不在 core.csv 或 pooled.csv 里；请更正编码或补目录")
        if not level:
            raise place.wrong("没有写医院级别；请补 level")
        once.check((row, level), line, f"病种与级别（{row}、{level}）")
        coefficient = _positive(place, "coefficient", text)
        if coefficient is not None:  # a blank is unknown, as if the line were not there
            found[row, level] = coefficient
    return found


def _row_codes(core: tuple[CoreRow, ...], pooled: tuple[PooledRow, ...]) -> frozenset[str]:
    seen: set[str] = set()
    for code in [*(row.row for row in core), *(row.row for row in pooled)]:
        if code in seen:
            raise SchemeError(f"病种编码 `{code}` 在 core.csv、pooled.csv 中出现两次；请给每行自己的编码")
        seen.add(code)
    return frozenset(seen)


def _row_code(place: Place, row: str) -> str:
    if not row or row != row.strip() or row == UNGROUPED:
        raise place.wrong(f"的病种编码不可用：`{row}`；应非空、两端无空格，且不是 {UNGROUPED}（未入组）")
    return row


def _check_code(place: Place, column: str, code: str) -> None:
    if not code or normal_form(code) != code:
        raise place.wrong(f"的 {column} 不是规范形式：`{code}`，应为 `{normal_form(code)}`；请更正")


def _requirement(place: Place, text: str) -> Requirement:
    related = requirement(text)
    for code in (code for one_of in related for code in one_of):
        _check_code(place, "related", code)
    if len(set(related)) < len(related):
        raise place.wrong(f"的相关手术重复：`{text}`；请删去重复的一段")
    return related


def _positive(place: Place, column: str, text: str) -> Decimal | None:
    """A number above zero; blank is unknown. A zero would wipe out a payment unseen and is refused."""
    if not text:
        return None
    if not _NUMBER.fullmatch(text) or not (value := Decimal(text)):
        raise place.wrong(f"的 {column} 应为大于 0、小数不超过 6 位的数，实为 `{text}`；未知请留空")
    return value


def _fen(place: Place, text: str) -> int | None:
    if not text:
        return None
    if not _YUAN.fullmatch(text):
        raise place.wrong(f"的 mean_cost_yuan 应为元、小数不超过两位的数，实为 `{text}`；未知请留空")
    return int(Decimal(text).scaleb(2))


def _flags(place: Place, text: str) -> frozenset[str]:
    said = text.split(";") if text else []
    for word in said:
        if word.removeprefix(DENIED) not in FLAGS:
            raise place.wrong(f"的 flags 不认识：`{word}`；可用：{'、'.join(FLAGS)}，以 `;` 相连")
    flags = {word for word in said if word in FLAGS}
    for flag in sorted(flags):
        if DENIED + flag in said:
            raise place.wrong(f"的 flags 自相矛盾：既是 `{flag}` 又是 `{DENIED}{flag}`；请留下一个")
    return frozenset(flags)
