"""Which cases leave the path of their group, and what a day or a fixed amount pays; read aloud from DESIGN §6."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from tests.reference.price_families import Paid

LISTS = {
    "groups": "drg", "mdc": "mdc", "level": "level", "insurance_type": "insurance_type",
    "discharge_way": "discharge_way", "care_type": "care_type", "place": "place",
}  # fmt: skip
COMPARED = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}


def first_met(
    rules: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], numbers: Mapping[str, Fraction | None]
) -> Mapping[str, Any] | None:
    """The first rule of which all that is said holds; `numbers` are stay, x and tcm_share, None where unknown."""
    return next((rule for rule in rules if _meets(rule, facts, numbers)), None)


def _meets(rule: Mapping[str, Any], facts: Mapping[str, Any], numbers: Mapping[str, Fraction | None]) -> bool:
    for key, fact in LISTS.items():
        if key in rule and (facts[fact] is None or facts[fact] not in rule[key]):
            return False
    for key in ("principal_dx", "principal_px"):
        if key in rule and (facts[key] is None or not str(facts[key]).startswith(tuple(rule[key]))):
            return False
    for name, number in numbers.items():
        for sign, compared in COMPARED.items():
            said = rule.get(f"{name}_{sign}")
            if said is not None and (number is None or not compared(number, Fraction(said))):
                return False
    return True


def treatment_of(law: Mapping[str, Any], group: str, status: str) -> Mapping[str, Any] | None:
    """How a group is paid off the path: base groups with an amount, groups by name, sets, then by status."""
    amounts = law["base_groups"].get("amounts", {})
    if group in amounts:
        return {"treatment": "fixed_amount", "yuan": amounts[group]}
    off = law["off_path"]
    if group in off.get("groups", {}):
        named: Mapping[str, Any] = off["groups"][group]
        return named
    for one in off.get("sets", []):
        if group in one["groups"]:
            found: Mapping[str, Any] = one
            return found
    return None if status == "grouped" else off.get(status)


def fixed_amount(treatment: Mapping[str, Any], level: str) -> Paid | None:
    """Yuan, alike or by level; None where the level has none."""
    yuan = treatment["yuan"]
    found = yuan.get(level) if isinstance(yuan, Mapping) else yuan
    return None if found is None else Paid(Fraction(0), Fraction(found) * 100)


def bed_days(law: Mapping[str, Any] | None, level: str, insurance_type: str, stay: int) -> Paid | None:
    """Every day by the tier it falls into, one after the other; no day at all counts as one."""
    points, fen = Fraction(0), Fraction(0)
    for day in range(1, max(1, stay) + 1):
        tiers = [
            tier for tier in (law or {}).get("tiers", [])
            if tier["from_day"] <= day and ("to_day" not in tier or day <= tier["to_day"])
            and tier.get("level", level) == level and tier.get("insurance_type", insurance_type) == insurance_type
        ]  # fmt: skip
        if not tiers:
            return None
        points += Fraction(tiers[0].get("points", "0"))
        fen += Fraction(tiers[0].get("yuan", "0")) * 100
    return Paid(points, fen)
