"""Build a DIP catalogue with loops over cases and fractions, read aloud from DESIGN §5 and docs/dip.md.

The judge of the fast builder: it shares the code tables and the slow matcher with it, and no line of its own.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import combinations
from math import ceil
from typing import Any

from groupers.codes import CodeTables
from groupers.dip.catalogue import Catalogue, CoreRow, DipChoices, PooledRow
from groupers.scheme import Manifest
from reference.match_case import match_case

Case = Mapping[str, Any]
Key = tuple[str, str, tuple[str, ...]]  # core: dx4, principal, related; pooled: dx3, class, ()


@dataclass
class Row:
    """What the twin says of a row; means in fen."""

    origin: str
    n: int
    mean: Fraction
    score: Decimal
    exact: Fraction
    flags: set[str]
    coefficients: dict[str, Decimal | None]


@dataclass
class Twin:
    """Rows by key, cases that are left out by reason, cases without a row, the region's mean in fen."""

    rows: dict[Key, Row] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    ungrouped: int = 0
    region_mean: Fraction = Fraction()


@dataclass
class _Used:
    dx: str
    px: list[str]
    fee: int
    level: str
    year: int


def build(
    cases: Sequence[Case],
    hospitals: Sequence[Any],
    levels: Sequence[str],
    tables: CodeTables,
    rules: Any,
    library: Catalogue | None = None,
) -> Twin:
    """The catalogue of a history. `hospitals` have hospital_id, level, from_, to; `rules` are pipeline's Rules."""  # fmt: skip
    twin = Twin()
    used = _usable(cases, hospitals, levels, tables, rules, library, twin)
    classes = {code: of for code, of in tables.procedure_classes.items() if of}
    core = _core_rows(used, classes, rules, library)
    while True:  # thin rows go, those of most related procedures first, and their cases are matched again
        catalogue = _catalogue([row for row, _ in core], [], classes, library)
        taken = defaultdict(int)
        for case in used:
            taken[_row_of(catalogue, case)] += 1
        thin = [row for row, _ in core if taken[row.row] < rules.threshold]
        if not thin:
            break
        most = max(len(row.related) for row in thin)
        going = {row.row for row in thin if len(row.related) == most}
        core = [(row, origin) for row, origin in core if row.row not in going]
    pooled = _pooled_rows(used, catalogue, classes, rules)
    full = _catalogue([row for row, _ in core], pooled, classes, library)
    members: dict[str, list[_Used]] = defaultdict(list)
    for case in used:
        members[_row_of(full, case)].append(case)
    twin.ungrouped = len(members.pop("0000", []))
    if not members:
        return twin
    keys: dict[str, tuple[Key, str, frozenset[str]]] = {}
    for row, origin in core:
        keys[row.row] = (_key(row), origin, row.flags)
    for row in pooled:
        keys[row.row] = ((row.dx3, row.pooled_class, ()), "pooled", frozenset())
    _score(twin, members, keys, rules, levels)
    return twin


def _usable(
    cases: Sequence[Case], hospitals: Sequence[Any], levels: Sequence[str], tables: CodeTables, rules: Any,
    library: Catalogue | None, twin: Twin,
) -> list[_Used]:  # fmt: skip
    left: dict[str, int] = defaultdict(int)
    taken_back = {case["reverses"] for case in cases if case["reverses"]}
    seen: set[str] = set()
    good: list[tuple[Case, str]] = []
    for case in cases:
        alike = [other for other in cases if case["case_id"] and other["case_id"] == case["case_id"]]
        level = next((h.level for h in hospitals if h.hospital_id == case["hospital_id"]
                      and case["discharge_date"] is not None and h.from_ <= case["discharge_date"] <= h.to), None)  # fmt: skip
        fee = case["total_fee_fen"]
        if fee is not None and rules.fee == "total_less_separate":
            fee -= case["separate_items_fen"] or 0
        dx = case["dx_codes"][0] if case["dx_codes"] else None
        if not case["case_id"]:
            reason = "no_case_id"
        elif any(_content(other, rules) != _content(case, rules) for other in alike):
            reason = "repeated_differing"
        elif case["case_id"] in seen:
            reason = "repeated_alike"
        elif case["reverses"]:
            reason = "reversal"
        elif case["case_id"] in taken_back:
            reason = "reversed"
        elif case["discharge_date"] is None:
            reason = "no_date"
        elif level is None:
            reason = "unknown_hospital"
        elif level not in levels:
            reason = "unknown_level"
        elif fee is None or fee <= 0:
            reason = "no_fee"
        elif fee > 10_000_000_000:  # one hundred million yuan, as `absurd_amount` of docs/findings.md
            reason = "absurd_fee"
        elif not dx:
            reason = "no_principal"
        elif dx not in tables.diagnosis_names:
            reason = "unknown_principal"
        elif library and any(dx.startswith(one.prefix) for one in library.exclusions):
            reason = "excluded"
        else:
            good.append((case, level))
            seen.add(case["case_id"])
            continue
        seen.add(case["case_id"])
        left[reason] += 1
    last = max((_month(case["discharge_date"]) for case, _ in good), default=0)
    used = []
    for case, level in good:
        ago = (last - _month(case["discharge_date"])) // 12
        if ago >= len(rules.year_weights):
            left["too_old"] += 1
            continue
        fee = case["total_fee_fen"]
        if rules.fee == "total_less_separate":
            fee -= case["separate_items_fen"] or 0
        px = [code for code in case["px_codes"] or [] if code]
        used.append(_Used(case["dx_codes"][0], px, fee, level, len(rules.year_weights) - 1 - ago))
    twin.left_out = dict(left)
    return used


