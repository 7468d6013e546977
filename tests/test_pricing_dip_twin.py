"""By 分值 too the SQL agrees with the slow twin: any pack, around every threshold; and the laws of pricing hold."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pricing_families import VARIANTS, a_treatment, band, numbers, ratio_entries
from tests.pricing_fixtures import HOSPITALS, TYPES, Case, dated, dip_pack, priced, write_pack
from tests.pricing_twin import around_thresholds, by_twin, checked
from tests.reference.price_case import Printed

FIRST = dt.date(2025, 1, 1)
LEVELS = ("一级", "二级", "三级")
# EE has no score. BB is paid alike at every level where the pack says so by its flag.
SCORES = {"AA": "800", "BB": "85.6901", "CC": "3720.5", "DD": "1.0001"}
GROUPS = (*SCORES, "EE", "0000", "excluded")
PRINTED = Printed(
    {
        (row, level): text
        for row, texts in {
            "AA": ("0.8", "0.9", "1.1234"), "BB": ("0.7", "", "1"), "CC": ("0.6543", "1", ""), "DD": ("", "0.9", "1.2"),
        }.items()
        for level, text in zip(LEVELS, texts, strict=True) if text
    },
    {"BB": ("基层病种",), "CC": ("日间",)},
)  # fmt: skip
few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
fewer = settings(few, max_examples=2)


def at_every_price(
    pack: dict[str, Any], groups: Sequence[str], months: Sequence[int], seed: int, near: int = 3
) -> list[Case]:
    """Every group × hospital × insurance type × month with subtypes at random, near thresholds and anywhere."""
    luck = random.Random(seed)
    cases: list[Case] = []
    for group, hospital, kind, month in product(groups, HOSPITALS, TYPES, months):
        day = dt.date(2025, month, 14)
        subtypes: dict[str, Any] = {
            "aux_e4": luck.choice([10_000, 10_000, 12_345, 7_600, None]),
            "own_e4": luck.choice([None, None, 5_000, 10_000, 16_100]),
            "own_unknown": luck.random() < 0.05,
        }
        probe = Case("probe", group, 1_000_000, 0, hospital, kind, day, day, **subtypes)
        edges = around_thresholds(pack, probe, SCORES, PRINTED)
        fees = [*luck.sample(edges, min(near, len(edges))), luck.randrange(0, 10_000_000_000)]
        cases += [
            Case(f"{len(cases) + number}", group, fee, luck.randint(0, fee), hospital, kind, day, day, **subtypes)
            for number, fee in enumerate(fees)
        ]  # fmt: skip
    luck.shuffle(cases)
    return cases


def test_every_family_at_every_boundary_by_points(tmp_path: Path) -> None:
    """Families × inclusive × reference, one regime a day; one fen below, at and above every threshold."""
    regimes = list(product(VARIANTS, (True, False), ("with_coefficient", "without_coefficient")))
    days = [FIRST + dt.timedelta(days=number) for number in range(len(regimes))]
    pack = dip_pack(ratio=[
        dated(**{"from": str(day)}, reference=reference, low=band(variant, "0.5", inclusive),
              high=[band(variant, "3", inclusive, weight_le="800"), band(variant, "2", inclusive)],
              beyond=band(variant, "5", inclusive))
        for day, (variant, inclusive, reference) in zip(days, regimes, strict=True)
    ])  # fmt: skip
    cases = []
    for day in days:
        for group, hospital, kind, aux in (("AA", "H2", "310", 10_000), ("CC", "H3", "390", 11_111)):
            probe = Case("probe", group, 900_000, 0, hospital, kind, discharge_date=day, aux_e4=aux)
            own = pack | {"ratio": [one for one in pack["ratio"] if one["from"] == str(day)]}
            for fee in around_thresholds(own, probe, SCORES):
                given = {**vars(probe), "case_id": f"{day} {group} {fee}", "total_fee_fen": fee,
                         "pool_fund_fen": fee // 2}  # fmt: skip
                cases.append(Case(**given))
    scored = checked(pack, cases, tmp_path, SCORES)
    # The grid is real. AA at H2 without coefficient: 800 × 11 × 0.5 = 4400.00 yuan, a tie that falls by the pack's word.
    tied = [row for name, row in scored.items() if name.endswith("AA 440000")]
    assert {row["price_class"] for row in tied} == {"low", "normal"}
    assert {row["family"] for row in scored.values()} == {one["family"] for one in VARIANTS.values()} | {
        "normal"
    }


@st.composite
def dip_packs(draw: st.DrawFn) -> dict[str, Any]:
    """Packs by 分值 with two regimes in the year; prices by insurance type, one of them perhaps missing."""

    def prices() -> dict[str, str]:
        return {kind: str(draw(numbers("0.5", "99", places=draw(st.sampled_from([2, 4]))))) for kind in TYPES}

    pays = [prices(), prices()]
    if draw(st.booleans()):
        del pays[1]["390"]  # no point value for residents from July on: refused, never nothing
    by_group = draw(st.booleans())
    coefficients: dict[str, Any] = {"by_group_level": "catalogue"} if by_group else {
        "by_level": {level: str(draw(numbers("0.5", "1.5", places=4))) for level in LEVELS},
        "by_hospital": {"H3": "0.92"},
    }  # fmt: skip
    strategies = {"none": {}, "fixed_coefficient": {"value": "1.02"}}
    if not by_group:
        strategies["capped_coefficient"] = {"value": "0.95"}
    strategy = draw(st.sampled_from(sorted(strategies)))
    return dip_pack(
        pricing_by=draw(st.sampled_from(["discharge_date", "settlement_date"])),
        point_values=[dated(values=pays[0]), dated(**{"from": "2025-07-01"}, values=pays[1])],
        reference_prices=[dated(values=prices())],
        coefficients=[dated(**coefficients)],
        base_groups=[dated(strategy=strategy, groups=["AA"], flag=draw(st.sampled_from(["基层病种", "日间", None])),
                           **strategies[strategy])],
        ratio=ratio_entries(draw, ("2025-01-01", "2025-07-01"), "800"),
        off_path=[dated(ungrouped=a_treatment(draw), excluded=a_treatment(draw),
                        groups={"DD": a_treatment(draw)} if draw(st.booleans()) else {})],
        fund_share=[dated(method="difference", negative=draw(st.sampled_from(["keep", "zero"])))],
    )  # fmt: skip


@few
@given(pack=dip_packs(), seed=st.integers(0, 2**32))
def test_sql_agrees_with_the_twin_by_points(
    tmp_path_factory: pytest.TempPathFactory, pack: dict[str, Any], seed: int
) -> None:
    cases = at_every_price(pack, GROUPS, (3, 9), seed)
    checked(pack, cases, tmp_path_factory.mktemp("twin"), SCORES, PRINTED)


def scored_by(
    pack: dict[str, Any], cases: Sequence[Case], folder: Path, name: str
) -> dict[str, dict[str, Any]]:
    """Scored rows by case, without their place in the input."""
    region = write_pack(folder / "pack", pack)
    with priced(region, cases, folder / name, scores=SCORES, printed=PRINTED) as run:
        return {case_id: {**row, "input_row": None} for case_id, row in run.scored().items()}


@fewer
@given(pack=dip_packs(), seed=st.integers(0, 2**32))
def test_order_split_and_reversal(
    tmp_path_factory: pytest.TempPathFactory, pack: dict[str, Any], seed: int
) -> None:
    """Order and split change nothing; a reversal is the exact negative, points too, and prices nothing anew."""
    folder = tmp_path_factory.mktemp("split")
    cases = at_every_price(pack, GROUPS, (3, 9), seed, near=1)
    whole = scored_by(pack, cases, folder, "whole")
    assert whole
    assert scored_by(pack, cases[::-1], folder, "turned") == whole
    half = len(cases) // 2
    first = scored_by(pack, cases[:half], folder, "first")
    assert first | scored_by(pack, cases[half:], folder, "second") == whole
    turned = [case.reversed_by(f"-{case.case_id}", settlement_date=dt.date(2025, 12, 1)) for case in cases]
    both = scored_by(pack, [*turned, *cases], folder, "both")
    assert len(both) == 2 * len(whole)
    for case_id, row in whole.items():
        assert both[case_id] == row
        for column in ("points", "standard_fen", "fund_fen", "total_fee_fen", "case_count"):
            assert both[f"-{case_id}"][column] == -row[column]


@fewer
@given(pack=dip_packs(), seed=st.integers(0, 2**32), k=st.integers(2, 10))
def test_money_scales_and_points_do_not(
    tmp_path_factory: pytest.TempPathFactory, pack: dict[str, Any], seed: int, k: int
) -> None:
    """k times every fee, fund, point value and reference price: k times the amounts, the same points and class."""
    folder = tmp_path_factory.mktemp("scale")
    cases = [Case(**{**vars(case), "total_fee_fen": case.total_fee_fen // 10, "pool_fund_fen": case.pool_fund_fen // 10})
             for case in at_every_price(pack, GROUPS, (3, 9), seed, near=1)]  # fmt: skip
    larger = dict(pack)
    for key in ("point_values", "reference_prices"):
        larger[key] = [
            {**entry, "values": {kind: str(Decimal(price) * k) for kind, price in entry["values"].items()}}
            for entry in pack[key]
        ]
    scaled = [
        Case(**{**vars(case), "total_fee_fen": case.total_fee_fen * k, "pool_fund_fen": case.pool_fund_fen * k})
        for case in cases
    ]  # fmt: skip
    once = scored_by(pack, cases, folder, "once")
    many = scored_by(larger, scaled, folder, "many")
    assert once.keys() == many.keys() and once
    for case_id, row in once.items():
        for column in ("price_class", "family", "points", "ratio_e4"):
            assert many[case_id][column] == row[column]
        for column in ("standard_fen", "fund_fen"):  # each rounded once: k halves and one half
            assert abs(many[case_id][column] - k * row[column]) <= Fraction(k + 1, 2)


def test_a_low_case_pays_its_fee_times_the_auxiliary_where_both_prices_are_one(tmp_path: Path) -> None:
    """W·(F/(W·Q))·a·P = F·a at P = Q, without coefficient on both sides; with c on both the same."""
    for reference, times in (("without_coefficient", False), ("with_coefficient", True)):
        low = {"threshold": "0.5", "inclusive": True, "family": "deviation", "by_coefficient": times}
        pack = dip_pack(reference_prices=dip_pack()["point_values"])
        pack["ratio"][0] |= {"reference": reference, "low": low}
        cases = [
            Case(f"{aux}-{kind}-{fee}", "AA", fee, 0, "H2", kind, aux_e4=aux)
            for aux, kind, fee in product((7_600, 10_000, 12_345), TYPES, (1, 99_999, 350_000))
        ]
        scored = checked(pack, cases, tmp_path / reference, SCORES)
        for case in cases:
            row = scored[case.case_id]
            assert row["price_class"] == "low"
            assert abs(
                row["standard_fen"] - Fraction(case.total_fee_fen * (case.aux_e4 or 0), 10_000)
            ) <= Fraction(1, 2)


def test_the_twin_knows_the_cases_it_is_given() -> None:
    """The grid of these tests prices and refuses: neither side is empty, so agreement says something."""
    pack = dip_pack(coefficients=[dated(by_group_level="catalogue")])
    prices = [by_twin(pack, case, SCORES, PRINTED) for case in at_every_price(pack, GROUPS, (3,), 7)]
    assert len(prices) // 5 < sum(price is None for price in prices) < len(prices) // 2
