"""Explain one case: what was read, which MDC and rule it met, what decided its severity and its DRG.

One case at a time and apart from the vectorised engine; the result is the same (a test holds them together).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from groupers.drg.rulebook import NEEDS, SEVERITIES, Drg, RuleBook
from groupers.drg.rules import COMPARISONS, Always, Atom, Compare, Condition, Hits, Member, Rule, SignedAtom

SHOWN_NEAR_MISSES = 10


@dataclass(frozen=True)
class LiteralFinding:
    """What the case says to one literal. `found`: the codes, family lists or value that the atom met or saw."""

    literal: SignedAtom
    holds: bool  # the atom itself, before its negation
    found: tuple[str, ...]
    looked_at: tuple[str, ...] = ()  # the codes the subject ranges over

    @property
    def met(self) -> bool:
        return self.holds != self.literal.negated


@dataclass(frozen=True)
class ClauseFinding:
    """A clause is met when one of its literals is."""

    literals: tuple[LiteralFinding, ...]

    @property
    def met(self) -> bool:
        return any(finding.met for finding in self.literals)

    @property
    def says_something(self) -> bool:
        return not all(isinstance(finding.literal.atom, Always) for finding in self.literals)


@dataclass(frozen=True)
class MdcTrial:
    """An MDC that was tried: entered when every clause of its entry is met."""

    mdc: str
    entered: bool
    clauses: tuple[ClauseFinding, ...]


@dataclass(frozen=True)
class OtherDiagnosis:
    """A secondary diagnosis in the severity step. `decided`: it gave the case its severity."""

    code: str
    severity: str  # mcc | cc | none, as listed
    table: str  # its exclusion table; empty where it has none
    excluded: bool
    decided: bool


@dataclass(frozen=True)
class DrgTrial:
    """A DRG of the ADRG, tried in code order."""

    drg: Drg
    accepted: bool


@dataclass(frozen=True)
class NearMiss:
    """An ADRG rule one clause short; `at_entry` when that clause belongs to the entry of its MDC."""

    rule: Rule
    missing: ClauseFinding
    at_entry: bool


@dataclass(frozen=True)
class Trace:
    """Everything that decided a case. Near misses: the first ten, and how many there are."""

    principal_dx: str | None
    other_dx: tuple[str, ...]
    principal_px: str | None
    other_px: tuple[str, ...]
    tried: tuple[MdcTrial, ...]
    decided_by: Rule | None
    clauses: tuple[ClauseFinding, ...]
    principal_table: str
    others: tuple[OtherDiagnosis, ...]
    drgs_tried: tuple[DrgTrial, ...]
    mdc: str | None
    adrg: str | None
    drg: str
    status: str
    severity: str
    rule: int | None
    near_misses: tuple[NearMiss, ...]
    near_miss_count: int


@dataclass(frozen=True)
class _Case:
    dx: tuple[str, ...]
    px: tuple[str, ...]
    scalars: Mapping[str, object]

    def codes(self, subject: str) -> tuple[str, ...]:
        which, side = subject.rsplit("_", 1)
        codes = self.dx if side == "dx" else self.px
        return {"principal": codes[:1], "other": codes[1:], "any": codes}[which]


def trace(book: RuleBook, case: Mapping[str, object]) -> Trace:
    """Group one case and keep the reasons.

    `case` has the contract's column names; dx_codes and px_codes hold codes in normal form, or are None;
    null and empty elements are passed over. Source: DESIGN §4.
    """
    read = _Case(_filled(case.get("dx_codes")), _filled(case.get("px_codes")), case)
    tried, decided_by = _decide(book, read)
    severity, others = _severity(book, read.dx)
    drgs: tuple[DrgTrial, ...] = ()
    if decided_by is None:
        own = book.choices.ungrouped_by_mdc
        drg = next(
            (own[trial.mdc] for trial in tried if trial.entered and trial.mdc in own), book.choices.ungrouped
        )
        status = "ungrouped"
    elif decided_by.kind == "adrg":
        drgs = _drgs(book, decided_by.group, severity)
        drg, status = drgs[-1].drg.drg, "grouped"
    else:
        drg, status = decided_by.group, "ambiguous"
    near = [] if status == "grouped" else _near_misses(book, read, decided_by)
    return Trace(
        principal_dx=read.dx[0] if read.dx else None,
        other_dx=read.dx[1:],
        principal_px=read.px[0] if read.px else None,
        other_px=read.px[1:],
        tried=tried,
        decided_by=decided_by,
        clauses=_look(book, decided_by.condition, read) if decided_by else (),
        principal_table=book.exclusions.get(read.dx[0], "") if read.dx else "",
        others=others,
        drgs_tried=drgs,
        mdc=book.mdc_of_group(decided_by.group) if decided_by else None,
        adrg=decided_by.group if decided_by else None,
        drg=drg,
        status=status,
        severity=severity,
        rule=decided_by.seq if decided_by else None,
        near_misses=tuple(near[:SHOWN_NEAR_MISSES]),
        near_miss_count=len(near),
    )


def _filled(codes: Any) -> tuple[str, ...]:
    listed: Iterable[str | None] = () if codes is None else codes
    return tuple(code for code in listed if code)


def _decide(book: RuleBook, case: _Case) -> tuple[tuple[MdcTrial, ...], Rule | None]:
    """The MDCs tried and the rule that decided; the last MDC tried is that rule's."""
    tried: list[MdcTrial] = []
    for rule in book.active_rules:
        if rule.kind == "enter":
            clauses = _look(book, rule.condition, case)
            tried.append(MdcTrial(rule.mdc, all(clause.met for clause in clauses), clauses))
        elif tried[-1].entered != (rule.kind == "ambiguous_outside") and all(
            clause.met for clause in _look(book, rule.condition, case)
        ):
            return tuple(tried), rule
    return tuple(tried), None


