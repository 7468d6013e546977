"""Match one case with one loop over the catalogue, read aloud from DESIGN §5.

The judge of the vectorised engine: it shares the tables of a catalogue with it, and no line of code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cmp_to_key
from typing import Any

from groupers.dip.catalogue import CLASSES, UNGROUPED, Catalogue, CoreRow

NO_VALUE = float("inf")  # what has no value comes after everything that has one


def match_case(catalogue: Catalogue, case: Mapping[str, Any]) -> dict[str, Any]:
    """dip_code, dip_kind, treatment_class, matched_procedures, runner_up and status of one case.

    `case` has the contract's column names; dx_codes and px_codes are lists of codes in normal form, or None.
    """
    dx, px = _filled(case.get("dx_codes")), _filled(case.get("px_codes"))
    if not dx:
        return _result(UNGROUPED, "ungrouped")
    principal = dx[0]
    # 1: the exclusion list. Such a case has no row, and `ungrouped` would say something else of it.
    for exclusion in catalogue.exclusions:
        if principal.startswith(exclusion.prefix):
            return _result(None, "excluded")
    # 2: core
    best = _best_core_rows(catalogue, principal, px, case.get("total_fee_fen"))
    if best:
        matched = _matched(best[0], px)
        runner_up = best[1].row if len(best) > 1 else None
        return _result(best[0].row, "core", best[0].treatment_class, matched, runner_up)
    # 3: pooled
    own_class = catalogue.procedure_classes.get(px[0], "") if px else ""
    if own_class in ("手术", "介入治疗"):
        pooled_class = "相关手术"
    elif own_class in ("治疗性操作", "诊断性操作"):
        pooled_class = own_class
    else:
        pooled_class = "内科诊疗"
    for row in catalogue.pooled:
        if row.dx3 == principal[:3] and row.pooled_class == pooled_class:
            return _result(row.row, "pooled", pooled_class, [] if pooled_class == "内科诊疗" else px[:1])
    # 4: nothing
    return _result(UNGROUPED, "ungrouped")


def _result(
    code: str | None,
    kind: str,
    treatment_class: str | None = None,
    matched: Iterable[str] = (),
    runner_up: str | None = None,
) -> dict[str, Any]:
    return {
        "dip_code": code,
        "dip_kind": kind,
        "treatment_class": treatment_class,
        "matched_procedures": list(matched),
        "runner_up": runner_up,
        "status": kind if kind in ("excluded", "ungrouped") else "grouped",
    }


def _filled(codes: Iterable[str | None] | None) -> list[str]:
    return [code for code in codes or [] if code is not None and code != ""]


def _subcategory(code: str) -> str:
    """`I63.902` → `I63.9`, `A38.x00` → `A38.x`, `D45.x00+M01*` → `D45.x`, `C50` → `C50`."""
    code = code.partition("+")[0]
    return code[:5] if len(code) >= 5 and code[3] == "." else code[:3]


def _best_core_rows(catalogue: Catalogue, principal: str, px: list[str], fee: int | None) -> list[CoreRow]:
    """The core rows that the case meets, best first; where none is met in full, those met in part."""
    no_class = not any(catalogue.procedure_classes.get(code, "") for code in px)
    of_disease = []
    for row in catalogue.core:
        if row.dx4 != _subcategory(principal):
            continue
        if row.principal_px == "":
            if no_class or catalogue.choices.conservative == "any":
                of_disease.append(row)
        elif px and px[0] == row.principal_px:
            of_disease.append(row)
    met = [row for row in of_disease if _related_met(row, px) == _related_asked(row)]
    if not met and catalogue.choices.related == "best_partial":
        met = [row for row in of_disease if row.principal_px != "" and _related_met(row, px) > 0]

    def better_first(a: CoreRow, b: CoreRow) -> int:
        if _related_met(a, px) != _related_met(b, px):
            return _related_met(b, px) - _related_met(a, px)
        for breaker in catalogue.choices.tie_breakers:
            left, right = _standing(breaker, a, px, fee), _standing(breaker, b, px, fee)
            if left != right:
                return -1 if left < right else 1
        return -1 if a.row < b.row else 1

    return sorted(met, key=cmp_to_key(better_first))


def _related_asked(row: CoreRow) -> int:
    return len(set(row.related))


def _related_met(row: CoreRow, px: list[str]) -> int:
    """How many of the related procedures asked for stand among the other procedures, in one of their forms."""
    return sum(1 for forms in set(row.related) if any(code in forms for code in px[1:]))


def _standing(breaker: str, row: CoreRow, px: list[str], fee: int | None) -> Any:
    """Where a row stands by one tie-breaker; the smaller goes first."""
    if breaker == "catalogue_order":
        return row.order
    if breaker == "core_before_base":
        return "基层病种" in row.flags
    if breaker == "more_procedures":
        return -(_related_met(row, px) + (1 if row.principal_px else 0))
    if breaker == "higher_score":
        return NO_VALUE if row.score is None else -row.score
    if breaker == "nearest_mean_cost":
        if fee is None:
            return 0
        return NO_VALUE if row.mean_cost_fen is None else abs(row.mean_cost_fen - fee)
    assert breaker == "class_priority"
    return CLASSES.index(row.treatment_class) if row.treatment_class in CLASSES else len(CLASSES)


def _matched(row: CoreRow, px: list[str]) -> list[str]:
    """The row's principal procedure and the other procedures it asks for, each once, in the case's order."""
    matched = [row.principal_px] if row.principal_px else []
    related = []
    for code in px[1:]:
        if any(code in forms for forms in row.related) and code not in related:
            related.append(code)
    return matched + related