def _content(case: Case, rules: Any) -> tuple[Any, ...]:
    """What is used of a row: rows that differ in nothing of it are one row sent twice."""
    fee = case["total_fee_fen"] or 0
    if rules.fee == "total_less_separate":
        fee -= case["separate_items_fen"] or 0
    px = [code for code in case["px_codes"] or [] if code]
    dx = case["dx_codes"][0] if case["dx_codes"] else None
    return case["hospital_id"], case["discharge_date"], dx, px[:1], set(px[1:]), fee, case["reverses"]


def _month(day: dt.date) -> int:
    return day.year * 12 + day.month - 1


def _dx4(code: str) -> str:
    return code.partition("+")[0][:5]


def _core_rows(
    used: Sequence[_Used], classes: dict[str, str], rules: Any, library: Catalogue | None
) -> list[tuple[CoreRow, str]]:
    rows = [(row, "library") for row in (library.core if library else ())]
    known = {_key(row) for row, _ in rows}

    def add(dx4: str, principal: str, related: tuple[str, ...]) -> None:
        if (dx4, principal, related) not in known:
            code = f"{dx4}|{principal}|{'+'.join(related)}"
            own = CoreRow(code, 0, dx4, principal, tuple(frozenset([one]) for one in related),
                          classes.get(principal, "保守治疗"), None, None, frozenset(), code)  # fmt: skip
            rows.append((own, "local"))

    conservative: dict[str, int] = defaultdict(int)
    together: dict[tuple[str, str], list[tuple[_Used, set[str]]]] = defaultdict(list)
    for case in used:
        if not any(code in classes for code in case.px):
            conservative[_dx4(case.dx)] += 1
        elif case.px[0] in classes:
            others = {code for code in case.px[1:] if code in classes and code != case.px[0]}
            together[_dx4(case.dx), case.px[0]].append((case, others))
    for dx4, n in conservative.items():
        if n >= rules.threshold:
            add(dx4, "", ())
    for (dx4, principal), every in together.items():
        if len(every) < rules.threshold:
            continue
        add(dx4, principal, ())
        alone = [case for case, others in every if not others]
        before = _mean(alone, rules) if len(alone) >= rules.threshold else None
        means = {}
        for other in sorted({code for _, others in every for code in others}):
            having = [case for case, others in every if other in others]
            if len(having) < rules.threshold:
                continue
            mean = _mean(having, rules)
            if (dx4, principal, (other,)) in known:
                means[other] = mean
            elif before is not None and mean >= (1 + Fraction(rules.related_rise)) * before:
                means[other] = mean
                add(dx4, principal, (other,))
        for one, two in combinations(sorted(means), 2):
            having = [case for case, others in every if {one, two} <= others]
            if len(having) < rules.threshold:
                continue
            if _mean(having, rules) >= (1 + Fraction(rules.related_rise)) * max(means[one], means[two]):
                add(dx4, principal, (one, two))
    return sorted(
        rows, key=lambda one: (one[0].dx4, one[0].principal_px, len(one[0].related), _key(one[0])[2])
    )


def _key(row: CoreRow) -> Key:
    return row.dx4, row.principal_px, tuple(sorted("/".join(sorted(forms)) for forms in row.related))


def _catalogue(
    core: Sequence[CoreRow], pooled: Sequence[PooledRow], classes: dict[str, str], library: Catalogue | None
) -> Catalogue:
    own = library.choices if library else DipChoices()
    ordered = tuple(
        CoreRow(
            row.row,
            place,
            row.dx4,
            row.principal_px,
            row.related,
            row.treatment_class,
            None,
            None,
            row.flags,
            "",
        )
        for place, row in enumerate(core)
    )
    choices = DipChoices(own.conservative, own.related)
    return Catalogue(
        Manifest.model_construct(name="twin"), choices, ordered, tuple(pooled), (), procedure_classes=classes
    )


def _row_of(catalogue: Catalogue, case: _Used) -> str:
    return str(match_case(catalogue, {"dx_codes": [case.dx], "px_codes": case.px})["dip_code"])


