"""Any pack by rate, points or printed standards: the SQL agrees with the twin to the fen; the laws of pricing hold."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pricing_fixtures import HOSPITALS, TYPES, Case, priced, write_pack
from tests.pricing_rule_packs import PRINTED, WEIGHTS, rule_packs
from tests.pricing_twin import around_thresholds, checked

few = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
fewer = settings(few, max_examples=2)
LATER = dt.date(2025, 12, 1)


def anything(pack: dict[str, Any], seed: int, most_fen: int = 10_000_000) -> list[Case]:
    """Every group × hospital × insurance type near thresholds and anywhere, with all that a rule may look at."""
    luck = random.Random(seed)
    cases: list[Case] = []
    for drg, hospital, kind in product((*WEIGHTS, "EE", "0000"), HOSPITALS, TYPES):
        edges = around_thresholds(pack, Case("probe", drg, 1_000_000, 0, hospital, kind), WEIGHTS, PRINTED)
        for fee in (*luck.sample(edges, min(2, len(edges))), luck.choice([0, luck.randrange(most_fen)])):
            total = min(fee, most_fen)
            cases.append(Case(
                f"{len(cases)}", drg, total, luck.randint(0, total), hospital, kind,
                stay_days=luck.choice([0, 1, 2, 20, 21, 30, 31, 59, 60, 61, 75]), mdc=luck.choice(["A", "B", None]),
                principal_dx=luck.choice(["A00", "C34.1", "D0x", "D0.1"]),
                px_codes=luck.choice([(), ("33.2403",), ("03.32", "33.2403")]),
                discharge_way=luck.choice(["1", "2", "4", None]), care_type=luck.choice(["21", "24", None]),
                place=luck.choice(["local", "local", "outside", None]),
                tcm_fee_fen=luck.choice([None, total // 2, total // 10, total]),
                separate_items_fen=luck.choice([None, 0, total // 7]), ownpay_fee_fen=luck.randint(0, total),
                deductible_fen=luck.choice([0, 80_000]),
            ))  # fmt: skip
    luck.shuffle(cases)
    return cases


@few
@given(pack=rule_packs(), seed=st.integers(0, 2**32))
def test_sql_agrees_with_the_twin_on_any_pack(
    tmp_path_factory: pytest.TempPathFactory, pack: dict[str, Any], seed: int
) -> None:
    """Some cases are reversed: a fund share is that of what is left."""
    cases = anything(pack, seed)
    turned = [case.reversed_by(f"-{case.case_id}", settlement_date=LATER) for case in cases[::9]]
    checked(pack, [*cases, *turned], tmp_path_factory.mktemp("twin"), WEIGHTS, PRINTED)


def scored_by(pack: dict[str, Any], cases: list[Case], folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """Scored rows by case, without their place in the input."""
    region = write_pack(folder / name / "pack", pack, WEIGHTS, printed=PRINTED)
    with priced(region, cases, folder / name) as run:
        return {case_id: {**row, "input_row": None} for case_id, row in run.scored().items()}


@fewer
@given(pack=rule_packs(), seed=st.integers(0, 2**32))
def test_order_and_split_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, pack: dict[str, Any], seed: int
) -> None:
    """Fund shares of a unit are those of the batch: they do not depend on order, and a batch is split by unit."""
    folder = tmp_path_factory.mktemp("split")
    cases = anything(pack, seed)
    cases += [case.reversed_by(f"-{case.case_id}", settlement_date=LATER) for case in cases[::7]]
    whole = scored_by(pack, cases, folder, "whole")
    assert whole
    assert scored_by(pack, cases[::-1], folder, "turned") == whole
    # of a group, a hospital or a region: the two insurance types share no unit
    halves = [[case for case in cases if case.insurance_type == kind] for kind in TYPES]
    if pack["fund_share"][0].get("of") in (None, "case"):
        reversed_too = {case.reverses for case in cases if case.reverses}
        kept = [case for case in cases if not case.reverses and case.case_id not in reversed_too]
        rest = [case for case in cases if case.reverses or case.case_id in reversed_too]
        halves = [kept[::2], [*kept[1::2], *rest]]
    first, second = (scored_by(pack, half, folder, name) for half, name in zip(halves, "ab", strict=True))
    assert first | second == whole
    for case_id, row in whole.items():
        if case_id.startswith("-"):
            for column in (
                "points",
                "standard_fen",
                "separate_fen",
                "fund_fen",
                "total_fee_fen",
                "case_count",
            ):
                assert row[column] is None or row[column] == -whole[case_id[1:]][column]


YUAN_KEYS = ("yuan", "amounts", "area_mean_cost")


def times(k: int, part: Any, key: str = "") -> Any:
    """A pack whose every amount of money is k times as large; points, weights and coefficients stay."""
    if isinstance(part, dict):
        money = key in YUAN_KEYS
        return {name: times(k, value, key if money else name) for name, value in part.items()}
    if isinstance(part, list):
        return [times(k, value, key) for value in part]
    return str(Decimal(part) * k) if key in YUAN_KEYS else part


@fewer
@given(pack=rule_packs(), seed=st.integers(0, 2**32), k=st.integers(2, 8))
def test_money_scales_and_points_do_not(
    tmp_path_factory: pytest.TempPathFactory, pack: dict[str, Any], seed: int, k: int
) -> None:
    """k times fees, own parts, rates, A, pv, means, standards, fixed amounts and bed-days: k times the amounts."""
    folder = tmp_path_factory.mktemp("scale")
    cases = anything(pack, seed)
    larger = times(k, pack)
    for name in ("rates", "point_values"):
        if name in pack:
            entry = pack[name][0]
            larger[name] = [{**entry, "values": times(k, entry["values"], "yuan")}]
    tables = replace(
        PRINTED,
        means=times(k, dict(PRINTED.means), "yuan"),
        standards=times(k, dict(PRINTED.standards), "yuan"),
    )
    money = (
        "total_fee_fen",
        "pool_fund_fen",
        "tcm_fee_fen",
        "separate_items_fen",
        "ownpay_fee_fen",
        "deductible_fen",
    )
    more = [
        replace(case, **{name: None if (fen := getattr(case, name)) is None else fen * k for name in money})
        for case in cases
    ]
    once = scored_by(pack, cases, folder, "once")
    with priced(write_pack(folder / "more", larger, WEIGHTS, printed=tables), more, folder / "many") as run:
        many = run.scored()
    assert once.keys() == many.keys() and once
    for case_id, row in once.items():
        for column in ("price_class", "family", "points", "ratio_e4"):
            assert many[case_id][column] == row[column]
        for column in ("standard_fen", "separate_fen"):  # each rounded once: k halves and one half
            assert abs(many[case_id][column] - k * row[column]) <= Fraction(k + 1, 2)
        assert (
            abs(many[case_id]["fund_fen"] - k * row["fund_fen"]) <= k + 1
        )  # two roundings: S's part and beside it
