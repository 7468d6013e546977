"""The month of an alliance (医共体): who is paid through whom, what the package is and what used it up."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from pipeline.alliance import months_of, settle_alliances
from pipeline.errors import AuditBroken, ConfigurationError
from pipeline.query import audit, audit_names
from tests.alliance_fixtures import (
    MEMBERS,
    Paid,
    Resident,
    alliance_pack,
    register_around,
    rows_of,
    settled,
)
from tests.pricing_fixtures import priced


def test_m01_the_package_of_a_year_and_a_month(tmp_path: Path) -> None:
    """M01: 350,000 × 960 = 336,000,000; × 90 = 31,500,000; 5 % of 304,500,000 = 15,225,000; 289,275,000; ÷ 12."""
    region = alliance_pack(tmp_path / "pack")
    with settled(region, [], tmp_path / "run") as (con, _):
        row = rows_of(con, "alliance_package")["A1", "390"]
    names = ("income_fen", "serious_illness_fen", "risk_reserve_fen", "package_year_fen", "package_fen")
    assert [row[name] for name in names] == [
        33_600_000_000, 3_150_000_000, 1_522_500_000, 28_927_500_000, 2_410_625_000,
    ]  # fmt: skip
    assert (row["spending_fen"], row["difference_fen"]) == (0, 2_410_625_000)


@pytest.mark.parametrize(
    ("form", "total", "january", "december"),
    [
        # 7 × (100.01 − 0) = 700.07; ÷ 12 = 58.3391… → 58.34; 700.07 − 11 × 58.34 = 58.33
        ("per_capita,7,100.01,0,0,,,", 70_007, 5_834, 5_833),
        # 3 × 0.05 × 0.5 = 0.075 → 0.08 (half away); ÷ 12 = 0.00667 → 0.01; 0.08 − 0.11 = −0.03
        ("per_capita,3,0.05,0,0.5,,,", 8, 1, -3),
        # 12.3456 % of 1,000,000.01 = 123,456.001… → 123,456.00; ÷ 12 = 10,288.00
        ("budget_share,,,,,0.123456,,", 12_345_600, 1_028_800, 1_028_800),
    ],
)
def test_twelve_months_are_the_year(
    tmp_path: Path, form: str, total: int, january: int, december: int
) -> None:
    region = alliance_pack(tmp_path / "pack", packages=[f"A1,2025,390,{form}"])
    found = {}
    for period in ("2025-01", "2025-11", "2025-12"):
        with settled(region, [], tmp_path / period, period, budgets={"390": 100_000_001}) as (con, _):
            row = rows_of(con, "alliance_package")["A1", "390"]
            found[period] = (row["package_year_fen"], row["package_fen"])
    assert found == {"2025-01": (total, january), "2025-11": (total, january), "2025-12": (total, december)}


def test_the_lead_is_paid_for_all_members_and_the_rest_is_as_before(tmp_path: Path) -> None:
    """Through the run's own pricing. H1 and H2 belong to A1, H3 to none: its payment is in no alliance, unchanged."""
    region = alliance_pack(tmp_path / "pack")
    cases = [
        Resident("a", "BB", hospital_id="H1", insurance_type="390"), Resident("b", "BB", insurance_type="390"),
        Resident("c", "BB"), Resident("d", "BB", hospital_id="H3", insurance_type="390"),
    ]  # fmt: skip
    with priced(region, cases, tmp_path / "run") as run:
        own = {key: row["payable_fen"] for key, row in run.settled().items()}
        before = run.rows("hospital_payment")
        register_around(run.con, {})
        days = dt.date(2025, 12, 5), dt.date(2025, 12, 19)
        laws = settle_alliances(run.con, region, "2025-10", tmp_path / "run", *days)
        paid = rows_of(run.con, "alliance_payment")
        assert run.rows("hospital_payment") == before
    assert len(laws) == len([name for name in audit_names("audit_alliance") if "/month_" in name])
    assert {key[1:]: row["payable_fen"] for key, row in paid.items()} == {
        ("H1", "310"): 0, ("H1", "390"): own["H1", "390"], ("H2", "310"): own["H2", "310"], ("H2", "390"): own["H2", "390"],
    }  # fmt: skip
    assert [key[1] for key in paid] == ["H1", "H1", "H2", "H2"]  # the lead first
    assert {(row["lead_id"], row["lead_due_on"], row["member_due_on"]) for row in paid.values()} == {
        ("H1", *days)
    }


def test_without_alliances_nothing_is_written(tmp_path: Path) -> None:
    region = alliance_pack(tmp_path / "pack", members=(), packages=(), assessments=())
    with settled(region, [Paid("a", "H1", 100)], tmp_path / "run") as (con, laws):
        assert laws == []
        assert "alliance_payment" not in {row[0] for row in con.sql("SHOW TABLES").fetchall()}
    assert list((tmp_path / "run").glob("*.parquet")) == []


