"""医共体结算单 read back: every number ties to the tables, the steps add up, due dates and blanks are as they should be."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import polars as pl
import pytest

from pipeline.alliance import settle_alliances
from pipeline.alliance_tables import SPENDING_KINDS
from pipeline.alliance_workbook import AllianceYear, months_text, write_month_books, write_year_books
from pipeline.statements import Heading
from tests.alliance_fixtures import MEMBERS, Paid, alliance_pack, settled
from tests.test_alliance_year import Cleared, year_of

HEADING = Heading(
    "示例市", "2025-10", "0123456789ab", "CHS-DRG 2.0", "2025.1", dt.datetime(2025, 10, 31), "95%", "5%"
)
YEAR = AllianceYear("示例市", 2025, "0123456789ab", "2025.1", dt.datetime(2025, 12, 31))
JOINED = (*MEMBERS, "A1,甲县医共体,H3,member,2025-07-01,,")
AMOUNTS = ("A1,2025-10,out_of_county,390,80000000,文1", "A1,2025-10,family_doctor,390,1000000,文2",
           "A1,2025-10,outsiders,310,12.34,文3")  # fmt: skip
HOSPITALS = {
    ("H1", "390"): Cleared(18_000_000_000, 200_000_000, {}), ("H2", "390"): Cleared(1_900_000_000, -50_000_000, {}),
    ("H3", "310"): Cleared(1_200, 120, {"2025-08": 1_000}),
}  # fmt: skip


@pytest.fixture
def month(tmp_path: Path) -> Path:
    """A month's workbook: 390 with M01's package, 310 without any."""
    region = alliance_pack(tmp_path / "pack", members=JOINED, amounts=AMOUNTS)
    cases = [Paid("a", "H1", 100_000), Paid("b", "H2", 50_000), Paid("c", "H3", 3_000, insurance_type="310")]
    with settled(region, cases, tmp_path) as (con, _):
        days = dt.date(2025, 12, 5), dt.date(2025, 12, 19)
        settle_alliances(con, region, "2025-10", tmp_path, *days)
    assert write_month_books(tmp_path, HEADING) == 1
    return tmp_path / "alliances" / "A1.xlsx"


@pytest.fixture
def year(tmp_path: Path) -> Path:
    """M02's year in a workbook, and H3, which joined in July."""
    region = alliance_pack(tmp_path / "pack", members=JOINED, amounts=AMOUNTS)
    with year_of(region, tmp_path, HOSPITALS):
        pass
    assert write_year_books(tmp_path, YEAR) == 1
    return tmp_path / "alliances" / "A1.xlsx"


def lines(sheet: Any) -> dict[str, list[Any]]:
    return {str(row[1]).strip(): list(row) for row in sheet.iter_rows(values_only=True) if row[1]}


def texts(sheet: Any) -> str:
    return "\n".join(str(cell) for row in sheet.iter_rows(values_only=True) for cell in row if cell)


def test_the_lead_sees_all_members_and_the_due_dates(month: Path) -> None:
    """Nine tenths of the fund are payable: 900.00, 450.00, 27.00; 1,377.00 to the lead."""
    book = openpyxl.load_workbook(month)
    assert book.sheetnames == ["医共体结算单", "打包使用情况"]
    sheet = book["医共体结算单"]
    rows = [row for row in sheet.iter_rows(values_only=True) if row[0] in ("牵头", "成员", "拨付牵头")]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("牵头", "H1", 900), ("成员", "H2", 450), ("成员", "H3", 27), ("拨付牵头", None, 1_377),
    ]  # fmt: skip
    assert rows[-1][4:8] == (30, 27, 1_500, 1_350)  # 职工 and 居民: fund, payable
    said = texts(sheet)
    assert "拨付牵头单位期限：2025年12月5日" in said and "牵头单位拨付成员期限：2025年12月19日" in said
    assert "牵头单位：医院H1（H1）" in said and "批次：0123456789ab" in said


def test_the_use_of_the_package_adds_up(month: Path) -> None:
    found = lines(openpyxl.load_workbook(month)["打包使用情况"])
    kinds = ["住院（按病种付费，核定统筹基金）", *SPENDING_KINDS.values()]
    assert sum(found[name][4] for name in kinds) == found["支出合计"][4] == 81_001_500
    assert found["本月打包额"][3:6] == [
        None,
        24_106_250,
        None,
    ]  # 职工 has no package: blank, and so is the total
    assert found["本月结余（负数为超支）"][3:6] == [None, 24_106_250 - 81_001_500, None]
    assert found["支出合计"][3:6] == [30, 81_001_500, 81_001_530]
    assert found["外来就医：其他"][3:6] == [12.34, 0, 12.34]
    assert found["打包额使用率（%）"][4] == 336.02  # 81,001,500 ÷ 24,106,250 = 3.36019…
    number = {name: row[0] for name, row in found.items()}
    assert found["支出合计"][2] == f"({number[kinds[0]]}) 至 ({number[kinds[-1]]}) 相加"


