"""The year of an alliance (医共体): whose months, what was spent of the package, who keeps the surplus."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.alliance import months_of
from pipeline.alliance_tables import (
    AMOUNT_KIND_NAMES,
    AllianceAmount,
    AllianceAssessment,
    AllianceTables,
    Package,
)
from pipeline.errors import AuditBroken, ConfigurationError
from pipeline.query import audit, audit_names, keep
from pipeline.region import Region
from tests.alliance_fixtures import MEMBERS, Paid, alliance_pack, cleared, rows_of, settled
from tests.pricing_fixtures import HOSPITALS
from tests.reference.alliance_case import Cleared, clear, settle

PAYMENT = Path(__file__).parents[2] / "shared" / "facts" / "payment"
Year = AbstractContextManager[tuple[duckdb.DuckDBPyConnection, list[str]]]


def year_of(
    region: Region, folder: Path, hospitals: Mapping[tuple[str, str], Cleared], cases: Sequence[Paid] = (),
    months: Sequence[dict[str, Any]] | None = None, budgets: Mapping[str, int] | None = None,
) -> Year:  # fmt: skip
    """A year of these hospitals and cases, members by the pack unless their months are given."""
    tables = {
        "hospital_clearing": [
            {"hospital_id": hospital, "insurance_type": kind, "entitlement_fen": one.entitlement_fen,
             "clearing_fen": one.clearing_fen}
            for (hospital, kind), one in hospitals.items()
        ],
        "case_clearing": [{**vars(one), "fund_from_points_fen": one.fund_fen} for one in cases],
        "year_scored": [{**vars(one), "input_row": row, "case_count": one.count} for row, one in enumerate(cases)],
        "year_validated": [{**vars(one), "input_row": row, "insured_area": one.area} for row, one in enumerate(cases)],
        "year_paid": [
            {"hospital_id": hospital, "insurance_type": kind, "period": period, "settled_fen": fen}
            for (hospital, kind), one in hospitals.items() for period, fen in one.settled_fen.items()
        ],
        "alliance_months": months_of(region, 2025).to_pylist() if months is None else months,
    }  # fmt: skip
    return cleared(region, 2025, tables, folder, budgets)


def whole(entitlement: int, clearing: int = 0) -> Cleared:
    return Cleared(entitlement, clearing, {})


def test_m02_the_surplus_is_kept_and_split(tmp_path: Path) -> None:
    """M02: 289,275,000 − 280,000,000 = 9,275,000; all of it kept; 6:3:1 → 5,565,000 / 2,782,500 / 927,500.

    280,000,000 = 199,000,000 inpatient (H1 180, H2 19 millions), 80,000,000 out of county, 1,000,000 family doctors.
    The lead: 1,500,000 of its members' clearing and the surplus.
    """
    amounts = ("A1,2025-03,out_of_county,390,80000000,文1", "A1,2025-12,family_doctor,390,1000000,文2")
    region = alliance_pack(tmp_path / "pack", amounts=amounts)
    hospitals = {
        ("H1", "390"): whole(18_000_000_000, 200_000_000), ("H2", "390"): whole(1_900_000_000, -50_000_000),
        ("H3", "390"): whole(777, 7),
    }  # fmt: skip
    with year_of(region, tmp_path / "run", hospitals) as (con, laws):
        row = rows_of(con, "alliance_clearing")["A1", "390"]
        members = rows_of(con, "alliance_member_clearing")
    expected = {
        "months": 12, "package_fen": 28_927_500_000, "inpatient_fen": 19_900_000_000, "out_of_county_fen": 8_000_000_000,
        "family_doctor_fen": 100_000_000, "spending_fen": 28_000_000_000, "surplus_fen": 927_500_000,
        "retained_fen": 927_500_000, "returned_fen": 0, "county_fen": 556_500_000, "township_fen": 278_250_000,
        "village_fen": 92_750_000, "overspend_fen": 0, "borne_fen": 0, "members_clearing_fen": 150_000_000,
        "lead_clearing_fen": 150_000_000 + 927_500_000,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert len(laws) == len([name for name in audit_names("audit_alliance") if "/year_" in name])
    assert {key[1] for key in members} == {"H1", "H2"}  # H3 belongs to none: cleared as before


@pytest.mark.parametrize(
    ("spent", "retention", "split", "expected"),
    [
        # surplus 10.01 × 95 % = 9.5095 → 9.51, back 0.50; 951 × 6/10 = 570.6, 285.3, 95.1 → 571, 285, 95
        (81_649, "0.95", "6,3,1", (1_001, 951, 50, 571, 285, 95, 0, 0, 0)),
        # 1.00 kept by thirds: 33.3 each; the missing fen to the county, first in a tie
        (82_550, "1", "1,1,1", (100, 100, 0, 34, 33, 33, 0, 0, 0)),
        # by sevenths 2:2:3 of 1.00: 28.57, 28.57, 42.86 → two missing fen to the village, then the county
        (82_550, "1", "2,2,3", (100, 100, 0, 29, 28, 43, 0, 0, 0)),
        # neither nor
        (82_650, "1", "6,3,1", (0, 0, 0, 0, 0, 0, 0, 0, 0)),
        # overspent 5.05: × 0.3 = 1.515 → 1.52 borne, 3.53 by the fund
        (83_155, "1", "6,3,1", (0, 0, 0, 0, 0, 0, 505, 152, 353)),
    ],
)
def test_surplus_and_overspend_by_hand(
    tmp_path: Path, spent: int, retention: str, split: str, expected: tuple[int, ...]
) -> None:
    """The package is 1 × 826.50."""
    region = alliance_pack(
        tmp_path / "pack", packages=["A1,2025,390,per_capita,1,960,90,0.05,,,"],
        assessments=[f"2025,A1,{retention},{split},"],
    )  # fmt: skip
    with year_of(region, tmp_path / "run", {("H1", "390"): whole(spent)}) as (con, _):
        row = rows_of(con, "alliance_clearing")["A1", "390"]
    names = ("surplus_fen", "retained_fen", "returned_fen", "county_fen", "township_fen", "village_fen", "overspend_fen",
             "borne_fen", "fund_bears_fen")  # fmt: skip
    assert tuple(row[name] for name in names) == expected


def test_a_hospital_that_joins_in_july_divides_its_year(tmp_path: Path) -> None:
    """
    H3 joins on 1 July. Its cases: March 300.00, August 100.00 of an own, November 200.00 of an outsider: 600.00.
    Entitlement 540.00 (coefficient 0.9) → rest −60.00 by fund: March 270.00, August 90.00, November 180.00.
    Settled: March 250.00, August 80.00, November 190.00 = 520.00. Clearing 26.00 = 540 − 520 + 6.00 of deposits:
    6.00 by fund: 3.00, 1.00, 2.00 → March 23.00, August 11.00, November −8.00.
    The alliance has 90.00 inside, 180.00 of outsiders and clears 3.00; H3 itself keeps 270.00 and 23.00.
    """
    lines = (MEMBERS[0], "A1,甲县医共体,H3,member,2025-07-01,,")
    package = "A1,2025,390,per_capita,1,960,90,0.05,,449900,"
    region = alliance_pack(tmp_path / "pack", members=lines, packages=[package])
    cases = [
        Paid("a", "H3", 30_000, "440100", period="2025-03"), Paid("b", "H3", 10_000, "449900", period="2025-08"),
        Paid("c", "H3", 20_000, "440100", period="2025-11"),
    ]  # fmt: skip
    one = Cleared(54_000, 2_600, {"2025-03": 25_000, "2025-08": 8_000, "2025-11": 19_000})
    with year_of(region, tmp_path / "run", {("H3", "390"): one}, cases) as (con, _):
        row = rows_of(con, "alliance_member_clearing")["A1", "H3", "390"]
        end = rows_of(con, "alliance_clearing")["A1", "390"]
    expected = {
        "months": 6, "periods": "2025-07,2025-08,2025-09,2025-10,2025-11,2025-12", "role": "member", "cases": 2,
        "outsider_cases": 1, "inside_entitlement_fen": 9_000, "outsider_entitlement_fen": 18_000,
        "entitlement_fen": 27_000, "settled_fen": 27_000, "clearing_fen": 300,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert (end["inpatient_fen"], end["inpatient_cases"], end["outsider_inpatient_fen"]) == (9_000, 1, 18_000)


def test_the_lead_of_the_last_month_settles_the_year(tmp_path: Path) -> None:
    """H1 leads until June and leaves, H2 leads from July. H1's months stay the alliance's: 6 of 12, no cases → half."""
    lines = (
        "A1,甲县医共体,H1,lead,2025-01-01,2025-06-30,", "A1,甲县医共体,H2,member,2025-01-01,2025-06-30,",
        "A1,新名医共体,H2,lead,2025-07-01,,",
    )  # fmt: skip
    region = alliance_pack(tmp_path / "pack", members=lines)
    hospitals = {("H1", "390"): whole(1_200, 120), ("H2", "390"): whole(5_000, 50)}
    with year_of(region, tmp_path / "run", hospitals) as (con, _):
        rows = rows_of(con, "alliance_member_clearing")
        end = rows_of(con, "alliance_clearing")["A1", "390"]
    found = {key[1]: (row["role"], row["lead_id"], row["months"], row["entitlement_fen"], row["clearing_fen"])
             for key, row in rows.items() if key[2] == "390"}  # fmt: skip
    assert found == {"H1": ("member", "H2", 6, 600, 60), "H2": ("lead", "H2", 12, 5_000, 50)}
    assert (end["lead_id"], end["alliance_name"], end["inpatient_fen"]) == ("H2", "新名医共体", 5_600)


def test_an_alliance_of_half_a_year_has_half_its_package(tmp_path: Path) -> None:
    """From July on: 1 × 826.51 ÷ 12 = 68.876 → 68.88; five of them and December's 826.51 − 11 × 68.88 = 68.83."""
    lines = ("A1,甲县医共体,H1,lead,2025-07-01,,",)
    package = "A1,2025,390,per_capita,1,826.51,0,0,,,"
    region = alliance_pack(tmp_path / "pack", members=lines, packages=[package])
    with year_of(region, tmp_path / "run", {("H1", "390"): whole(0)}) as (con, _):
        end = rows_of(con, "alliance_clearing")["A1", "390"]
    assert (end["months"], end["package_year_fen"], end["package_fen"]) == (6, 82_651, 5 * 6_888 + 6_883)


