"""Region packs: the demo pack prices everything on every date of change; every slip is one sentence, exit code 10."""

from __future__ import annotations

import datetime as dt
import json
import sys
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.pack import Dated, Pack
from pipeline.price_tables import price_of_group, price_of_hospital, price_tables, units_of
from pipeline.problem import Problem
from pipeline.region import FOREVER, load_region, region_names
from pipeline.region_check import check_region
from pipeline.run import terms_and_schemes
from pipeline.terms import resolve
from tests.region_pack_slips import CHECKED, SLIPS, WARNED, copied, edit, pack

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
