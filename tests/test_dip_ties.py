"""Ties that do not decide: the pairs found are those that the twin tells apart by the row code alone."""

from __future__ import annotations

import dataclasses
import random
import time
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given

from groupers.dip.catalogue import Catalogue, CoreRow, DipChoices, Exclusion, requirement
from groupers.dip.ties import undecided, undecided_count
from tests.reference.dip_strategies import OUTSIDE_PX, PX, catalogue_of, catalogues, core_row
from tests.reference.match_case import match_case
from tests.test_dip_match import CLASSES, many

FORMS = (*PX[:4], OUTSIDE_PX[1])  # what invented rows ask for: tests/reference/dip_strategies.py


def pairs(catalogue: Catalogue, **choices: Any) -> list[tuple[str, str]]:
    if choices:
        catalogue = dataclasses.replace(catalogue, choices=DipChoices(**choices))
    return [(first.row, second.row) for first, second in undecided(catalogue, None)]


def winner(catalogue: Catalogue, rows: tuple[CoreRow, CoreRow], case: dict[str, Any]) -> str | None:
    """Which of two rows the twin takes where both are met: `one` | `two`; None where it has no choice."""
    found = match_case(dataclasses.replace(catalogue, core=rows), case)
    return found["dip_code"] if found["runner_up"] else None


def code_alone_decides(
    catalogue: Catalogue, one: CoreRow, two: CoreRow, principal: str, others: tuple[str, ...]
) -> bool:
    """Whether the winner changes with the codes of the two rows."""
    known = one.mean_cost_fen is not None and two.mean_cost_fen is not None
    case = {
        "dx_codes": [f"{one.dx4}99" if "." in one.dx4 else one.dx4],  # under none of the longer prefixes
        "px_codes": [principal, *others],
        "total_fee_fen": one.mean_cost_fen if known else None,  # known and unlike means decide, others do not
    }
    named = [dataclasses.replace(one, row="a"), dataclasses.replace(two, row="b")]
    swapped = [dataclasses.replace(one, row="b"), dataclasses.replace(two, row="a")]
    return (
        winner(catalogue, (named[0], named[1]), case) == "a"
        and winner(catalogue, (swapped[0], swapped[1]), case) == "a"
    )


def witnessed(catalogue: Catalogue) -> set[frozenset[str]]:
    """Pairs that some case meets in full and that the twin tells apart by their codes alone.

    The case has what both rows ask for and nothing else: of the forms of a demand one without a class, if any.
    """
    found = set()
    plain = catalogue.procedure_classes
    for one, two in combinations(catalogue.core, 2):
        if one.dx4 != two.dx4 or len(set(one.related)) != len(set(two.related)):
            continue
        principal = one.principal_px or two.principal_px or "no class"
        demands = {*one.related, *two.related}
        others = tuple(min(forms, key=lambda code: (bool(plain.get(code)), code)) for forms in demands)
        full = dataclasses.replace(catalogue, choices=dataclasses.replace(catalogue.choices, related="all"))
        if code_alone_decides(full, one, two, principal, others):
            found.add(frozenset({one.row, two.row}))
    return found


@many
@given(catalogues())
def test_pairs_met_in_full_are_the_twins(catalogue: Catalogue) -> None:
    in_full = dataclasses.replace(catalogue, choices=dataclasses.replace(catalogue.choices, related="all"))
    found = undecided(in_full, None)
    assert all(first.row < second.row for first, second in found)  # the row that wins stands first
    codes = [frozenset({first.row, second.row}) for first, second in found]
    assert len(set(codes)) == len(codes) == undecided_count(in_full)
    assert set(codes) == witnessed(in_full)


@many
@given(catalogues())
def test_no_tie_of_a_partial_match_is_missed(catalogue: Catalogue) -> None:
    choices = dataclasses.replace(catalogue.choices, related="best_partial")
    catalogue = dataclasses.replace(catalogue, choices=choices, exclusions=())
    found = {frozenset({first.row, second.row}) for first, second in undecided(catalogue, None)}
    assert undecided_count(catalogue) == len(found) >= len(witnessed(catalogue))
    for one, two in combinations(catalogue.core, 2):
        if one.dx4 != two.dx4 or one.principal_px != two.principal_px or not one.principal_px:
            continue
        of_key = [row for row in catalogue.core if (row.dx4, row.principal_px) == (one.dx4, one.principal_px)]
        free = [row for row in catalogue.core if row.dx4 == one.dx4 and not row.principal_px]
        if any(not row.related for row in of_key) or (
            choices.conservative == "any" and any(not r.related for r in free)
        ):
            continue  # such a row is met in full by every case of the key
        for code in FORMS:
            if code_alone_decides(catalogue, one, two, one.principal_px, (code,)):
                assert frozenset({one.row, two.row}) in found


