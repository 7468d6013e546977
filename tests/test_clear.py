"""A year cleared by hand: vectors S02 and B01, the fund used up to the fen, and what cannot be cleared."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.clear import assessments_of, clearing_on, with_trial
from pipeline.errors import AuditBroken, ConfigurationError
from pipeline.pack_clearing import ClearingEntry
from tests.clearing_fixtures import B01, cleared, law
from tests.conftest import PERIOD, Finished
from tests.pricing_fixtures import dated, plain_pack, write_pack
from tests.reference.clear_case import Month, Year, YearCase

MILLION = 100_000_000  # of yuan, in fen
YUAN = 100


def pointed(case_id: str, hospital: str, points: str, **more: Any) -> YearCase:
    """A case of points; what it cost and what was recorded is nothing unless said."""
    plain: dict[str, Any] = {"kind": "310", "standard_fen": 0, "fund_fen": 0, "fee_fen": 0, "pool_fen": 0}
    return YearCase(case_id, hospital, points=points, **(plain | more))


def shared(case_id: str, hospital: str, points: str, pool: int, fee: int) -> YearCase:
    return pointed(
        case_id,
        hospital,
        points,
        method="ratio",
        of="hospital",
        share=(pool, fee),
        pool_fen=pool,
        fee_fen=fee,
    )


def s02() -> Year:
    """8,000,000 points; Σ points × share = 0.70 M + 5 M × 0.722 + 2 M × 0.725 = 5.76 M = 0.72 × 8 M."""
    return Year(
        [shared("c9", "H9", "1000000", 70, 100), shared("c1", "H1", "5000000", 722, 1000),
         shared("c2", "H2", "2000000", 725, 1000)],
        [Month("H9", "310", 660 * MILLION // 100, cash_fen=660 * MILLION // 100)],
        {("H9", "310"): (50 * MILLION // 100, 0)}, {("H9", "310"): 120_000 * YUAN}, {"310": 60 * MILLION},
        {("H9", None): ("0.98", "1")},
    )  # fmt: skip


def test_vector_s02(tmp_path: Path) -> None:
    """pv = (60,000,000 ÷ 0.72) ÷ 8,000,000 = 125/12; 1,000,000 × pv × 0.70 = 7,291,666.666…; × 0.98 − 120,000
    = 7,025,833.33; − 6,600,000 − 500,000 = −74,166.67. The two fen that are missing of the fund go to H1 and H2,
    whose remainders are the same 2/3 (37,604,166.66… and 15,104,166.66…), so H9 has 7,291,666.66."""
    with cleared(s02(), law(), tmp_path) as year:
        rows, insurance = year.hospitals(), year.insurance()["310"]
    assert Fraction(int(insurance["value_num"]), int(insurance["value_den"])) == Fraction(125, 12)
    assert insurance["value"] == "10.416667"  # S01
    assert {key[0]: row["fund_from_points_fen"] for key, row in rows.items()} == {
        "H1": 3_760_416_667, "H2": 1_510_416_667, "H9": 729_166_666,
    }  # fmt: skip
    own = rows["H9", "310"]
    assert (own["standard_fen"], own["fund_share"]) == (1_041_666_667, Decimal("0.7"))
    assert (own["assessed_fen"], own["entitlement_fen"]) == (714_583_333, 702_583_333)
    assert own["clearing_fen"] == -7_416_667


@pytest.mark.parametrize(
    ("spent", "granted"),
    [(7_500_000, 7_500_000), (8_000_000, 10_000_000), (9_000_000, 10_000_000), (10_000_000, 10_000_000),
     (10_500_000, 10_350_000), (12_000_000, 10_700_000), (0, 0)],
)  # fmt: skip
@pytest.mark.parametrize("measure", ["fund", "total"])
def test_vector_b01(tmp_path: Path, spent: int, granted: int, measure: str) -> None:
    """S 10,000,000: below 0.8 what was spent; to 1.0 S; to 1.1 S + 0.7 × (F − S); above 1.07 S. By total fee the fund
    amount (here half the standard: separately charged to nobody) takes the same multiple."""
    case = pointed("one", "H1", "1", pool_fen=spent * YUAN, fee_fen=spent * YUAN)
    fund = 10 * MILLION
    if measure == "total":  # S is the standard 10,000,000; the fund owes 10,000,000 − (F − recorded) = half
        case = replace(case, fee_fen=spent * YUAN, pool_fen=spent * YUAN - 5 * MILLION)
        fund = 5 * MILLION
    entry = law(bands=B01, bands_measure=measure)
    with cleared(Year([case], budgets={"310": fund}), entry, tmp_path) as year:
        row = year.hospitals()["H1", "310"]
    assert (row["standard_fen"], row["fund_from_points_fen"]) == (10 * MILLION, fund)
    assert row["banded_fen"] == granted * YUAN * fund // (10 * MILLION)


def test_the_fund_is_used_up_and_ties_go_to_the_smaller_names(tmp_path: Path) -> None:
    """100 fen over three hospitals of one point each: 33⅓ each, the missing fen goes to H1. Inside H1 33 + 1 = 34 fen
    over three cases of ⅓ point: 11⅑ each, the missing fen goes to a."""
    cases = [pointed(name, "H1", "2") for name in "cba"] + [pointed("d", "H3", "6"), pointed("e", "H2", "6")]
    with cleared(Year(cases, budgets={"310": 100}), law(), tmp_path) as year:
        assert {key[0]: row["fund_from_points_fen"] for key, row in year.hospitals().items()} == {
            "H1": 34, "H2": 33, "H3": 33,
        }  # fmt: skip
        assert year.cases() == {"a": 12, "b": 11, "c": 11, "d": 33, "e": 33}


def test_a_negative_hospital_has_the_floor_below_zero(tmp_path: Path) -> None:
    """Difference: H1 1 point, patients paid 10 fen beside; H2 1 point. Fund 5 = 2v − 10 → v 7.5: H1 −2.5, H2 7.5.
    Floors −3 and 7, one fen missing, equal remainders: H1 gets it: −2 and 7."""
    cases = [pointed("a", "H1", "1", fee_fen=10), pointed("b", "H2", "1")]
    with cleared(Year(cases, budgets={"310": 5}), law(bands=B01, bands_measure="fund"), tmp_path) as year:
        rows = year.hospitals()
        assert year.cases() == {"a": -2, "b": 7}
    assert rows["H1", "310"]["banded_fen"] == -2  # S below nothing: no band
    assert rows["H2", "310"]["banded_fen"] == 0  # recorded nothing of 7: 0·S + 1·F


def test_a_reversal_and_its_original_take_no_fen(tmp_path: Path) -> None:
    """3 points left after r took o back; 10 fen ÷ 3 = 3⅓ each. o and r are 3.33 rounded and its negative; of a, b, c
    the smallest name has the missing fen. Last year's x: r2 has no original here and counts −1."""
    plain = [pointed(name, "H1", "1") for name in "abc"]
    o = pointed("o", "H1", "1")
    r = pointed("r", "H1", "-1", reverses="o", period="2025-09")
    with cleared(Year([o, *plain, r], budgets={"310": 10}), law(), tmp_path / "1") as year:
        assert year.cases() == {"a": 4, "b": 3, "c": 3, "o": 3, "r": -3}
        assert year.hospitals()["H1", "310"]["cases"] == 3
    r2 = pointed("r2", "H1", "-1", reverses="x")
    with cleared(Year([*plain, r2], budgets={"310": 10}), law(), tmp_path / "2") as year:
        assert year.cases() == {"a": 5, "b": 5, "c": 5, "r2": -5}  # 10 ÷ 2 points


