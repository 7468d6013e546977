"""Price one case with fractions, read aloud from DESIGN §6.

The judge of the SQL: it reads the same region pack as plain text, shares no line of code with
`pipeline.terms`, and says each family by its published formula (see `price_families`, `price_paths`, `fund_case`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

from tests.reference.fund_case import benefit_known, owed
from tests.reference.price_families import Paid, Standing, by_treatment, class_of
from tests.reference.price_paths import bed_days, first_met, fixed_amount, treatment_of

ONE = Fraction(1)
NO_SHARE = Fraction(0)


@dataclass(frozen=True)
class Printed:
    """What stands in tables: of a DIP catalogue coefficients by (row, level) and flags by row; of a pack local mean
    fees in yuan by group, standards in yuan by (group, level), coefficients by (group, level) and (group, hospital)."""  # fmt: skip

    coefficients: Mapping[tuple[str, str], str] = field(default_factory=dict)
    flags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    means: Mapping[str, str] = field(default_factory=dict)
    standards: Mapping[tuple[str, str], str] = field(default_factory=dict)
    by_group_level: Mapping[tuple[str, str], str] = field(default_factory=dict)
    by_group_hospital: Mapping[tuple[str, str], str] = field(default_factory=dict)


NOTHING_PRINTED = Printed()


@dataclass(frozen=True)
class Price:
    """`ratio` is x = F / reference, None off the path; amounts in fen, each rounded once from the exact value.

    `rate` is None but by the rate method; `point_value` and `points` (exact) are None where cases have no points.
    `weight` is None where a case is paid without one; `share_of` the unit whose fund share the fund amount takes.
    """

    price_class: str  # normal | low | high | special | ambiguous | ungrouped | excluded
    rule: str
    weight: Fraction | None
    rate: Fraction | None
    point_value: Fraction | None
    coefficient: Fraction
    auxiliary: Fraction
    ratio: Fraction | None
    points: Fraction | None
    exact_fen: Fraction
    standard_fen: int
    fund_fen: int
    separate_fen: int = 0
    budget_line: str = ""
    share_of: str | None = None


def half_away(exact: Fraction) -> int:
    """The nearest integer; a tie goes away from zero, so that a reversal is the exact negative."""
    nearest = floor(abs(exact) + Fraction(1, 2))
    return nearest if exact >= 0 else -nearest


def price_case(
    pack: Mapping[str, Any], weights: Mapping[str, str], level: str, case: Mapping[str, Any],
    printed: Printed = NOTHING_PRINTED, share: Fraction = NO_SHARE,
) -> Price | None:  # fmt: skip
    """The price, or None where something is unknown or not to be priced; see `judged`."""
    found = judged(pack, weights, level, case, printed, share)
    return None if isinstance(found, str) else found


def judged(
    pack: Mapping[str, Any], weights: Mapping[str, str], level: str, case: Mapping[str, Any],
    printed: Printed = NOTHING_PRINTED, share: Fraction = NO_SHARE,
) -> Price | str:  # fmt: skip
    """The price, or the code of the refusal. `case`: hospital_id, insurance_type, drg, status, pricing_date,
    total_fee_fen, pool_fund_fen, stay_days and what special rules look at; by points also aux_e4, own_e4 and
    own_unknown. `pack` is region.yaml as plain data, numbers as text; `weights` the scores where the catalogue
    carries them; `share` the fund share of the case's unit where the pack pays by one."""
    method = pack.get("method", "rate")
    needed = {key: _on(pack[key], case["pricing_date"]) for key in (*_DATED, *_PRICED_BY[method])}
    if any(entry is None for entry in needed.values()):
        return "no_terms"
    law: dict[str, Any] = {key: _on(pack.get(key, []), case["pricing_date"]) for key in _OPTIONAL}
    law |= needed
    scope = first_met(_rules(law["scope"]), {**_BLANK, **case}, {})
    if scope and scope["treatment"] == "exclude":
        return "out_of_scope"
    apart = law["separate_items"]
    separate = Fraction(case.get("separate_items_fen") or 0) if apart else Fraction(0)
    if separate > case["total_fee_fen"]:
        return "separate_over_total"
    base = _base(law["base_groups"], case["drg"], printed)
    prices = _prices(law, method, pack["levels"], level, case, base)
    plain, c = _coefficient(law, level, case, base, printed)
    if prices is None or not plain or not benefit_known(law["fund_share"], case["insurance_type"], level):
        return "no_rate"
    rate, reference_price, point_value = prices
    treatment = treatment_of(law, case["drg"], case["status"])
    weight = _weight(weights, law, printed, treatment, level, case)
    by_group = treatment is None or treatment.get("classes", False)
    c_known, coefficient, auxiliary = _subtypes(c, by_group and weight is not None, method, case)
    standing = Standing(
        case["total_fee_fen"] - separate, (weight or 0) * rate, coefficient, auxiliary, reference_price, point_value,
        mean=_mean(law, printed, case["drg"]),
    )  # fmt: skip
    standing = _measured(law, standing, c is not None or c_known)
    facts = {**_BLANK, **case, "level": level, "principal_px": next(iter(case.get("px_codes", ())), None)}
    special = None if scope and scope["treatment"] == "by_item" else first_met(
        _rules(law["special_rules"]), facts, _numbers(case, standing)
    )  # fmt: skip
    if scope and scope["treatment"] == "by_item":
        treatment = {"treatment": "by_item"}
    elif special:
        treatment = special
    by_class = not (special or (scope and scope["treatment"] == "by_item")) and by_group
    if by_class and treatment is None and case["status"] != "grouped":
        return "no_weight"
    paid = _paid(law, None if by_class else treatment, weight, level, case, standing, c_known)
    if isinstance(paid, str):
        return paid
    price_class, rule, what = paid
    if law["fund_share"]["method"] == "ratio" and case["total_fee_fen"] == 0:
        return "no_fee"
    amount = what.amount(standing.point_value)
    beside = half_away(separate * Fraction(apart["share"])) if apart else 0
    by_points = method in ("points", "dip")
    return Price(
        price_class if case["status"] == "grouped" or by_class else case["status"], rule,
        None if weight is None else weight / (100 if method == "published" else 1),
        rate / 100 if method == "rate" else None, point_value / 100 if by_points else None,
        coefficient, auxiliary, standing.ratio if by_class else None, what.points if by_points else None,
        amount, half_away(amount), half_away(owed(law["fund_share"], amount, level, case, share)) + beside, beside,
        scope.get("budget_line", "") if scope else "", law["fund_share"].get("of"),
    )  # fmt: skip


