"""Rules off the normal path at their edges, refusals instead of zeros, and what the fund owes; SQL = twin throughout."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.pricing_apart import Trial, priced_apart
from tests.pricing_families import VARIANTS, band
from tests.pricing_fixtures import HOSPITALS, Case, dated, plain_pack
from tests.pricing_rule_packs import DIGITS, PRINTED, WEIGHTS, by_method, points_pack, published_pack
from tests.pricing_twin import Found, around_thresholds, checked

FIRST = dt.date(2025, 1, 1)
BB = Case("one", "BB", 300_000, 100_000)  # S at H2, employees, by rate: 9575.25 × 0.92 = 8809.23


def ruled(rule: dict[str, Any], values: dict[str, dict[str, Any]]) -> Trial:
    """Cases of BB with these values, and a rule that pays 0.5·S."""
    halved = {"name": "规则", **rule, "treatment": "factor", "factor": "0.5"}
    ratio = dated(
        reference="with_coefficient", low=band("as_normal", "0.1", True), high=[band("as_normal", "20", True)]
    )
    pack = plain_pack(special_rules=[dated(rules=[halved])], ratio=[ratio], digits=dict(DIGITS))
    return Trial(pack, [replace(BB, case_id=case_id, **value) for case_id, value in values.items()], WEIGHTS)


# condition → values and whether they meet it. A comparison with a missing value does not hold.
STAYS = {"59": {"stay_days": 59}, "60": {"stay_days": 60}, "61": {"stay_days": 61}}
# x = F ÷ 8809.23 yuan: at 0.5 exactly 4404.615, so the fen below and above; at 2 exactly 17618.46.
FEES = {str(fee): {"total_fee_fen": fee} for fee in (1_761_845, 1_761_846, 1_761_847)}
SHARES = {"4999": {"tcm_fee_fen": 149_999}, "5000": {"tcm_fee_fen": 150_000}, "none": {"tcm_fee_fen": None}}
EDGES: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]], set[str]]] = {
    "stay_ge": ({"stay_ge": 60}, STAYS, {"60", "61"}), "stay_gt": ({"stay_gt": 60}, STAYS, {"61"}),
    "stay_le": ({"stay_le": 60}, STAYS, {"59", "60"}), "stay_lt": ({"stay_lt": 60}, STAYS, {"59"}),
    "x_ge": ({"x_ge": "2"}, FEES, {"1761846", "1761847"}), "x_gt": ({"x_gt": "2"}, FEES, {"1761847"}),
    "x_le": ({"x_le": "2"}, FEES, {"1761845", "1761846"}), "x_lt": ({"x_lt": "2"}, FEES, {"1761845"}),
    "tcm_share_ge": ({"tcm_share_ge": "0.5"}, SHARES, {"5000"}), "tcm_share_lt": ({"tcm_share_lt": "0.5"}, SHARES, {"4999"}),
    "tcm of no fee": ({"tcm_share_ge": "0"}, {"nothing": {"total_fee_fen": 0, "pool_fund_fen": 0, "tcm_fee_fen": 0}}, set()),
    "discharge_way": ({"discharge_way": ["2", "4"]}, {way or "none": {"discharge_way": way} for way in ("1", "2", "4", None)},
                      {"2", "4"}),
    "care_type": ({"care_type": ["21"]}, {kind or "none": {"care_type": kind} for kind in ("21", "24", None)}, {"21"}),
    "place": ({"place": ["outside"]}, {place or "none": {"place": place} for place in ("local", "outside", None)}, {"outside"}),
    "mdc": ({"mdc": ["B"]}, {mdc or "none": {"mdc": mdc} for mdc in ("A", "B", None)}, {"B"}),
    "level": ({"level": ["一级"]}, {"二级": {}}, set()),
    "groups": ({"groups": ["BB"]}, {"BB": {}}, {"BB"}), "insurance_type": ({"insurance_type": ["390"]}, {"310": {}}, set()),
    "principal_dx": ({"principal_dx": ["C3", "D0."]}, {dx: {"principal_dx": dx} for dx in ("C34.1", "D0.1", "D0x", "AC3")},
                     {"C34.1", "D0.1"}),
    "principal_px": ({"principal_px": ["33.2"]}, {"first": {"px_codes": ("33.24", "1")}, "second": {"px_codes": ("1", "33.24")},
                                                  "none": {"px_codes": ()}}, {"first"}),
    "both": ({"stay_ge": 60, "mdc": ["A"]}, {"both": {"stay_days": 60}, "one": {"stay_days": 60, "mdc": "B"}}, {"both"}),
}  # fmt: skip


TRIALS = {name: ruled(rule, values) for name, (rule, values, _) in EDGES.items()}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    return priced_apart(TRIALS, tmp_path_factory.mktemp("edges"))


@pytest.mark.parametrize("name", EDGES)
def test_a_special_rule_at_its_edge(found: dict[str, Found], name: str) -> None:
    _, values, met = EDGES[name]
    scored = TRIALS[name].agreed(found[name])
    for row in scored.values():  # 8809.23 and half of it
        assert row["standard_fen"] in (880_923, 440_462)
    assert {case_id for case_id, row in scored.items() if row["family"] == "factor"} == met
    assert scored.keys() == values.keys()


def test_of_rules_the_first_counts_and_scope_goes_before_them(tmp_path: Path) -> None:
    """Out-of-town by item with its own budget line; a local case of 60 days by the first of two rules."""
    rules = [
        {"name": "长住院", "stay_ge": 60, "treatment": "by_item"},
        {"name": "全部", "stay_ge": 0, "treatment": "factor", "factor": "2"},
    ]
    scope = [{"name": "异地生育", "place": ["outside"], "care_type": ["52"], "treatment": "include", "budget_line": "生育"},
             {"name": "异地", "place": ["outside"], "treatment": "by_item", "budget_line": "异地就医"},
             {"name": "门诊", "care_type": ["11"], "treatment": "exclude"}]  # fmt: skip
    pack = plain_pack(special_rules=[dated(rules=rules)], scope=[dated(rules=scope)], digits=dict(DIGITS))
    cases = [replace(BB, case_id=name, **value) for name, value in {
        "long": {"stay_days": 60}, "short": {}, "away": {"place": "outside", "stay_days": 60},
        "birth": {"place": "outside", "care_type": "52"}, "gone": {"care_type": "11"},
    }.items()]  # fmt: skip
    scored = checked(pack, cases, tmp_path, WEIGHTS)
    assert {name: (row["standard_fen"], row["budget_line"]) for name, row in scored.items()} == {
        "long": (300_000, ""), "short": (1_761_846, ""), "away": (300_000, "异地就医"), "birth": (1_761_846, "生育"),
    }  # fmt: skip


@pytest.mark.parametrize("method", ["points", "rate"])
def test_every_family_and_reference_at_every_boundary(tmp_path: Path, method: str) -> None:
    """Families × inclusive × reference, one regime a day, bands by level and by both kinds of weight edges."""
    references = ("with_coefficient", "without_coefficient", "lower_of", "group_mean")
    regimes = list(product(VARIANTS, (True, False), references))
    days = [FIRST + dt.timedelta(days=number) for number in range(len(regimes))]
    entries = {
        day: dated(**{"from": str(day)}, reference=reference,
                   low=[band(family, "0.4", inclusive), band(family, "0.5", inclusive, level="三级")],
                   high=[band(family, "3", inclusive, weight_lt="1"), band(family, "2", inclusive, weight_le="4.0001"),
                         band(family, "1.5", inclusive)],
                   beyond=band(family, "5", inclusive))
        for day, (family, inclusive, reference) in zip(days, regimes, strict=True)
    }  # fmt: skip
    pack = by_method(method, ratio=list(entries.values()))
    cases = []
    for day in days:
        for drg, hospital in (("AA", "H2"), ("BB", "H1"), ("CC", "H3")):
            own = {**pack, "ratio": [entries[day]]}
            probe = Case("probe", drg, 900_000, 0, hospital, discharge_date=day)
            cases += [replace(probe, case_id=f"{day} {drg} {fee}", total_fee_fen=fee, pool_fund_fen=fee // 2)
                      for fee in around_thresholds(own, probe, WEIGHTS, PRINTED)[::2 if method == "rate" else 1]]  # fmt: skip
    scored = checked(pack, cases, tmp_path, WEIGHTS, PRINTED)
    assert {row["family"] for row in scored.values()} == {one["family"] for one in VARIANTS.values()} | {
        "normal"
    }
    for (
        case
    ) in cases:  # law: a low case paid by points has F × pv ÷ (A ÷ s), but against the group's own mean
        row = scored[case.case_id]
        if (
            method == "points"
            and row["family"] == "points"
            and entries[case.discharge_date]["reference"] != "group_mean"
        ):
            exact = case.total_fee_fen * Fraction("52.8094") / Fraction("52.7076")
            assert abs(row["standard_fen"] - exact) <= Fraction(1, 2)
        if row["family"] == "actual":
            assert row["standard_fen"] == case.total_fee_fen


TIERS = {
    "yuan": [{"from_day": 1, "to_day": 2, "yuan": "300"}, {"from_day": 3, "yuan": "200.5"}],
    "points": [{"from_day": 1, "to_day": 2, "points": "3"}, {"from_day": 3, "points": "2.0005"}],
}
# 0 days count as 1; 3 days are 2 × 300 + 200.50; in points (2 × 3 + 2.0005) × 52.8094 = 422.5016… yuan
DAYS = {
    "yuan": {0: 30_000, 1: 30_000, 2: 60_000, 3: 80_050, 10: 220_400},
    "points": {0: 15_843, 1: 15_843, 2: 31_686, 3: 42_250},
}


@pytest.mark.parametrize("unit", ["yuan", "points"])
def test_bed_days_across_tiers(tmp_path: Path, unit: str) -> None:
    off = {
        "ungrouped": {"treatment": "by_item"},
        "sets": [{"name": "床日", "groups": ["AA"], "treatment": "bed_day"}],
    }
    pack = points_pack(off_path=[dated(**off)], bed_day=[dated(tiers=TIERS[unit])])
    scored = checked(pack, [Case(str(days), stay_days=days) for days in DAYS[unit]], tmp_path, WEIGHTS)
    assert {name: row["standard_fen"] for name, row in scored.items()} == {
        str(day): fen for day, fen in DAYS[unit].items()
    }
    assert {row["price_class"] for row in scored.values()} == {"special"}


def test_fixed_amounts_by_level_and_of_base_groups(tmp_path: Path) -> None:
    """Of a set, of a kind of case and of a base group; a level without one is refused, not paid nothing."""
    by_level = {"treatment": "fixed_amount", "yuan": {"一级": "1000", "二级": "2000.5"}}
    off = {"ungrouped": by_level, "sets": [{"name": "单病种", "groups": ["AA"], **by_level}]}
    pack = by_method(
        "points",
        off_path=[dated(**off)],
        base_groups=[dated(strategy="fixed_amount", amounts={"BB": "5000.55"})],
    )
    cases = [
        Case(f"{drg} {hospital}", drg, hospital_id=hospital)
        for drg in ("AA", "BB", "0000")
        for hospital in HOSPITALS
    ]
    scored = checked(pack, cases, tmp_path, WEIGHTS)
    assert {name: row["standard_fen"] for name, row in scored.items()} == {
        "AA H1": 100_000, "AA H2": 200_050, "0000 H1": 100_000, "0000 H2": 200_050,
        **dict.fromkeys(("BB H1", "BB H2", "BB H3"), 500_055),
    }  # fmt: skip


def test_separate_items_are_taken_off_and_paid_beside(tmp_path: Path) -> None:
    """F − 3000 decides the class (3000 ÷ 8155.59 = 0.37 is low, 6000 is not); 80 % of 3000.00 is paid beside S."""
    pack = plain_pack(separate_items=[dated(share="0.8")])
    with_items = Case("with", "AA", 600_000, 400_000, separate_items_fen=300_000)
    scored = checked(
        pack, [with_items, replace(with_items, case_id="without", separate_items_fen=None)], tmp_path
    )
    assert [(scored[name]["price_class"], scored[name]["standard_fen"], scored[name]["separate_fen"], scored[name]["fund_fen"])
            for name in ("with", "without")] == [
        ("low", 300_000, 240_000, 340_000), ("normal", 815_559, 0, 615_559),  # 3000 + 2400 − 2000; 8155.59 − 2000
    ]  # fmt: skip


def test_printed_standards_pay_and_judge(tmp_path: Path) -> None:
    """8155.59 at 二级: low to 0.4 (3262.236), high from 3; BB has none at 一级 and is refused."""
    cases = [Case("normal"), Case("low", total_fee_fen=326_223, pool_fund_fen=0), Case("above", total_fee_fen=326_224, pool_fund_fen=0),
             Case("bare", "BB", hospital_id="H1")]  # fmt: skip
    scored = checked(published_pack(), cases, tmp_path, WEIGHTS, PRINTED)
    assert {name: row["standard_fen"] for name, row in scored.items()} == {
        "normal": 815_559,
        "low": 326_223,
        "above": 815_559,
    }
    assert scored["normal"]["points"] is None is scored["normal"]["rate"]


def test_the_most_special_known_coefficient_counts(tmp_path: Path) -> None:
    """AA: of the hospital 1.05, H1's level 0.9; BB: blank at 一级, so its own 0.9; H3's 390 falls to the level's 1.1."""
    table = {"by_group_hospital": "by_hospital.csv", "by_group_level": "by_level.csv",
             "by_level": {"一级": "0.9", "二级": "0.92", "三级": "1.1"}, "by_hospital": {"H3": {"310": "1.2"}}}  # fmt: skip
    pack = by_method("points", coefficients=[dated(**table)])
    cases = [Case(f"{drg} {hospital} {kind}", drg, hospital_id=hospital, insurance_type=kind) for drg, hospital, kind in (
        ("AA", "H2", "310"), ("AA", "H1", "310"), ("BB", "H1", "310"), ("BB", "H3", "310"), ("CC", "H3", "390"),
        ("DD", "H3", "310"), ("DD", "H3", "390"),
    )]  # fmt: skip
    scored = checked(pack, cases, tmp_path, WEIGHTS, PRINTED)
    assert [float(scored[case.case_id]["coefficient"]) for case in cases] == [
        1.05,
        0.9,
        0.9,
        0.77,
        1.3,
        1.2,
        1.1,
    ]


