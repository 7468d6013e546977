"""A DRG scheme in memory: rules in evaluation order, code lists, severity, groups."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from groupers.codes import normal_form, odd_codes
from groupers.drg.rules import (
    KINDS,
    Atom,
    Condition,
    Hits,
    Member,
    Prefix,
    Rule,
    SignedAtom,
    condition_columns,
    parse_condition,
)
from groupers.scheme import Choices, Manifest, SchemeError, read_table, scheme_folder, sealed_files

SEVERITIES = ("none", "cc", "mcc")  # the position is the rank
NEEDS = {"none": 0, "mcc_or_cc": 1, "mcc": 2}  # the lowest rank a DRG accepts


@dataclass(frozen=True)
class Drg:
    """A group: `needs` is the lowest severity it accepts (mcc | mcc_or_cc | none)."""

    drg: str
    adrg: str
    needs: str
    name: str


@dataclass(frozen=True)
class RuleBook:
    """All tables of a DRG scheme. Lists map a list name to its codes, in normal form."""

    manifest: Manifest
    rules: tuple[Rule, ...]
    dx_lists: dict[str, frozenset[str]]
    px_lists: dict[str, frozenset[str]]
    families: dict[str, tuple[str, ...]]
    severity: dict[str, tuple[str, str]]  # code → (cc | mcc, exclusion table)
    exclusions: dict[str, str]  # principal diagnosis → exclusion table
    drgs: tuple[Drg, ...]
    adrg_names: dict[str, str]
    mdc_names: dict[str, str]
    list_names: dict[str, str] = field(default_factory=dict)
    dx_not_for_grouping: dict[str, str] = field(default_factory=dict)
    px_not_for_grouping: dict[str, str] = field(default_factory=dict)

    @property
    def choices(self) -> Choices:
        return self.manifest.choices

    @cached_property
    def mdcs(self) -> tuple[str, ...]:
        """MDCs in the order in which they are tried."""
        return tuple(dict.fromkeys(rule.mdc for rule in self.rules))

    @cached_property
    def mdc_of_letter(self) -> dict[str, str]:
        return {mdc.removeprefix("MDC")[:1]: mdc for mdc in (*self.mdcs, *self.mdc_names)}

    def mdc_of_group(self, group: str) -> str | None:
        """The MDC of a group code is that of its first letter, whatever rule yielded it."""
        return self.mdc_of_letter.get(group[:1])

    @cached_property
    def drgs_of_adrg(self) -> dict[str, tuple[Drg, ...]]:
        by_adrg: dict[str, list[Drg]] = defaultdict(list)
        for drg in sorted(self.drgs, key=lambda drg: drg.drg):
            by_adrg[drg.adrg].append(drg)
        return {adrg: tuple(drgs) for adrg, drgs in by_adrg.items()}

    def drg_at(self, adrg: str, severity: str) -> Drg:
        """The first DRG of an ADRG, in code order, whose need the severity meets."""
        rank = SEVERITIES.index(severity)
        return next(drg for drg in self.drgs_of_adrg[adrg] if NEEDS[drg.needs] <= rank)

    @cached_property
    def group_names(self) -> dict[str, str]:
        """Every group this scheme can yield with its name: DRGs, ambiguous groups, the ungrouped codes."""
        names = {drg.drg: drg.name for drg in self.drgs}
        for rule in self.active_rules:
            if rule.kind.startswith("ambiguous"):
                mdc = self.mdc_of_group(rule.group)
                names[rule.group] = f"{self.mdc_names.get(mdc or '', mdc)}歧义组"
        for mdc, code in self.choices.ungrouped_by_mdc.items():
            names[code] = f"{mdc} 未入组"
        names[self.choices.ungrouped] = "无法入组"
        return names

    @cached_property
    def active_rules(self) -> tuple[Rule, ...]:
        """The rules that are tried: without the ambiguous ones where the scheme switches them off."""
        if self.choices.ambiguous != "off":
            return self.rules
        return tuple(rule for rule in self.rules if not rule.kind.startswith("ambiguous"))

    def resolve_subject(self, subject: str) -> str:
        """`main_px` and `operation_px` as the scheme chooses to read them."""
        if subject == "main_px":
            return f"{self.choices.main_procedure}_px"
        if subject == "operation_px":
            return "any_px" if self.choices.ambiguous == "any" else "principal_px"
        return subject

    def resolve(self, condition: Condition) -> Condition:
        """A condition without scheme-dependent subjects."""
        return tuple(
            tuple(SignedAtom(self._resolve_atom(lit.atom), lit.negated) for lit in clause)
            for clause in condition
        )

    def _resolve_atom(self, atom: Atom) -> Atom:
        if isinstance(atom, Member):
            return Member(self.resolve_subject(atom.subject), atom.list_name)
        if isinstance(atom, Prefix):
            return Prefix(self.resolve_subject(atom.subject), atom.prefix)
        return atom

    def codes_of(self, atom: Member) -> frozenset[str]:
        """The codes of the list that an atom names."""
        lists = self.dx_lists if atom.subject.endswith("_dx") else self.px_lists
        return lists.get(atom.list_name, frozenset())

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The scalar columns of a discharge that the rules ask for, sorted."""
        asked = {column for rule in self.active_rules for column in condition_columns(rule.condition)}
        return tuple(sorted(asked))

    @cached_property
    def known_dx(self) -> frozenset[str]:
        """Every diagnosis that stands anywhere in the scheme."""
        return frozenset().union(*self.dx_lists.values(), self.severity, self.exclusions)

    @cached_property
    def known_px(self) -> frozenset[str]:
        return frozenset().union(*self.px_lists.values())


