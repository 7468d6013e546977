"""Region packs: the demo pack prices everything on every date of change; every slip is one sentence, exit code 10."""

from __future__ import annotations

import datetime as dt
import json
import sys
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from pipeline.budgets import Budget
from pipeline.cli import main
from pipeline.needs import columns_needed
from pipeline.pack import Dated, Pack
from pipeline.price_tables import price_of_group, price_of_hospital, price_tables, units_of
from pipeline.problem import Problem
from pipeline.region import FOREVER, budget_of, load_region, region_names
from pipeline.region_check import check_region
from pipeline.run import terms_and_schemes
from pipeline.terms import resolve
from tests.region_pack_slips import CHECKED, SLIPS, WARNED, budgets, copied, edit, pack

DAY = dt.timedelta(days=1)


@pytest.mark.parametrize("name", region_names())
def test_every_pack_loads_and_has_no_error(name: str) -> None:
    region = load_region(name)
    problems = check_region(region, *terms_and_schemes(region))
    assert [problem for problem in problems if problem.severity == "error"] == []


@pytest.mark.parametrize("name", region_names())
def test_every_date_of_change_has_terms_that_price_every_group(name: str) -> None:
    """On every day on which anything starts or ends, and the day before: each group, hospital and type has a price."""
    region = load_region(name)
    _, schemes = terms_and_schemes(region)
    starts = {hospital.from_ for hospital in region.hospitals}
    ends = {hospital.to for hospital in region.hospitals if hospital.to < FOREVER}
    for key in Pack.model_fields:
        for entry in getattr(region.pack, key) if isinstance(getattr(region.pack, key), list) else []:
            if isinstance(entry, Dated):
                starts.add(entry.from_)
                ends |= {entry.to} - {None}
    first = min(entry.from_ for entry in region.pack.scheme)
    days = {day + step for day in starts | ends for step in (-DAY, 0 * DAY, DAY)}
    for day in sorted(day for day in days if day >= first):
        (terms,) = resolve(region, day, day)
        assert (terms.valid_from, terms.valid_to) == (day, day)
        scheme, units = schemes[terms.scheme.key], units_of(region.pack)
        for group in scheme.kinds:
            assert price_of_group(terms, scheme, group, units) is not None, (day, group)
        for hospital in terms.hospitals.values():
            for insurance_type in region.pack.insurance_types:
                for is_base in (False, True):
                    assert price_of_hospital(terms, region.pack, hospital, insurance_type, is_base), (
                        day, hospital.hospital_id, insurance_type,
                    )  # fmt: skip


def test_terms_change_on_the_day_that_the_pack_says() -> None:
    """The demo pack gives H44990200003 its own coefficient 1.0476 from 2025-07-01; before, its level's 1."""
    region = load_region("demo-rate")
    terms = resolve(region, dt.date(2025, 6, 1), dt.date(2025, 7, 31))
    assert [(one.valid_from, one.valid_to) for one in terms] == [
        (dt.date(2025, 6, 1), dt.date(2025, 6, 30)), (dt.date(2025, 7, 1), dt.date(2025, 7, 31)),
    ]  # fmt: skip
    found = []
    for one in terms:
        row = price_of_hospital(one, region.pack, one.hospitals["H44990200003"], "310", False)
        assert row is not None
        found.append(row["coefficient_num"])
    assert found == [10_000, 10_476]  # the pack declares four digits