def _pooled_rows(
    used: Sequence[_Used], catalogue: Catalogue, classes: dict[str, str], rules: Any
) -> list[PooledRow]:
    found: dict[tuple[str, str], int] = defaultdict(int)
    for case in used:
        if _row_of(catalogue, case) == "0000":
            of = classes.get(case.px[0], "") if case.px else ""
            name = {"手术": "相关手术", "介入治疗": "相关手术", "": "内科诊疗"}.get(of, of)
            found[case.dx[:3], name] += 1
    return [
        PooledRow(f"{dx3}|{name}", dx3, name, None, None, frozenset(), "")
        for (dx3, name), n in sorted(found.items())
        if n >= rules.pooled_threshold
    ]


def _trimmed(cases: Sequence[_Used], rules: Any) -> list[_Used]:
    """Per year: what lies between the costs at the two nearest ranks, both included."""
    kept = []
    for year in sorted({case.year for case in cases}):
        own = [case for case in cases if case.year == year]
        costs = sorted(case.fee for case in own)
        n = len(costs)
        low, high = costs[0], costs[-1]
        if n >= rules.trim.least:
            low = costs[max(1, ceil(Fraction(rules.trim.low) * n)) - 1]
            high = costs[ceil(Fraction(rules.trim.high) * n) - 1]
        kept += [case for case in own if low <= case.fee <= high]
    return kept


def _weighted(kept: Sequence[_Used], rules: Any) -> Fraction:
    years = sorted({case.year for case in kept})
    means = {
        year: Fraction(sum(c.fee for c in kept if c.year == year), sum(1 for c in kept if c.year == year))
        for year in years
    }
    return sum((rules.year_weights[y] * means[y] for y in years), Fraction()) / sum(
        rules.year_weights[y] for y in years
    )


def _mean(cases: Sequence[_Used], rules: Any) -> Fraction:
    return _weighted(_trimmed(cases, rules), rules)


def _rounded(value: Fraction, digits: int) -> Decimal:
    doubled = value * 2 * 10**digits
    whole = (doubled.numerator // doubled.denominator + 1) // 2
    return Decimal(max(whole, 1)).scaleb(-digits).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def _score(
    twin: Twin, members: dict[str, list[_Used]], keys: dict[str, tuple[Key, str, frozenset[str]]], rules: Any,
    levels: Sequence[str],
) -> None:  # fmt: skip
    kept = {row: _trimmed(cases, rules) for row, cases in members.items()}
    means = {row: _weighted(cases, rules) for row, cases in kept.items()}
    twin.region_mean = _weighted([case for cases in kept.values() for case in cases], rules)
    if rules.score.method == "fixed":
        factor, denominator = 1, Fraction(rules.score.fixed_amount_yuan) * 100
    elif rules.score.method == "benchmark":
        factor, denominator = rules.score.scale, means[rules.score.benchmark_row]
    else:
        factor, denominator = rules.score.scale, twin.region_mean
    ratio: dict[str, Fraction | None] = {}
    for level in levels:
        spent = sum(c.fee for cases in kept.values() for c in cases if c.level == level)
        expected = sum(means[row] for row, cases in kept.items() for c in cases if c.level == level)
        ratio[level] = spent / expected if spent else None
    said = rules.coefficients
    for row, cases in kept.items():
        key, origin, flags = keys[row]
        of_level = {level: [c for c in cases if c.level == level] for level in levels}
        mean_of = {level: _weighted(own, rules) if own else None for level, own in of_level.items()}
        base = "基层病种" in flags
        if rules.base is not None and origin != "pooled":
            compared = rules.base.levels or levels
            base = all(len(of_level[level]) >= rules.base.least_cases_per_level for level in compared)
            if base:
                values = [mean_of[level] for level in compared]
                middle = sum(values) / len(values)
                variance = sum((value - middle) ** 2 for value in values) / len(values)
                base = variance <= (Fraction(rules.base.cv_at_most) * middle) ** 2
        coefficients: dict[str, Decimal | None] = {}
        top = levels[-1]
        for level in levels:
            enough = len(of_level[level]) >= said.least_cases
            reference = means[row]
            if said.reference == "highest_level":
                reference = mean_of[top] if len(of_level[top]) >= said.least_cases else None
            value = None
            if base:
                value = Fraction(1)
            elif enough and reference is not None:
                value = mean_of[level] / reference
            elif said.thin == "level_mean" and ratio[level] is not None:
                value = ratio[level]
                if said.reference == "highest_level":
                    value = None if ratio[top] is None else ratio[level] / ratio[top]
            coefficients[level] = None if value is None else _rounded(value, said.digits)
        exact = means[row] * factor / denominator
        twin.rows[key] = Row(
            origin, len(members[row]), means[row], _rounded(exact, rules.score.digits), exact,
            {"基层病种"} if base else set(), coefficients,
        )  # fmt: skip
