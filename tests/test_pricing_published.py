"""Amounts that cities have printed come out of the run's SQL to the fen; results of the formulas: test_pricing_vectors."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.pricing_fixtures import Case, dated, plain_pack, priced, write_pack

PAYMENT = Path(__file__).parents[2] / "shared" / "facts" / "payment"
# facts/README.md: differences checked on a price table, a prototype's mock data, and DIP catalogue building.
NO_PRODUCTS = {"CQ-DIFF", "HIS-ES39-points", "HIS-ES39-profit", "DIP-RELOP-1", "DIP-RELOP-2", "DIP-RW-sum"}
ONE_RATE = ("一级", "二级", "三级")


def fen(yuan: str) -> int:
    return int((Decimal(yuan) * 100).quantize(Decimal(1), ROUND_HALF_UP))


def official() -> dict[str, dict[str, Any]]:
    vectors = json.loads((PAYMENT / "test_vectors_official.json").read_text(encoding="utf-8"))
    return {one["id"]: one for one in vectors if one["id"] not in NO_PRODUCTS}


def normal_only() -> dict[str, Any]:
    """A ratio entry under which the fee of these tests is normal."""
    return dated(
        reference="with_coefficient",
        low={"threshold": "0.0001", "inclusive": False, "family": "actual"},
        high=[{"threshold": "20", "inclusive": False, "family": "as_normal"}],
    )


def standards(folder: Path, pack: dict[str, Any], cases: list[Case], **tables: Any) -> dict[str, int]:
    """Payment standards in fen by case."""
    with priced(write_pack(folder / "pack", pack, **tables), cases, folder / "run") as run:
        assert run.late == []
        return {case_id: row["standard_fen"] for case_id, row in run.scored().items()}


@pytest.mark.shared
@pytest.mark.skipif(not PAYMENT.is_dir(), reason="../shared is not here")
def test_all_56_published_products(tmp_path: Path) -> None:
    """Every printed product in one run: a vector is a group, an insurance type and a hospital of its own."""
    vectors = official()
    assert len(vectors) == 56
    rates, coefficients, weights, cases = {}, {}, {}, []
    for number, (name, one) in enumerate(vectors.items()):
        given = one["input"]
        rates[f"t{number}"] = dict.fromkeys(ONE_RATE, given["rate"])
        # JILIN prints K × S beside S; WUHAN pays the complication with half the weight on top.
        times = (
            given.get("coef")
            or given.get("low")
            or given.get("high")
            or str(1 + Decimal(given.get("extra", 0)))
        )
        coefficients[f"h{number}"] = times
        weights[f"G{number}"] = given["rw"]
        cases.append(Case(name, f"G{number}", fen(one["expected"]), 0, f"h{number}", f"t{number}"))
    pack = plain_pack(
        insurance_types={kind: kind for kind in rates}, rates=[dated(values=rates)], ratio=[normal_only()],
        coefficients=[dated(by_level={}, by_hospital=coefficients)],
    )  # fmt: skip
    found = standards(tmp_path, pack, cases, weights=weights, hospitals=dict.fromkeys(coefficients, "二级"))
    assert found == {name: fen(one["expected"]) for name, one in vectors.items()}


@pytest.mark.shared
@pytest.mark.skipif(not PAYMENT.is_dir(), reason="../shared is not here")
@pytest.mark.parametrize(
    ("place", "rates", "coefficients", "strategy", "base"),
    [
        ("WUXI-", ("7782", "9947", "13060"), ("1", "1", "1"), {"strategy": "lowest_level_rate"}, "BU25"),
        ("苏州2022-", ("9435.2500",) * 3, ("0.75", "1.02", "1.2"), {"strategy": "fixed_coefficient", "value": "1.02"}, "BR25"),
        ("苏州2023-", ("8728.3000",) * 3, ("0.75", "1.02", "1.2"), {"strategy": "fixed_coefficient", "value": "1.02"}, "BR25"),
    ],
)  # fmt: skip
def test_published_base_groups_are_paid_alike_at_every_level(
    tmp_path: Path, place: str, rates: tuple[str, ...], coefficients: tuple[str, ...],
    strategy: dict[str, str], base: str,
) -> None:  # fmt: skip
    vectors = {name: one for name, one in official().items() if name.startswith(place)}
    assert len(vectors) in (6, 7)
    levels = dict(zip(("一级", "二级", "三级"), rates, strict=True))
    pack = plain_pack(
        rates=[dated(values={"310": levels})], ratio=[normal_only()],
        coefficients=[dated(by_level=dict(zip(levels, coefficients, strict=True)))],
        base_groups=[dated(groups=[base], **strategy)],
    )  # fmt: skip
    cases = []
    for name, one in vectors.items():
        _, group, level = name.split("-")
        hospital = {"一": "H1", "二": "H2", "三": "H3"}[level[0]]
        cases.append(Case(name, group, fen(one["expected"]), 0, hospital))
    weights = {name.split("-")[1]: one["input"]["rw"] for name, one in vectors.items()}
    found = standards(tmp_path, pack, cases, weights=weights)
    assert found == {name: fen(one["expected"]) for name, one in vectors.items()}