def test_a_hospital_is_priced_only_while_it_is_in_force(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    edit(
        "hospitals.csv",
        "示范市中医院,二级,甲等,449902,2020-01-01,",
        "示范市中医院,二级,甲等,449902,2020-01-01,2025-03-31",
    )(folder)
    terms = resolve(load_region(f"{folder}/"), dt.date(2025, 3, 31), dt.date(2025, 4, 1))
    assert ["H44990200004" in one.hospitals for one in terms] == [True, False]


def test_every_group_hospital_and_type_has_one_price_row() -> None:
    region = load_region("demo-rate")
    terms, schemes = terms_and_schemes(region)
    tables = price_tables(terms, region.pack, schemes)
    groups = tables["group_prices"].select(["terms_id", "group_code"]).to_pylist()
    assert len(groups) == len({(row["terms_id"], row["group_code"]) for row in groups}) == sum(
        len(schemes[one.scheme.key].kinds) for one in terms
    )  # fmt: skip
    # AA19 weighs 1 in the table; the ungrouped 0000 takes the 0.2 of off_path, not the table's 0.2665
    by_group = {row["group_code"]: row for row in tables["group_prices"].to_pylist()}
    assert (by_group["AA19"]["weight_num"], by_group["0000"]["weight_num"]) == (10_000, 2_000)


def said_by(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    """Exit code and everything that the command printed."""
    monkeypatch.setattr(sys, "argv", ["drgdip", *words])
    with pytest.raises(SystemExit) as left:
        main()
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    return int(left.value.code or 0), printed.out + printed.err


@pytest.mark.parametrize("slip", SLIPS)
def test_a_pack_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slip: str
) -> None:
    break_it, wanted = SLIPS[slip]
    folder = copied(tmp_path)
    break_it(folder)
    code, said = said_by(monkeypatch, capsys, "regions", "check", str(folder))
    assert code == 10
    said = said.replace("\n", "")  # a narrow terminal wraps
    for text in wanted:
        assert text in said
    assert "请" in said, "no next step"


@pytest.mark.parametrize("slip", CHECKED)
def test_check_finds_what_would_pay_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slip: str
) -> None:
    break_it, wanted = CHECKED[slip]
    folder = copied(tmp_path)
    break_it(folder)
    code, said = said_by(monkeypatch, capsys, "regions", "check", str(folder))
    assert code == 10
    errors = [line for line in said.splitlines() if line.startswith("[错误]")]
    assert any(all(text in line for text in wanted) for line in errors), said


@pytest.mark.parametrize("what", WARNED)
def test_check_tells_a_person_what_to_look_at(tmp_path: Path, what: str) -> None:
    """Exactly this warning, beside those of the unbroken pack; a date before it tells the interval."""
    break_it, wanted = WARNED[what]
    usual = {one.message for one in demo_problems()}
    folder = copied(tmp_path)
    break_it(folder)
    region = load_region(f"{folder}/")
    problems = check_region(region, *terms_and_schemes(region))
    assert {one.severity for one in problems} == {"warning"}
    assert {one.message for one in problems} - usual == {wanted}


@cache
def demo_problems() -> tuple[Problem, ...]:
    region = load_region("demo-rate")
    return tuple(check_region(region, *terms_and_schemes(region)))


def test_a_payment_below_nothing_by_the_coefficient_is_found(tmp_path: Path) -> None:
    """Reference without coefficient: F = K·S/c, so F − (K−1)·S at K 2, c 2.5 is S·(2/2.5 − 1) = −0.2·S."""
    folder = copied(tmp_path)
    pack("reference: with_coefficient", "reference: without_coefficient")(folder)
    pack("{weight_le: 4.0, threshold: 2.0, inclusive: true, family: excess_share, base: 1.0, share: 0.7}",
         "{weight_le: 4.0, threshold: 2.0, inclusive: true, family: keep_excess}")(folder)  # fmt: skip
    pack("H44990200004: 0.9200", "H44990200004: 2.5")(folder)
    region = load_region(f"{folder}/")
    found = [
        one.message for one in check_region(region, *terms_and_schemes(region)) if one.severity == "error"
    ]
    assert found == ["系数 2.5 的医院，界限处的支付为 -0.2 倍标准，小于零；请更正规则"]


def test_a_jump_at_a_threshold_is_told_with_its_amount(tmp_path: Path) -> None:
    """b = 1.7 pays 1.7·S at K = 3; the demo's low class pays 0.4·S at 0.4."""
    folder = copied(tmp_path)
    pack(
        "inclusive: true, family: excess_share, base: 1.0", "inclusive: true, family: excess_share, base: 1.7"
    )(folder)
    region = load_region(f"{folder}/")
    problems = check_region(region, *terms_and_schemes(region))
    assert {one.severity for one in problems} == {"warning"}
    told = [one.message for one in problems]
    assert any("跳到 1.7 倍标准" in text for text in told) and any("跳到 0.4 倍标准" in text for text in told)


def test_an_unknown_region_names_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = said_by(monkeypatch, capsys, "regions", "check", "nowhere")
    assert code == 10
    assert "`nowhere`" in said and "demo-rate" in said


