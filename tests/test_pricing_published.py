"""Amounts that cities have printed, and results of the formulas, come out of the run's SQL to the fen."""

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


def constructed(vector: str) -> dict[str, Any]:
    vectors = json.loads((PAYMENT / "test_vectors_constructed.json").read_text(encoding="utf-8"))
    return next(one for one in vectors if one["id"] == vector)


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


def one_amount(
    folder: Path, weight: str, rate: str, coefficient: str, fee: str, low: dict[str, Any], high: dict[str, Any],
    reference: str = "with_coefficient",
) -> tuple[str, str]:  # fmt: skip
    """Price class and amount in yuan of one case at a hospital of its own."""
    pack = plain_pack(
        rates=[dated(values={"310": {"二级": rate}})],
        coefficients=[dated(by_level={"二级": coefficient})],
        ratio=[
            dated(reference=reference, low={"inclusive": True, **low}, high=[{"inclusive": True, **high}])
        ],
    )
    case = Case("one", "AA", fen(fee), 0)
    with priced(write_pack(folder / "pack", pack, {"AA": weight}), [case], folder / "run") as run:
        row = run.scored()["one"]
    return row["price_class"], f"{Decimal(row['standard_fen']) / 100:.2f}"


ACTUAL = {"threshold": "0.3", "family": "actual"}
HIGH = {"threshold": "3", "family": "actual"}
# The families of the rate method in the constructed vectors: weight, rate, coefficient, fee, low, high,
# class, amount by vector and key. S is given as weight 1 × rate S where the vector prints S alone.
EXPRESSIBLE = {
    # S = 1.2 × 5280.94 × 0.95 = 6020.2716; the points' pv × scale is the rate
    "P01": ("1.2", "5280.94", "0.95", "6000", ACTUAL, HIGH, "normal", "standardFee"),
    "P02": ("1.2", "5280.94", "0.95", "1500", ACTUAL, HIGH, "low", "pay_ByActual"),
    "P04": ("1.2", "5280.94", "0.95", "20000", ACTUAL, {"threshold": "2.5", "family": "cap"}, "high", "pay"),
    "Z02": ("1.5", "8471", "1.1", "14000", ACTUAL, HIGH, "normal", "pay"),
    "Z12": ("1.2", "9200", "1", "11000", ACTUAL, HIGH, "normal", "pay"),
    "Z20": ("1", "11294", "1", "3000", ACTUAL, HIGH, "low", "pay"),
    # the discharge way that admits Z21 needs another column; its factor is the same
    "Z21": ("1", "11294", "1", "5000", {"threshold": "0.5", "family": "factor", "factor": "0.7"}, HIGH, "low", "pay"),
    "Z22": ("1", "11294", "1", "5000", ACTUAL, HIGH, "normal", "pay"),
    # so does the stay of over 20 days of Z23
    "Z23": ("1", "11294", "1", "15000", ACTUAL, {"threshold": "1", "family": "factor", "factor": "1.1"}, "high", "pay"),
    "Z24": ("1", "11294", "1", "40000", ACTUAL, HIGH, "high", "pay"),
    "Z30": ("1", "6000", "1", "18000", ACTUAL,
            {"threshold": "2.2", "family": "excess_share", "share": "0.7"}, "high", "pay"),
    "Z31": ("1", "10000", "1", "30000", ACTUAL,
            {"threshold": "2", "family": "excess_share", "base": "1.7", "share": "0.5"}, "high", "pay"),
    "Z32": ("1", "8000", "1", "30000", ACTUAL, {"threshold": "3", "family": "keep_excess"}, "high", "pay"),
}  # fmt: skip


@pytest.mark.shared
@pytest.mark.skipif(not PAYMENT.is_dir(), reason="../shared is not here")
@pytest.mark.parametrize("vector", EXPRESSIBLE)
def test_constructed_results_that_the_rate_method_can_say(tmp_path: Path, vector: str) -> None:
    weight, rate, coefficient, fee, low, high, price_class, key = EXPRESSIBLE[vector]
    expected = constructed(vector)["expected"][key]
    reference = "without_coefficient" if vector.startswith("P") else "with_coefficient"
    found = one_amount(tmp_path, weight, rate, coefficient, fee, low, high, reference)
    assert found == (price_class, f"{Decimal(expected):.2f}")


@pytest.mark.shared
@pytest.mark.skipif(not PAYMENT.is_dir(), reason="../shared is not here")
def test_chengdu_pays_the_mean_between_its_thresholds(tmp_path: Path) -> None:
    """Z33: mean 10,000, low 0.7 actual, high 1.4 F − 0.4·S."""
    expected = constructed("Z33")["expected"]
    low, high = {"threshold": "0.7", "family": "actual"}, {"threshold": "1.4", "family": "keep_excess"}
    for number, fee in enumerate(("6000", "8000", "13000", "16000")):
        found = one_amount(tmp_path / str(number), "1", "10000", "1", fee, low, high)
        assert found[1] == f"{Decimal(expected[f'F={fee}']):.2f}"


@pytest.mark.shared
@pytest.mark.skipif(not PAYMENT.is_dir(), reason="../shared is not here")
@pytest.mark.parametrize(
    ("vector", "key", "group", "treatment"),
    [
        ("Z14", "pay", "XQY", {"treatment": "share_of_fee", "share": "0.8"}),
        ("Z15", "pay", "0000", {"treatment": "share_of_fee", "share": "0.7"}),
        ("Z25", "pay", "AA", {"treatment": "by_item"}),
        ("Z33", "QY F=9000", "XQY", {"treatment": "share_of_fee", "share": "0.9"}),
    ],
)
def test_constructed_results_off_the_path(
    tmp_path: Path, vector: str, key: str, group: str, treatment: dict[str, str]
) -> None:
    one = constructed(vector)
    fee = key.partition("F=")[2] or one["input"]["F"]
    off = {"ungrouped": treatment, "ambiguous": treatment, "groups": {group: treatment}}
    found = standards(tmp_path, plain_pack(off_path=[dated(**off)]), [Case("one", group, fen(fee), 0)])
    assert found == {"one": fen(one["expected"][key])}


@pytest.mark.shared
@pytest.mark.skipif(not PAYMENT.is_dir(), reason="../shared is not here")
def test_difference_method_of_s04(tmp_path: Path) -> None:
    one = constructed("S04")
    given = one["input"]
    case = Case(
        "one", "AA", fen(given["total"]), fen(given["fundFFS"])
    )  # CQ-1's weight, rate and coefficient
    with priced(write_pack(tmp_path / "p", plain_pack()), [case], tmp_path / "r") as run:
        row = run.scored()["one"]
    assert row["standard_fen"] == fen(given["std"])
    assert row["fund_fen"] == fen(one["expected"]["difference"])
