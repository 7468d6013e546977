"""The total weight stays: W01 and W02, the exact twin, every refusal with its numbers, the residue placed by the rule."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import residue as residue_module
from pipeline.errors import InputError
from pipeline.invariance import Limits, Weight, dilution, half_away, rescale
from pipeline.residue import Placing, Step, place
from tests.reference.invariance_case import Group, best_plan, rescaled

D = Decimal
VECTORS = Path(__file__).parents[2] / "shared" / "facts" / "payment" / "test_vectors_constructed.json"
W01 = {
    "A": Weight(D("1.20"), D("1.30"), 1000, "X"), "B": Weight(D("0.80"), D("0.78"), 3000, "X"),
    "C": Weight(D("2.50"), D("2.60"), 200, "Y"),
}  # fmt: skip


def locked(group: str, **changed: Weight) -> dict[str, Weight]:
    one = {**W01, **changed}[group]
    return {**W01, **changed, group: Weight(one.present, one.proposed, one.cases, one.mdc, True)}


def test_w01_keeps_the_total_up_to_a_residue_of_a_fifth() -> None:
    """facts/payment W01: 4100 ÷ 4160 = 0.98557692…; 1281.3 + 2306.4 + 512.5 = 4100.2, so 0.2 too much."""
    done = rescale(W01, 4, "all", False)
    (proof,) = done.proofs
    assert done.weights == {"A": D("1.2813"), "B": D("0.7688"), "C": D("2.5625")} and done.placed is None
    assert (proof.before, proof.proposed, proof.rounded) == (4100, 4160, D("4100.2"))
    assert (proof.factor, proof.factor_text) == (Fraction(205, 208), "0.98557692")
    assert (proof.residue, proof.left) == (D("-0.2"), D("-0.2"))


def test_w01_placed_takes_two_steps_of_the_group_they_change_least() -> None:
    """−2000 last digits: −2·A(1000) or −B(3000) + A(1000); 2/12813 = 1.56e-4 is less than 1/7688 + 1/12813 = 2.08e-4."""
    done = rescale(W01, 4, "all", True)
    (proof,) = done.proofs
    assert done.rounded["A"] == D("1.2813") and done.weights == {**done.rounded, "A": D("1.2811")}
    assert proof.steps == (Step("A", -2),) and proof.placed == 4100 and proof.left == 0
    assert proof.residue == D("-0.2")  # what rounding left is still told


def test_w02_a_total_that_is_not_kept_thins_the_rate() -> None:
    """facts/payment W02: 49,200,000 ÷ 4100 and ÷ 4160."""
    assert (str(dilution(4_920_000_000, D(4100))), str(dilution(4_920_000_000, D(4160)))) == (
        "12000.00",
        "11826.92",
    )


@pytest.mark.shared
@pytest.mark.skipif(not VECTORS.is_file(), reason="../shared is not here")
def test_the_numbers_above_are_the_vectors_own() -> None:
    facts = {one["id"]: one for one in json.loads(VECTORS.read_text(encoding="utf-8"))}
    given, told = facts["W01"]["input"], facts["W01"]["expected"]
    proposed = {name: Weight(D(w), D(given["proposed"][name]), n) for name, (w, n) in given["base"].items()}
    done = rescale(proposed, 4, "all", False)
    (proof,) = done.proofs
    assert {name: str(weight) for name, weight in done.weights.items()} == told["adjusted"]
    assert (proof.factor_text, abs(proof.residue)) == (told["factor"], D(told["residual"]))
    assert (proof.before, proof.proposed) == (D(told["total0"]), D(told["total1"]))
    given, told = facts["W02"]["input"], facts["W02"]["expected"]
    rates = [str(dilution(int(given["gross"]) * 100, D(given[total]))) for total in ("total0", "total1")]
    assert rates == [told["rate0"], told["rate1"]]


def test_within_each_mdc_every_one_keeps_its_own_total() -> None:
    """X: (1200 + 2400) ÷ (1300 + 2340) = 90/91; Y alone: its proposal is taken back whole."""
    done = rescale(W01, 4, "mdc", False)
    assert [(one.scope, one.factor) for one in done.proofs] == [
        ("X", Fraction(90, 91)),
        ("Y", Fraction(25, 26)),
    ]
    assert done.weights == {"A": D("1.2857"), "B": D("0.7714"), "C": D("2.5000")}


def test_a_locked_group_keeps_what_was_agreed_and_the_others_pay() -> None:
    """C at 2.60: (4100 − 520) ÷ (1300 + 2340) = 179/182; A 1.278571… B 0.767142…"""
    done = rescale(locked("C"), 4, "all", False)
    assert done.proofs[0].factor == Fraction(179, 182)
    assert done.weights == {"A": D("1.2786"), "B": D("0.7671"), "C": D("2.60")}


def test_a_lock_without_proposal_keeps_the_present_weight() -> None:
    """(4100 − 500) ÷ (1300 + 2340) = 90/91."""
    done = rescale(locked("C", C=Weight(D("2.50"), None, 200, "Y")), 4, "all", False)
    assert done.weights == {"A": D("1.2857"), "B": D("0.7714"), "C": D("2.50")}


def test_a_group_without_cases_is_scaled_and_does_not_count() -> None:
    done = rescale({**W01, "E": Weight(D("3"), D("4"), 0, "X")}, 4, "all", True)
    assert done.weights["E"] == D("3.9423")  # 4 × 205/208 = 3.942307…
    assert done.proofs[0].factor == Fraction(205, 208) and done.proofs[0].before == 4100


def test_no_proposal_changes_nothing() -> None:
    same = {name: Weight(one.present, None, one.cases, one.mdc) for name, one in W01.items()}
    done = rescale(same, 4, "mdc", True)
    assert done.weights == {name: one.present for name, one in W01.items()}
    assert all(one.factor == 1 and one.steps == () for one in done.proofs)


ALL_LOCKED = {name: Weight(one.present, one.proposed, one.cases, one.mdc, True) for name, one in W01.items()}
REFUSED = {
    "all locked, total changed": (ALL_LOCKED, Limits(), ["锁定 3 个，共 3 个", "4160.0000", "4100.0000", "-60.0000"]),
    "nothing to scale has cases": (
        {"A": ALL_LOCKED["A"], "E": Weight(D("3"), D("4"), 0, "X")}, Limits(), ["锁定 1 个，共 2 个", "1300.0000", "1200.0000"]),
    "the lock takes the whole total": (
        {"A": Weight(D("1"), D("4.1"), 1000, "", True), "B": Weight(D("1"), None, 3000)}, Limits(), ["4100.0000", "4000.0000"]),
    "rounded to nothing": (
        {"A": Weight(D("0.0001"), None, 1, ""), "B": Weight(D("1"), D("9"), 1, "")}, Limits(), ["A 提议 0.0001、缩放后 0.0000 应大于零"]),
    "above the limit": (W01, Limits(most=D("2.5")), ["0.98557692", "C 提议 2.60、缩放后 2.5625 高于上限 2.5"]),
    "below the limit": (W01, Limits(least=D("0.77")), ["B 提议 0.78、缩放后 0.7688 低于下限 0.77"]),
    "changed too much": (W01, Limits(change=D("0.06")), ["A 提议 1.30、缩放后 1.2813 比现行权重 1.20 变动 +6.78%，超过 6%"]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_an_impossible_set_is_refused_with_its_numbers(name: str) -> None:
    weights, limits, told = REFUSED[name]
    with pytest.raises(InputError) as caught:
        rescale(weights, 4, "all", False, limits)
    assert caught.value.exit_code == 11 and [part for part in told if part not in str(caught.value)] == []


def test_a_weight_that_stands_is_not_judged_by_the_limits() -> None:
    """C stays at 2.50 by its lock, though proposals may not pass 2; (4100 − 500) ÷ (1300 + 2340) = 90/91 as above."""
    done = rescale(locked("C", C=Weight(D("2.50"), None, 200, "Y")), 4, "all", False, Limits(most=D("2")))
    assert done.weights["C"] == D("2.50")


def test_all_locked_with_the_total_unchanged_is_no_fault() -> None:
    """A +0.30 × 1000 against B −0.10 × 3000."""
    weights = {
        "A": Weight(D("1.20"), D("1.50"), 1000, "", True),
        "B": Weight(D("0.80"), D("0.70"), 3000, "", True),
    }
    assert rescale(weights, 4, "all", True).weights == {"A": D("1.50"), "B": D("0.70")}


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("0.00005", "0.0001"), ("-0.00005", "-0.0001"), ("0.000049", "0.0000"), ("2", "2.0000")],
)
def test_half_goes_away_from_zero(value: str, rounded: str) -> None:
    assert str(half_away(Fraction(value), 4)) == rounded


numbers = st.integers(1, 60_000).map(lambda last: D(last).scaleb(-3))
groups = st.dictionaries(
    st.sampled_from(["AA1", "AB1", "BA1", "BB1", "CA1", "CB1", "0000"]),
    st.builds(Weight, numbers, st.none() | numbers, st.integers(0, 50), st.sampled_from(["A", "B"]), st.booleans()),
    min_size=1,
)  # fmt: skip


@given(groups, st.sampled_from(["all", "mdc"]), st.booleans())
def test_the_twin_agrees_and_the_law_holds(weights: dict[str, Weight], scope: str, placing: bool) -> None:
    exact = {
        name: Group(Fraction(one.present), None if one.proposed is None else Fraction(one.proposed), one.cases, one.mdc, one.locked)
        for name, one in weights.items()
    }  # fmt: skip
    wanted = rescaled(exact, 3, scope == "mdc")
    try:
        done = rescale(weights, 3, scope, placing)  # type: ignore[arg-type]
    except InputError:
        assert wanted is None or min(wanted.values()) <= 0
        return
    assert wanted is not None and done.rounded == wanted
    for proof in done.proofs:
        within = [name for name, one in weights.items() if scope == "all" or one.mdc == proof.scope]
        before = sum(exact[name].present * exact[name].cases for name in within)
        after = sum(Fraction(done.weights[name]) * exact[name].cases for name in within)
        assert proof.before == before and before - after == Fraction(proof.left)
        if placing:
            assert abs(proof.left) <= abs(proof.residue)


@given(
    st.dictionaries(st.sampled_from("ABCD"), st.tuples(st.integers(5, 40), st.integers(1, 12)), min_size=1),
    st.integers(-30, 30),
)
def test_the_residue_is_placed_as_brute_force_would(found: dict[str, tuple[int, int]], residue: int) -> None:
    """At most four steps, so that a weight of five last digits stays above zero and brute force stays small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(residue_module, "MOST_STEPS", 4)
        steps = place([Placing(name, *one) for name, one in found.items()], Fraction(residue))
    assert {one.group: one.count for one in steps} == best_plan(found, residue, 4)