def _severity(book: RuleBook, dx: tuple[str, ...]) -> tuple[str, tuple[OtherDiagnosis, ...]]:
    own_table = book.exclusions.get(dx[0], "") if dx else ""
    listed = [(code, *book.severity.get(code, ("none", ""))) for code in dx[1:]]
    excluded = [bool(table) and table == own_table for _, _, table in listed]
    counted = [kind for (_, kind, _), out in zip(listed, excluded, strict=True) if not out]
    severity = max(counted, key=SEVERITIES.index, default="none")
    others: list[OtherDiagnosis] = []
    for (code, kind, table), out in zip(listed, excluded, strict=True):
        first = not any(other.decided for other in others)
        others.append(
            OtherDiagnosis(code, kind, table, out, first and not out and kind == severity != "none")
        )
    return severity, tuple(others)


def _drgs(book: RuleBook, adrg: str, severity: str) -> tuple[DrgTrial, ...]:
    """The DRGs of an ADRG up to the one that accepts the severity."""
    trials: list[DrgTrial] = []
    for drg in book.drgs_of_adrg[adrg]:
        trials.append(DrgTrial(drg, NEEDS[drg.needs] <= SEVERITIES.index(severity)))
        if trials[-1].accepted:
            break
    return tuple(trials)


def _near_misses(book: RuleBook, case: _Case, decided_by: Rule | None) -> list[NearMiss]:
    """ADRG rules one clause short, clauses of the MDC's entry counted, in rule order.

    Left out: rules of which nothing else speaks for the case (in MDCA, which every case enters, each rule of
    one clause would be one short), and those behind the ambiguous rule of its own MDC, which would still win.
    """
    near: list[NearMiss] = []
    entry: tuple[ClauseFinding, ...] = ()
    passed = False
    for rule in book.active_rules:
        passed = rule == decided_by or (passed and rule.kind != "enter")
        if rule.kind == "enter":
            entry = _look(book, rule.condition, case)
        if rule.kind != "adrg" or (passed and decided_by is not None and decided_by.kind == "ambiguous"):
            continue
        own = _look(book, rule.condition, case)
        missing = [clause for clause in (*entry, *own) if not clause.met]
        if len(missing) == 1 and any(clause.met and clause.says_something for clause in (*entry, *own)):
            near.append(NearMiss(rule, missing[0], all(clause.met for clause in own)))
    return near


def _look(book: RuleBook, condition: Condition, case: _Case) -> tuple[ClauseFinding, ...]:
    return tuple(
        ClauseFinding(tuple(_finding(book, literal, case) for literal in clause))
        for clause in book.resolve(condition)
    )


def _finding(book: RuleBook, literal: SignedAtom, case: _Case) -> LiteralFinding:
    atom: Atom = literal.atom
    if isinstance(atom, Always):
        return LiteralFinding(literal, True, ())
    if isinstance(atom, Compare):
        value: Any = case.scalars.get(atom.column)
        if value is None:
            return LiteralFinding(literal, False, ())
        return LiteralFinding(literal, bool(COMPARISONS[atom.comparison](value, atom.value)), (str(value),))
    if isinstance(atom, Hits):
        hit = tuple(
            name for name in book.families[atom.family] if not book.dx_lists[name].isdisjoint(case.dx)
        )
        return LiteralFinding(literal, bool(COMPARISONS[atom.comparison](len(hit), atom.value)), hit)
    codes = case.codes(atom.subject)
    if isinstance(atom, Member):
        listed = book.codes_of(atom)
        found = [code for code in codes if code in listed]
    else:
        found = [code for code in codes if code.startswith(atom.prefix)]
    return LiteralFinding(literal, bool(found), tuple(dict.fromkeys(found)), codes)
