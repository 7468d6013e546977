"""Weights from history, by hand: means by year, trimming, scaling, thin, unstable, new and unseen groups, RIV and CV."""

from __future__ import annotations

import csv
import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from price_history_fixtures import (
    BY_ITEM,
    UNWEIGHED,
    WEIGHTS,
    Row,
    case,
    cases,
    demo_ground,
    rules_with,
    weighed,
    window_of,
    write_history,
)

from pipeline.calibrate_draft import DraftOrder
from pipeline.calibrate_spread import Spread, riv, shown_riv
from pipeline.calibrate_weights import Weighed, Weights, calibrate_weights, weights_of
from pipeline.calibrate_weights_files import write_draft
from pipeline.calibrate_window import read_window
from pipeline.errors import InputError

THREE_YEARS = [
    *cases("AA19", 1000, 1000, year=2023),
    *cases("AA19", 1100, 1100, year=2024),
    *cases("AA19", 1300, 1300, year=2025),
    *cases("BR11", 600, 800, year=2025),
]


def by_code(found: Weights) -> dict[str, Weighed]:
    return {one.code: one for one in found.groups}


@pytest.fixture(scope="module")
def three_years(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return weighed(tmp_path_factory.mktemp("three") / "h", THREE_YEARS, rules_with(year_weights=[1, 2, 7]))


def test_means_by_year_and_scaling_by_hand(three_years: Weights) -> None:
    found = by_code(three_years)
    # AA19: (1·1000 + 2·1100 + 7·1300) ÷ 10 = 1230; BR11 is in the last year only: 7·700 ÷ 7 = 700.
    assert found["AA19"].mean == 123_000 and found["BR11"].mean == 70_000
    # M: year means 1000, 1100 and (2·1300 + 2·700) ÷ 4 = 1000: (1000 + 2200 + 7000) ÷ 10 = 1020.
    assert three_years.mean == 102_000
    # Σ w0·n = 1.20·6 + 0.80·2 = 8.8; Σ m·n = 1230·6 + 700·2 = 8780; 1230·8.8/8780 = 1.23280…, 700·8.8/8780 = 0.70159….
    assert found["AA19"].weight == Decimal("1.2328") and found["BR11"].weight == Decimal("0.7016")
    assert found["AA19"].exact == Decimal("1.232801822323")  # 10824 ÷ 8780
    assert three_years.factor == Fraction(88, 87800) * 1020
    # 6·1.2328 + 2·0.7016 = 8.8000.
    assert (three_years.before, three_years.after, three_years.left) == (Decimal("8.8"), Decimal("8.8"), 0)


def test_riv_and_cv_by_hand(three_years: Weights) -> None:
    # BR11: mean 700, deviation 100: 100 ÷ 700 = 0.142857.
    assert by_code(three_years)["BR11"].kept_spread.cv == Decimal("0.1429")
    # Σx² = 8,800,000; (Σx)² ÷ 8 = 8200² ÷ 8 = 8,405,000: whole 395,000. AA19: 7,800,000 − 6800² ÷ 6 = 280,000 ÷ 3;
    # BR11: 1,000,000 − 1400² ÷ 2 = 20,000. RIV = 1 − (340,000 ÷ 3) ÷ 395,000 = 1 − 68 ÷ 237.
    assert three_years.riv == (1 - Fraction(68, 237), 1 - Fraction(68, 237))
    assert shown_riv(three_years.riv[0]) == "0.7131"


def test_groups_in_force_that_nobody_had_are_named_and_kept(three_years: Weights) -> None:
    unseen = three_years.of("unseen")
    assert [(one.code, one.weight) for one in unseen] == [
        ("BR13", Decimal("2.50")),
        ("BR21", Decimal("0.6609")),
    ]


def test_money_is_the_change_at_the_rates_in_force(three_years: Weights) -> None:
    # Six cases at a hospital of the third level, 310: rate 11,500, coefficient 1: 6 × (1.2328 − 1.20) × 11,500 = 2263.20.
    assert by_code(three_years)["AA19"].money_fen == 226_320


def test_one_case_a_group_and_one_fee_have_no_variance(tmp_path: Path) -> None:
    found = weighed(tmp_path / "h", [case("AA19", 500), case("BR11", 500)], rules_with())
    assert [one.kept_spread.cv for one in found.of("own")] == [Decimal("0.0000")] * 2
    assert found.riv == (None, None) and shown_riv(None) == "—"
    # Both cost alike, so they share Σ w0·n = 1.20 + 0.80 evenly.
    assert [one.weight for one in found.of("own")] == [Decimal("1.0000")] * 2


def test_riv_of_nothing_is_not_defined() -> None:
    assert riv([]) is None and riv([Spread(0, 0, 0)]) is None
    assert riv([Spread(2, 4, 10)]) == 0  # one group of 1 and 3 explains nothing


PERCENTILE = {"method": "percentile", "low": "0.12", "high": "0.81", "k": None, "least": 10}
IQR = {"method": "iqr", "low": None, "high": None, "k": "1.5", "least": 1}


@pytest.mark.parametrize(
    ("trim", "fees", "bounds", "kept"),
    [
        # Nearest ranks of ten: ⌈1.2⌉ = 2nd and ⌈8.1⌉ = 9th.
        (PERCENTILE, range(1, 11), (200, 900), 8),
        (PERCENTILE, range(1, 10), (None, None), 9),  # nine are below `least`
        # Of eight: Q1 the 2nd, Q3 the 6th; 2 − 1.5·4 = −4, 6 + 1.5·4 = 12.
        (IQR, [1, 2, 3, 4, 5, 6, 7, 30], (-400, 1200), 7),
        # A bound between two fen: 6 + 0.0013·4 = 6.0052 yuan, the highest whole fen is 600; 2 − 0.0052: the lowest is 200.
        (IQR | {"k": "0.0013"}, [1, 2, 3, 4, 5, 6, 7, 30], (200, 600), 5),
        (IQR | {"k": "0"}, [5], (500, 500), 1),
    ],
)
def test_trimming_by_hand(trim: dict[str, Any], fees: list[int], bounds: tuple[int, int], kept: int, tmp_path: Path) -> None:  # fmt: skip
    window = window_of(tmp_path / "h", cases("AA19", *fees), rules_with(trim=trim))
    cell = window.cells["AA19"][0]
    assert ((cell.lowest, cell.highest), cell.kept, cell.cases) == (bounds, kept, len(fees))
    inside = [fee * 100 for fee in fees if bounds[0] is None or bounds[0] <= fee * 100 <= bounds[1]]
    assert (cell.kept_fen, cell.kept_squares) == (sum(inside), sum(fee * fee for fee in inside))


# AA19 two cases, BR11 one and BR15 (no weight in force) one: below two. BR13 two that differ wildly: CV 0.9 of 100 and 1900.
ODD = [
    *cases("AA19", 1000, 1000),
    case("BR11", 777),
    case(UNWEIGHED, 300),
    *cases("BR13", 100, 1900),
    case(BY_ITEM, 9999),
]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, {"BR11": ("thin_kept", "0.80"), "BR13": ("unstable_own", "1.8500"), "AA19": ("own", "1.8500")}),
        ({"thin": "own"}, {"BR11": ("thin_own", None), UNWEIGHED: ("thin_own", None)}),
        ({"unstable": "keep"}, {"BR13": ("unstable_kept", "2.50"), "AA19": ("own", "1.2000")}),
        ({"cv_at_most": "0.9"}, {"BR13": ("own", "1.8500")}),  # exactly at the limit is stable: 900 ÷ 1000
        # BR15's ADRG has BR11, BR13 and itself: (777 + 300 + 100 + 1900) ÷ 4 = 769.25; ×1.85/1000 = 1.4231125.
        ({"new_thin": "pool"}, {UNWEIGHED: ("pooled", "1.4231")}),
        ({"new_thin": "blank"}, {UNWEIGHED: ("blank", None)}),
        ({"scaling": "mean_cost"}, {"AA19": ("own", "1.1818")}),  # M = 5077 ÷ 6; 6000 ÷ 5077 = 1.18180…
    ],
)
def test_thin_unstable_and_new_groups(
    changes: dict[str, Any], wanted: dict[str, Any], tmp_path: Path
) -> None:
    # Scaled: AA19 and BR13, both of mean 1000: (1.20·2 + 2.50·2) ÷ (1000·4) = 1.85 per 1000 yuan.
    rules = rules_with(**{"fewest_cases": 2, "cv_at_most": "0.8999"} | changes)
    found = by_code(weighed(tmp_path / "h", ODD, rules))
    for code, (status, weight) in wanted.items():
        assert found[code].status == status, code
        if weight is not None or status == "blank":
            assert found[code].weight == (None if weight is None else Decimal(weight)), code
    assert found[UNWEIGHED].new and not found["AA19"].new
    assert found[BY_ITEM].status == "not_by_weight"  # and in no mean


