"""Group one case with one loop over the rules, read aloud from DESIGN §4.

The judge of the vectorised engine: it shares the tables of a rule book with it, and no line of code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from groupers.drg.rulebook import RuleBook
from groupers.drg.rules import Always, Atom, Clause, Compare, Hits, Member, Prefix, Rule

RANKS = {"none": 0, "cc": 1, "mcc": 2}
LOWEST_RANK = {"none": 0, "mcc_or_cc": 1, "mcc": 2}


def group_case(book: RuleBook, case: Mapping[str, Any]) -> dict[str, Any]:
    """mdc, adrg, drg, status, severity and rule of one case.

    `case` has the contract's column names; dx_codes and px_codes are lists of codes in normal form, or None.
    """
    dx, px = _filled(case.get("dx_codes")), _filled(case.get("px_codes"))
    severity = _severity(book, dx)
    first_entered = None  # the first MDC entered that has an ungrouped code of its own
    tried_mdc, entered = None, False
    for rule in book.rules:
        if rule.mdc != tried_mdc:  # 1: MDCs in the order of the rules; the first rule of each is its entry
            assert rule.kind == "enter"
            tried_mdc, entered = rule.mdc, _met(book, rule, case, dx, px)
            if entered and first_entered is None and rule.mdc in book.choices.ungrouped_by_mdc:
                first_entered = rule.mdc
            continue
        if book.choices.ambiguous == "off" and rule.kind in ("ambiguous", "ambiguous_outside"):
            continue
        if entered == (rule.kind == "ambiguous_outside"):  # 2: outside rules only where not entered
            continue
        if not _met(book, rule, case, dx, px):
            continue
        grouped = rule.kind == "adrg"
        return {
            "mdc": book.mdc_of_group(rule.group),  # 2: of its group code, not of the rule's row
            "adrg": rule.group,
            "drg": _drg(book, rule.group, severity) if grouped else rule.group,
            "status": "grouped" if grouped else "ambiguous",
            "severity": severity,
            "rule": rule.seq,
        }
    own_code = book.choices.ungrouped_by_mdc.get(first_entered or "")
    return {
        "mdc": None,
        "adrg": None,
        "drg": own_code or book.choices.ungrouped,
        "status": "ungrouped",
        "severity": severity,
        "rule": None,
    }


def _filled(codes: Iterable[str | None] | None) -> list[str]:
    return [code for code in codes or [] if code is not None and code != ""]


def _severity(book: RuleBook, dx: list[str]) -> str:
    """4: the highest of the other diagnoses, but for those in the principal diagnosis's exclusion table."""
    highest = "none"
    for other in dx[1:]:
        severity, table = book.severity.get(other, ("none", ""))
        if table != "" and table == book.exclusions.get(dx[0]):
            continue
        if RANKS[severity] > RANKS[highest]:
            highest = severity
    return highest


def _drg(book: RuleBook, adrg: str, severity: str) -> str:
    """5: the first DRG, in code order, whose need is met."""
    for code, needs in sorted((drg.drg, drg.needs) for drg in book.drgs if drg.adrg == adrg):
        if RANKS[severity] >= LOWEST_RANK[needs]:
            return code
    raise AssertionError(f"{adrg} has no DRG without a need")


def _met(book: RuleBook, rule: Rule, case: Mapping[str, Any], dx: list[str], px: list[str]) -> bool:
    return all(_any_of(book, clause, case, dx, px) for clause in rule.condition)


def _any_of(book: RuleBook, clause: Clause, case: Mapping[str, Any], dx: list[str], px: list[str]) -> bool:
    return any(_atom(book, literal.atom, case, dx, px) != literal.negated for literal in clause)


def _atom(book: RuleBook, atom: Atom, case: Mapping[str, Any], dx: list[str], px: list[str]) -> bool:
    if isinstance(atom, Always):
        return True
    if isinstance(atom, Member):
        lists = book.dx_lists if atom.subject.endswith("dx") else book.px_lists
        return any(code in lists[atom.list_name] for code in _subject(book, atom.subject, dx, px))
    if isinstance(atom, Prefix):
        return any(code.startswith(atom.prefix) for code in _subject(book, atom.subject, dx, px))
    if isinstance(atom, Hits):
        met = [name for name in book.families[atom.family] if any(code in book.dx_lists[name] for code in dx)]
        return _compares(len(met), atom.comparison, atom.value)
    assert isinstance(atom, Compare)
    value = case.get(atom.column)
    return value is not None and _compares(value, atom.comparison, atom.value)


def _subject(book: RuleBook, subject: str, dx: list[str], px: list[str]) -> list[str]:
    """3: the codes that a subject ranges over; the two open ones as the scheme chooses."""
    if subject == "main_px":
        subject = "any_px" if book.choices.main_procedure == "any" else "principal_px"
    if subject == "operation_px":
        subject = "any_px" if book.choices.ambiguous == "any" else "principal_px"
    which, side = subject.split("_")
    codes = dx if side == "dx" else px
    return {"principal": codes[:1], "other": codes[1:], "any": codes}[which]


def _compares(value: Any, comparison: str, limit: Any) -> bool:
    if comparison == "==":
        return bool(value == limit)
    if comparison == "!=":
        return bool(value != limit)
    if comparison == "<=":
        return bool(value <= limit)
    if comparison == ">=":
        return bool(value >= limit)
    if comparison == "<":
        return bool(value < limit)
    assert comparison == ">"
    return bool(value > limit)
