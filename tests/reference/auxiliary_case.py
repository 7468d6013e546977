"""The auxiliary subtypes of one case with one loop over the table, read aloud from DESIGN §5.

The judge of the vectorised evaluation: it shares the tables with it, and no line of code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from groupers.dip.auxiliary import AuxiliaryTables, Subtype
from groupers.dip.charlson import Charlson
from groupers.drg.rulebook import RuleBook
from groupers.drg.rules import Atom, Compare, Member, Prefix


def auxiliary_case(
    tables: AuxiliaryTables,
    book: RuleBook | None,
    charlson: Charlson,
    case: Mapping[str, Any],
    row: str | None,
    level: str | None,
) -> dict[str, Any]:
    """The aux_ and own_ columns of one case, coefficients in ten-thousandths; codes in normal form."""
    facts = dict(case)
    facts["dx"] = [code for code in case.get("dx_codes") or [] if code]
    facts["px"] = [code for code in case.get("px_codes") or [] if code]
    facts["cci"] = cci(charlson, facts["dx"])
    facts["severity"] = severity(book, facts["dx"]) if book is not None else None
    hours = case.get("icu_hours")
    facts["icu_days"] = None if hours is None else (hours - hours % 24) // 24
    met: list[Subtype] = []
    if row is not None and row != "0000":  # a case that fell into no row has no score to multiply
        for subtype in tables.subtypes:
            if subtype.row not in ("", row):
                continue
            if all(
                any(_atom(tables, lit.atom, facts) != lit.negated for lit in clause)
                for clause in subtype.condition
            ):
                met.append(subtype)
    # A cell with one number multiplies; one with a number per level replaces, `own`.
    aux = [subtype for subtype in met if list(subtype.coefficients) == [""]]
    own = [subtype for subtype in met if "" not in subtype.coefficients]
    aux_subtype, aux_coefficient, _ = _highest(aux, level)
    own_subtype, own_coefficient, own_unknown = _highest(own, level)
    return {
        "aux_coefficient": aux_coefficient if aux else 10_000,
        "aux_subtype": aux_subtype,
        "aux_met": [subtype.subtype for subtype in aux],
        "own_coefficient": own_coefficient,
        "own_subtype": own_subtype,
        "own_unknown": own_unknown,
        "own_met": [subtype.subtype for subtype in own],
    }


def _highest(met: list[Subtype], level: str | None) -> tuple[str | None, int | None, bool]:
    """The subtype with the highest coefficient, that coefficient, and whether one is unknown."""
    highest, coefficient = None, None
    for subtype in met:
        of_level = subtype.coefficients.get("" if "" in subtype.coefficients else level or "?")
        if of_level is None:  # unknown: whether it is the highest cannot be told
            return subtype.subtype, None, True
        if coefficient is None or of_level > coefficient:
            highest, coefficient = subtype.subtype, of_level
    return highest, coefficient, False


def cci(charlson: Charlson, dx: list[str]) -> int:
    """The Charlson index of the diagnoses after the first; both parts of a dagger-asterisk code are codes."""
    found = set()
    for code in dx[1:]:
        for part in code.split("+"):
            for category, prefixes in charlson.prefixes.items():
                if any(part[: len(prefix)] == prefix for prefix in prefixes):
                    found.add(category)
    total = 0
    for item in charlson.categories:
        if item.category in found and item.superseded_by not in found:
            total += item.weight
    return total


def severity(book: RuleBook, dx: list[str]) -> str:
    """The highest of the other diagnoses, but for those in the principal diagnosis's exclusion table."""
    kinds = set()
    for other in dx[1:]:
        kind, table = book.severity.get(other, ("none", ""))
        if table == "" or table != book.exclusions.get(dx[0]):
            kinds.add(kind)
    return "mcc" if "mcc" in kinds else "cc" if "cc" in kinds else "none"


def _atom(tables: AuxiliaryTables, atom: Atom, facts: Mapping[str, Any]) -> bool:
    if isinstance(atom, Member | Prefix):
        which, side = atom.subject.split("_")
        codes = {"principal": facts[side][:1], "other": facts[side][1:], "any": facts[side]}[which]
        prefixes: Iterable[str] = tables.lists[atom.list_name] if isinstance(atom, Member) else [atom.prefix]
        return any(code.startswith(prefix) for code in codes for prefix in prefixes)
    if isinstance(atom, Compare):
        value = facts.get(atom.column)
        return value is not None and _compares(value, atom.comparison, atom.value)
    return True  # always


def _compares(value: Any, comparison: str, limit: Any) -> bool:
    if comparison in ("==", "!="):
        return bool(value == limit) == (comparison == "==")
    if comparison in ("<", "<="):
        return bool(value < limit) or (comparison == "<=" and value == limit)
    assert comparison in (">", ">=")
    return bool(value > limit) or (comparison == ">=" and value == limit)