def check_rulebook(book: RuleBook) -> None:
    """Refuse a scheme that cannot decide every case. Raises SchemeError; what is merely odd is for lint."""
    entered: set[str] = set()
    seen: set[int] = set()
    last_mdc = None
    for rule in book.rules:
        if rule.seq in seen:
            raise SchemeError(f"规则 {rule.seq} 出现两次；规则序号须各不相同，结果才能指明所用规则")
        seen.add(rule.seq)
        if rule.mdc != last_mdc and rule.mdc in entered:
            raise SchemeError(f"规则 {rule.seq}：{rule.mdc} 的规则不相连；同一 MDC 的规则须连续排列")
        if (rule.kind == "enter") == (rule.mdc in entered):
            raise SchemeError(f"规则 {rule.seq}：每个 MDC 须以且只以一条 enter 规则开头")
        entered.add(rule.mdc)
        last_mdc = rule.mdc
        if rule.kind == "adrg" and not any(
            drg.needs == "none" for drg in book.drgs_of_adrg.get(rule.group, ())
        ):
            raise SchemeError(
                f"规则 {rule.seq}：ADRG `{rule.group}` 没有不要求合并症的 DRG，部分病例将无组可入；请补 drg.csv"
            )
        for literal in (lit for clause in rule.condition for lit in clause):
            _check_atom(book, rule, literal.atom)


def _check_atom(book: RuleBook, rule: Rule, atom: Atom) -> None:
    if isinstance(atom, Member):
        lists = book.dx_lists if atom.subject.endswith("_dx") else book.px_lists
        if atom.list_name not in lists:
            raise SchemeError(f"规则 {rule.seq} 引用的名单不存在：`{atom.list_name}`；请补名单或更正规则")
    elif isinstance(atom, Prefix) and normal_form(atom.prefix) != atom.prefix:
        raise SchemeError(
            f"规则 {rule.seq} 的前缀 `{atom.prefix}` 不是规范形式，永远无编码与之相符；"
            f"应为 `{normal_form(atom.prefix)}`"
        )
    elif isinstance(atom, Hits):
        missing = [name for name in book.families.get(atom.family, ("?",)) if name not in book.dx_lists]
        if missing:
            raise SchemeError(f"规则 {rule.seq} 引用的名单族不完整：`{atom.family}` 缺 {missing[0]}")