def test_numbers_are_read_exactly(tmp_path: Path) -> None:
    """0.1 + 0.2 is 0.3 in a pack: no number passes through a float."""
    folder = copied(tmp_path)
    pack("threshold: 0.4", "threshold: 0.3")(folder)
    region = load_region(f"{folder}/")
    assert region.pack.ratio[0].low.threshold == Decimal("0.1") + Decimal("0.2")


def test_the_pack_hash_changes_with_any_file(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    before = load_region(f"{folder}/").sha256
    assert before == load_region("demo-rate").sha256
    edit("weights-2025.csv", "AA29,1\n", "AA29,1.0\n")(folder)
    assert load_region(f"{folder}/").sha256 != before


def test_check_as_json_for_machines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = said_by(monkeypatch, capsys, "regions", "check", "demo-rate", "--json")
    assert code == 0
    assert {row["severity"] for row in json.loads(said)} <= {"warning"}


@pytest.mark.parametrize("name", region_names())
def test_every_demo_pack_holds_a_year_with_one_change_within_it(name: str) -> None:
    """Every list begins on the first day of one year and has no end; what changes within it changes on another day."""
    lists = load_region(name).pack.dated
    first = {entries[0].from_ for entries in lists.values()}
    assert len(first) == 1
    (start,) = first
    assert (start.month, start.day) == (1, 1)
    assert {entries[-1].to for entries in lists.values()} == {None}
    changes = {entry.from_ for entries in lists.values() for entry in entries[1:]}
    assert [day.year for day in changes] == [start.year]


def test_budgets_are_read_in_fen_and_the_highest_version_counts(tmp_path: Path) -> None:
    """170,000,000.50 yuan are 17,000,000,050 fen; of three versions the third; no budget of a year is None."""
    folder = copied(tmp_path)
    budgets(
        '310,2025,"170,000,000.50",1,,示范取值', '390,2025,142000000,1,,示范取值', '310,2026,1,1,,示范取值',
        '310,2025,"165,000,000",2,年中调整,示范取值', '310,2025,166000000.5,3,再次调整,医保发〔2025〕1号',
    )(folder)  # fmt: skip
    region = load_region(f"{folder}/")
    assert [one.fund_fen for one in region.budgets] == [
        17_000_000_050, 14_200_000_000, 100, 16_500_000_000, 16_600_000_050,
    ]  # fmt: skip
    assert budget_of(region, "310", 2025) == Budget(
        "310", 2025, 16_600_000_050, 3, "再次调整", "医保发〔2025〕1号"
    )
    found = budget_of(region, "390", 2025)
    assert found is not None and (found.version, found.reason) == (1, "")
    assert budget_of(region, "390", 2026) is None


@pytest.mark.parametrize("name", region_names())
def test_every_demo_pack_has_a_budget_of_each_type_and_no_warning_of_it(name: str) -> None:
    region = load_region(name)
    year = min(entry.from_ for entry in region.pack.scheme).year
    for kind in region.pack.insurance_types:
        found = budget_of(region, kind, year)
        assert found is not None and found.fund_fen > 0
    latest = {one.version for one in region.budgets}
    assert latest == ({1, 2} if name == "demo-points" else {1})


def test_reviews_ask_for_the_columns_of_their_conditions(tmp_path: Path) -> None:
    """new_tech and ward_transfers_ge need a column each; what is not said needs none."""
    folder = copied(tmp_path)
    assert columns_needed(load_region(f"{folder}/"), {}) == {}
    pack("    stay_days_ge: 60\n", "    new_tech: true\n    ward_transfers_ge: 3\n")(folder)
    region = load_region(f"{folder}/")
    assert columns_needed(region, {}) == {
        "new_tech_flag": "review.new_tech", "ward_transfers": "review.ward_transfers_ge",
    }  # fmt: skip
    (entry,) = region.pack.review
    assert entry.conditions == ("fee_over_standard_gt", "new_tech", "ward_transfers_ge")


@pytest.mark.parametrize(("share", "errors"), [("0.05", 0), ("0.0501", 1)])
def test_a_review_at_the_national_limit_is_allowed(tmp_path: Path, share: str, errors: int) -> None:
    """Five per cent by DRG, the limit included: 医保发〔2025〕18号第二十条."""
    folder = copied(tmp_path)
    pack("quota_share: 0.05", f"quota_share: {share}")(folder)
    region = load_region(f"{folder}/")
    problems = check_region(region, *terms_and_schemes(region))
    assert len([one for one in problems if one.severity == "error"]) == errors