_DATED = ("scheme", "base_groups", "ratio", "off_path", "fund_share", "settlement")
_PRICED_BY = {
    "rate": ("weights", "rates", "coefficients"),
    "points": ("weights", "point_scale", "point_values", "coefficients"),
    "dip": ("weights", "point_values", "reference_prices", "coefficients"),
    "published": ("standards",),
}
_OPTIONAL = ("scope", "special_rules", "bed_day", "separate_items")
_BLANK = dict.fromkeys(("mdc", "discharge_way", "care_type", "place", "principal_dx", "level"))


def _on(entries: Sequence[Mapping[str, Any]], day: dt.date) -> Mapping[str, Any] | None:
    """The last entry that has begun, unless it has ended."""
    begun = [entry for entry in entries if dt.date.fromisoformat(entry["from"]) <= day]
    if not begun or ("to" in begun[-1] and dt.date.fromisoformat(begun[-1]["to"]) < day):
        return None
    return begun[-1]


def _rules(entry: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    return entry["rules"] if entry else ()


def _number(text: str | None) -> Fraction | None:
    return Fraction(text) if text else None


def _of_type(found: Any, insurance_type: str) -> Fraction | None:
    """A number for all, or one by insurance type."""
    return _number(found.get(insurance_type) if isinstance(found, Mapping) else found)


def _base(law: Mapping[str, Any], group: str, printed: Printed) -> Mapping[str, Any]:
    """The strategy that holds for a group: that of the base groups, by name or by flag, or none."""
    named = group in law.get("groups", []) or law.get("flag") in printed.flags.get(group, ())
    return law if named else {"strategy": "none"}


def _prices(
    law: Mapping[str, Any], method: str, levels: Sequence[str], level: str, case: Mapping[str, Any],
    base: Mapping[str, Any],
) -> tuple[Fraction, Fraction, Fraction] | None:  # fmt: skip
    """Points (or fen) per weight, reference price and point value in fen; what a method does not have is 1."""
    kind = case["insurance_type"]
    if method == "published":
        return ONE, ONE, ONE
    if method == "points":
        scale, pays = law["point_scale"], _of_type(law["point_values"]["values"], kind)
        mean_cost = _of_type(scale["area_mean_cost"], kind)
        if mean_cost is None or pays is None:
            return None
        return Fraction(scale["scale"]), mean_cost * 100 / Fraction(scale["scale"]), pays * 100
    if method == "dip":
        judges, pays = (_of_type(law[key]["values"], kind) for key in ("reference_prices", "point_values"))
        return None if judges is None or pays is None else (ONE, judges * 100, pays * 100)
    found = law["rates"]["values"].get(kind, {})
    rates = found if isinstance(found, Mapping) else dict.fromkeys(levels, found)
    match base["strategy"]:
        case "lowest_level_rate":
            text = next((rates[one] for one in levels if one in rates), None)
        case "rate_of_level":
            text = rates.get(base["level"])
        case "fixed_rate":
            text = base["value"]
        case _:
            text = rates.get(level)
    return None if text is None else (Fraction(text) * 100, ONE, ONE)


def _coefficient(
    law: Mapping[str, Any], level: str, case: Mapping[str, Any], base: Mapping[str, Any], printed: Printed
) -> tuple[bool, Fraction | None]:
    """Whether the pack can say a coefficient here at all, and it: the most special known one, fixed or capped."""
    table = law.get("coefficients")
    if table is None:
        return True, ONE
    kind, group, hospital = case["insurance_type"], case["drg"], case["hospital_id"]
    by_group = bool(table.get("by_group_level") or table.get("by_group_hospital"))
    by_level = printed.coefficients if table.get("by_group_level") == "catalogue" else (
        printed.by_group_level if table.get("by_group_level") else {}
    )  # fmt: skip
    own = _of_type(table.get("by_hospital", {}).get(hospital), kind)
    plain = own if own is not None else _of_type(table.get("by_level", {}).get(level), kind)
    by_hospital = printed.by_group_hospital if table.get("by_group_hospital") else {}
    found = (_number(by_hospital.get((group, hospital))), _number(by_level.get((group, level))), plain)
    c = next((one for one in found if one is not None), None)
    if base["strategy"] == "fixed_coefficient":
        return True, Fraction(base["value"])
    if base["strategy"] == "capped_coefficient" and c is not None:
        c = min(c, Fraction(base["value"]))
    return by_group or plain is not None, c


def _subtypes(
    c: Fraction | None, on_path: bool, method: str, case: Mapping[str, Any]
) -> tuple[bool, Fraction, Fraction]:
    """Whether c and a are known, and both; a subtype of a row's own replaces both where it is at least c × a."""
    if not on_path or method != "dip":
        return c is not None, ONE if c is None else c, ONE
    if case.get("own_unknown", False) or case.get("aux_e4", 10_000) is None:
        return False, ONE if c is None else c, ONE
    auxiliary = Fraction(case.get("aux_e4", 10_000), 10_000)
    own = case.get("own_e4")
    if own is not None and (c is None or Fraction(own, 10_000) >= c * auxiliary):
        return True, Fraction(own, 10_000), ONE
    return c is not None, ONE if c is None else c, auxiliary


_BY_FEE = ("share_of_fee", "share_of_benchmark", "by_item", "bed_day", "fixed_amount", "case_review")


def _weight(
    weights: Mapping[str, str], law: Mapping[str, Any], printed: Printed, treatment: Mapping[str, Any] | None,
    level: str, case: Mapping[str, Any],
) -> Fraction | None:  # fmt: skip
    """Weight, score, or standard in fen; nothing (0) for a case that is paid without one, unless a table has it."""
    if "standards" in law:
        standard = _number(printed.standards.get((case["drg"], level)))
        return None if standard is None else standard * 100
    if treatment and treatment["treatment"] == "fixed_weight":
        return _number(treatment["weight"])
    weight = _number(weights.get(case["drg"]))
    without = treatment and treatment["treatment"] in _BY_FEE
    return Fraction(0) if weight is None and without else weight


def _mean(law: Mapping[str, Any], printed: Printed, group: str) -> Fraction | None:
    mean = _number(printed.means.get(group))
    return None if mean is None or law["ratio"]["reference"] != "group_mean" else mean * 100


def _measured(law: Mapping[str, Any], case: Standing, c_known: bool) -> Standing:
    """The same with its ratio, where the reference is known."""
    word, reference = law["ratio"]["reference"], case.value * case.reference_price
    if word == "group_mean":
        reference = case.mean or Fraction(0)
    elif word == "with_coefficient":
        reference *= case.coefficient if c_known else 0
    return case if reference <= 0 else Standing(**{**vars(case), "ratio": case.fee / reference})


def _numbers(case: Mapping[str, Any], standing: Standing) -> dict[str, Fraction | None]:
    """The numbers that a special rule may compare."""
    tcm, total, stay = case.get("tcm_fee_fen"), case["total_fee_fen"], case.get("stay_days")
    return {
        "stay": None if stay is None else Fraction(stay), "x": standing.ratio,
        "tcm_share": None if tcm is None or total == 0 else Fraction(tcm, total),
    }  # fmt: skip


def _paid(
    law: Mapping[str, Any], treatment: Mapping[str, Any] | None, weight: Fraction | None, level: str,
    case: Mapping[str, Any], standing: Standing, c_known: bool,
) -> tuple[str, str, Paid] | str:  # fmt: skip
    """Class, rule and payment, or why there is none; without treatment by ratio class."""
    if treatment is None:
        if weight is None:
            return "no_weight"
        if standing.ratio is None and (c_known or law["ratio"]["reference"] == "group_mean"):
            return "no_reference"
        return class_of(law["ratio"], weight, level, standing) if c_known else "no_coefficient"
    kind = treatment["treatment"]
    if kind == "case_review":
        return kind
    by_standard = kind in ("table_weight", "fixed_weight", "as_normal", "factor") or (
        kind == "affine" and Fraction(treatment.get("standard", "0")) != 0
    )
    by_ratio = kind == "affine" and Fraction(treatment.get("ratio", "0")) != 0
    if (by_standard or by_ratio) and not weight:
        return "no_weight"
    if (by_standard or by_ratio or treatment.get("by_coefficient")) and not c_known:
        return "no_coefficient"
    if by_ratio and standing.ratio is None:
        return "no_reference"
    if kind in ("bed_day", "fixed_amount"):
        found = fixed_amount(treatment, level) if kind == "fixed_amount" else bed_days(
            law["bed_day"], level, case["insurance_type"], case["stay_days"]
        )  # fmt: skip
        return "no_amount" if found is None else ("special", kind, found)
    return "special", kind, by_treatment(treatment, standing)