def test_residue_is_placed_on_calibrated_groups(tmp_path: Path) -> None:
    # Means 1, 2 and 4 yuan; Σ w0·n = 1.20 + 0.80·2 + 2.50 = 5.3 over Σ m·n = 1 + 2·2 + 4 = 9: 0.58889, 1.17778, 2.35556;
    # rounded 0.5889 + 2·1.1778 + 2.3556 = 5.3001. One step down: BR13, of the smallest relative change.
    rows = [case("AA19", 1), *cases("BR11", 2, 2), case("BR13", 4)]
    found = weighed(tmp_path / "h", rows, rules_with(), place_residue=True)
    assert (found.residue, found.left) == (Decimal("-0.0001"), 0)
    assert [(step.group, step.count) for step in found.steps] == [("BR13", -1)]
    assert by_code(found)["BR13"].weight == Decimal("2.3555") and by_code(found)["BR13"].rounded == Decimal(
        "2.3556"
    )


def flawed() -> list[Row]:
    """Two good cases and one row of every kind that is left out."""
    good, twin, taken = case("AA19", 100), case("AA19", 200), case("AA19", 300)
    return [
        good, twin, dict(twin), taken,
        case("AA19", -300, reverses=taken["case_id"]),
        case("AA19", 400, case_id="differs"), case("AA19", 401, case_id="differs"),
        case("AA19", 500, case_id=None), case("AA19", 500, discharge_date=None), case("AA19", 500, hospital_id="H9"),
        case("AA19", 500, insurance_type="999"), case(None, 500), case("AA19", 0), case("AA19", None),
        case("AA19", 100_000_000.01), case("AA19", 500, year=2023),
        case("AA19", -7, reverses="of-another-history"),
    ]  # fmt: skip


