"""Region packs by 分值: what a catalogue leaves blank is told, every slip is one sentence, jumps come with amounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.match import intervals_of
from pipeline.region import load_region
from pipeline.region_check import check_region
from pipeline.run import terms_and_schemes
from tests.region_pack_slips_dip import CHECKED, SEVERE, SLIPS, WARNED, put, small_pack
from tests.test_region_pack import said_by

SEVERITY_BOOK = put("name: SCHEME}", "name: SCHEME, severity_scheme: chs-drg-2.0}")


@pytest.mark.parametrize("slip", SLIPS)
def test_a_pack_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slip: str
) -> None:
    edit, wanted = SLIPS[slip]
    code, said = said_by(monkeypatch, capsys, "regions", "check", small_pack(tmp_path / "pack", edit))
    assert code == 10
    said = said.replace("\n", "")
    for text in wanted:
        assert text in said
    assert "请" in said, "no next step"


@pytest.mark.parametrize("slip", CHECKED)
def test_check_finds_what_would_pay_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slip: str
) -> None:
    edit, wanted = CHECKED[slip]
    code, said = said_by(monkeypatch, capsys, "regions", "check", small_pack(tmp_path / "pack", edit))
    assert code == 10
    errors = [line for line in said.splitlines() if line.startswith("[错误]")]
    assert any(all(text in line for text in wanted) for line in errors), said


@pytest.mark.parametrize("what", WARNED)
def test_check_tells_a_person_what_to_look_at(tmp_path: Path, what: str) -> None:
    """Exactly these warnings and no error."""
    edit, wanted = WARNED[what]
    region = load_region(small_pack(tmp_path / "pack", edit))
    problems = check_region(region, *terms_and_schemes(region))
    assert {one.severity for one in problems} <= {"warning"}
    usual = "界限处的支付由 1 倍标准跳到 0.5 倍标准（界限属于本档）"  # the low class of the pack: score·x·c
    told = sorted(one.message for one in problems if one.message != usual)
    assert len(told) == len(wanted)
    for text in wanted:
        assert any(message.endswith(text) for message in told), told


def test_subtypes_by_severity_need_a_scheme_that_says_it(tmp_path: Path) -> None:
    """`regions check` says it before a run would: the same gap stops both."""
    region = load_region(small_pack(tmp_path / "without", tables=SEVERE))
    terms, schemes = terms_and_schemes(region)
    errors = [one for one in check_region(region, terms, schemes) if one.severity == "error"]
    assert ["severity_scheme" in one.message and not one.refuses_cases for one in errors] == [True]
    with pytest.raises(ConfigurationError, match="severity_scheme"):
        intervals_of(terms, schemes)
    region = load_region(small_pack(tmp_path / "with", SEVERITY_BOOK, SEVERE))
    assert [one for one in check_region(region, *terms_and_schemes(region)) if one.severity == "error"] == []