def load_rulebook(name: str, root: Path | None = None) -> RuleBook:
    """Read a DRG scheme, every file proved against its hash. Raises SchemeError."""
    manifest, files = sealed_files(scheme_folder(name, root))
    if manifest.kind != "drg":
        raise SchemeError(f"方案 `{name}` 是 {manifest.kind} 方案，这里需要 DRG 方案")
    families: dict[str, list[str]] = defaultdict(list)
    list_names: dict[str, str] = {}
    for family, list_name, title in read_table(files, "families.csv", ("family", "list", "name")):
        families[family].append(list_name)
        list_names[list_name] = title
    aside = read_table(files, "not_for_grouping.csv", ("kind", "code", "name"))
    _check_normal("not_for_grouping.csv", [code for _, code, _ in aside])
    book = RuleBook(
        manifest=manifest,
        rules=tuple(_rules(files)),
        dx_lists=_lists(files, "dx_lists.csv"),
        px_lists=_lists(files, "px_lists.csv"),
        families={family: tuple(lists) for family, lists in families.items()},
        severity=_severity(files),
        exclusions=dict(_coded(files, "exclusions.csv", ("principal_dx", "exclusion_table"))),
        drgs=tuple(_drgs(files)),
        adrg_names=dict(_pairs(files, "adrg.csv", ("adrg", "name"))),
        mdc_names=dict(_pairs(files, "mdc.csv", ("mdc", "name"))),
        list_names=list_names,
        dx_not_for_grouping={code: title for kind, code, title in aside if kind == "dx"},
        px_not_for_grouping={code: title for kind, code, title in aside if kind == "px"},
    )
    check_rulebook(book)
    return book


def _rules(files: dict[str, bytes]) -> list[Rule]:
    rules = []
    for row in read_table(files, "rules.csv", ("seq", "mdc", "kind", "group", "variant", "condition")):
        seq, mdc, kind, group, variant, text = row
        if kind not in KINDS:
            raise SchemeError(f"规则 {seq} 的 kind 不认识：`{kind}`；可用：{'、'.join(KINDS)}")
        if not re.fullmatch(r"[0-9]{1,9}", seq):
            raise SchemeError(f"表 `rules.csv` 的 seq 应为不大于 999999999 的整数，实为 `{seq}`；请更正")
        rules.append(Rule(int(seq), mdc, kind, group, variant, parse_condition(text, int(seq)), text))
    return rules


def _lists(files: dict[str, bytes], name: str) -> dict[str, frozenset[str]]:
    rows = read_table(files, name, ("list", "code"))
    _check_normal(name, [code for _, code in rows])
    lists: dict[str, set[str]] = defaultdict(set)
    for list_name, code in rows:
        lists[list_name].add(code)
    return {list_name: frozenset(codes) for list_name, codes in lists.items()}


def _severity(files: dict[str, bytes]) -> dict[str, tuple[str, str]]:
    name = "severity.csv"
    rows = _unique(name, read_table(files, name, ("code", "severity", "exclusion_table")))
    _check_normal(name, [row[0] for row in rows])
    for code, severity, _ in rows:
        if severity not in SEVERITIES[1:]:
            raise SchemeError(f"表 `{name}` 的 `{code}`：severity 应为 cc 或 mcc，实为 `{severity}`；请更正")
    return {code: (severity, table) for code, severity, table in rows}


def _drgs(files: dict[str, bytes]) -> Iterator[Drg]:
    for row in _unique("drg.csv", read_table(files, "drg.csv", ("drg", "adrg", "needs", "name"))):
        if row[2] not in NEEDS:
            raise SchemeError(
                f"表 `drg.csv` 的 `{row[0]}`：needs 应为 {'、'.join(NEEDS)} 之一，实为 `{row[2]}`；请更正"
            )
        yield Drg(*row)


def _coded(files: dict[str, bytes], name: str, columns: tuple[str, str]) -> list[tuple[str, str]]:
    pairs = _pairs(files, name, columns)
    _check_normal(name, [code for code, _ in pairs])
    return pairs


def _check_normal(name: str, codes: list[str]) -> None:
    """A code that is not in normal form would never be met, and nobody would see it."""
    for code in odd_codes(codes):
        raise SchemeError(
            f"表 `{name}` 的编码 `{code}` 不是规范形式，应为 `{normal_form(code)}`；请更正并重新登记"
        )


def _pairs(files: dict[str, bytes], name: str, columns: tuple[str, str]) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in _unique(name, read_table(files, name, columns))]


def _unique(name: str, rows: list[list[str]]) -> list[list[str]]:
    """Rows whose first column does not repeat: a second one would silently win."""
    seen: set[str] = set()
    for row in rows:
        if row[0] in seen:
            raise SchemeError(f"表 `{name}` 的 `{row[0]}` 出现两次；请删去一行并重新登记")
        seen.add(row[0])
    return rows