def test_every_row_left_out_is_told_once(tmp_path: Path) -> None:
    window = window_of(tmp_path / "h", flawed(), rules_with())
    assert window.cases == 2 and window.cells["AA19"][0].fee_fen == 30_000
    assert {reason: rows for reason, (rows, _) in window.left_out.items()} == {
        "no_case_id": 1, "repeated_differing": 2, "repeated_alike": 1, "reversal": 2, "reversed": 1, "no_date": 1,
        "unknown_hospital": 1, "unknown_insurance": 1, "no_group": 1, "no_fee": 2, "absurd_fee": 1, "too_old": 1,
    }  # fmt: skip
    assert window.orphans == 1 and window.cases + sum(rows for rows, _ in window.left_out.values()) == len(
        flawed()
    )


def test_a_history_with_nothing_usable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="没有一例可用"):
        window_of(tmp_path / "h", [case("AA19", 0)], rules_with())
    with pytest.raises(InputError, match="没有按权重付的病例：共 1 例"):
        weighed(tmp_path / "g", [case(BY_ITEM, 100)], rules_with())


def test_separately_paid_items_leave_the_fee(tmp_path: Path) -> None:
    rows = [case("AA19", 100, separate_items_fen=2_500)]
    window = window_of(tmp_path / "h", rows, rules_with(fee="total_less_separate"))
    assert window.cells["AA19"][0].fee_fen == 7_500


