"""A month settled: every figure of hospital_payment by hand, every input row through one door."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigurationError
from tests.pricing_fixtures import Case, dated, plain_pack, priced, write_pack

ONE = {"310": dict.fromkeys(("一级", "二级", "三级"), "10000")}


def simple(**changes: Any) -> dict[str, Any]:
    """Rate 10,000, coefficient 1: weight 1 is 10,000 yuan. Prepay 90 %, deposit 5 % unless changed."""
    plain = {
        "insurance_types": {"310": "职工"},
        "rates": [dated(values=ONE)],
        "coefficients": [dated(by_level=dict.fromkeys(ONE["310"], "1"))],
        "settlement": [dated(prepay_ratio="0.9", deposit_rate="0.05")],
    }
    return plain_pack(**(plain | changes))


WEIGHTS = {"AA": "1", "BB": "0.5", "CC": "2.1234", "XQY": "0.7"}


def settled(
    folder: Path, cases: list[Case], pack: dict[str, Any] | None = None, amounts: tuple[str, ...] = ()
) -> Any:
    """hospital_payment and case_payment rows, and the doors by case."""
    region = write_pack(folder / "pack", pack or simple(), WEIGHTS, amounts=amounts)
    with priced(region, cases, folder / "run") as run:
        payments = run.settled()
        rows = run.rows("case_payment")
        late = run.late
        audited = run.rows("totals")[0]
    return payments, rows, late, audited


def doors(rows: list[dict[str, Any]]) -> dict[str, tuple[str, str | None]]:
    return {row["case_id"]: (row["door"], row["code"]) for row in rows}


def test_a_month_by_hand(tmp_path: Path) -> None:
    """
    a  AA  F 9,000.00  recorded 5,400.00  x 0.9  normal  S 10,000.00  fund 10,000 − 3,600 =  6,400.00
    b  BB  F 1,500.00  recorded 1,000.00  x 0.3  low     S  1,500.00  fund  1,500 −   500 =  1,000.00
    c  CC  F 70,000.00 recorded 50,000.00 x 3.3  high    S 21,234.00  fund 21,234 − 20,000 = 1,234.00
    d  0000 weight 0.2 F 3,000.01 recorded 0     fixed   S  2,000.00  fund  2,000 − 3,000.01 = −1,000.01
    Σ fund 7,633.99; × 0.9 = 6,870.591 → prepay 6,870.59; deposit 0.05 × 6,870.591 = 343.52955 → 343.53
    payable 6,870.59 − 343.53 = 6,527.06; weight 1 + 0.5 + 2.1234 + 0.2 = 3.8234, CMI 0.95585 → 0.9559 (tie up)
    """
    payments, rows, late, totals = settled(tmp_path, [
        Case("a", "AA", 900_000, 540_000), Case("b", "BB", 150_000, 100_000),
        Case("c", "CC", 7_000_000, 5_000_000), Case("d", "0000", 300_001, 0),
    ])  # fmt: skip
    assert late == []
    assert list(payments) == [("H2", "310")]
    row = payments["H2", "310"]
    expected = {
        "hospital_name": "医院H2", "level": "二级", "insurance_name": "职工",
        "cases": 4, "rejected_rows": 0, "held_rows": 0, "low_cases": 1, "high_cases": 1,
        "ungrouped_cases": 1, "ambiguous_cases": 0, "weight_total": Decimal("3.8234"), "cmi": Decimal("0.9559"),
        "total_fee_fen": 8_350_001, "pool_fund_fen": 5_640_000,
        "standard_fen": 1_000_000 + 150_000 + 2_123_400 + 200_000, "fund_fen": 763_399,
        "prepay_fen": 687_059, "deposit_fen": 34_353, "audit_deduction_fen": 0, "revolving_offset_fen": 0,
        "payable_fen": 652_706, "carried_fen": 0,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert doors(rows) == dict.fromkeys("abcd", ("paid", None))
    assert (totals["cases"], totals["cmi"], totals["payable_fen"]) == (4, Decimal("0.9559"), 652_706)


@pytest.mark.parametrize(
    ("prepay", "payable"), [("0.9", 55_920_000), ("0.95", 59_110_000)], ids=["S03", "S03 at 95 %"]
)
def test_monthly_prepayment_of_s03(tmp_path: Path, prepay: str, payable: int) -> None:
    """S03: 90,000 points × 10.2 = 918,000; patients paid 280,000; × ratio − audit 15,000 = 559,200 or 591,100.

    As one case at rate 9,180 × weight 100; the patients' part is F − recorded fund. Its deposit is separate."""
    pack = simple(
        settlement=[dated(prepay_ratio=prepay, deposit_rate="0")],
        rates=[dated(values={"310": dict.fromkeys(ONE["310"], "9180")})],
        off_path=[dated(
            ungrouped={"treatment": "fixed_weight", "weight": "100"},
            ambiguous={"treatment": "table_weight"}, groups={},
        )],
    )  # fmt: skip
    case = Case("s", "0000", 90_000_000, 62_000_000)
    payments, *_ = settled(tmp_path, [case], pack, ("audit_deduction,H2,310,2025-10,15000.00,违规,文1",))
    assert payments["H2", "310"]["payable_fen"] == payable


