"""The workbooks of a cleared year, read back: they add up by hand, tie to the tables, and keep text text."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import polars as pl
import pytest

from pipeline.clear_statement import stepped, twelve_digits
from pipeline.clear_workbook import write_clearing_hospital, write_clearing_region
from pipeline.errors import AuditBroken
from tests.clearing_fixtures import cleared, law, tables_of
from tests.clearing_pictures import ENTRY, heading, year
from tests.reference.clear_case import Year, YearCase

ONE = "H44990100001"


class Tables:
    """The tables of the pictures' year as the workbooks take them."""

    def __init__(self, folder: Path, of: Year, entry: dict[str, Any]) -> None:
        with cleared(of, entry, folder):
            self.hospitals = pl.read_parquet(folder / "hospital_clearing.parquet")
            self.insurance = pl.read_parquet(folder / "insurance_clearing.parquet")
            self.months = pl.DataFrame(tables_of(of)["year_paid"])

    def region(self, path: Path, **more: Any) -> Any:
        write_clearing_region(path, heading(**more), self.hospitals, self.insurance)
        return openpyxl.load_workbook(path)

    def hospital(self, path: Path, name: str = ONE, **more: Any) -> Any:
        own = pl.col("hospital_id") == name
        write_clearing_hospital(
            path, heading(**more), self.hospitals.filter(own), self.insurance, self.months.filter(own)
        )
        return openpyxl.load_workbook(path)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    yield Tables(tmp_path_factory.mktemp("year"), year(), ENTRY)


def cells(sheet: Any) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def fen(value: Any) -> int:
    return int((Decimal(str(value)) * 100).to_integral_value())


def statement(sheet: Any) -> dict[str, list[Any]]:
    """Columns from 险种 on by the line's title."""
    return {row[1]: row[3:] for row in cells(sheet) if isinstance(row[0], int)}


def test_a_hospital_follows_its_year_with_a_pocket_calculator(tables: Tables, tmp_path: Path) -> None:
    book = tables.hospital(tmp_path / "h.xlsx")
    assert book.sheetnames == ["年度清算单", "各月结算"]
    lines = statement(book["年度清算单"])
    for place in (0, 1):

        def at(title: str, place: int = place) -> Fraction:
            return Fraction(str(lines[title][place]))

        standard = at("总点数") * at("清算点值（元／点）") + at("其中不随点值变动的标准")
        assert abs(standard - at("支付标准合计")) < Fraction(1, 100)
        fund = at("支付标准合计") * at("基金占比") + at("除外支付")
        assert abs(fund - at("清算基金")) < Fraction(2, 100)
        steps = ("清算基金", "结余留用、超支分担", "考核增减", "审核扣款（全年）")
        assert sum(fen(lines[title][place]) for title in steps) == fen(lines["应得总额"][place])
        rest = (
            "应得总额",
            "月度已结算（扣审核、未扣保证金）",
            "预付金",
            "预付金收回",
            "周转金抵扣",
            "质量保证金返还",
            "各月应付未付",
        )
        assert sum(fen(lines[title][place]) for title in rest) == fen(
            lines["清算额（正数应拨，负数应退）"][place]
        )
    assert lines["适用分段"][0] == "1×S＋0×(F−0.8×S)"  # 6,400,000 of 6,998,321.61: kept
    assert lines["考核系数"][:2] == [0.98, 0.98] and lines["保证金返还比例"][0] == 0.95


def test_relations_point_at_the_lines_they_mean(tables: Tables, tmp_path: Path) -> None:
    rows = [
        row for row in cells(tables.hospital(tmp_path / "h.xlsx")["年度清算单"]) if isinstance(row[0], int)
    ]
    numbers = {row[1]: row[0] for row in rows}
    how = {row[1]: row[2] for row in rows}
    assert (
        how["支付标准合计"]
        == f"({numbers['总点数']}) × ({numbers['清算点值（元／点）']})＋({numbers['其中不随点值变动的标准']})"
    )
    assert how["质量保证金返还"] == f"({numbers['全年扣留的质量保证金']}) × ({numbers['保证金返还比例']})"
    assert how["F ÷ S"] == f"({numbers['统筹基金（按项目记账）']}) ÷ ({numbers['清算基金']})"


def test_the_region_adds_up_left_to_right_and_down(tables: Tables, tmp_path: Path) -> None:
    book = tables.region(tmp_path / "r.xlsx", trial=True)
    assert book.sheetnames == ["年度清算表", "清算表 职工", "清算表 居民", "分险种基金平衡"]
    for name in book.sheetnames[:3]:
        rows = cells(book[name])
        assert "测算" in rows[0][0]
        (top,) = [number for number, row in enumerate(rows) if row[0] == "机构编号"]
        header = rows[top]
        first = header.index("清算基金 (1)")
        body = [row for row in rows[top + 1 :] if row[0] and row[first] is not None]
        assert [row[0] for row in body] == [ONE, "H44990200002", "H44990300003", "合计"]
        for row in body:
            money = [fen(value) for value in row[first : first + 10]]
            assert sum(money[:4]) == money[4] and sum(money[4:9]) == money[9]
        for column in range(first, first + 10):
            assert sum(fen(row[column]) for row in body[:3]) == fen(body[3][column])
    # the two types of a hospital are its row of all
    clearing = [[row[-1] for row in cells(book[name]) if row[0] == ONE] for name in book.sheetnames[:3]]
    assert fen(clearing[0][0]) == fen(clearing[1][0]) + fen(clearing[2][0])