LEAVING = (
    MEMBERS[0],
    "A1,甲县医共体,H2,member,2025-01-01,2025-09-15,",
    "A1,甲县医共体,H3,member,2025-07-20,,",
)


def test_the_last_day_of_the_month_decides_for_the_whole_month(tmp_path: Path) -> None:
    """H3 joins on 20 July: its July is the alliance's. H2 leaves on 15 September: its September is its own."""
    region = alliance_pack(tmp_path / "pack", members=LEAVING)
    wanted = {
        **{f"2025-0{n}": {"H1", "H2"} for n in range(1, 7)}, "2025-07": {"H1", "H2", "H3"}, "2025-08": {"H1", "H2", "H3"},
        **{f"2025-{n:02d}": {"H1", "H3"} for n in range(9, 13)},
    }  # fmt: skip
    rows = months_of(region, 2025).to_pylist()
    assert {
        period: {row["hospital_id"] for row in rows if row["period"] == period} for period in wanted
    } == wanted
    cases = [Paid("a", "H1", 100), Paid("b", "H2", 200), Paid("c", "H3", 400)]
    found = {}
    for period in ("2025-06", "2025-07", "2025-09"):
        with settled(region, cases, tmp_path / period, period) as (con, _):
            found[period] = sum(row["fund_fen"] for row in rows_of(con, "alliance_payment").values())
    assert found == {"2025-06": 300, "2025-07": 700, "2025-09": 500}


