"""Scope and special rules of a pack as rows: which cases leave the path of their group, and on which path."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.pack_paths import SpecialRule, Treatment
from pipeline.price_rules import ONE, Amount, Rule, amount_of_treatment
from pipeline.terms import RULE_UNIT, Terms, scaled


def special_paths(terms: Terms) -> dict[Rule, Treatment]:
    """The price rule of every scope and special rule that pays, and how it pays."""
    found: dict[Rule, Treatment] = {}
    for one in terms.scope.rules if terms.scope else ():
        if one.treatment == "by_item":
            by_item = Treatment(treatment="by_item")
            found[Rule(_scope_path(one.name), "special", amount_of_treatment(by_item, ""))] = by_item
    for rule in terms.special_rules.rules if terms.special_rules else ():
        amount = amount_of_treatment(rule, terms.ratio.reference)
        found[Rule(_special_path(rule.name), "special", amount)] = rule
    return found


def decision_rules() -> tuple[Rule, ...]:
    """The rules by which approved special cases (特例单议) are paid; no group leads to them, only a decision does."""
    by_item, given = Amount("special_by_item", of_fee=ONE), Amount("special_adjusted", of_item=True)
    return Rule("decision/by_item", "special_review", by_item), Rule(
        "decision/adjusted", "special_review", given
    )


def special_rows(terms: Terms) -> Iterator[dict[str, object]]:
    """Rows of `special_rules`, scope before all else, in the order in which they are tried."""
    order = 0
    for one in terms.scope.rules if terms.scope else ():
        yield {
            "terms_id": terms.terms_id, "rule_order": order, "is_scope": True,
            "path": _scope_path(one.name) if one.treatment == "by_item" else None,
            "budget_line": one.budget_line, "excluded": one.treatment == "exclude", "held": False,
            "place": one.place, "care_type": one.care_type,
        }  # fmt: skip
        order += 1
    for rule in terms.special_rules.rules if terms.special_rules else ():
        yield {
            "terms_id": terms.terms_id, "rule_order": order, "is_scope": False,
            "path": _special_path(rule.name), "budget_line": "", "excluded": False,
            "held": rule.treatment == "case_review", **_conditions(rule),
        }  # fmt: skip
        order += 1


def _scope_path(name: str) -> str:
    return f"scope/{name}"


def _special_path(name: str) -> str:
    return f"special/{name}"


def _conditions(rule: SpecialRule) -> dict[str, object]:
    texts = ("groups", "mdc", "level", "insurance_type", "discharge_way", "care_type", "place")
    stay_from = rule.stay_ge if rule.stay_gt is None else rule.stay_gt + 1  # whole days
    stay_to = rule.stay_le if rule.stay_lt is None else rule.stay_lt - 1
    low = rule.x_ge if rule.x_ge is not None else rule.x_gt
    high = rule.x_le if rule.x_le is not None else rule.x_lt
    return {
        **{name: getattr(rule, name) for name in texts},
        "principal_dx": _pattern(rule.principal_dx), "principal_px": _pattern(rule.principal_px),
        "stay_from": stay_from, "stay_to": stay_to,
        "x_from_e4": None if low is None else scaled(low, RULE_UNIT), "x_from_inclusive": rule.x_ge is not None,
        "x_to_e4": None if high is None else scaled(high, RULE_UNIT), "x_to_inclusive": rule.x_le is not None,
        "tcm_from_e4": None if rule.tcm_share_ge is None else scaled(rule.tcm_share_ge, RULE_UNIT),
        "tcm_below_e4": None if rule.tcm_share_lt is None else scaled(rule.tcm_share_lt, RULE_UNIT),
    }  # fmt: skip


def _pattern(prefixes: list[str] | None) -> str | None:
    """Prefixes as one regular expression for the SQL."""
    return None if prefixes is None else "^(" + "|".join(re.escape(prefix) for prefix in prefixes) + ")"