# The same five cases by what they share: recorded ÷ fee of AA 310 6000 ÷ 10000 …; a reversal takes its original out.
@pytest.mark.parametrize(
    ("of", "share"),
    # aa1 1000 of 5000, aa2 5000 of 5000 (both AA; H1, H2), bb 0 of 10000 (BB at H1); `gone` and its reversal cancel
    [
        ("case", (1000, 5000)),
        ("group", (6000, 10_000)),
        ("hospital", (1000, 15_000)),
        ("region", (6000, 20_000)),
    ],
)
def test_fund_shares_of_a_unit_without_what_is_reversed(
    tmp_path: Path, of: str, share: tuple[int, int]
) -> None:
    pack = plain_pack(fund_share=[dated(method="ratio", of=of)], digits=dict(DIGITS))
    gone = Case("gone", "AA", 700_000, 700_000, "H1")
    cases = [
        Case("aa1", "AA", 500_000, 100_000, "H1"), Case("aa2", "AA", 500_000, 500_000), Case("bb", "BB", 1_000_000, 0, "H1"),
        Case("resident", "AA", 500_000, 400_000, "H1", "390"), gone, gone.reversed_by("back"),
    ]  # fmt: skip
    scored = checked(pack, cases, tmp_path, WEIGHTS)
    exact = Fraction("574921.8") * Fraction(*share)  # 0.9258 × 6900 × 0.9 = 5749.218 yuan
    assert abs(scored["aa1"]["fund_fen"] - exact) <= Fraction(1, 2)
    assert scored["back"]["fund_fen"] == -scored["gone"]["fund_fen"]


def test_the_policy_pays_what_is_left_of_the_standard(tmp_path: Path) -> None:
    """(8155.585134 − 1000 − 200 − 300 − 400) × 0.85 = 5317.2474; own parts above S leave nothing, not less."""
    law = {"method": "policy", "benefit": {"310": {"二级": "0.85"}, "390": "0.7"}}
    own = {
        "ownpay_fee_fen": 100_000,
        "overlimit_fee_fen": 20_000,
        "firstpay_fee_fen": 30_000,
        "deductible_fen": 40_000,
    }
    cases = [
        Case("one", **own),
        Case("none", **{**own, "ownpay_fee_fen": 800_000}),
        Case("level", hospital_id="H1"),
    ]
    scored = checked(plain_pack(fund_share=[dated(**law)]), cases, tmp_path)
    assert {name: row["fund_fen"] for name, row in scored.items()} == {"one": 531_725, "none": 0}