def test_rates_move_by_one_multiplier_and_what_is_apart_does_not(tmp_path: Path) -> None:
    """S 1,000 and 3,000, of which 500 by item; fund 7,500 = 500 + 3,500 × m → m 2: 2,000 and 500 + 5,000."""
    cases = [
        YearCase("a", "H1", "310", 1000, 0, 0, 0),
        YearCase("b", "H1", "310", 3000, 0, 0, 0, apart_fen=500),
    ]
    with cleared(Year(cases, budgets={"310": 7500}), law(), tmp_path) as year:
        assert year.cases() == {"a": 2000, "b": 5500}
        assert year.insurance()["310"]["value"] == "2.000000"
        assert year.hospitals()["H1", "310"]["points_total"] is None


def test_elastic_pays_the_base_at_its_value_and_the_rest_over_the_added_points(tmp_path: Path) -> None:
    """S05: 12,000,000 for 1,250,000 points: 900,000 at 10 and 350,000 at 3,000,000 ÷ 350,000 = 8.571429. Below the base
    every point has the fixed value and 4,000,000 stays in the fund."""
    entry = law(value="elastic", base_points={"310": "900000"}, fixed_values={"310": "10"})
    with cleared(
        Year([pointed("a", "H1", "1250000")], budgets={"310": 12 * MILLION}), entry, tmp_path / "1"
    ) as year:
        row = year.insurance()["310"]
        names = ("base_points", "fixed_value", "added_points", "added_value", "value", "fund_from_points_fen")
        assert [row[name] for name in names] == [
            "900000.000000", "10.000000", "350000.000000", "8.571429", "9.600000", 12 * MILLION,
        ]  # fmt: skip
    with cleared(
        Year([pointed("a", "H1", "800000")], budgets={"310": 12 * MILLION}), entry, tmp_path / "2"
    ) as year:
        row = year.insurance()["310"]
        assert (row["value"], row["fund_from_points_fen"]) == ("10.000000", 8 * MILLION)
        assert row["undistributed_fen"] == 4 * MILLION
    short = Year([pointed("a", "H1", "1250000")], budgets={"310": 8 * MILLION})
    with pytest.raises(ConfigurationError, match="增量点值为负"), cleared(short, entry, tmp_path / "3"):
        pass


