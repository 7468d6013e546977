"""Settle the rows of an imported catalogue against each other: subtypes find their row, equal keys are refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Draft:
    """One row that reads well by itself. Numbers are text as they will be written, "" for unknown."""

    line: int
    row: str
    kind: str  # core | pooled
    dx: str
    principal_px: str
    related: tuple[tuple[str, ...], ...]
    treatment_class: str
    score: str
    mean_cost: str
    flags: tuple[str, ...]
    phrase: str  # severity words of the note: this is an auxiliary subtype of the row with the same key
    coefficients: tuple[tuple[str, str], ...]  # (level, coefficient)
    name: str
    repairs: tuple[str, ...]
    unread: tuple[str, ...]

    @property
    def key(self) -> Hashable:
        if self.kind == "pooled":
            return (self.kind, self.dx, self.treatment_class)
        return (
            self.kind,
            self.dx,
            self.principal_px,
            frozenset(frozenset(one_of) for one_of in self.related),
        )

    @property
    def content(self) -> Hashable:
        """All that the row says, whatever line it stands on and however it was written."""
        return replace(self, line=0, repairs=())

    @property
    def related_text(self) -> str:
        return "+".join("/".join(one_of) for one_of in self.related)

    @property
    def values(self) -> tuple[str, ...]:
        """class, score, mean_cost_yuan, flags, name as `core.csv` and `pooled.csv` hold them."""
        return (self.treatment_class, self.score, self.mean_cost, ";".join(self.flags), self.name)

    @property
    def remarks(self) -> str:
        told = [f"已修复 {'、'.join(self.repairs)}"] if self.repairs else []
        if self.unread:
            told.append(f"备注未使用：{'、'.join(self.unread)}")
        return "；".join(told)


@dataclass(frozen=True)
class Settled:
    """Rows taken, subtypes with the row they belong to, and (row, reason) of the refused by line."""

    taken: list[Draft]
    auxiliary: list[tuple[Draft, Draft]]
    refused: dict[int, tuple[str, str]]


def settle_rows(drafts: list[Draft]) -> Settled:
    """Decide every draft. Which of two unlike rows is right nobody can tell: both are refused, in any order."""
    refused: dict[int, tuple[str, str]] = {}
    left = _without_repeats(drafts, refused)
    left = _unlike_refused(left, lambda draft: draft.row, "病种编码", refused)
    left = _unlike_refused(
        left, lambda draft: (draft.key, draft.phrase), "全键（诊断、主要手术、相关手术、辅助分型）", refused
    )
    taken = [draft for draft in left if not draft.phrase]
    base_of = {draft.key: draft for draft in taken}
    auxiliary: list[tuple[Draft, Draft]] = []
    for draft in left:
        if not draft.phrase:
            continue
        base = base_of.get(draft.key)
        if reason := _no_subtype(draft, base):
            refused[draft.line] = (draft.row, reason)
        elif base is not None:
            auxiliary.append((draft, base))
    return Settled(taken, auxiliary, refused)


def _no_subtype(draft: Draft, base: Draft | None) -> str:
    """Why a row cannot be a subtype of its base row; "" where it can."""
    if base is None:
        return f"备注 `{draft.phrase}` 说是辅助分型，但诊断与手术相同的基本行没有收入；请先补基本行"
    for told, own, other in (
        ("治疗方式", draft.treatment_class, base.treatment_class),
        ("分值", draft.score, base.score),
        ("次均费用", draft.mean_cost, base.mean_cost),
        ("标识", ";".join(draft.flags), ";".join(base.flags)),
    ):
        if own != other:
            return (
                f"辅助分型的{told} `{own}` 与基本行（第 {base.line} 行 `{base.row}`）的 `{other}` 不同；"
                "辅助分型只能系数不同，请更正其一"
            )
    return ""


def _without_repeats(drafts: list[Draft], refused: dict[int, tuple[str, str]]) -> list[Draft]:
    """Rows that say the same count once."""
    first: dict[Hashable, Draft] = {}
    for draft in drafts:
        earlier = first.setdefault(draft.content, draft)
        if earlier is not draft:
            refused[draft.line] = (draft.row, f"与第 {earlier.line} 行完全相同，只收一次")
    return list(first.values())


def _unlike_refused(
    drafts: list[Draft], key: Callable[[Draft], Hashable], told: str, refused: dict[int, tuple[str, str]]
) -> list[Draft]:
    """Refuse all rows that share what only one may have."""
    groups: dict[Hashable, list[Draft]] = defaultdict(list)
    for draft in drafts:
        groups[key(draft)].append(draft)
    for group in groups.values():
        lines = "、".join(str(draft.line) for draft in group)
        for draft in group if len(group) > 1 else ():
            refused[draft.line] = (
                draft.row,
                f"第 {lines} 行的{told}相同而内容不同，都不收；请只留正确的一行",
            )
    return [draft for draft in drafts if draft.line not in refused]