def drafted(folder: Path, rows: list[Row], files: int) -> dict[str, bytes]:
    ground, rules = demo_ground(), rules_with(year_weights=[1, 2, 7], new_thin="blank", fewest_cases=2)
    history = write_history(folder / "history", rows, files)
    window = read_window([str(history)], ground, rules, folder)
    write_draft(
        calibrate_weights(window, ground, weights_of(ground), rules), DraftOrder(folder / "draft"), "own-2026"
    )
    return {path.name: path.read_bytes() for path in (folder / "draft").iterdir()}


def test_order_and_files_of_the_history_do_not_matter(tmp_path: Path) -> None:
    rows = [*THREE_YEARS, *ODD]
    shuffled = list(rows)
    random.Random(3).shuffle(shuffled)
    first, second = drafted(tmp_path / "a", rows, 1), drafted(tmp_path / "b", shuffled, 3)
    assert first == second
    assert set(first) == {"own-2026.csv", "weights.yaml", "evidence.csv", "comparison.xlsx", "report.md"}


def test_draft_tells_every_step(tmp_path: Path, three_years: Weights) -> None:
    write_draft(three_years, DraftOrder(tmp_path / "draft"), "own-2026")
    with (tmp_path / "draft/own-2026.csv").open(encoding="utf-8", newline="") as file:
        table = {row["drg"]: row["weight"] for row in csv.DictReader(file)}
    assert (table["AA19"], table["BR11"]) == ("1.2328", "0.7016")
    with (tmp_path / "draft/evidence.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["group_code"] == "AA19"]
    told = {
        name: row[name]
        for name in ("n", "year1_mean_yuan", "year3_kept_fee_yuan", "mean_yuan", "ratio", "weight")
    }
    assert told == {"n": "6", "year1_mean_yuan": "1000.00", "year3_kept_fee_yuan": "2600.00", "mean_yuan": "1230.00",
                    "ratio": "1.20588235", "weight": "1.2328"}  # 1230 ÷ 1020  # fmt: skip
    book = openpyxl.load_workbook(tmp_path / "draft/comparison.xlsx")
    assert book.sheetnames == ["概要", "病组", "不稳定", "新出现", "未出现", "年度"]
    assert [cell.value for cell in book["病组"][2]][:2] == ["AA19", "心肺移植"]
    assert [row[0].value for row in book["未出现"].iter_rows(min_row=2)] == ["BR13", "BR21", "合计"]
    years = [[row[2].value, row[6].value] for row in book["年度"].iter_rows(min_row=2)]
    assert years == [[2, 1000], [2, 1100], [4, 1000]]
    report = (tmp_path / "draft/report.md").read_text(encoding="utf-8")
    assert "RIV：裁剪前 0.7131，裁剪后 0.7131" in report and "总均费 M = 1020.00 元" in report


def test_new_groups_follow_in_the_weights_file(tmp_path: Path) -> None:
    ground = demo_ground()
    file = ground.region.pack.weights[-1].file
    lines = ["drg,weight,mean_fee_yuan", *(f"{code},{weight},1.00" for code, weight in WEIGHTS.items())]
    (tmp_path / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    ground = replace(ground, region=replace(ground.region, folder=tmp_path))
    rules = rules_with(new_thin="blank")
    window = window_of(tmp_path / "h", [case("AA19", 1000), case(UNWEIGHED, 500)], rules)
    write_draft(
        calibrate_weights(window, ground, weights_of(ground), rules), DraftOrder(tmp_path / "draft"), "own"
    )
    # 500 × 1.20 ÷ 1000; other columns stay, a new group's is its mean.
    assert (tmp_path / "draft/own.csv").read_text(encoding="utf-8").splitlines() == [
        "drg,weight,mean_fee_yuan", "AA19,1.2000,1.00", "BR11,0.8000,1.00", "BR13,2.5000,1.00", "BR21,0.6609,1.00",
        "BR15,0.6000,500.00",
    ]  # fmt: skip