def test_fixed_takes_the_share_of_the_year(tmp_path: Path) -> None:
    """January recorded 60 of 100, February 90 of 100: the year's share is 0.75 of both standards of 1,000."""
    cases = [
        YearCase("a", "H1", "310", 1000, 600, 100, 60, method="ratio", of="hospital", share=(60, 100)),
        YearCase(
            "b",
            "H1",
            "310",
            1000,
            903,
            100,
            90,
            separate_fen=3,
            method="ratio",
            of="hospital",
            share=(90, 100),
        ),
    ]
    with cleared(Year(cases), law(value="fixed"), tmp_path) as year:
        assert year.cases() == {"a": 750, "b": 753}
        assert year.insurance()["310"]["budget_fen"] is None
        assert year.hospitals()["H1", "310"]["month_fund_fen"] == 1503


def test_every_step_after_the_fund(tmp_path: Path) -> None:
    """H1: 1,000.00 × 0.9876 = 987.60; − audit 87.65 = 899.95. Months settled 800, of which revolving 50, deposit 40, so
    due 710; paid 700, so 10 are not yet paid. Advanced 100, returned 20 → still out 100 − 20 − 50 = 30; deposit back
    40 × 0.3333 = 13.33. Clearing 899.95 − 800 − 30 + 13.33 + 10 = 93.28; cash 700 + (100 − 20) + 93.28 = 873.28
    = 899.95 − (40 − 13.33)."""
    year = Year(
        [pointed("a", "H1", "1")], [Month("H1", "310", 80_000, 5_000, 4_000, 70_000)],
        {("H1", "310"): (10_000, 2_000)}, {("H1", "310"): 8_765}, {"310": 100_000},
        {("H1", "310"): ("0.9876", "0.3333"), ("H1", None): ("0.5", "0")},
    )  # fmt: skip
    with cleared(year, law(), tmp_path) as found:
        row, insurance = found.hospitals()["H1", "310"], found.insurance()["310"]
    expected = {
        "assessed_fen": 98_760, "entitlement_fen": 89_995, "settled_fen": 80_000, "due_fen": 71_000, "unpaid_fen": 1_000,
        "still_out_fen": 3_000, "deposit_returned_fen": 1_333, "clearing_fen": 9_328,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    # of the fund 1,000.00: assessment 12.40, audit 87.65, deposit 26.67 stay in it
    assert (insurance["left_by_assessment_fen"], insurance["left_by_audit_fen"]) == (1_240, 8_765)
    assert (insurance["left_by_deposit_fen"], insurance["left_in_fund_fen"]) == (2_667, 100_000 - 87_328)


def test_no_hospital_of_any_table_is_lost(tmp_path: Path) -> None:
    """H2 has only a month, H3 only an advance, H4 only an audit; H5 only cash that was paid twice."""
    year = Year(
        [pointed("a", "H1", "1")], [Month("H2", "390", 900, cash_fen=900), Month("H5", "310", cash_fen=70)],
        {("H3", "310"): (500, 0)}, {("H4", "390"): 60}, {"310": 1000},
    )  # fmt: skip
    with cleared(year, law(), tmp_path) as found:
        clearing = {key: row["clearing_fen"] for key, row in found.hospitals().items()}
    assert clearing == {
        ("H1", "310"): 1000, ("H2", "390"): -900, ("H3", "310"): -500, ("H4", "390"): -60, ("H5", "310"): -70,
    }  # fmt: skip


def test_one_go_or_month_by_month_gives_the_same_entitlement(tmp_path: Path) -> None:
    """When a case was paid and how much of it decides only what is still to pay."""
    cases = [pointed(f"c{n}", f"H{n % 2}", str(n), fee_fen=n, pool_fen=n // 2) for n in range(1, 9)]
    spread = [replace(case, period=f"2025-{n + 1:02d}") for n, case in enumerate(cases)]
    found = []
    for place, (some, months) in enumerate([(cases, [Month("H1", "310", 77, cash_fen=77)]), (spread, [])]):
        with cleared(
            Year(some, months, budgets={"310": 997}),
            law(bands=B01, bands_measure="fund"),
            tmp_path / str(place),
        ) as one:
            found.append(
                [
                    {**row, "clearing_fen": 0, "settled_fen": 0, "due_fen": 0, "cash_fen": 0}
                    for row in one.hospitals().values()
                ]
            )
            assert sum(row["clearing_fen"] + row["cash_fen"] for row in one.hospitals().values()) == sum(
                row["entitlement_fen"] for row in one.hospitals().values()
            )
    assert found[0] == found[1]


BENT = {"method": "difference", "negative_kept": False}


@pytest.mark.parametrize(
    ("year", "message"),
    [
        (Year([pointed("a", "H1", "1")]), "年度预算缺险种 310"),
        (Year([pointed("a", "H1", "1")], budgets={"310": 1, "390": 5}), "险种 390 有年度预算而全年没有病例"),
        (Year([pointed("a", "H1", "1", method="policy")], budgets={"310": 1}), "不能浮动清算"),
        (Year([pointed("a", "H1", "1", **BENT)], budgets={"310": 1}), "不能浮动清算"),
        (Year([pointed("a", "H1", "0", apart_fen=7)], budgets={"310": 9}), "没有随点值（费率）变动的病例，预算 0.09 元"),
        (Year([pointed("a", "H1", "1", apart_fen=700)], budgets={"310": 500}), "预算 5.00 元不够付.* 7.00 元，点值为负"),
        (Year([pointed("a", "H1", "1"), YearCase("b", "H1", "310", 5, 5, 5, 5)], budgets={"310": 500}), "求不出一个点值"),
    ],
)  # fmt: skip
def test_a_fund_that_no_value_uses_up_is_refused(tmp_path: Path, year: Year, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message), cleared(year, law(), tmp_path):
        pass
    assert list(tmp_path.glob("*.parquet")) == []


def test_numbers_beyond_exact_arithmetic_are_refused(tmp_path: Path) -> None:
    """Six digits of points, a share that does not end and 10^12 points: the fraction has more digits than fit."""
    cases = [shared(f"c{n}", "H1", f"90000000000{n}.123457", 7, 9) for n in range(6)]
    year = Year(cases, budgets={"310": 10**14 + 1})
    with pytest.raises(ConfigurationError, match="超出可精确计算的范围"), cleared(year, law(), tmp_path):
        pass


def test_a_hospital_without_assessment_is_named(tmp_path: Path) -> None:
    year = Year(
        [pointed("a", "H1", "1"), pointed("b", "H2", "1")],
        budgets={"310": 9},
        assessments={("H2", "310"): ("1", "1")},
    )
    strict = law(without_assessment="refuse")
    with (
        pytest.raises(ConfigurationError, match="2025 年没有考核系数的医院：H1；"),
        cleared(year, strict, tmp_path),
    ):
        pass
    nobody = pa.table({"hospital_id": ["H2"], "name": ["x"], "level": ["x"]})
    changed = {"hospitals": nobody}
    with pytest.raises(ConfigurationError, match="不在医院表：H1；"), cleared(year, law(), tmp_path, changed):
        pass


def test_a_case_whose_rule_is_unknown_is_not_lost(tmp_path: Path) -> None:
    year = Year(
        [pointed("a", "H1", "1"), pointed("b", "H2", "1", method="ratio", of="case", share=(1, 2))],
        budgets={"310": 9},
    )
    rules = pa.table({"rule_id": ["difference/None/True"], "fund_method": ["difference"],
                      "fund_of": pa.array([None], pa.string()), "negative_kept": [True]})  # fmt: skip
    with (
        pytest.raises(AuditBroken, match=r"清算一次.*H2、310"),
        cleared(year, law(), tmp_path, {"year_rules": rules}),
    ):
        pass


def test_a_trial_is_the_entry_with_other_bands(tmp_path: Path) -> None:
    """With B01 instead of none, a hospital that spent 12 of 10 million gets 10.7."""
    entry = ClearingEntry.model_validate(law())
    trial = with_trial(entry, bands=B01, bands_measure="fund")
    assert (entry.bands, [band.hi for band in trial.bands][-1]) == ([], None)
    year = Year(
        [pointed("one", "H1", "1", pool_fen=12 * MILLION, fee_fen=12 * MILLION)],
        budgets={"310": 10 * MILLION},
    )
    with cleared(year, trial.model_dump(by_alias=True), tmp_path) as found:
        assert found.hospitals()["H1", "310"]["banded_fen"] == 1_070_000_000
    with pytest.raises(ValueError, match="bands_measure"):
        with_trial(entry, bands=B01)


def test_what_the_pack_gives_a_clearing(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "assessments.csv").write_text(
        "year,hospital_id,insurance_type,coefficient,deposit_return,source\n2025,H1,,0.98,1,考核通报\n"
        "2025,H1,390,1.0333,0.5,考核通报\n2024,H2,,0.9,0,考核通报\n", encoding="utf-8",
    )  # fmt: skip
    region = write_pack(folder, plain_pack(clearing=[dated(value="fixed", **{"from": "2025-03-01"})]))
    assert assessments_of(region, 2025).to_pylist() == [
        {"hospital_id": "H1", "insurance_type": None, "coefficient_e4": 9800, "deposit_return_e4": 10000},
        {"hospital_id": "H1", "insurance_type": "390", "coefficient_e4": 10333, "deposit_return_e4": 5000},
    ]
    assert clearing_on(region, 2025).value == "fixed"
    with pytest.raises(ConfigurationError, match="没有 2024 年的清算办法"):
        clearing_on(region, 2024)


DOCS = Path(__file__).parent.parent / "docs"


def test_the_pages_tell_every_column_and_the_worked_year(tmp_path: Path) -> None:
    """docs/files.md names the columns; docs/clearing.md works S02 with the numbers that come out."""
    text = (DOCS / "files.md").read_text(encoding="utf-8")
    with cleared(s02(), law(bands=B01, bands_measure="fund"), tmp_path) as year:
        for name in ("case_clearing", "hospital_clearing", "insurance_clearing"):
            section = text.split(f"### `{name}.parquet`")[1].split("\n### ")[0]
            assert set(year.rows(name)[0]) <= set(re.findall(r"`(\w+)`", section))
    lined = [pointed("a", "H1", "1"), pointed("b", "H1", "1", line="异地")]
    with cleared(
        Year(lined, budgets={"310": 1}, line_budgets={("310", "异地"): 1}), law(), tmp_path / "2"
    ) as year:
        for name in ("pool_clearing", "pool_balance"):
            section = text.split(f"### `{name}.parquet`")[1].split("\n### ")[0]
            assert set(year.rows(name)[0]) <= set(re.findall(r"`(\w+)`", section))
    page = (DOCS / "clearing.md").read_text(encoding="utf-8")
    with cleared(s02(), law(), tmp_path / "plain") as year:
        row = year.hospitals()["H9", "310"]
    for name in ("standard_fen", "fund_from_points_fen", "assessed_fen", "entitlement_fen", "clearing_fen"):
        assert f"{Decimal(row[name]) / 100:,.2f}".replace("-", "−") in page


def test_a_real_run_of_one_month_is_a_year(finished: Finished, tmp_path: Path) -> None:
    """The demo month as its files stand: at fixed value the fund is the month's, and what is left of prepay ratio and
    deposit is cleared; with that sum as the budget the multiplier of the rates is 1 but for the cases' roundings."""
    scored = finished.table("scored")
    payment = finished.table("hospital_payment").to_pylist()
    paid = [
        {"hospital_id": row["hospital_id"], "insurance_type": row["insurance_type"], "period": PERIOD,
         "fund_fen": row["fund_fen"], "settled_fen": row["prepay_fen"] - row["audit_deduction_fen"],
         "revolving_offset_fen": row["revolving_offset_fen"], "deposit_fen": row["deposit_fen"],
         "due_fen": row["payable_fen"] + row["carried_fen"]} for row in payment
    ]  # fmt: skip
    cash = [{**row, "cash_fen": max(0, row["due_fen"])} for row in paid]
    funds: dict[str, int] = {}
    for row in paid:
        funds[row["insurance_type"]] = funds.get(row["insurance_type"], 0) + row["fund_fen"]
    tables = {
        "year_scored": scored.append_column("period", pa.array([PERIOD] * scored.num_rows)),
        "year_rules": finished.table("rules_used").select(["rule_id", "fund_method", "fund_of", "negative_kept"]),
        "year_paid": pa.Table.from_pylist(paid), "year_cash": pa.Table.from_pylist(cash),
        "budgets": pa.Table.from_pylist([
            {"insurance_type": kind, "budget_line": "", "fund_fen": fund, "version": 1} for kind, fund in funds.items()
        ]),
        "hospitals": pa.Table.from_pylist([{"hospital_id": row["hospital_id"], "name": row["hospital_name"],
                                            "level": row["level"]} for row in payment]).group_by(
            ["hospital_id", "name", "level"]).aggregate([]),
    }  # fmt: skip
    with cleared(Year(), law(value="fixed"), tmp_path / "fixed", tables) as year:
        for key, row in year.hospitals().items():
            (month,) = [one for one in paid if (one["hospital_id"], one["insurance_type"]) == key]
            (given,) = [one["cash_fen"] for one in cash if (one["hospital_id"], one["insurance_type"]) == key]
            assert row["entitlement_fen"] == row["fund_from_points_fen"] == month["fund_fen"]
            assert row["clearing_fen"] == month["fund_fen"] - given
    with cleared(Year(), law(), tmp_path / "floating", tables) as year:
        for row in year.insurance().values():
            assert row["undistributed_fen"] == 0
            assert abs(Fraction(int(row["value_num"]), int(row["value_den"])) - 1) < Fraction(1, 1_000_000)
