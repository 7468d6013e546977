"""Any pack by rate, points or printed standards: the SQL agrees with the twin to the fen; the laws of pricing hold."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pricing_fixtures import HOSPITALS, TYPES, Case, priced, write_pack
from tests.pricing_rule_packs import PRINTED, WEIGHTS, rule_packs
from tests.pricing_twin import around_thresholds, checked

few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
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