def test_without_a_package_there_is_no_surplus(tmp_path: Path) -> None:
    region = alliance_pack(tmp_path / "pack", packages=(), assessments=(), alliance=[])
    with year_of(region, tmp_path / "run", {("H1", "390"): whole(500, 20)}) as (con, _):
        end = rows_of(con, "alliance_clearing")["A1", "390"]
    names = ("package_fen", "surplus_fen", "retained_fen", "county_fen", "overspend_fen", "borne_fen")
    assert [end[name] for name in names] == [None] * 6
    assert (end["spending_fen"], end["lead_clearing_fen"]) == (500, 20)


def test_without_alliances_nothing_is_written(tmp_path: Path) -> None:
    region = alliance_pack(tmp_path / "pack", members=(), packages=(), assessments=())
    with year_of(region, tmp_path / "run", {("H1", "390"): whole(500, 20)}) as (_, laws):
        assert laws == []
    assert list((tmp_path / "run").glob("*.parquet")) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"assessments": ()}, "医共体 A1 没有 2025 年的考核"),
        ({"assessments": ("2024,A1,1,6,3,1,",)}, "医共体 A1 没有 2025 年的考核"),
        ({"alliance": []}, "医共体参数不覆盖 2025-12-31"),
    ],
)
def test_a_year_that_cannot_be_ended_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    region = alliance_pack(tmp_path / "pack", **changes)
    with (
        pytest.raises(ConfigurationError, match=said),
        year_of(region, tmp_path / "run", {("H1", "390"): whole(1)}),
    ):
        pass


