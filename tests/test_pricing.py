"""The SQL that prices agrees with `tests/reference/price_case.py`, and with what cities have published."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.query import view
from pipeline.score import EMPTY_WHERE
from tests.pricing_families import VARIANTS, a_treatment, band, numbers, ratio_entries
from tests.pricing_fixtures import (
    HOSPITALS,
    TYPES,
    WEIGHTS,
    Case,
    dated,
    dip_pack,
    plain_pack,
    priced,
    write_pack,
)
from tests.pricing_rule_packs import PRINTED, points_pack, published_pack
from tests.pricing_rule_packs import WEIGHTS as PRINTED_WEIGHTS
from tests.pricing_twin import around_thresholds, checked

FIRST = dt.date(2025, 1, 1)


def test_every_family_at_every_boundary(tmp_path: Path) -> None:
    """Families × inclusive × reference, one regime a day; one fen below, at and above each threshold."""
    regimes = list(product(VARIANTS, (True, False), ("with_coefficient", "without_coefficient")))
    pack = plain_pack(digits=four_digits(), ratio=[
        dated(**{"from": str(FIRST + dt.timedelta(days=number))}, reference=reference,
              low=band(family, "0.4", inclusive),
              high=[band(family, "3", inclusive, weight_le="1"), band(family, "1.8", inclusive)],
              beyond=band(family, "5", inclusive))
        for number, (family, inclusive, reference) in enumerate(regimes)
    ])  # fmt: skip
    cases = [
        Case(f"{number}-{drg}-{hospital}-{fee}", drg, fee, fee * 3 // 5, hospital, discharge_date=day)
        for number in range(len(regimes))
        for day in [FIRST + dt.timedelta(days=number)]
        for drg, hospital in (("AA", "H2"), ("BB", "H1"), ("CC", "H3"))
        for fee in around_thresholds(pack, Case("probe", drg, hospital_id=hospital, discharge_date=day))
    ]
    scored = checked(pack, cases, tmp_path)
    # The grid is real: an exact tie (BB at H1: 1 × 6900 × 0.9 × 0.4 = 2484.00) falls by the pack's word.
    tied = {row["price_class"] for case, row in scored.items() if case.endswith("-BB-H1-248400")}
    assert tied == {"low", "normal"}
    for case in cases:
        row = scored[case.case_id]
        if row["family"] == "actual":
            assert row["standard_fen"] == case.total_fee_fen


def four_digits() -> dict[str, Any]:
    """The plain pack's digits, coefficients with four: divided by twice, eight would not fit 38 digits."""
    return {**plain_pack()["digits"], "coefficient": 4}


@st.composite
def packs(draw: st.DrawFn) -> dict[str, Any]:
    """Region packs with two regimes in the year, any strategy, treatment, reference and family."""
    strategy = draw(st.sampled_from(
        ["none", "lowest_level_rate", "rate_of_level", "fixed_rate", "fixed_coefficient", "capped_coefficient"]
    ))  # fmt: skip
    base = {"rate_of_level": {"level": "二级"}, "fixed_rate": {"value": "7782"}, "fixed_coefficient": {"value": "1.02"},
            "capped_coefficient": {"value": "0.95"}}.get(strategy, {})  # fmt: skip
    rates = {
        kind: {level: str(draw(numbers("0.01", "99999", places=4))) for level in ("一级", "二级", "三级")}
        for kind in TYPES
    }
    if draw(st.booleans()):
        del rates["390"]["一级"]  # a level without a rate: refused there, the next level for base groups
    ratios = ratio_entries(draw, ("2025-01-01", "2025-07-01"), "1")
    divided = "'deviation" in str(ratios)
    places = 4 if divided else 8
    coefficients = {
        level: str(draw(numbers("0.5", "1.5", places=places))) for level in ("一级", "二级", "三级")
    }
    return plain_pack(
        pricing_by=draw(st.sampled_from(["discharge_date", "settlement_date"])),
        rates=[dated(values=rates)],
        coefficients=[dated(by_level=coefficients, by_hospital={"H3": "0.92"})],
        base_groups=[dated(strategy=strategy, groups=["BB", "XQY"], **base)],
        ratio=ratios,
        **({"digits": four_digits()} if divided else {}),
        off_path=[dated(
            ungrouped=a_treatment(draw), ambiguous=a_treatment(draw),
            groups={"DD": a_treatment(draw)} if draw(st.booleans()) else {},
        )],
        fund_share=[dated(method="difference", negative=draw(st.sampled_from(["keep", "zero"])))],
    )  # fmt: skip


