"""The embedded month on the points method: every price written out again from configs/regions/demo-points."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import PERIOD, ROOT, Finished, in_process, run_month
from tests.reference.price_case import half_away

SAMPLE = ROOT / "data" / "samples" / "demo-rate"
BASE = {"BR25", "BU25", "DT19", "ES35", "GU19", "GW15", "KS15", "OR19"}
UNSTABLE = {"AA19", "AF19", "AG19"}


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """The embedded month, run."""
    yield run_month(SAMPLE, tmp_path_factory.mktemp("points"), region="demo-points")


@pytest.fixture(scope="module")
def cases(paid: Finished) -> list[dict[str, Any]]:
    """Every settled row with what was validated of it; reversals too."""
    known = {row["input_row"]: row for row in paid.table("validated").to_pylist()}
    return [known[row["input_row"]] | row for row in paid.table("scored").to_pylist()]


def weights() -> dict[str, Fraction]:
    path = ROOT / "configs" / "regions" / "demo-points" / "weights-2025.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["drg"]: Fraction(row["weight"]) for row in csv.DictReader(file)}


def bed_days(days: int) -> Fraction:
    """260 yuan for days 1–60, 220 for 61–180, 180 beyond."""
    return Fraction(sum(260 if day <= 60 else 220 if day <= 180 else 180 for day in range(1, days + 1)))


def standard(case: dict[str, Any], table: dict[str, Fraction]) -> tuple[str, Fraction]:
    """The family and the exact standard in yuan."""
    fee = Fraction(case["total_fee_fen"] - (case["separate_items_fen"] or 0), 100)
    later = case["pricing_date"] >= dt.date(2025, 7, 1)
    pv = Fraction({"310": "83.9", "390": "79.8"}[case["insurance_type"]] if later else
                  {"310": "84.71", "390": "80.25"}[case["insurance_type"]])  # fmt: skip
    if case["place"] == "country":
        return "by_item", fee
    if case["stay_days"] > 60:
        return ("bed_day", bed_days(case["stay_days"])) if case["mdc"] == "MDCT" else ("by_item", fee)
    benchmark = Fraction("94.27")
    if case["group_code"] == "UQY":
        return "by_item", fee
    if case["status"] in ("ungrouped", "ambiguous"):
        share = Fraction("0.7") if case["status"] == "ungrouped" else Fraction("0.8")
        return "share_of_benchmark", share * fee / benchmark * pv
    weight = Fraction(1) if case["group_code"] in UNSTABLE else table[case["group_code"]]
    c = Fraction({"一级": "0.75", "二级": "1.02", "三级": "1.2"}[case["level"]])
    if case["hospital_id"] == "H44990200004":
        c = Fraction("1.05")
    if case["group_code"] in BASE:
        c = Fraction("1.02")
    x = fee / (weight * 100 * benchmark * c)
    k = Fraction(3) if weight <= 1 else Fraction("2.5") if weight <= 3 else Fraction(2)
    if x < Fraction("0.4"):
        return "points", fee / benchmark * pv
    if x > k:
        added = max(Fraction(0), (fee / (9427 * weight) - k) * weight * 100)
        return "linear_add", (weight * 100 * c + added) * pv
    return "normal", weight * 100 * c * pv


def test_every_standard_is_the_one_of_the_pack(cases: list[dict[str, Any]]) -> None:
    table, families = weights(), set()
    for case in cases:
        if case["reverses"] is None:
            family, exact = standard(case, table)
            assert (case["family"], case["standard_fen"]) == (family, half_away(exact * 100)), case["case_id"]
            families.add(family)
    assert families == {"normal", "points", "linear_add", "share_of_benchmark", "by_item", "bed_day"}


def test_fund_is_the_share_of_the_hospital_and_six_tenths_of_separate_items(
    cases: list[dict[str, Any]],
) -> None:
    sums: dict[tuple[str, str], list[int]] = {}
    for case in cases:  # a reversal takes its original out
        both = sums.setdefault((case["hospital_id"], case["insurance_type"]), [0, 0])
        both[0] += case["pool_fund_fen"]
        both[1] += case["total_fee_fen"]
    table = weights()
    for case in cases:
        if case["reverses"] is None:
            recorded, fee = sums[case["hospital_id"], case["insurance_type"]]
            separate = half_away(Fraction(6, 10) * (case["separate_items_fen"] or 0))
            own = half_away(standard(case, table)[1] * 100 * Fraction(recorded, fee))
            assert case["fund_fen"] == own + separate, case["case_id"]
    assert any(case["separate_fen"] for case in cases)


def test_far_cases_stand_in_a_budget_line_of_their_own(cases: list[dict[str, Any]]) -> None:
    lines = {case["budget_line"] for case in cases if case["place"] == "country" and case["reverses"] is None}
    assert lines == {"跨省异地"}
    assert {case["budget_line"] for case in cases if case["place"] != "country"} == {""}


@pytest.mark.parametrize(
    "family", ["normal", "points", "linear_add", "share_of_benchmark", "by_item", "bed_day"]
)
def test_explain_tells_each_family(family: str, cases: list[dict[str, Any]], paid: Finished) -> None:
    row = next(case for case in cases if case["family"] == family and case["reverses"] is None)
    told = in_process("explain", row["case_id"], "--out", paid.out).out
    fen = row["fund_fen"]
    assert f"{fen // 100}.{fen % 100:02d} 元" in told and row["rule_id"] in told
    assert f"{row['share_fund_fen'] // 100}.{row['share_fund_fen'] % 100:02d}" in told
    if family in ("normal", "points", "linear_add"):
        assert f"= {row['points'].normalize():f}" in told


def test_a_rule_without_its_column_stops_before_anything_runs(tmp_path: Path) -> None:
    """separate_items asks for separate_items_fen, which this input does not have."""
    rows = pq.read_table(SAMPLE / f"month={PERIOD}" / "part-000.parquet").drop_columns(["separate_items_fen"])
    pq.write_table(rows, tmp_path / "month.parquet")
    words = (
        "run",
        "demo-points",
        "--period",
        PERIOD,
        "--input",
        tmp_path / "month.parquet",
        "--out",
        tmp_path / "out",
    )
    said = in_process(*words)
    assert said.code == 11
    assert "separate_items 要用 `separate_items_fen`" in said.err and "请补这一列" in said.err
    assert not list((tmp_path / "out").rglob("*.parquet"))