def test_the_balance_of_the_fund_ties_to_the_hospitals(tables: Tables, tmp_path: Path) -> None:
    """Budget 11,300,000 is used up in 清算基金; what bands and assessment move is told, and nothing is lost."""
    lines = statement(tables.region(tmp_path / "r.xlsx")["分险种基金平衡"])
    assert lines["清算基金"][0] == lines["年度预算"][0] == 11_300_000
    for place in range(3):
        at = {title: fen(row[place]) for title, row in lines.items() if row[place] is not None}
        kept = at["留用与分担留在基金（负为支出）"] + at["考核留在基金"] + at["审核扣款留在基金"]
        assert at["清算基金"] - kept == at["应得总额"]
        assert at["年度预算"] - at["应得总额"] + at["不退的质量保证金"] == at["基金结余（负为超支）"]
        paid = at["各月实付"] + at["未收回的预付金"] + at["清算额"]
        assert at["年度预算"] - paid == at["基金结余（负为超支）"]


def test_other_ways_to_clear_have_their_own_lines(tmp_path: Path) -> None:
    """By rate at fixed prices and by case: no value, no share, no bands; difference says its relation."""
    rate = Year([YearCase("a", ONE, "310", 1000, 900, 1000, 700)], budgets={"310": 1000})
    fixed = Tables(tmp_path / "fixed", rate, law(value="fixed"))
    plain = {"value": "fixed", "measure": None, "by_points": False, "method": "difference"}
    lines = statement(fixed.hospital(tmp_path / "f.xlsx", **plain)["年度清算单"])
    assert not {"清算点值（元／点）", "费率的倍数", "总点数", "基金占比", "F ÷ S", "适用分段"} & lines.keys()
    moved = Tables(tmp_path / "moved", rate, law())
    sheet = moved.hospital(tmp_path / "m.xlsx", **{**plain, "value": "floating"})["年度清算单"]
    rows = {row[1]: row for row in cells(sheet) if isinstance(row[0], int)}
    # 1000 = 1000 × m − (1000 − 700) → m = 1.3
    assert (rows["费率的倍数"][3], rows["随费率变动的标准（按月度费率）"][3]) == (1.3, 10)
    assert rows["清算基金"][2] == "({}) − [({}) − ({})]＋({})".format(
        *(rows[title][0] for title in ("支付标准合计", "医疗费用总额", "统筹基金（按项目记账）", "除外支付"))
    )  # fmt: skip


def test_a_step_that_does_not_add_up_is_not_written(tables: Tables, tmp_path: Path) -> None:
    wrong = tables.hospitals.with_columns(pl.col("clearing_fen") + 1)
    with pytest.raises(AuditBroken, match=f"`{ONE}` 险种 `310` 对不上：.*相差 -0.01 元"):
        write_clearing_region(tmp_path / "r.xlsx", heading(), wrong, tables.insurance)
    assert not (tmp_path / "r.xlsx").exists()
    assert stepped(tables.hospitals).height == 6


def test_the_same_year_gives_the_same_bytes_and_text_stays_text(tables: Tables, tmp_path: Path) -> None:
    tables.hospitals = tables.hospitals.with_columns(pl.lit("=1+1").alias("hospital_name"))
    book = tables.region(tmp_path / "1.xlsx")
    tables.region(tmp_path / "2.xlsx")
    assert (tmp_path / "1.xlsx").read_bytes() == (tmp_path / "2.xlsx").read_bytes()
    named = [row for row in book["年度清算表"].iter_rows() if row[0].value == ONE]
    assert (named[0][1].value, named[0][1].data_type) == ("=1+1", "s")


def test_a_value_has_twelve_digits() -> None:
    """125/12 = 10.416666…667; by hand 2/3 = 0.666666666667; nothing stays nothing."""
    assert twelve_digits("125", "12") == Decimal("10.416666666667")
    assert twelve_digits("2", "3") == Decimal("0.666666666667")
    assert twelve_digits(None, None) is None


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not here")
def test_libreoffice_reads_the_same_numbers(tables: Tables, tmp_path: Path) -> None:
    """The first sheet as CSV: every amount of the table, in yuan."""
    tables.region(tmp_path / "region.xlsx")
    subprocess.run(
        ["soffice", "--headless", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1", "--outdir", tmp_path,
         tmp_path / "region.xlsx"], check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    with (tmp_path / "region.csv").open(encoding="utf-8") as file:
        rows = {row[0]: row for row in csv.reader(file) if row}
    for name, own in stepped(tables.hospitals).group_by("hospital_id"):
        found = [int(Decimal(text.replace(",", "")) * 100) for text in rows[str(name[0])][-10:]]
        wanted = (
            "fund_from_points_fen", "band_step_fen", "assessment_step_fen", "audit_step_fen", "entitlement_fen",
            "settled_step_fen", "still_out_step_fen", "deposit_returned_fen", "unpaid_fen", "clearing_fen",
        )  # fmt: skip
        assert found == [sum(own[column].to_list()) for column in wanted]