def test_deposit_is_withheld_before_deductions_and_never_of_a_negative_sum(tmp_path: Path) -> None:
    """
    H1: Σ fund 6,400.00 → prepay 5,760.00, deposit 288.00; audit 1,000.00 + 500.50, revolving 100.00
        → 5,760 − 1,500.50 − 100 − 288 = 3,871.50
    H2: S 2,000.00, patient part 3,000.01 → fund −1,000.01 → prepay −900.009 → −900.01; deposit 0; carried −900.01
    H3: no case; audit 20.00 → carried −20.00. Another month's audit counts nowhere.
    """
    amounts = (
        "audit_deduction,H1,310,2025-10,1000.00,违规,文1", 'audit_deduction,H1,310,2025-10,500.50,违规,文2',
        "revolving_offset,H1,310,2025-10,100,抵扣,文3", "audit_deduction,H3,310,2025-10,20,违规,文4",
        "audit_deduction,H1,310,2025-09,99999,违规,文5",
    )  # fmt: skip
    cases = [Case("a", "AA", 900_000, 540_000, "H1"), Case("d", "0000", 300_001, 0, "H2")]
    payments, *_ = settled(tmp_path, cases, amounts=amounts)
    names = (
        "prepay_fen", "deposit_fen", "audit_deduction_fen", "revolving_offset_fen", "payable_fen", "carried_fen"
    )  # fmt: skip
    assert {key[0]: tuple(row[name] for name in names) for key, row in payments.items()} == {
        "H1": (576_000, 28_800, 150_050, 10_000, 387_150, 0),
        "H2": (-90_001, 0, 0, 0, 0, -90_001),
        "H3": (0, 0, 2_000, 0, 0, -2_000),
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fine,H1,310,2025-10,1,x,y", "类别应为"),
        ("audit_deduction,H9,310,2025-10,1,x,y", "医院或险种不认识"),
        ("audit_deduction,H1,999,2025-10,1,x,y", "医院或险种不认识"),
        ("audit_deduction,H1,310,2025-10,1.005,x,y", "金额读不懂"),
        ("audit_deduction,H1,310,2025/10,1,x,y", "月份应写作"),
        ("audit_deduction,H1,310,2025-13,1,x,y", "月份应写作"),
        ("audit_deduction,H1,310", "缺列"),
    ],
)
def test_an_amount_that_would_be_lost_is_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        settled(tmp_path, [Case("a")], amounts=(line,))
    assert "period_amounts.csv" in str(caught.value) and "第 2 行" in str(caught.value)


def test_a_period_without_settlement_terms_is_refused(tmp_path: Path) -> None:
    pack = simple(settlement=[dated(to="2025-10-15", prepay_ratio="0.9", deposit_rate="0.05")])
    with pytest.raises(ConfigurationError, match="结算参数不覆盖 2025-10-31"):
        settled(tmp_path, [Case("a")], pack)


def test_a_good_pair_sums_to_nothing(tmp_path: Path) -> None:
    """A low case taken back counts −1 and nothing of it stays: cases, classes, weight and money of one case left."""
    low = Case("low", "AA", 150_000, 100_000)
    stays = Case("a", "AA", 900_000, 540_000)
    turned = low.reversed_by("r", settlement_date=dt.date(2025, 10, 20))
    payments, rows, late, _ = settled(tmp_path / "pair", [low, turned, stays])
    alone, *_ = settled(tmp_path / "alone", [stays])
    assert payments == alone
    assert doors(rows) == {"low": ("paid", None), "r": ("paid", None), "a": ("paid", None)}
    assert late == []
    by_case = {row["case_id"]: row for row in rows}
    assert (by_case["low"]["standard_fen"], by_case["r"]["standard_fen"]) == (150_000, -150_000)
    assert (by_case["low"]["fund_fen"], by_case["r"]["fund_fen"]) == (100_000, -100_000)


