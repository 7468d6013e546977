"""Auxiliary subtypes (辅助分型) of a DIP catalogue: what they are, and how their tables are read.

A subtype is a row of `auxiliary.csv`: a condition and the coefficient of a case that meets it. `row` names the only
catalogue row it belongs to and is empty for subtypes of every row. The condition is written in the rule language of
groupers/drg/rules.py, with

    subjects   principal_dx other_dx any_dx principal_px other_px any_px
    lists      of `auxiliary_lists.csv`, met by prefix
    numbers    those of a discharge, icu_days (icu_hours // 24) and cci (Charlson index)
    texts      those of a discharge, and severity (mcc | cc | none after exclusion, of a DRG scheme)

The coefficient is one of two kinds; of several met the highest of its kind counts (DESIGN §5):

    multiplying   one number, blank for unknown (never 1): beside the level coefficient of the catalogue row
    replacing     one per level of hospital, `三级=1.61;二级=1.12;一级=`: what a city prints for a severity suffix
                  of a row, in place of level coefficient × auxiliary coefficient; a blank level is unknown, and so
                  is one that the cell does not name
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path

from groupers.codes import normal_form, odd_codes
from groupers.drg.rulebook import SEVERITIES
from groupers.drg.rules import NUMBERS, TEXTS, Atom, Compare, Condition, Hits, Member, Prefix, Vocabulary
from groupers.drg.rules import parse_condition as parse
from groupers.scheme import SchemeError, data_root, read_table, sealed_files

COLUMNS = ("subtype", "row", "family", "condition", "coefficient", "name")
FAMILIES = {
    "age": "年龄", "severity": "非肿瘤严重程度", "tumour": "肿瘤严重程度", "icu": "监护天数",
    "cci": "合并症指数", "own": "病种自有",
}  # fmt: skip
SUBJECTS = ("principal_dx", "other_dx", "any_dx", "principal_px", "other_px", "any_px")
WORDS = Vocabulary(SUBJECTS, (*NUMBERS, "icu_days", "cci"), (*TEXTS, "severity"))
COEFFICIENT_DIGITS = 4
EVERY_LEVEL = ""

_NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4})?")


@dataclass(frozen=True)
class Subtype:
    """One auxiliary subtype. `coefficients` maps a level to ten-thousandths, None for unknown.

    The level EVERY_LEVEL stands alone where all levels share one coefficient.
    """

    subtype: str
    row: str
    family: str
    condition: Condition
    coefficients: dict[str, int | None]
    name: str
    text: str

    def coefficient_at(self, level: str | None) -> int | None:
        """The coefficient of a hospital level in ten-thousandths; None where it is unknown."""
        if EVERY_LEVEL in self.coefficients:
            return self.coefficients[EVERY_LEVEL]
        return self.coefficients.get(level) if level is not None else None

    @property
    def replacing(self) -> bool:
        """Whether its coefficients stand in place of level coefficient × auxiliary coefficient."""
        return EVERY_LEVEL not in self.coefficients

    @property
    def atoms(self) -> Iterator[Atom]:
        return (literal.atom for clause in self.condition for literal in clause)


@dataclass(frozen=True)
class AuxiliaryTables:
    """Subtypes in the order of their table, and the lists of prefixes that their conditions name."""

    subtypes: tuple[Subtype, ...] = ()
    lists: Mapping[str, frozenset[str]] = field(default_factory=dict)


@cache
def default_auxiliary(root: Path | None = None) -> AuxiliaryTables:
    """The families of the national rules with demo coefficients: `data/codes/dip-auxiliary`."""
    _, files = sealed_files((root or data_root()) / "codes" / "dip-auxiliary", "codes.yaml")
    return auxiliary_of(files)


def auxiliary_of(files: dict[str, bytes], rows: Collection[str] | None = None) -> AuxiliaryTables:
    """Read `auxiliary.csv` and `auxiliary_lists.csv`; `rows` are the codes of the catalogue, where known.

    Raises SchemeError naming the row that is wrong.
    """
    lists: dict[str, set[str]] = defaultdict(set)
    listed = read_table(files, "auxiliary_lists.csv", ("list", "prefix"))
    for code in odd_codes([prefix for _, prefix in listed]):
        raise SchemeError(
            f"表 `auxiliary_lists.csv` 的前缀 `{code}` 不是规范形式，永远无编码与之相符；"
            f"应为 `{normal_form(code)}`"
        )
    for name, prefix in listed:
        lists[name].add(prefix)
    subtypes = tuple(_subtype(*row) for row in read_table(files, "auxiliary.csv", COLUMNS))
    tables = AuxiliaryTables(subtypes, {name: frozenset(prefixes) for name, prefixes in lists.items()})
    check_auxiliary(tables, rows)
    return tables


def check_auxiliary(tables: AuxiliaryTables, rows: Collection[str] | None = None) -> None:
    """Refuse subtypes that contradict each other or can never be met. Raises SchemeError."""
    seen: set[str] = set()
    by_trigger: dict[tuple[str, Condition], str] = {}
    for subtype in tables.subtypes:
        code = subtype.subtype
        if not code or code in seen:
            raise SchemeError(f"辅助分型 `{code}` 没有编码或出现两次；每个分型须有自己的编码，请更正")
        seen.add(code)
        other = by_trigger.setdefault((subtype.row, subtype.condition), code)
        if other != code:
            raise SchemeError(
                f"辅助分型 `{other}` 与 `{code}` 的病种和条件相同：`{subtype.text}`；请删去一行或改条件"
            )
        if rows is not None and subtype.row and subtype.row not in rows:
            raise SchemeError(
                f"辅助分型 `{code}` 所属的病种 `{subtype.row}` 不在目录里；请更正病种编码或补目录"
            )
        for atom in subtype.atoms:
            _check_atom(tables, code, atom)


def _check_atom(tables: AuxiliaryTables, code: str, atom: Atom) -> None:
    if isinstance(atom, Member) and atom.list_name not in tables.lists:
        raise SchemeError(
            f"辅助分型 `{code}` 引用的名单不存在：`{atom.list_name}`；请补 auxiliary_lists.csv 或更正条件"
        )
    if isinstance(atom, Prefix) and normal_form(atom.prefix) != atom.prefix:
        raise SchemeError(
            f"辅助分型 `{code}` 的前缀 `{atom.prefix}` 不是规范形式，应为 `{normal_form(atom.prefix)}`；请更正"
        )
    if isinstance(atom, Hits):
        raise SchemeError(f"辅助分型 `{code}` 的条件用了 `hits`，辅助分型没有名单族；请改用名单")
    if isinstance(atom, Compare) and atom.column == "severity" and atom.value not in SEVERITIES:
        raise SchemeError(
            f"辅助分型 `{code}` 的 severity 应为 {'、'.join(SEVERITIES)} 之一，实为 `{atom.value}`；请更正"
        )


def _subtype(code: str, row: str, family: str, condition: str, coefficient: str, name: str) -> Subtype:
    if family not in FAMILIES:
        raise SchemeError(f"辅助分型 `{code}` 的 family 不认识：`{family}`；可用：{'、'.join(FAMILIES)}")
    parsed = parse(condition, f"`{code}`（辅助分型）", WORDS)
    return Subtype(code, row, family, parsed, _coefficients(code, coefficient), name, condition)


def _coefficients(code: str, text: str) -> dict[str, int | None]:
    if "=" not in text:
        return {EVERY_LEVEL: _ten_thousandths(code, text)}
    by_level: dict[str, int | None] = {}
    for part in text.split(";"):
        level, _, number = (piece.strip() for piece in part.partition("="))
        if not level or level in by_level:
            raise SchemeError(
                f"辅助分型 `{code}` 的系数 `{text}` 里有没写级别或写了两次的一段；应如 `三级=1.61;二级=1.12`"
            )
        by_level[level] = _ten_thousandths(code, number)
    return by_level


def _ten_thousandths(code: str, text: str) -> int | None:
    """A coefficient as an integer; blank is unknown. Zero would wipe out a score unseen and is refused."""
    if not text:
        return None
    value = int(Decimal(text).scaleb(COEFFICIENT_DIGITS)) if _NUMBER.fullmatch(text) else 0
    if value == 0:
        raise SchemeError(
            f"辅助分型 `{code}` 的系数应为大于 0、不到 10000、小数不超过 {COEFFICIENT_DIGITS} 位的数，"
            f"实为 `{text}`；未知请留空"
        )
    return value