def cases_of(pack: dict[str, Any], seed: int) -> list[Case]:
    """About 300 cases: every group × hospital × insurance type × half-year, near thresholds and anywhere."""
    luck = random.Random(seed)
    cases: list[Case] = []
    for drg, hospital, kind, month in product((*WEIGHTS, "0000"), HOSPITALS, TYPES, (3, 9)):
        day = dt.date(2025, month, 14)
        probe = Case("probe", drg, 1_000_000, 0, hospital, kind, day, day)
        near = around_thresholds(pack, probe)
        fees = [*luck.sample(near, min(3, len(near))), luck.randrange(0, 10_000_000_000)]
        cases += [
            Case(f"{len(cases) + number}", drg, fee, luck.randint(0, fee), hospital, kind, day, day)
            for number, fee in enumerate(fees)
        ]
    luck.shuffle(cases)
    return cases


few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(pack=packs(), seed=st.integers(0, 2**32))
def test_sql_agrees_with_the_twin(
    tmp_path_factory: pytest.TempPathFactory, pack: dict[str, Any], seed: int
) -> None:
    checked(pack, cases_of(pack, seed), tmp_path_factory.mktemp("twin"))


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(pack=packs(), seed=st.integers(0, 2**32))
def test_order_and_split_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, pack: dict[str, Any], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("split")
    cases = cases_of(pack, seed)
    region = write_pack(folder / "pack", pack)

    def run(some: Sequence[Case], name: str) -> dict[str, dict[str, Any]]:
        with priced(region, some, folder / name) as done:
            rows = done.scored().values()
            return {row["case_id"]: {**row, "input_row": None} for row in rows}

    whole = run(cases, "whole")
    assert run(cases[::-1], "turned") == whole
    half = len(cases) // 2
    assert run(cases[:half], "first") | run(cases[half:], "second") == whole


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(pack=packs(), seed=st.integers(0, 2**32), k=st.integers(2, 10))
def test_money_scales(
    tmp_path_factory: pytest.TempPathFactory, pack: dict[str, Any], seed: int, k: int
) -> None:
    """k times every fee, fund and rate is k times the amount, within what k roundings can hide (k/2 + 1/2)."""
    folder = tmp_path_factory.mktemp("scale")
    pack["rates"][0]["values"] = {
        kind: {level: "1234.5" if Decimal(rate) > 9999 else rate for level, rate in by.items()}
        for kind, by in pack["rates"][0]["values"].items()
    }  # so that ten times the rate stays below the bound
    cases = [Case(**{**vars(case), "total_fee_fen": case.total_fee_fen // 10, "pool_fund_fen": case.pool_fund_fen // 10})
             for case in cases_of(pack, seed)]  # fmt: skip
    larger = dict(pack)
    larger["rates"] = [dated(values={
        kind: {level: str(Decimal(rate) * k) for level, rate in by.items()}
        for kind, by in pack["rates"][0]["values"].items()
    })]  # fmt: skip
    if pack["base_groups"][0]["strategy"] == "fixed_rate":
        larger["base_groups"] = [{**pack["base_groups"][0], "value": str(7782 * k)}]
    scaled = [
        Case(
            **{**vars(case), "total_fee_fen": case.total_fee_fen * k, "pool_fund_fen": case.pool_fund_fen * k}
        )
        for case in cases
    ]
    with priced(write_pack(folder / "one", pack), cases, folder / "a") as run:
        once = run.scored()
    with priced(write_pack(folder / "many", larger), scaled, folder / "b") as run:
        many = run.scored()
    assert once.keys() == many.keys()
    for case_id, row in once.items():
        assert many[case_id]["price_class"] == row["price_class"]
        for column in ("standard_fen", "fund_fen"):
            assert abs(many[case_id][column] - k * row[column]) <= (k + 1) / 2


def test_the_largest_numbers_a_pack_may_hold_are_exact(tmp_path: Path) -> None:
    """Weight 1000, rate 100,000, coefficient 10, K and factor 20, and the largest fee that validation passes."""
    largest = {"threshold": "20", "inclusive": True, "family": "cap"}
    pack = plain_pack(
        rates=[dated(values={kind: dict.fromkeys(("一级", "二级", "三级"), "100000") for kind in TYPES})],
        coefficients=[dated(by_level=dict.fromkeys(("一级", "二级", "三级"), "10"))],
        ratio=[dated(reference="with_coefficient", high=[largest],
                     low={"threshold": "19.9999", "inclusive": True, "family": "factor", "factor": "20"})],
    )  # fmt: skip
    cases = [Case("high", "AA", 10_000_000_000, 0), Case("low", "BB", 10_000_000_000, 0)]
    with priced(
        write_pack(tmp_path / "p", pack, {"AA": "0.000000001", "BB": "1000"}), cases, tmp_path / "r"
    ) as run:
        scored = run.scored()
    # 10^-9 × 100,000 × 10 yuan = 0.1 fen, × 20 = 2 fen; 1000 × 100,000 × 10 × 20 yuan = 2 × 10^10 yuan.
    assert scored["high"]["standard_fen"] == 2
    assert scored["low"]["standard_fen"] == 2_000_000_000_000
    assert scored["low"]["fund_fen"] == 2_000_000_000_000 - 10_000_000_000


def test_published_example_of_design_6(tmp_path: Path) -> None:
    """0.9258 × 9575.25 × 0.92 = 8155.59 (渝医保发〔2025〕26号); F 9000, recorded 5400 → 8155.59 − 3600."""
    with priced(write_pack(tmp_path / "p", plain_pack()), [Case("one")], tmp_path / "r") as run:
        row = run.scored()["one"]
    assert (row["standard_fen"], row["fund_fen"]) == (815_559, 455_559)


def test_fund_is_rounded_from_the_unrounded_standard(tmp_path: Path) -> None:
    """S = 0.005 × 1 × 1 yuan = 0.5 fen, stored as 1; F − fund = 3 fen: 0.5 − 3 = −2.5 → −3, not 1 − 3 = −2."""
    pack = plain_pack(
        rates=[dated(values={"310": {"二级": "1"}})], coefficients=[dated(by_level={"二级": "1"})],
        ratio=[dated(reference="with_coefficient", low=band("as_normal", "0.1", True), high=[band("as_normal", "20", True)])],
    )  # fmt: skip
    with priced(
        write_pack(tmp_path / "p", pack, {"AA": "0.005"}), [Case("one", "AA", 3, 0)], tmp_path / "r"
    ) as run:
        row = run.scored()["one"]
    assert (row["standard_fen"], row["fund_fen"]) == (1, -3)


def test_fund_around_nothing_is_rounded_away_from_it(tmp_path: Path) -> None:
    """S = 0.025 yuan = 2.5 fen, stored as 3. F − fund of 2, 3, 4, −1 fen: 0.5, −0.5, −1.5, 3.5 → 1, −1, −2, 4.

    Taken from the stored S they would be 1, 0, −1, 4: whole fen leave its rounding only while the sum is above zero.
    """
    pack = plain_pack(
        rates=[dated(values={"310": {"二级": "1"}})], coefficients=[dated(by_level={"二级": "1"})],
        ratio=[dated(reference="with_coefficient", low=band("as_normal", "0.1", True), high=[band("as_normal", "20", True)])],
    )  # fmt: skip
    own = {"two": (2, 0), "three": (3, 0), "four": (4, 0), "more": (3, 4)}
    cases = [Case(name, "AA", *fens) for name, fens in own.items()]
    with priced(write_pack(tmp_path / "p", pack, {"AA": "0.025"}), cases, tmp_path / "r") as run:
        found = {name: row["fund_fen"] for name, row in run.scored().items()}
    assert found == {"two": 1, "three": -1, "four": -2, "more": 4}


@pytest.mark.parametrize(
    ("pack", "filled"),
    [
        (plain_pack(), {"rate"}),
        (plain_pack(fund_share=[dated(method="ratio", of="hospital")]), {"rate", "share_fund_fen", "share_fee_fen"}),
        (points_pack(), {"point_scale", "point_value", "reference_price", "points"}),
        (dip_pack(), {"point_value", "reference_price", "points", "auxiliary"}),  # made-up groups have no kind
        (published_pack(), set()),
    ],
    ids=["rate", "rate by ratio", "points", "dip", "published"],
)  # fmt: skip
def test_sorting_loses_no_value(pack: dict[str, Any], filled: set[str], tmp_path: Path) -> None:
    """What is not carried through the sort is empty before it: `filled` is what the method itself fills (DESIGN §6)."""
    region = write_pack(tmp_path / "p", pack, PRINTED_WEIGHTS, printed=PRINTED)
    with priced(region, [Case("one")], tmp_path / "r", scores={"AA": "800"}) as run:
        view(run.con, "cases")  # scoring leaves those without a price in its place
        sides = [run.con.sql(f"SELECT count(COLUMNS(*)) FROM {name}") for name in ("payable", "scored")]
        found, stored = (dict(zip(one.columns, one.fetchall()[0], strict=True)) for one in sides)
    assert found == stored
    skipped = {column for columns in EMPTY_WHERE.values() for column in columns}
    assert {column for column in skipped if found[column]} == filled
