"""A DIP catalogue in memory: core rows, pooled rows, exclusions, levels' coefficients, auxiliary subtypes.

Source of the form: 按病种分值（DIP）付费病种库 2.0 版 and its technical rules; scores, pooled rows and coefficients
are local and may be absent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Literal

from groupers.dip.auxiliary import AuxiliaryTables
from groupers.scheme import Manifest
from groupers.scheme import TieBreaker as TieBreaker

# Treatment classes of a row, from the most to the least invasive.
CLASSES = ("手术", "介入治疗", "治疗性操作", "诊断性操作", "保守治疗")
# Pooled groups by class of the principal procedure; 手术 and 介入治疗 pool together.
POOLED_CLASSES = ("相关手术", "治疗性操作", "诊断性操作", "内科诊疗")
POOLED_OF_CLASS = {
    "手术": "相关手术", "介入治疗": "相关手术", "治疗性操作": "治疗性操作", "诊断性操作": "诊断性操作",
}  # fmt: skip
FLAGS = ("基层病种", "中医优势病种", "日间")
UNGROUPED = "0000"

Requirement = tuple[frozenset[str], ...]  # every set must be met by at least one code


@dataclass(frozen=True)
class CoreRow:
    """One disease (病种): `related` is what the other procedures must hold, `()` for none.

    `principal_px` is empty for a conservative row. `score` is None where the catalogue prints none.
    """

    row: str
    order: int  # place in the catalogue
    dx4: str  # I63.9, or A38.x where the category has no fourth character
    principal_px: str
    related: Requirement
    treatment_class: str
    score: Decimal | None
    mean_cost_fen: int | None
    flags: frozenset[str]
    name: str

    @property
    def related_count(self) -> int:
        return len(self.related)


@dataclass(frozen=True)
class PooledRow:
    """One pooled group (综合病种): category of three characters and class of the principal procedure."""

    row: str
    dx3: str
    pooled_class: str
    score: Decimal | None
    mean_cost_fen: int | None
    flags: frozenset[str]
    name: str


@dataclass(frozen=True)
class Exclusion:
    """A principal diagnosis (by prefix) that is not paid by disease, with the reason."""

    prefix: str
    reason: str


@dataclass(frozen=True)
class DipChoices:
    """What cities settle differently. Defaults are those of the national rules."""

    conservative: Literal["no_classed_procedure", "any"] = "no_classed_procedure"
    related: Literal["all", "best_partial"] = "all"
    score_scale: Decimal = Decimal(1000)
    tie_breakers: tuple[TieBreaker, ...] = ("more_procedures", "catalogue_order")


@dataclass(frozen=True)
class Catalogue:
    """All tables of a DIP scheme. Codes are in normal form."""

    manifest: Manifest
    choices: DipChoices
    core: tuple[CoreRow, ...]
    pooled: tuple[PooledRow, ...]
    exclusions: tuple[Exclusion, ...]
    coefficients: dict[tuple[str, str], Decimal] = field(default_factory=dict)  # (row, level) → coefficient
    procedure_classes: dict[str, str] = field(default_factory=dict)  # procedure → class
    auxiliary: AuxiliaryTables = field(default_factory=AuxiliaryTables)

    @cached_property
    def core_by_dx4(self) -> dict[str, tuple[CoreRow, ...]]:
        rows: dict[str, list[CoreRow]] = {}
        for row in self.core:
            rows.setdefault(row.dx4, []).append(row)
        return {dx4: tuple(found) for dx4, found in rows.items()}

    @cached_property
    def pooled_by_key(self) -> dict[tuple[str, str], PooledRow]:
        return {(row.dx3, row.pooled_class): row for row in self.pooled}

    @cached_property
    def row_names(self) -> dict[str, str]:
        """Every row a case can fall into, with its name."""
        names = {row.row: row.name for row in self.core} | {row.row: row.name for row in self.pooled}
        return names | {UNGROUPED: "未入组"}


def dx4_of(code: str) -> str:
    """The subcategory (亚目) of a diagnosis: `I63.902` → `I63.9`, `A38.x00` → `A38.x`, `C50` → `C50`."""
    head = code.split("+")[0]
    return head[:5] if len(head) > 4 and head[3] == "." else head[:3]


def dx3_of(code: str) -> str:
    """The category (类目) of a diagnosis: `I63.902` → `I63`."""
    return code[:3]


def requirement(text: str) -> Requirement:
    """`A+B/C` as ({A}, {B, C}): `+` joins what is all needed, `/` what is needed in one of its forms."""
    return tuple(frozenset(part.split("/")) for part in text.split("+")) if text else ()
