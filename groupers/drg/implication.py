"""What conditions imply without any case at hand: can one be met at all, does one contain another.

Conditions are resolved (`RuleBook.resolve`). Both answers err on the safe side: silence proves nothing.
"""

from __future__ import annotations

from collections import defaultdict

from groupers.drg.rulebook import RuleBook
from groupers.drg.rules import (
    COMPARISONS,
    TEXTS,
    Always,
    Atom,
    Clause,
    Compare,
    Condition,
    Hits,
    Member,
    Prefix,
    SignedAtom,
)


def certain(condition: Condition) -> list[Atom]:
    """Atoms that every case meeting the condition must meet."""
    return [clause[0].atom for clause in condition if len(clause) == 1 and not clause[0].negated]


def never_met(book: RuleBook, condition: Condition) -> str | None:
    """Why no case whatever can meet a condition, or None."""
    for clause in condition:
        if all(_is_void(book, literal) for literal in clause):
            return "；".join(_why_void(literal) for literal in clause)
    for column, clauses in _scalar_clauses(condition).items():
        if not any(_holds(clauses, value) for value in _candidates(clauses)):
            return f"对 `{column}` 的比较互相矛盾"
    for subject in ("principal_dx", "principal_px"):
        if (names := lists_of(condition, subject)) and not _shared_codes(book, condition, subject):
            return f"没有一个编码同时符合对 `{subject}` 的要求（名单 {'、'.join(names)}）"
    literals = {clause[0] for clause in condition if len(clause) == 1}
    for literal in literals:
        if not literal.negated and SignedAtom(literal.atom, True) in literals:
            return "同一条件既要求又排除"
    return None


def _is_void(book: RuleBook, literal: SignedAtom) -> bool:
    atom = literal.atom
    if isinstance(atom, Always):
        return literal.negated
    if isinstance(atom, Member):
        return not literal.negated and not book.codes_of(atom)
    if isinstance(atom, Hits):
        met = [
            bool(COMPARISONS[atom.comparison](count, atom.value)) != literal.negated
            for count in range(len(book.families.get(atom.family, ())) + 1)
        ]
        return not any(met)
    return False


def _why_void(literal: SignedAtom) -> str:
    atom = literal.atom
    if isinstance(atom, Member):
        return f"名单 `{atom.list_name}` 是空的"
    if isinstance(atom, Hits):
        return f"名单族 `{atom.family}` 命中的个数不可能{'不' if literal.negated else ''} {atom.comparison} {atom.value}"
    return "条件恒为假"


def _scalar_clauses(condition: Condition) -> dict[str, list[Clause]]:
    """Clauses that speak of one column only, by column."""
    by_column: dict[str, list[Clause]] = defaultdict(list)
    for clause in condition:
        columns = {lit.atom.column if isinstance(lit.atom, Compare) else "" for lit in clause}
        if len(columns) == 1 and "" not in columns:
            by_column[columns.pop()].append(clause)
    return by_column


def _candidates(clauses: list[Clause]) -> set[int | str | None]:
    """Values enough to tell whether any value meets the comparisons: those named, their neighbours, none."""
    values: set[int | str | None] = {None, ""}
    for atom in (lit.atom for clause in clauses for lit in clause):
        if isinstance(atom, Compare):
            value = atom.value
            values |= {value} if isinstance(value, str) else {value - 1, value, value + 1}
            if atom.column not in TEXTS:
                values.discard("")
    return values


def _holds(clauses: list[Clause], value: int | str | None) -> bool:
    return all(any(_compares(lit, value) for lit in clause) for clause in clauses)


def _compares(literal: SignedAtom, value: int | str | None) -> bool:
    atom = literal.atom
    assert isinstance(atom, Compare)
    holds = value is not None and bool(COMPARISONS[atom.comparison](value, atom.value))
    return holds != literal.negated


def lists_of(condition: Condition, subject: str) -> list[str]:
    return [a.list_name for a in certain(condition) if isinstance(a, Member) and a.subject == subject]


def _shared_codes(book: RuleBook, condition: Condition, subject: str) -> frozenset[str]:
    """The codes that all certain demands on a principal code leave."""
    left: frozenset[str] | None = None
    for atom in certain(condition):
        if isinstance(atom, Member) and atom.subject == subject:
            codes = book.codes_of(atom)
            left = codes if left is None else left & codes
    left = left or frozenset()
    for literal in (clause[0] for clause in condition if len(clause) == 1):
        atom = literal.atom
        if isinstance(atom, Prefix) and atom.subject == subject:
            left = frozenset(c for c in left if c.startswith(atom.prefix) != literal.negated)
        elif isinstance(atom, Member) and atom.subject == subject and literal.negated:
            left = left - book.codes_of(atom)
    return left


def implies(book: RuleBook, premises: Condition, condition: Condition) -> bool:
    """Whether every case that meets `premises` meets `condition`; False where that is not plain to see."""
    return all(
        _is_always(clause) or any(_clause_implies(book, premise, clause) for premise in premises)
        for clause in condition
    )


def _is_always(clause: Clause) -> bool:
    return any(isinstance(lit.atom, Always) and not lit.negated for lit in clause)


def _clause_implies(book: RuleBook, premise: Clause, clause: Clause) -> bool:
    return all(any(_implies(book, lit, wanted) for wanted in clause) for lit in premise)


def _implies(book: RuleBook, literal: SignedAtom, wanted: SignedAtom) -> bool:
    if literal.negated != wanted.negated:
        return False
    if literal.negated:
        return _atom_implies(book, wanted.atom, literal.atom)
    return _atom_implies(book, literal.atom, wanted.atom)


def _atom_implies(book: RuleBook, atom: Atom, wanted: Atom) -> bool:
    """Whether every case that meets `atom` meets `wanted`."""
    if atom == wanted:
        return True
    if isinstance(atom, Compare) and isinstance(wanted, Compare):
        if atom.column != wanted.column:
            return False
        here, there = SignedAtom(atom), SignedAtom(wanted)
        values = _candidates([(here,), (there,)])
        return all(_compares(there, value) for value in values if _compares(here, value))
    if not isinstance(atom, Member | Prefix) or not isinstance(wanted, Member | Prefix):
        return False
    side = atom.subject.rsplit("_", 1)[1]
    if wanted.subject not in (atom.subject, f"any_{side}"):
        return False
    if isinstance(wanted, Prefix):
        starts = book.codes_of(atom) if isinstance(atom, Member) else {atom.prefix}
        return all(code.startswith(wanted.prefix) for code in starts)
    return isinstance(atom, Member) and book.codes_of(atom) <= book.codes_of(wanted)