def test_high_cases_taken_back_are_no_high_cases(tmp_path: Path) -> None:
    high = Case("h", "AA", 7_000_000, 0)
    payments, *_ = settled(tmp_path, [high, high.reversed_by("r")])
    row = payments["H2", "310"]
    assert (row["cases"], row["high_cases"], row["low_cases"], row["cmi"]) == (0, 0, 0, None)
    assert (row["fund_fen"], row["payable_fen"], row["carried_fen"]) == (0, 0, 0)


def test_a_zeroed_difference_and_its_reversal_pass_the_laws(tmp_path: Path) -> None:
    """negative: zero. S 10,000, F 12,000 all paid by the patient: fund 0, and 0 for the reversal."""
    case = Case("z", "AA", 1_200_000, 0)
    pack = simple(fund_share=[dated(method="difference", negative="zero")])
    payments, rows, _, _ = settled(tmp_path, [case, case.reversed_by("r")], pack)
    assert [row["fund_fen"] for row in rows] == [0, 0]
    assert payments["H2", "310"]["standard_fen"] == 0


ORIGINAL = Case("o", "AA", 900_000, 540_000)


Doors = dict[str, tuple[str, str | None]]
REVERSALS: dict[str, tuple[list[Case], Doors]] = {
    "a second reversal is refused, by settlement date and then case id": (
        [ORIGINAL, ORIGINAL.reversed_by("r1"), ORIGINAL.reversed_by("r2")],
        {"o": ("paid", None), "r1": ("paid", None), "r2": ("refused", "second_reversal")},
    ),
    "the earlier one counts, wherever it stands": (
        [
            ORIGINAL,
            ORIGINAL.reversed_by("r1", settlement_date=dt.date(2025, 10, 9)),
            ORIGINAL.reversed_by("r2"),
        ],
        {"o": ("paid", None), "r1": ("refused", "second_reversal"), "r2": ("paid", None)},
    ),
    "an unknown original holds": (
        [ORIGINAL.reversed_by("r", reverses="nobody")],
        {"r": ("held", "reversal_without_original")},
    ),
    "another fee holds": (
        [ORIGINAL, ORIGINAL.reversed_by("r", total_fee_fen=-899_999)],
        {"o": ("paid", None), "r": ("held", "reversal_unlike")},
    ),
    "a fund that is not negative holds": (
        [ORIGINAL, ORIGINAL.reversed_by("r", pool_fund_fen=540_000)],
        {"o": ("paid", None), "r": ("held", "reversal_unlike")},
    ),
    "another hospital holds": (
        [ORIGINAL, ORIGINAL.reversed_by("r", hospital_id="H1")],
        {"o": ("paid", None), "r": ("held", "reversal_unlike")},
    ),
    "one that is held takes nothing back, so the good one after it does": (
        [ORIGINAL, ORIGINAL.reversed_by("r1", total_fee_fen=-1), ORIGINAL.reversed_by("r2")],
        {"o": ("paid", None), "r1": ("held", "reversal_unlike"), "r2": ("paid", None)},
    ),
    "refused with an original that validation refused": (
        [replace(ORIGINAL, door="refuse", code="unknown_sex"), ORIGINAL.reversed_by("r")],
        {"o": ("refused", "unknown_sex"), "r": ("refused", "reversal_of_refused")},
    ),
    "held with an original that is held": (
        [replace(ORIGINAL, door="hold", code="other_period"), ORIGINAL.reversed_by("r")],
        {"o": ("held", "other_period"), "r": ("held", "reversal_without_original")},
    ),
    "refused with an original that has no price": (
        [replace(ORIGINAL, drg="DD"), replace(ORIGINAL, drg="DD").reversed_by("r")],
        {"o": ("refused", "no_weight"), "r": ("refused", "reversal_of_refused")},
    ),
    "a reversal cannot be reversed": (
        [ORIGINAL, ORIGINAL.reversed_by("r1"), ORIGINAL.reversed_by("r2", reverses="r1")],
        {"o": ("paid", None), "r1": ("paid", None), "r2": ("held", "reversal_without_original")},
    ),
}