def test_what_cannot_be_placed_exactly_is_placed_as_near_as_can_be() -> None:
    """Steps of 40 and 60: 50 cannot be; 60 and 40 leave ten each with one step, the smaller total wins."""
    assert place([Placing("A", 9000, 40), Placing("B", 9000, 60)], Fraction(50)) == (Step("A", 1),)
    assert place([Placing("A", 9000, 40), Placing("B", 9000, 60)], Fraction(9)) == ()  # nought is nearest


def test_a_group_at_its_limit_takes_no_step() -> None:
    """Both move the total by 100 and A by less of itself; A's 64 steps would pass its limit."""
    free = [Placing("A", 9000, 100, high=9063), Placing("B", 8000, 100)]
    assert place(free, Fraction(100)) == (Step("B", 1),)
    assert place([Placing("A", 9000, 100, high=9064), free[1]], Fraction(100)) == (Step("A", 1),)


def test_more_steps_than_are_judged_together_stay_the_fewest() -> None:
    """1,000 by at most 100 a step: ten steps, all of B, though A would change less by each."""
    assert place([Placing("A", 90_000, 10), Placing("B", 8000, 100)], Fraction(1000)) == (Step("B", 10),)
    # 1,003 = 10 × 100 + 3 × 1: thirteen steps of A and B; seven largest first, the rest exactly.
    assert place([Placing("A", 90_000, 1), Placing("B", 8000, 100)], Fraction(1003)) == (
        Step("A", 3),
        Step("B", 10),
    )


def test_a_region_s_table_is_placed_exactly_in_seconds() -> None:
    """634 groups of up to 100,000 cases: measured 1.5 s; the total must come out to the last digit."""
    weights = {
        f"G{number:03d}": Weight(
            D(2_000 + number * 37).scaleb(-4), D(2_100 + number * 31).scaleb(-4), (number * 7919 * number) % 100_003, "", False
        )
        for number in range(634)
    }  # fmt: skip
    began = time.perf_counter()
    (proof,) = rescale(weights, 4, "all", True).proofs
    assert proof.residue != 0 and proof.left == 0
    assert time.perf_counter() - began < 20