A = core_row("A", "I63.9", "S1", requirement("S2"), order=1, mean_cost_fen=100)
B = core_row("B", "I63.9", "S1", requirement("T1"), order=2, mean_cost_fen=200)
ALONE = core_row("C", "I63.9", "", order=3)
BARE = core_row("D", "I63.9", "S1", order=4)
FREE = core_row("E", "I63.9", "X9", order=5)  # X9 has no class


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (
            {"tie_breakers": ()},
            [("A", "B"), ("C", "E")],
        ),  # a case with X9 alone meets the conservative row too
        ({"tie_breakers": ("more_procedures",)}, [("A", "B")]),  # E has a principal procedure more than C
        ({"tie_breakers": ("catalogue_order",)}, []),
        ({"tie_breakers": ("nearest_mean_cost",)}, [("C", "E")]),  # neither mean is known
        ({"tie_breakers": (), "conservative": "any"}, [("A", "B"), ("C", "D"), ("C", "E")]),
        ({"tie_breakers": ("class_priority",), "conservative": "any"}, [("A", "B")]),  # 手术 before 保守治疗
    ],
)
def test_pairs_by_hand(choices: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    catalogue = catalogue_of(A, B, ALONE, BARE, FREE, procedure_classes=CLASSES)
    assert sorted(pairs(catalogue, **choices)) == expected


def test_partial_matches_tie_whatever_the_rows_ask_for() -> None:
    two = core_row("A", "I63.9", "S1", requirement("S2+S3"))
    three = core_row("B", "I63.9", "S1", requirement("T1+D1+J1"))
    one = core_row("C", "I63.9", "S1", requirement("T1"))
    free = {"tie_breakers": ()}
    assert pairs(catalogue_of(two, three, one), **free) == []  # in full: 2, 3 and 1 are never equal
    # a case with S2 and D1 meets one of each; C is met in full or not at all
    assert pairs(catalogue_of(two, three, one), **free, related="best_partial") == [("A", "B")]
    # BARE is met in full by every case with S1, so nothing is ever met in part
    assert pairs(catalogue_of(two, three, BARE), **free, related="best_partial") == []


def test_unknown_mean_costs_do_not_decide() -> None:
    rows = [core_row(name, "I63.9", "S1", mean_cost_fen=mean) for name, mean in
            (("A", 100), ("B", 200), ("C", None), ("D", 100))]  # fmt: skip
    # A–B and B–D are known and unlike; A–D are alike, and C has none
    expected = [("A", "C"), ("A", "D"), ("B", "C"), ("C", "D")]
    assert sorted(pairs(catalogue_of(*rows), tie_breakers=("nearest_mean_cost",))) == expected


def test_a_disease_that_is_excluded_whole_has_no_ties() -> None:
    catalogue = catalogue_of(A, B, choices=DipChoices(tie_breakers=()))
    for prefix, expected in (("I63", 0), ("I63.9", 0), ("I63.90", 1), ("I64", 1)):
        excluded = dataclasses.replace(catalogue, exclusions=(Exclusion(prefix, "另行支付"),))
        assert undecided_count(excluded) == expected  # with I63.90 the codes I63.91… are left


def test_ten_thousand_rows_that_all_tie_are_counted_and_not_listed() -> None:
    rows = [
        core_row(f"R{n:05}", "I63.9", "S1", requirement("S2"), mean_cost_fen=n % 3 or None)
        for n in range(10_000)
    ]
    random.Random(1).shuffle(rows)
    catalogue = catalogue_of(*rows, choices=DipChoices(tie_breakers=()))
    start = time.perf_counter()
    assert undecided_count(catalogue) == 10_000 * 9_999 // 2
    assert len(undecided(catalogue)) == 1_000
    # n % 3: 3,334 unknown, 3,333 of 1 and 3,333 of 2; only 3,333 × 3,333 pairs are known and unlike
    by_cost = dataclasses.replace(catalogue, choices=DipChoices(tie_breakers=("nearest_mean_cost",)))
    assert undecided_count(by_cost) == 10_000 * 9_999 // 2 - 3_333**2
    assert time.perf_counter() - start < 5  # all pairs one by one take a minute