# law → table, what is replaced in it, which line the message names
TAMPERED = {
    "year_alliances_and_outside_equal_region": (
        "alliance_member_clearing", "clearing_fen + (hospital_id = 'H2')::INT AS clearing_fen", "险种 390 的清算额 应为 70，实为 71"),
    "year_months_equal_hospital": (
        "alliance_year_parts", "inside_fen + (hospital_id = 'H1' AND period = '2025-03')::INT AS inside_fen",
        "H1、390 的应得 应为 500，实为 501"),
    "year_cases_all_counted": (
        "alliance_year_cases", "inside_fund_fen - 1 AS inside_fund_fen", "清算病例 应为 90，实为 89"),
    "year_one_alliance_a_month": (
        "alliance_months", "CASE WHEN hospital_id = 'H2' THEN 'H1' ELSE hospital_id END AS hospital_id", "应为 1，实为 2"),
    "year_package_adds_up": ("alliance_clearing", "village_fen + 1 AS village_fen", "A1、390 的县、乡、村分配"),
    "year_amounts_all_counted": (
        "alliance_clearing", "spending_fen + 1 AS spending_fen", "全年其他支出 应为 500，实为 501"),
    "year_twelve_months_are_the_package": (
        "package_months", "package_fen + (period = '2025-12')::INT AS package_fen", "A1、390 应为 28927500000"),
}  # fmt: skip