@pytest.fixture(scope="module")
def reversed_months(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Doors, dict[str, str]]]:
    """All of them in one month, every case under the name of its example, as listed and turned round: doors, late codes."""
    folder = tmp_path_factory.mktemp("reversals")
    cases = [
        replace(one, case_id=f"{name}|{one.case_id}", reverses=one.reverses and f"{name}|{one.reverses}")
        for name, (some, _) in REVERSALS.items() for one in some
    ]  # fmt: skip
    found = []
    for number, month in enumerate((cases, cases[::-1])):
        _, rows, late, _ = settled(folder / str(number), month)
        found.append((doors(rows), {row["case_id"]: row["code"] for row in late}))
    return found


@pytest.mark.parametrize("name", REVERSALS)
def test_reversals(reversed_months: list[tuple[Doors, dict[str, str]]], name: str) -> None:
    expected = {f"{name}|{case}": door for case, door in REVERSALS[name][1].items()}
    (told, late), (turned, _) = reversed_months

    def own(found: Mapping[str, Any]) -> dict[str, Any]:
        return {case: one for case, one in found.items() if case.startswith(f"{name}|")}

    assert own(told) == expected
    mine = {case: code for case, (_, code) in expected.items() if code in own(late).values()}
    assert own(late) == mine
    assert own(turned) == expected


def test_what_finds_no_price_is_refused_with_its_cases_never_zero(tmp_path: Path) -> None:
    """no_weight: DD is not in the table; no_rate: the pack prints no rate for 一级; no_terms: before the first day."""
    pack = simple(rates=[dated(values={"310": {"二级": "10000", "三级": "10000"}})])
    early = dt.date(2024, 12, 31)
    cases = [
        Case("fine", "AA"), Case("dd", "DD"), Case("h1", "AA", hospital_id="H1"), Case("xqy", "XQY"),
        Case("early", "AA", discharge_date=early), Case("no", "AA", door="refuse", code="unknown_sex"),
    ]  # fmt: skip
    region = write_pack(tmp_path / "pack", pack, WEIGHTS)
    with priced(region, cases, tmp_path / "run", ungrouped_days=True) as run:
        payments = run.settled()
        rows = {row["case_id"]: row for row in run.rows("case_payment")}
        late = {row["case_id"]: (row["code"], row["value"], row["message"]) for row in run.late}
    assert {name: (row["door"], row["code"]) for name, row in rows.items()} == {
        "fine": ("paid", None), "xqy": ("paid", None), "dd": ("refused", "no_weight"),
        "h1": ("refused", "no_rate"), "early": ("refused", "no_terms"), "no": ("refused", "unknown_sex"),
    }  # fmt: skip
    assert all(row["fund_fen"] is None for row in rows.values() if row["door"] != "paid")
    assert late == {
        "dd": ("no_weight", "DD", "病组 DD 没有权重或分值，不能按零计；请补表后重跑"),
        "h1": ("no_rate", "H1、310", "医院、险种 H1、310 没有费率或系数；请补参数后重跑"),
        "early": ("no_terms", "2024-12-31", "定价日期 2024-12-31 没有适用的地区参数；请补参数后重跑"),
    }
    assert {key: (row["cases"], row["rejected_rows"]) for key, row in payments.items()} == {
        ("H1", "310"): (0, 1), ("H2", "310"): (2, 3),
    }  # fmt: skip


def test_the_date_that_the_pack_names_chooses_the_price(tmp_path: Path) -> None:
    """Rate 10,000 until September, 20,000 from October; discharged in September, settled in October."""
    double = {"310": dict.fromkeys(ONE["310"], "20000")}
    rates = [dated(values=ONE), dated(**{"from": "2025-10-01"}, values=double)]
    case = Case("a", "AA", 900_000, 540_000, discharge_date=dt.date(2025, 9, 30))
    for pricing_by, standard in (("discharge_date", 1_000_000), ("settlement_date", 2_000_000)):
        _, rows, *_ = settled(tmp_path / pricing_by, [case], simple(rates=rates, pricing_by=pricing_by))
        assert rows[0]["standard_fen"] == standard


def test_every_input_row_stands_in_case_payment_once(tmp_path: Path) -> None:
    cases = [
        Case("a"), Case("b", door="refuse", code="unknown_sex"), Case("c", door="hold", code="other_period"),
        Case("a2").reversed_by("r", reverses="a"), Case("d", "DD"),
    ]  # fmt: skip
    _, rows, _, totals = settled(tmp_path, cases)
    assert [row["input_row"] for row in rows] == [0, 1, 2, 3, 4]
    assert [row["door"] for row in rows] == ["paid", "refused", "held", "paid", "refused"]
    assert (totals["rows_in"], totals["paid"], totals["refused"], totals["held"]) == (5, 2, 2, 1)