def test_m02_in_the_years_statement(year: Path) -> None:
    book = openpyxl.load_workbook(year)
    assert book.sheetnames == ["医共体年度清算单", "成员清算表"]
    found = lines(book["医共体年度清算单"])
    assert [found[name][4] for name in ("筹资总额（按人头）", "减：大病保险", "减：风险金", "年度打包总额")] == [
        336_000_000, 31_500_000, 15_225_000, 289_275_000,
    ]  # fmt: skip
    assert [found[name][4] for name in ("支出合计", "结余", "留用", "县级", "乡级", "村级")] == [
        280_000_000, 9_275_000, 9_275_000, 5_565_000, 2_782_500, 927_500,
    ]  # fmt: skip
    assert found["留用比例（%，考核结果）"][4] == 100 and found["结余"][3] is None
    # 390: 1,500,000.00 of clearing and the surplus. H3 of 310 has no case: 1.00 of its 12.00 a month; less the 10.00
    # that August was settled; 1.20 − 2.00 = −0.80 over twelve months is −0.07, the four missing fen to January–April.
    # July to December: 6.00 − 10.00 − 0.42.
    assert found["牵头单位清算额（负数为应退）"][3:6] == [-4.42, 10_775_000, 10_774_995.58]
    members = {
        row[1]: row for row in book["成员清算表"].iter_rows(values_only=True) if row[0] in ("牵头", "成员")
    }
    assert {name: row[4] for name, row in members.items()} == {"H1": "1—12月", "H2": "1—12月", "H3": "7—12月"}


@pytest.mark.parametrize(
    ("periods", "text"),
    [("2025-07,2025-08,2025-12", "7—8、12月"), ("2025-03", "3月"), ("2025-01,2025-03,2025-04", "1、3—4月")],
)
def test_months_in_words(periods: str, text: str) -> None:
    assert months_text(periods) == text


def test_same_tables_same_bytes_and_no_alliance_no_book(month: Path, tmp_path: Path) -> None:
    before = month.read_bytes()
    write_month_books(tmp_path, HEADING)
    assert month.read_bytes() == before
    (tmp_path / "bare").mkdir()
    assert write_month_books(tmp_path / "bare", HEADING) == write_year_books(tmp_path / "bare", YEAR) == 0
    assert list((tmp_path / "bare").iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not here")
@pytest.mark.parametrize("which", ["month", "year"])
def test_libreoffice_reads_the_same_numbers(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    book: Path = request.getfixturevalue(which)
    out = tmp_path / "converted"
    subprocess.run(
        ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "xlsx",
         "--outdir", str(out), str(book)], check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    ours, theirs = openpyxl.load_workbook(book), openpyxl.load_workbook(out / book.name)
    assert theirs.sheetnames == ours.sheetnames
    for name in ours.sheetnames:
        width = ours[name].max_column
        for own, other in zip(
            ours[name].iter_rows(values_only=True), theirs[name].iter_rows(values_only=True), strict=False
        ):
            assert [cell for cell in own if cell is not None] == [
                cell for cell in other[:width] if cell is not None
            ]


def test_frames_of_the_tables_hold_no_person(month: Path) -> None:
    folder = month.parent.parent
    names = {name for file in folder.glob("alliance*.parquet") for name in pl.read_parquet_schema(file)}
    assert names and not names & {"person_id", "case_id"}


def test_every_column_is_on_the_page_of_files(tmp_path: Path, month: Path) -> None:
    region = alliance_pack(tmp_path / "again", members=JOINED)
    with year_of(region, tmp_path / "year", HOSPITALS):
        pass
    text = (Path(__file__).parent.parent / "docs" / "files.md").read_text(encoding="utf-8")
    files = [*month.parent.parent.glob("alliance*.parquet"), *(tmp_path / "year").glob("alliance*.parquet")]
    assert len(files) == 4
    for file in files:
        section = text.split(f"### `{file.name}`")[1].split("\n### ")[0]
        assert [name for name in pl.read_parquet_schema(file) if f"`{name}`" not in section] == [], file.name