def test_outsiders_are_paid_beside_the_package(tmp_path: Path) -> None:
    """a, b own counties; c outsider, taken back by e, which says the own county; d, blank of unknown area: inside.

    Employees (310) have no package, so no county tells them apart: all inside, and no package is shown.
    1,000 × (960 − 90) × 0.95 = 826,500.00; ÷ 12 = 68,875.00.
    """
    package = "A1,2025,390,per_capita,1000,960,90,0.05,,449900;449901,"
    amounts = (
        "A1,2025-10,out_of_county,390,100.00,文1", 'A1,2025-10,family_doctor,390,"1,000.50",文2',
        "A1,2025-10,family_doctor,390,-0.50,文3", "A1,2025-10,outsiders,390,77.00,文4",
        "A1,2025-09,bed_day,390,5000.00,文5", "A1,2025-10,dual_channel,310,3.00,文6",
    )  # fmt: skip
    region = alliance_pack(tmp_path / "pack", packages=[package], amounts=amounts)
    cases = [
        Paid("a", "H1", 1_000, "449900"), Paid("b", "H2", 200, "449901"), Paid("c", "H2", 30, "440100"), Paid("d", "H1", 4),
        Paid("blank", "H1", 5, " "), Paid("x", "H2", 60_000, "440100"), Paid("e", "H2", -30, "449900", reverses="c"),
        Paid("f", "H1", 7_777, "440100", "310"), Paid("g", "H3", 999, "440100"),
    ]  # fmt: skip
    with settled(region, cases, tmp_path / "run") as (con, _):
        found = rows_of(con, "alliance_package")
        paid = rows_of(con, "alliance_payment")
    row = found["A1", "390"]
    expected = {
        "package_year_fen": 82_650_000, "package_fen": 6_887_500,
        "inpatient_cases": 4, "unknown_area_cases": 2, "inpatient_fen": 1_209,
        "outsider_cases": 1, "outsider_inpatient_fen": 60_000, "outsider_other_fen": 7_700,
        "out_of_county_fen": 10_000, "family_doctor_fen": 100_000, "bed_day_fen": 0,
        "spending_fen": 111_209, "difference_fen": 6_887_500 - 111_209, "months": 1,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    members = {
        key[1]: (one["inside_fund_fen"], one["outsider_fund_fen"])
        for key, one in paid.items()
        if key[2] == "390"
    }
    assert members == {"H1": (1_009, 0), "H2": (200, 60_000)}
    other = found["A1", "310"]
    assert (other["inpatient_fen"], other["outsider_cases"], other["unknown_area_cases"]) == (7_777, 0, 0)
    assert (other["package_fen"], other["difference_fen"], other["package_to_date_fen"]) == (None, None, None)
    assert (other["spending_fen"], other["spending_to_date_fen"]) == (8_077, 8_077)


def month_of(period: str, package: int | None = 1_000, spending: int = 30) -> dict[str, Any]:
    return {
        "alliance_id": "A1", "insurance_type": "390", "period": period, "package_fen": package, "spending_fen": spending,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("earlier", "sums"),
    [
        # last year, one before, this month, one after; 24,106,250.00 + 10.00; 85,500 + 30; 85,530 ÷ 2,410,626,000
        ([month_of("2024-12"), month_of("2025-09"), month_of("2025-10"), month_of("2025-11")],
         [2, 2_410_626_000, 85_530, 2_410_540_470, 0]),
        # 602,656,500 + 85,500 = 602,742,000 of 2,410,625,000 + 343,000 = 2,410,968,000: 25.00 %
        ([month_of("2025-01", 343_000, 602_656_500)], [2, 2_410_968_000, 602_742_000, 1_808_226_000, 2_500]),
        # a month without a package leaves the sum unknown, not smaller
        ([month_of("2025-09", None)], [2, None, 85_530, None, None]),
    ],
)  # fmt: skip
def test_the_year_so_far_is_this_year_before_this_month(
    tmp_path: Path, earlier: list[dict[str, Any]], sums: list[int | None]
) -> None:
    region = alliance_pack(tmp_path / "pack")
    with settled(region, [Paid("a", "H1", 85_500)], tmp_path / "run", earlier=earlier) as (con, _):
        row = rows_of(con, "alliance_package")["A1", "390"]
    names = (
        "months",
        "package_to_date_fen",
        "spending_to_date_fen",
        "difference_to_date_fen",
        "used_to_date_e4",
    )
    assert [row[name] for name in names] == sums


def test_a_month_that_counts_twice_is_found(tmp_path: Path) -> None:
    twice = [month_of("2025-09"), month_of("2025-09")]
    with (
        pytest.raises(AuditBroken, match="A1、390、2025-09 应为 1，实为 2"),
        settled(alliance_pack(tmp_path / "pack"), [], tmp_path / "run", earlier=twice),
    ):
        pass


def test_a_share_of_a_budget_that_nobody_gave_is_refused(tmp_path: Path) -> None:
    region = alliance_pack(tmp_path / "pack", packages=["A1,2025,390,budget_share,,,,,0.1,,"])
    with (
        pytest.raises(ConfigurationError, match=r"`A1`.*2025 年险种 `390` 的年度预算"),
        settled(region, [], tmp_path / "run", budgets={"310": 5}),
    ):
        pass


# law → table, what is replaced, which part of the message names it, the difference
TAMPERED = {
    "month_alliances_and_outside_equal_region": (
        "alliance_payment", "payable_fen + 7 * (hospital_id = 'H2')::INT AS payable_fen", "险种 390 的应付", 7),
    "month_member_equals_hospital": (
        "alliance_payment", "payable_fen - 5 * (hospital_id = 'H2')::INT AS payable_fen", "H2、390", -5),
    "month_inside_and_outsiders_equal_members": (
        "alliance_package", "inpatient_fen + 3 AS inpatient_fen", "A1、390", 3),
    "month_package_adds_up": ("alliance_package", "spending_fen + 1 AS spending_fen", "A1、390 的支出合计", 1),
    "month_amounts_all_counted": (
        "alliance_package", "outsider_other_fen - 2 AS outsider_other_fen", "本月其他支出", -2),
}  # fmt: skip


@pytest.mark.parametrize("law", list(TAMPERED))
def test_every_law_of_the_month_breaks(tmp_path: Path, law: str) -> None:
    name, replaced, subject, gap = TAMPERED[law]
    region = alliance_pack(
        tmp_path / "pack", amounts=["A1,2025-10,bed_day,390,5.00,文1"], insurance_types={"390": "居民"}
    )
    with settled(region, [Paid("a", "H1", 10), Paid("b", "H2", 20)], tmp_path / "run") as (con, _):
        file = tmp_path / "run" / f"{name}.parquet"
        con.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * REPLACE ({replaced}) FROM '{file}'")
        with pytest.raises(AuditBroken, match=subject) as caught:
            audit(con, [f"audit_alliance/{law}"])
        assert abs(int(str(caught.value).split("相差 ")[1].split("；")[0])) == abs(gap)


def test_every_law_of_the_month_is_broken_somewhere() -> None:
    laws = {
        name.removeprefix("audit_alliance/") for name in audit_names("audit_alliance") if "/month_" in name
    }
    assert laws == {*TAMPERED, "month_no_month_twice"}


def test_same_inputs_same_bytes(tmp_path: Path) -> None:
    region = alliance_pack(tmp_path / "pack")
    cases = [Paid(f"c{n}", f"H{n % 3 + 1}", n * n, None, ("310", "390")[n % 2]) for n in range(40)]
    for name in ("one", "two"):
        with settled(region, cases, tmp_path / name):
            pass
    for file in ("alliance_payment.parquet", "alliance_package.parquet"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
