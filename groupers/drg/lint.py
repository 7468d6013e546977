"""What is odd in a scheme: reported when it loads, never repaired, for public schemes have hundreds of slips.

A rule that can never be met, a list nobody uses, a code in no code table. What would leave a case undecided
is refused by `check_rulebook` already.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from groupers.codes import CodeTables
from groupers.drg.implication import certain, implies, never_met
from groupers.drg.rulebook import NEEDS, RuleBook
from groupers.drg.rules import Atom, Condition, Hits, Member, Rule

CODES_SHOWN = 5
Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Lint:
    """One oddity. `subject`: the rule (`rule 68`), list, code or group it is about."""

    code: str
    severity: Severity
    subject: str
    message: str


def lint(book: RuleBook, tables: CodeTables) -> list[Lint]:
    """All oddities of a scheme, rules first, each kind in the order of its table.

    Codes: rule_never_met, group_of_other_mdc, principal_outside_mdc, orphan_list, orphan_family,
    unknown_code, drg_unnamed, drg_never_reached, adrg_without_rule, adrg_without_drg. Source: DESIGN §4.
    """
    return [
        *_rules(book),
        *_orphans(book),
        *_unknown_codes(book, tables),
        *_groups(book),
    ]


def _rules(book: RuleBook) -> Iterator[Lint]:
    entry: Condition = ()
    earlier: list[tuple[Rule, Condition]] = []
    for rule in book.active_rules:
        condition = book.resolve(rule.condition)
        subject = f"rule {rule.seq}"
        if rule.kind == "enter":
            entry, earlier = condition, []
        # Outside rules are tried only where the entry fails, so its clauses are no premises for them.
        inside = rule.kind not in ("enter", "ambiguous_outside")
        premises = (*entry, *condition) if inside else condition
        if why := never_met(book, premises):
            message = f"规则 {_named(rule)}永远不会满足：{why}；请核对方案"
            yield Lint("rule_never_met", "warning", subject, message)
        elif rule.kind == "ambiguous_outside" and implies(book, condition, entry):
            message = f"规则 {_named(rule)}永远轮不到：凡满足它的病例都已进入 {rule.mdc}；请核对方案"
            yield Lint("rule_never_met", "warning", subject, message)
        elif rule.kind != "enter" and (shadow := _shadow(book, premises, rule, earlier)):
            message = (
                f"规则 {_named(rule)}永远轮不到：凡满足它的病例都先满足规则 {_named(shadow)}；请核对次序"
            )
            yield Lint("rule_never_met", "warning", subject, message)
        if rule.kind != "enter":
            earlier.append((rule, condition))
            other = book.mdc_of_group(rule.group)
            if other != rule.mdc:
                yield Lint(
                    "group_of_other_mdc",
                    "warning",
                    subject,
                    f"规则 {_named(rule)}列在 {rule.mdc} 下，结果却属 {other or '未知的 MDC'}；照方案执行，请核对是否笔误",
                )
        if rule.kind == "adrg":
            yield from _outside_mdc(book, rule, entry, condition)


def _shadow(
    book: RuleBook, premises: Condition, rule: Rule, earlier: list[tuple[Rule, Condition]]
) -> Rule | None:
    """The first earlier rule of the MDC that takes every case meeting `premises`."""
    for other, condition in earlier:
        same_side = (other.kind == "ambiguous_outside") == (rule.kind == "ambiguous_outside")
        if same_side and implies(book, premises, condition):
            return other
    return None


def _named(rule: Rule) -> str:
    return f"{rule.seq}（{rule.mdc} {rule.group or '进入条件'}）"


def _outside_mdc(book: RuleBook, rule: Rule, entry: Condition, condition: Condition) -> Iterator[Lint]:
    """Principal diagnoses an ADRG names although they do not enter its MDC."""
    entering = [atom for atom in certain(entry) if _is_principal_list(atom)]
    if not entering:
        return
    allowed = frozenset.intersection(*(book.codes_of(atom) for atom in entering if isinstance(atom, Member)))
    for atom in certain(condition):
        if isinstance(atom, Member) and _is_principal_list(atom) and (lost := book.codes_of(atom) - allowed):
            gates = "、".join(atom.list_name for atom in entering if isinstance(atom, Member))
            yield Lint(
                "principal_outside_mdc",
                "warning",
                f"rule {rule.seq}",
                f"规则 {_named(rule)}的主要诊断名单 `{atom.list_name}` 有 {len(lost)} 个编码不在 {rule.mdc} "
                f"的进入名单 `{gates}` 内，永远用不上：{_some(lost)}",
            )


def _is_principal_list(atom: Atom) -> bool:
    return isinstance(atom, Member) and atom.subject == "principal_dx"


def _some(codes: Iterable[str]) -> str:
    ordered = sorted(codes)
    more = f" 等 {len(ordered)} 个" if len(ordered) > CODES_SHOWN else ""
    return "、".join(ordered[:CODES_SHOWN]) + more


def _orphans(book: RuleBook) -> Iterator[Lint]:
    atoms = [lit.atom for rule in book.rules for clause in rule.condition for lit in clause]
    families = {atom.family for atom in atoms if isinstance(atom, Hits)}
    used = {
        side: {atom.list_name for atom in atoms if isinstance(atom, Member) and atom.subject.endswith(side)}
        for side in ("dx", "px")
    }
    used["dx"] |= {name for lists in book.families.values() for name in lists}
    for side, lists in (("dx", book.dx_lists), ("px", book.px_lists)):
        for name in sorted(lists.keys() - used[side]):
            yield Lint("orphan_list", "note", name, f"名单 `{name}`（{len(lists[name])} 个编码）没有规则使用")
    for family in sorted(book.families.keys() - families):
        yield Lint("orphan_family", "note", family, f"名单族 `{family}` 没有规则使用")


def _unknown_codes(book: RuleBook, tables: CodeTables) -> Iterator[Lint]:
    """One finding per code that stands in the scheme but in no code table, with its places."""
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kind, lists, known in (
        ("诊断", book.dx_lists, tables.diagnosis_names),
        ("手术", book.px_lists, tables.procedure_names),
    ):
        for name, codes in sorted(lists.items()):
            for code in codes - known.keys():
                places[kind, code].append(f"名单 {name}")
    for title, listed in (("MCC/CC 表", book.severity.keys()), ("排除表", book.exclusions.keys())):
        for code in listed - tables.diagnosis_names.keys():
            places["诊断", code].append(title)
    for (kind, code), where in sorted(places.items()):
        yield Lint(
            "unknown_code",
            "note",
            code,
            f"{kind}编码 `{code}` 不在编码表内（见于 {'、'.join(where)}），只有病案用同一写法才会命中；请核对是否后增或笔误",
        )


def _groups(book: RuleBook) -> Iterator[Lint]:
    ruled = {rule.group for rule in book.rules if rule.kind == "adrg"}
    for drg in book.drgs:
        if not drg.name.strip():
            yield Lint("drg_unnamed", "warning", drg.drg, f"DRG `{drg.drg}` 没有名称；请在 drg.csv 补上")
    for adrg, drgs in book.drgs_of_adrg.items():
        lowest = len(NEEDS)
        for drg in drgs:
            if NEEDS[drg.needs] >= lowest:
                yield Lint(
                    "drg_never_reached",
                    "warning",
                    drg.drg,
                    f"DRG `{drg.drg}` 永远轮不到：{adrg} 内编码在前的 DRG 已收下同样的病例；请核对 needs",
                )
            lowest = min(lowest, NEEDS[drg.needs])
    for adrg in sorted((book.drgs_of_adrg.keys() | book.adrg_names.keys()) - ruled):
        yield Lint(
            "adrg_without_rule", "warning", adrg, f"ADRG `{adrg}` 没有规则，不会有病例入组；请补 rules.csv"
        )
    for adrg in sorted((ruled | book.adrg_names.keys()) - book.drgs_of_adrg.keys()):
        yield Lint("adrg_without_drg", "error", adrg, f"ADRG `{adrg}` 没有 DRG；请补 drg.csv")
