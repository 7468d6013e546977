# ruff: noqa: E501
"""The alliance tables of a pack: what they say, and every slip in them as one sentence naming file and line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.alliance_check import check_alliances
from pipeline.alliance_tables import (
    AMOUNT_COLUMNS,
    AMOUNT_KIND_NAMES,
    ASSESSMENT_COLUMNS,
    PACKAGE_COLUMNS,
    AllianceAmount,
    AllianceAssessment,
    AllianceTables,
    Package,
    read_alliance_tables,
)
from pipeline.budgets import COLUMNS as BUDGETS
from pipeline.cli import main
from pipeline.errors import ConfigurationError
from pipeline.region import load_region
from pipeline.region_tables import Hospital, Membership, read_hospitals, read_memberships
from tests.alliance_fixtures import KEEP_ALL, M01, MEMBER_COLUMNS, MEMBERS, alliance_pack, write_lines
from tests.pricing_fixtures import HOSPITALS, SOURCE, TYPES

FILES = {
    "packages": ("alliance_packages.csv", PACKAGE_COLUMNS), "amounts": ("alliance_amounts.csv", AMOUNT_COLUMNS),
    "assessments": ("alliance_assessments.csv", ASSESSMENT_COLUMNS),
}  # fmt: skip


def members(folder: Path) -> tuple[Membership, ...]:
    rows = [f"{name},医院{name},{level},甲等,449900,2020-01-01," for name, level in HOSPITALS.items()]
    write_lines(
        folder / "hospitals.csv", ("hospital_id", "name", "level", "class", "county", "from", "to"), rows
    )
    hospitals: tuple[Hospital, ...] = read_hospitals(folder / "hospitals.csv")
    write_lines(folder / "alliances.csv", MEMBER_COLUMNS, [line + SOURCE for line in MEMBERS])
    return read_memberships(folder / "alliances.csv", hospitals)


def read(folder: Path, **lines: list[str]) -> AllianceTables:
    held = members(folder)
    for key, found in lines.items():
        file, columns = FILES[key]
        write_lines(folder / file, columns, found)
    return read_alliance_tables(folder, held, TYPES)


def test_what_the_tables_say(tmp_path: Path) -> None:
    tables = read(
        tmp_path,
        packages=[M01 + SOURCE, "A1,2026,310,budget_share,,,,,0.123456,449900; 449901,测试取值"],
        amounts=['A1,2025-10,bed_day,390,"-1,234.5",文1', "A1,2025-10,bed_day,390,7,文2"],
        assessments=["2025,A1,0.955,6,3,0,测试取值"],
    )
    assert tables == AllianceTables(
        (
            Package("A1", 2025, "390", "per_capita", 350_000, 96_000, 9_000, 500, 0, ()),
            Package("A1", 2026, "310", "budget_share", 0, 0, 0, 0, 123_456, ("449900", "449901")),
        ),
        (
            AllianceAmount("A1", "2025-10", "bed_day", "390", -123_450, "文1"),
            AllianceAmount("A1", "2025-10", "bed_day", "390", 700, "文2"),
        ),
        (AllianceAssessment("A1", 2025, 9_550, 6, 3, 0),),
    )


def test_absent_tables_are_empty(tmp_path: Path) -> None:
    assert read(tmp_path) == AllianceTables()


GOOD = {"packages": M01 + SOURCE, "amounts": "A1,2025-10,bed_day,390,1,文", "assessments": KEEP_ALL + SOURCE}
# what is wrong → table, the line, what the sentence says
SLIPS = {
    "a package of no alliance": ("packages", GOOD["packages"].replace("A1", "A9"), "医共体 `A9` 不在 alliances.csv"),
    "an amount of no alliance": ("amounts", "A9,2025-10,bed_day,390,1,文9", "医共体 `A9` 不在 alliances.csv"),
    "an assessment of no alliance": ("assessments", "2025,A9,1,6,3,1,测试取值", "医共体 `A9` 不在 alliances.csv"),
    "a package of an unknown insurance": ("packages", GOOD["packages"].replace("390", "391"), "险种 `391` 不在 insurance_types（310、390）"),
    "an amount of an unknown insurance": ("amounts", "A1,2025-10,bed_day,391,1,文9", "险种 `391` 不在 insurance_types"),
    "a package of a short year": ("packages", "A1,25,390,per_capita,1,9,0,0,,,测试取值", "年度应为四位数字，实为 `25`"),
    "an assessment of a short year": ("assessments", "25,A1,1,6,3,1,测试取值", "年度应为四位数字，实为 `25`"),
    "an unknown form": ("packages", "A1,2026,390,lump_sum,,,,,,,测试取值", "form 只能是 per_capita（按人头）或 budget_share（按预算比例），实为 `lump_sum`"),
    "a share beside heads": ("packages", "A1,2026,390,per_capita,1,9,0,0,0.1,,测试取值", "不用 budget_share，实为 `0.1`"),
    "heads beside a share": ("packages", "A1,2026,390,budget_share,1,,,,0.1,,测试取值", "不用 insured，实为 `1`"),
    "no heads": ("packages", "A1,2026,390,per_capita,,9,0,0,,,测试取值", "缺 insured；没有的写 0"),
    "no risk reserve": ("packages", "A1,2026,390,per_capita,1,9,0,,,,测试取值", "缺 risk_reserve"),
    "no share": ("packages", "A1,2026,390,budget_share,,,,,,,测试取值", "缺 budget_share"),
    "a share of nothing": ("packages", "A1,2026,390,budget_share,,,,,0.0,,测试取值", "budget_share 为零"),
    "half a head": ("packages", "A1,2026,390,per_capita,1.5,9,0,0,,,测试取值", "insured 应为大于零的整数（参保人数），实为 `1.5`"),
    "no head at all": ("packages", "A1,2026,390,per_capita,0,9,0,0,,,测试取值", "insured 应为大于零的整数"),
    "yuan per head with three digits": ("packages", "A1,2026,390,per_capita,1,9.001,0,0,,,测试取值", "per_capita_yuan 应为元、至多两位小数，实为 `9.001`"),
    "a negative premium": ("packages", "A1,2026,390,per_capita,1,9,-1,0,,,测试取值", "serious_illness_yuan 应为元"),
    "a premium that takes all": ("packages", "A1,2026,390,per_capita,1,9,9.00,0,,,测试取值", "serious_illness_yuan（9.00）应小于 per_capita_yuan（9）"),
    "a reserve above one": ("packages", "A1,2026,390,per_capita,1,9,0,1.05,,,测试取值", "risk_reserve 应为 0 至 1、至多 4 位小数的数，实为 `1.05`"),
    "a reserve in percent": ("packages", "A1,2026,390,per_capita,1,9,0,5,,,测试取值", "risk_reserve 应为 0 至 1"),
    "a share with too many digits": ("packages", "A1,2026,390,budget_share,,,,,0.1234567,,测试取值", "budget_share 应为 0 至 1、至多 6 位小数"),
    "a county of five digits": ("packages", "A1,2026,390,budget_share,,,,,0.1,44990,测试取值", "counties 应为六位区划代码"),
    "a county twice": ("packages", "A1,2026,390,budget_share,,,,,0.1,449900;449900,测试取值", "不得重复"),
    "counties by comma": ("packages", 'A1,2026,390,budget_share,,,,,0.1,"449900,449901",测试取值', "用分号隔开"),
    "a package without source": ("packages", "A1,2026,390,budget_share,,,,,0.1,,无", "source 至少写 4 个字，实为 `无`"),
    "an assessment without source": ("assessments", "2026,A1,1,6,3,1,", "source 至少写 4 个字"),
    "a package twice": ("packages", GOOD["packages"], "重复：A1、2025、390 已出现过"),
    "an amount twice": ("amounts", "A1,2025-10,bed_day,390,2,文", "重复：A1、2025-10、bed_day、390、文 已出现过"),
    "an assessment twice": ("assessments", "2025,A1,0.5,1,1,1,测试取值", "重复：A1、2025 已出现过"),
    "a month of a day": ("amounts", "A1,2025-10-01,bed_day,390,1,文9", "月份应写作 2025-10，实为 `2025-10-01`"),
    "a thirteenth month": ("amounts", "A1,2025-13,bed_day,390,1,文9", "月份应写作 2025-10"),
    "an unknown kind": ("amounts", "A1,2025-10,dental,390,1,文9", "类别应为 outpatient_per_head、"),
    "inpatient care by hand": ("amounts", "A1,2025-10,inpatient,390,1,文9", "住院按病种付费的由结算病例得出"),
    "an amount in words": ("amounts", "A1,2025-10,bed_day,390,一元,文9", "金额读不懂：`一元`"),
    "a third decimal": ("amounts", "A1,2025-10,bed_day,390,1.005,文9", "金额读不懂：`1.005`"),
    "a wrong thousands separator": ("amounts", 'A1,2025-10,bed_day,390,"12,34.00",文9', "金额读不懂：`12,34.00`"),
    "an amount without document": ("amounts", "A1,2025-10,bed_day,390,1,", "没有写 document"),
    "an amount before the alliance": ("amounts", "A1,2024-12,bed_day,390,1,文9", "医共体 `A1` 在 2024-12 末没有成员，这笔金额无处可计"),
    "a retention above one": ("assessments", "2026,A1,1.2,6,3,1,测试取值", "retention 应为 0 至 1"),
    "a split of nothing": ("assessments", "2026,A1,1,0,0,0,测试取值", "县、乡、村分配比应为不小于零、不全为零的整数"),
    "a negative part": ("assessments", "2026,A1,1,6,-3,1,测试取值", "县、乡、村分配比"),
    "a share as part": ("assessments", "2026,A1,1,0.6,0.3,0.1,测试取值", "县、乡、村分配比"),
    "an unquoted separator": ("amounts", "A1,2025-10,bed_day,390,1,234.00,文9", "多于 6 列"),
    "a missing column": ("amounts", "A1,2025-10,bed_day,390", "不足 6 列"),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_every_slip_is_one_sentence_with_its_line(tmp_path: Path, slip: str) -> None:
    table, line, said = SLIPS[slip]
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, **{table: [GOOD[table], line]})
    message = str(caught.value)
    assert said in message and FILES[table][0] in message and "第 3 行" in message and "\n" not in message


@pytest.mark.parametrize("name", ["../A1", "甲县", "A 1"])
def test_an_alliance_that_cannot_name_a_file_is_refused(tmp_path: Path, name: str) -> None:
    held = [replace(one, alliance_id=name) for one in members(tmp_path)]
    with pytest.raises(ConfigurationError, match="要用作文件名"):
        read_alliance_tables(tmp_path, held, TYPES)


def test_a_foreign_header_is_refused(tmp_path: Path) -> None:
    members(tmp_path)
    (tmp_path / "alliance_amounts.csv").write_text("alliance,month\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"表头不符.*alliance_amounts\.csv"):
        read_alliance_tables(tmp_path, (), TYPES)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"overspend_share": "1.5", "lead_due_workdays": 20}, "alliance.0.overspend_share"),
        ({"overspend_share": "0.5"}, "alliance.0.lead_due_workdays"),
        ({"overspend_share": "0.5", "lead_due_workdays": 0}, "alliance.0.lead_due_workdays"),
    ],
)
def test_the_entry_is_closed_and_complete(tmp_path: Path, entry: dict[str, object], said: str) -> None:
    dated = {"from": "2025-01-01", "source": SOURCE, **entry}
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        alliance_pack(tmp_path, alliance=[dated])


def test_a_slip_ends_the_command_with_exit_code_10(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alliance_pack(tmp_path / "pack")
    write_lines(tmp_path / "pack" / "alliance_amounts.csv", AMOUNT_COLUMNS, ["A1,2025-13,bed_day,390,1,文1"])
    monkeypatch.setattr("sys.argv", ["drgdip", "regions", "check", f"{tmp_path / 'pack'}/"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 10
    assert "医共体支出表有误" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "severity", "said"),
    [
        ({"packages": ()}, "warning", "医共体 A1 有成员而没有打包的年度：2025"),
        ({"packages": (M01, M01.replace("2025", "2027")), "assessments": (KEEP_ALL, KEEP_ALL.replace("2025", "2027"))},
         "warning", "医共体 A1 有成员而没有打包的年度：2026"),
        ({"packages": (M01, M01.replace("2025", "2024"))}, "warning", "医共体 A1 在 2024 年没有成员，打包用不上"),
        ({"assessments": ()}, "warning", "医共体 A1 还没有 2025 年的考核"),
        ({"alliance": []}, "warning", "2025 年有医共体打包，而 region.yaml 没有写 alliance"),
        ({"packages": ("A1,2025,310,budget_share,,,,,0.7,,",)}, "warning", "而没有 2025 年险种 310 的预算"),
        ({"members": (*MEMBERS, "A2,乙,H3,lead,2025-01-01,,"),
          "packages": ("A1,2025,390,budget_share,,,,,0.7,,", "A2,2025,390,budget_share,,,,,0.300001,,"),
          "assessments": (KEEP_ALL, KEEP_ALL.replace("A1", "A2"))},
         "error", "2025 年险种 390 各医共体的预算比例合计 100.0001%，超过 100%"),
    ],
)  # fmt: skip
def test_what_regions_check_says(
    tmp_path: Path, changes: dict[str, object], severity: str, said: str
) -> None:
    write_lines(tmp_path / "budgets.csv", BUDGETS, ["390,2025,1000000,1,,测试取值"])
    problems = check_alliances(alliance_pack(tmp_path, **changes))  # type: ignore[arg-type]
    assert [one.severity for one in problems] == [severity]
    assert said in problems[0].message


def test_a_complete_pack_has_nothing_to_say(tmp_path: Path) -> None:
    assert check_alliances(alliance_pack(tmp_path)) == []
    assert check_alliances(load_region("demo-dip")) == []


def test_the_tables_and_their_kinds_are_on_the_pages(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent
    text = (root / "docs" / "region.md").read_text(encoding="utf-8")
    for _, columns in FILES.values():
        assert f"`{','.join(columns)}`" in text
    assert f"`{','.join(MEMBER_COLUMNS)}`" in text
    for kind, title in AMOUNT_KIND_NAMES.items():
        assert f"`{kind}`" in text and title in text