@pytest.mark.parametrize("law", list(TAMPERED))
def test_every_law_of_the_year_breaks(tmp_path: Path, law: str) -> None:
    name, replaced, said = TAMPERED[law]
    region = alliance_pack(
        tmp_path / "pack", amounts=["A1,2025-10,bed_day,390,5.00,文1"], insurance_types={"390": "居民"}
    )
    hospitals = {("H1", "390"): whole(500, 20), ("H2", "390"): whole(80, 50)}
    with year_of(region, tmp_path / "run", hospitals, [Paid("a", "H1", 90)]) as (con, _):
        for working, scalars in (
            ("package_year", {}), ("package_months", {"year": "2025"}), ("alliance_year_cases", {}),
            ("alliance_year_parts", {"year": "2025"}),
        ):  # fmt: skip
            keep(con, f"alliance/{working}", **scalars)
        con.execute(f"CREATE TEMP TABLE as_it_was AS SELECT * FROM {name}")
        con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * REPLACE ({replaced}) FROM as_it_was")
        with pytest.raises(AuditBroken, match=said):
            audit(con, [f"audit_alliance/{law}"])


def test_every_law_of_the_year_is_broken_somewhere() -> None:
    laws = {
        name.removeprefix("audit_alliance/") for name in audit_names("audit_alliance") if "/year_" in name
    }
    assert laws == set(TAMPERED)


AREAS = ("449900", "440100", None, " ")
KINDS = ("310", "390")


@st.composite
def years(draw: Any) -> dict[str, Any]:
    """A small year: memberships by month, cases and reversals, packages, amounts, what each hospital's year came to."""
    periods = [f"2025-{n:02d}" for n in range(1, 13)]
    joined = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    members: dict[tuple[str, str], str] = {}
    for period in periods:
        if draw(st.booleans()) or period == "2025-01":
            members["H1", period] = "A1"
            if int(period[5:]) >= joined[0]:
                members["H2", period] = draw(st.sampled_from(("A1", "A1", "A2")))
        if int(period[5:]) >= joined[1]:
            members["H3", period] = members.get(("H2", period), "A2")
    cases: list[Paid] = []
    for n in range(draw(st.integers(0, 12))):
        turned = draw(st.sampled_from([*[one for one in cases if one.reverses is None], None]))
        taken = {one.reverses for one in cases}
        period, area = draw(st.sampled_from(periods)), draw(st.sampled_from(AREAS))
        if turned is not None and turned.case_id not in taken:
            cases.append(replace(turned, case_id=f"c{n}", fund_fen=-turned.fund_fen, period=period, area=area,
                                 reverses=turned.case_id))  # fmt: skip
        else:
            cases.append(Paid(f"c{n}", draw(st.sampled_from(list(HOSPITALS))), draw(st.integers(-300, 900)), area,
                              draw(st.sampled_from(KINDS)), None, period))  # fmt: skip
    small = st.integers(-2_000, 2_000)
    hospitals = {
        (hospital, kind): Cleared(draw(small), draw(small), draw(st.dictionaries(st.sampled_from(periods), small, max_size=4)))
        for hospital in HOSPITALS for kind in KINDS
    }  # fmt: skip
    packages = []
    for alliance in ("A1", "A2"):
        for kind in KINDS:
            form = draw(st.sampled_from(("per_capita", "budget_share", None)))
            counties = draw(st.sampled_from(((), ("449900",), ("449900", "449901"))))
            if form == "per_capita":
                packages.append(Package(alliance, 2025, kind, form, draw(st.integers(1, 9)), draw(st.integers(100, 300)),
                                        draw(st.integers(0, 99)), draw(st.integers(0, 10_000)), 0, counties))  # fmt: skip
            elif form:
                packages.append(
                    Package(alliance, 2025, kind, form, 0, 0, 0, 0, draw(st.integers(1, 10**6)), counties)
                )
    here = sorted(set(members.values()))
    amounts = [
        AllianceAmount(draw(st.sampled_from(here)), draw(st.sampled_from(periods)), draw(st.sampled_from(list(AMOUNT_KIND_NAMES))),
                       draw(st.sampled_from(KINDS)), draw(st.integers(-50, 400)), f"文{n}")
        for n in range(draw(st.integers(0, 6)))
    ]  # fmt: skip
    part = st.integers(0, 7)
    assessments = [
        AllianceAssessment(
            alliance, 2025, draw(st.integers(0, 10_000)), draw(part), draw(part), 1 + draw(part)
        )
        for alliance in ("A1", "A2")
    ]
    return {"members": members, "cases": cases, "hospitals": hospitals, "packages": packages, "amounts": amounts,
            "assessments": assessments}  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Region:
    lines = (*MEMBERS, "A2,乙县医共体,H3,lead,2025-01-01,,")
    return alliance_pack(tmp_path_factory.mktemp("plain"), members=lines)


QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LONG = settings(QUICK, max_examples=100)
BUDGETS = {"310": 5_001, "390": 7_003}


@QUICK
@given(one=years())
def test_the_year_equals_the_slow_twin(
    one: dict[str, Any], plain: Region, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _judge_year(one, plain, tmp_path_factory.mktemp("year"))


@QUICK
@given(one=years(), period=st.sampled_from(("2025-01", "2025-08", "2025-12")))
def test_the_month_equals_the_slow_twin(
    one: dict[str, Any], period: str, plain: Region, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _judge_month(one, period, plain, tmp_path_factory.mktemp("month"))


@pytest.mark.slow
@LONG
@given(one=years(), period=st.sampled_from(("2025-01", "2025-08", "2025-12")))
def test_many_years_and_months_equal_the_slow_twin(
    one: dict[str, Any], period: str, plain: Region, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _judge_year(one, plain, tmp_path_factory.mktemp("year"))
    _judge_month(one, period, plain, tmp_path_factory.mktemp("month"))


def _told(one: dict[str, Any], plain: Region) -> Region:
    tables = AllianceTables(tuple(one["packages"]), tuple(one["amounts"]), tuple(one["assessments"]))
    return replace(plain, alliance_tables=tables)


def _judge_year(one: dict[str, Any], plain: Region, folder: Path) -> None:
    leads: dict[tuple[str, str], str] = {}
    for (hospital, period), alliance in sorted(one["members"].items()):
        leads.setdefault((alliance, period), hospital)
    months = [
        {"alliance_id": alliance, "hospital_id": hospital, "period": period,
         "role": "lead" if leads[alliance, period] == hospital else "member"}
        for (hospital, period), alliance in one["members"].items()
    ]  # fmt: skip
    members, ends = clear(
        2025, one["packages"], one["amounts"], one["assessments"], BUDGETS, Fraction(3, 10), one["members"],
        one["hospitals"], one["cases"], KINDS,
    )  # fmt: skip
    with year_of(_told(one, plain), folder, one["hospitals"], one["cases"], months, BUDGETS) as (con, _):
        found, ended = rows_of(con, "alliance_member_clearing"), rows_of(con, "alliance_clearing")
    assert {key: {name: found[key][name] for name in row} for key, row in members.items()} == members
    assert found.keys() == members.keys()
    assert {key: {name: ended[key][name] for name in row} for key, row in ends.items()} == ends
    assert ended.keys() == ends.keys()


def _judge_month(one: dict[str, Any], period: str, plain: Region, folder: Path) -> None:
    """All cases of the year in one month, members as the pack says: H1, H2 in A1, H3 in A2."""
    amounts = [replace(amount, month=period) for amount in one["amounts"]]
    region = _told({**one, "amounts": amounts}, plain)
    members = {"H1": "A1", "H2": "A1", "H3": "A2"}
    wanted = settle(period, one["packages"], amounts, BUDGETS, members, one["cases"], KINDS)
    with settled(region, one["cases"], folder, period, budgets=BUDGETS) as (con, _):
        found = rows_of(con, "alliance_package")
    assert {key: {name: found[key][name] for name in row} for key, row in wanted.items()} == wanted
    assert found.keys() == wanted.keys()


@pytest.mark.shared
@pytest.mark.skipif(not PAYMENT.is_dir(), reason="../shared is not here")
def test_the_vectors_are_those_of_the_facts() -> None:
    vectors = {
        one["id"]: one
        for one in json.loads(PAYMENT.joinpath("test_vectors_constructed.json").read_text("utf-8"))
    }
    yuan = {
        name: Decimal(value) for key in ("M01", "M02") for name, value in vectors[key]["expected"].items()
    }
    assert yuan == {
        "income": 336_000_000, "bigDisease": 31_500_000, "risk": 15_225_000, "total": 289_275_000, "month": 24_106_250,
        "surplus": 9_275_000, "county": 5_565_000, "township": 2_782_500, "village": 927_500,
    }  # fmt: skip
