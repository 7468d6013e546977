"""The rule language: a rule is a row, its condition a few atoms joined by `and`.

    condition = clause { "and" clause }
    clause    = [ "not" ] atom | "(" [ "not" ] atom { "or" [ "not" ] atom } ")"
    atom      = "always"
              | SUBJECT "in" LIST              SUBJECT is one of SUBJECTS, LIST a list of the scheme
              | SUBJECT "startswith" PREFIX
              | COLUMN COMPARISON VALUE        COLUMN is one of NUMBERS or TEXTS
              | "hits" FAMILY COMPARISON VALUE how many lists of a family any diagnosis meets

`principal` is the first code, `any` all codes, `other` all but the first. `main_px` and `operation_px`
mean what the scheme chooses (`main_procedure`, `ambiguous`). A comparison with a missing value is false
and an `in` on an empty list is false, so that its `not` is true.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from groupers.scheme import SchemeError

SUBJECTS = (
    "principal_dx", "other_dx", "any_dx",
    "principal_px", "other_px", "any_px", "main_px", "operation_px",
)  # fmt: skip
NUMBERS = (
    "age_years", "age_days", "birth_weight_g", "admission_weight_g", "stay_days", "icu_hours", "ventilator_hours",
)  # fmt: skip
TEXTS = ("sex", "discharge_way", "care_type", "treatment_kind", "department")
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne,
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


@dataclass(frozen=True)
class Vocabulary:
    """The words a condition may use; another kind of scheme asks for other columns in the same language."""

    subjects: tuple[str, ...] = SUBJECTS
    numbers: tuple[str, ...] = NUMBERS
    texts: tuple[str, ...] = TEXTS


DRG_WORDS = Vocabulary()
Kind = Literal["enter", "adrg", "ambiguous", "ambiguous_outside"]
KINDS: tuple[Kind, ...] = ("enter", "adrg", "ambiguous", "ambiguous_outside")


@dataclass(frozen=True)
class Always:
    """True of every case."""


@dataclass(frozen=True)
class Member:
    """A code of the subject stands in a list of the scheme."""

    subject: str
    list_name: str


@dataclass(frozen=True)
class Prefix:
    """A code of the subject starts with a text."""

    subject: str
    prefix: str


@dataclass(frozen=True)
class Compare:
    """A column of the case compared with a value; integer for NUMBERS, text for TEXTS."""

    column: str
    comparison: str
    value: int | str


@dataclass(frozen=True)
class Hits:
    """How many lists of a family are met by any diagnosis, compared with a number."""

    family: str
    comparison: str
    value: int


Atom = Always | Member | Prefix | Compare | Hits


@dataclass(frozen=True)
class SignedAtom:
    """An atom, or its negation."""

    atom: Atom
    negated: bool = False


Clause = tuple[SignedAtom, ...]  # any of
Condition = tuple[Clause, ...]  # all of


@dataclass(frozen=True)
class Rule:
    """One row of `rules.csv`. `group` is the ADRG or the ambiguous group; empty for `enter`."""

    seq: int
    mdc: str
    kind: Kind
    group: str
    variant: str
    condition: Condition
    text: str


_ATOM = re.compile(
    r"(?P<always>always)$"
    r"|(?P<subject>\w+) in (?P<list>[\w.-]+)$"
    r"|(?P<starts>\w+) startswith (?P<prefix>\S+)$"
    r"|hits (?P<family>\w+) (?P<hits_cmp>==|!=|<=|>=|<|>) (?P<hits_value>\d+)$"
    r"|(?P<column>\w+) (?P<cmp>==|!=|<=|>=|<|>) (?P<value>\S+)$"
)


def parse_condition(text: str, seq: int | str = 0, words: Vocabulary = DRG_WORDS) -> Condition:
    """Read a condition. Raises SchemeError naming the rule and the part that is not understood."""
    return tuple(
        _clause(part.strip(), seq, words) for part in re.split(r"\s+and\s+(?![^()]*\))", text.strip())
    )


def _clause(text: str, seq: int | str, words: Vocabulary) -> Clause:
    if text.startswith("(") and text.endswith(")"):
        return tuple(_literal(part.strip(), seq, words) for part in re.split(r"\s+or\s+", text[1:-1]))
    return (_literal(text, seq, words),)


def _literal(text: str, seq: int | str, words: Vocabulary) -> SignedAtom:
    negated = text.startswith("not ")
    return SignedAtom(_atom(text[4:].strip() if negated else text, seq, words), negated)


def _atom(text: str, seq: int | str, words: Vocabulary) -> Atom:
    found = _ATOM.match(text)
    if found is None:
        raise SchemeError(f"规则 {seq} 的条件读不懂：`{text}`；可用写法见 docs/scheme.md")
    if found["always"]:
        return Always()
    if found["family"]:
        return Hits(found["family"], found["hits_cmp"], int(found["hits_value"]))
    if subject := found["subject"] or found["starts"]:
        if subject not in words.subjects:
            raise SchemeError(f"规则 {seq} 的主语不认识：`{subject}`；可用：{'、'.join(words.subjects)}")
        return Member(subject, found["list"]) if found["list"] else Prefix(subject, found["prefix"])
    column, comparison, value = found["column"], found["cmp"], found["value"]
    if column in words.texts and comparison in ("==", "!="):
        return Compare(column, comparison, value)
    if column in words.numbers and re.fullmatch(r"-?\d+", value):
        return Compare(column, comparison, int(value))
    raise SchemeError(
        f"规则 {seq} 的比较不成立：`{text}`；数值列 {'、'.join(words.numbers)} 与整数比较，"
        f"文本列 {'、'.join(words.texts)} 只用 == 或 !="
    )


def condition_columns(condition: Condition) -> set[str]:
    """The scalar columns a condition asks for."""
    return {lit.atom.column for clause in condition for lit in clause if isinstance(lit.atom, Compare)}
