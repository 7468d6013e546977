"""The point value that uses up a fund: the published formulas through a priced run, and the command."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UsageMistake
from pipeline.solve import solve
from tests.conftest import Finished, in_process
from tests.pricing_fixtures import Case, dated, plain_pack, priced, write_pack


def solved_of(tmp_path: Path, scale: int, weight: str, case: Case, share: dict[str, Any], **more: Any) -> Any:
    """One case of weight × scale points on a pack of the points method, and what `solve` says of its run."""
    pack = plain_pack(
        method="points", rates=[], point_scale=[dated(scale=scale, area_mean_cost="5000")],
        point_values=[dated(values={"310": "10", "390": "10"})], coefficients=[dated(by_level={"二级": "1"})],
        fund_share=[dated(**share)],
        ratio=[dated(reference="without_coefficient", low={"threshold": "0.0001", "inclusive": False, "family": "as_normal"},
                     high=[{"threshold": "20", "inclusive": True, "family": "as_normal"}])],
    )  # fmt: skip
    with priced(write_pack(tmp_path / "pack", pack, {"AA": weight}), [case], tmp_path / "run"):
        (tmp_path / "run" / "manifest.json").write_text("{}", encoding="utf-8")
    (one,) = solve(tmp_path / "run", {"310": more["fund_fen"]}, more.get("base", {}))
    return one


def test_point_value_of_a_region_ratio(tmp_path: Path) -> None:
    """Vector S01: (60,000,000 / 0.72) / 8,000,000 points = 10.416667; 72 of 100 yuan recorded make the share."""
    one = solved_of(tmp_path, 8000, "1000", Case("one", "AA", 10_000, 7_200), {"method": "ratio", "of": "region"},
                    fund_fen=6_000_000_000)  # fmt: skip
    assert (one.points, one.value) == (8_000_000, Fraction(60_000_000) / Fraction("0.72") / 8_000_000)
    assert one.shown()["value"] == "10.416667"


def test_elastic_point_value(tmp_path: Path) -> None:
    """Vector S05: 900,000 base points at 10 are 0.75 of 12,000,000; the other 3,000,000 over 350,000: 8.571429."""
    one = solved_of(tmp_path, 100_000, "12.5", Case("one", "AA", 10_000, 10_000), {"method": "ratio", "of": "region"},
                    fund_fen=1_200_000_000, base={"310": (900_000, 10)})  # fmt: skip
    assert (one.value, one.base_share) == (Fraction(3_000_000, 350_000), Fraction(3, 4))


def test_point_value_by_difference(tmp_path: Path) -> None:
    """100 points; fund 300 yuan, the patient bears 1000 − 600: S = 300 + 400 = 700, 7 yuan a point."""
    one = solved_of(
        tmp_path, 100, "1", Case("one", "AA", 100_000, 60_000), {"method": "difference"}, fund_fen=30_000
    )
    assert one.value == 7


def test_the_multiplier_of_the_rates_leaves_the_hospital_part_of_the_fee_alone(tmp_path: Path) -> None:
    """High case at S·(1 + 0.7·(x − 2)) = −0.4·S + 0.7·F: S 1000, F 3000 → 1700. Rates × 1.1 pay −440 + 2100 = 1660."""
    high = {"threshold": "2", "inclusive": True, "family": "excess_share", "share": "0.7"}
    pack = plain_pack(
        rates=[dated(values={"310": {"二级": "1000"}})], coefficients=[dated(by_level={"二级": "1"})],
        ratio=[dated(reference="with_coefficient", low={"threshold": "0.4", "inclusive": True, "family": "actual"}, high=[high])],
    )  # fmt: skip
    with priced(
        write_pack(tmp_path / "pack", pack, {"AA": "1"}),
        [Case("high", "AA", 300_000, 300_000)],
        tmp_path / "run",
    ):
        (tmp_path / "run" / "manifest.json").write_text("{}", encoding="utf-8")
    (one,) = solve(tmp_path / "run", {"310": 166_000}, {})
    assert one.value == Fraction(11, 10)


def test_a_fund_that_floors_negative_cases_cannot_be_solved(tmp_path: Path) -> None:
    """With `negative: zero` the fund is no straight line in the point value."""
    with pytest.raises(UsageMistake, match="负数记零"):
        solved_of(tmp_path, 100, "1", Case("one", "AA", 100_000, 60_000), {"method": "difference", "negative": "zero"},
                  fund_fen=30_000)  # fmt: skip


def test_what_cannot_be_solved_is_one_sentence(tmp_path: Path, finished: Finished) -> None:
    folder = finished.folder
    for words, code, text in (
        ((tmp_path, "--fund", "310=1"), 11, "不是批次文件夹"),
        ((folder, "--fund", "999=1"), 2, "险种 `999` 在这个批次里没有"),
        ((folder, "--fund", "310"), 2, "应为 险种=数"),
        ((folder, "--fund", "310=一亿"), 2, "金额读不懂"),
        ((folder, "--fund", "310=1", "--elastic", "310=9"), 2, "弹性的写法不对"),
    ):
        said = in_process("calibrate", "point-value", *words)
        assert (said.code, text in said.err) == (code, True), said.err


def test_command_gives_the_multiplier_of_the_rates(finished: Finished) -> None:
    """At the fund of the run itself the multiplier is 1, but for the fen that each case was rounded by."""
    funds = finished.table("scored").to_pylist()
    total = sum(row["fund_fen"] for row in funds if row["insurance_type"] == "310")
    said = in_process(
        "calibrate", "point-value", finished.folder, "--fund", f"310={total // 100}.{total % 100:02d}"
    )
    assert (said.code == 0 and "各级费率同乘 1.000" in said.out) or "0.9999" in said.out
