"""Indicators and budget pace as people see them: lines of the statement, the region's sheet, warnings in words and colour."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import polars as pl
import pytest

from pipeline.hospital_workbook import write_hospital_workbook
from pipeline.indicator_sheets import Figures
from pipeline.region_workbook import write_region_workbook
from tests.test_workbook import HEADING, alliances, balance, by_label, groups, payment, priced, rejected

WATCH, ALARM = "FFFFE699", "FFF8CBAD"


def indicators() -> pl.DataFrame:
    """H001 by type and in all, H002 of one type, the region."""
    columns = ["hospital_id", "insurance_type", "cost_index_e4", "time_index_e4", "mean_fee_fen", "mean_stay_e2",
               "drug_share_e3", "consumable_share_e3", "low_share_e4", "high_share_e4"]  # fmt: skip
    rows = [
        ("", "", 10_000, 10_000, 900_010, 712, 254, None, 455, 146),
        ("", "310", 9_969, 9_972, 815_391, 762, 254, None, 455, 146),
        ("", "390", 10_019, 10_017, 805_320, 766, None, None, 455, 146),
        ("H001", "", 11_393, 9_928, 1_041_710, 771, 261, None, 296, 303),
        ("H001", "310", 11_336, 9_951, 1_088_930, 783, 254, None, 455, 146),
        ("H001", "390", None, None, 1_010_774, 762, None, None, 191, 406),
        ("H002", "310", 8_998, 9_373, 724_179, 744, 271, None, 345, 296),
        ("H002", "", 8_998, 9_373, 724_179, 744, 271, None, 345, 296),
    ]  # fmt: skip
    left_out = [
        pl.lit(0).alias("cost_left_out_groups"),
        (pl.col("hospital_id") == "").cast(pl.Int64).alias("time_left_out_groups"),
    ]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        pl.lit(3).alias("cases"), pl.lit(1).alias("cmi"), *left_out
    )


def pace(months_counted: int = 10, **budgets: tuple[int, str]) -> pl.DataFrame:
    """The region's 310 at 81.53 %, and hospitals (used e4, level) of their own budget where given."""

    def row(hospital: str, spent: int, share: int, used: int | None, level: str | None) -> dict[str, Any]:
        return {
            "hospital_id": hospital, "insurance_type": "310", "months": 10, "months_counted": months_counted,
            "fund_so_far_fen": spent, "region_share_e4": share, "budget_fen": None if used is None else 5_000_000, "used_e4": used,
            "gone_e4": 8_333, "gap_e4": None if used is None else used - 8_333, "level": level, "watch_over_e4": 500,
            "alarm_over_e4": 1_250,
        }  # fmt: skip

    rows = [row("", 8_000_000, 10_000, 8_153, "normal")]
    rows += [
        row(hospital, 4_000_000, 5_000, *budgets.get(hospital, (None, None))) for hospital in ("H001", "H002")
    ]
    return pl.DataFrame(
        rows,
        schema_overrides={
            "used_e4": pl.Int64,
            "budget_fen": pl.Int64,
            "gap_e4": pl.Int64,
            "level": pl.String,
        },
    )


def paid(hospital_id: str, name: str) -> pl.DataFrame:
    """A month's payment rows in which nothing came from earlier months."""
    frame = payment(hospital_id, name)
    nothing = [
        pl.lit(0).alias(one) for one in ("carried_in_fen", "adjustment_in_fen") if one not in frame.columns
    ]
    return frame.with_columns(nothing)


def hospital(path: Path, figures: Figures | None) -> Any:
    write_hospital_workbook(
        path,
        HEADING,
        paid("H001", "甲医院"),
        groups("H001"),
        priced(1),
        rejected(),
        None,
        case_csv="a",
        rejected_csv="b",
        figures=figures,
    )
    return openpyxl.load_workbook(path)["月度结算单"]


def region(path: Path, figures: Figures) -> Any:
    both = pl.concat([paid("H002", "乙医院"), paid("H001", "甲医院")])
    write_region_workbook(
        path, HEADING, both, groups("H001", "H002"), rejected(), balance(), alliances(), figures
    )
    return openpyxl.load_workbook(path)


def test_the_statement_goes_on_with_indicators_and_pace(tmp_path: Path) -> None:
    sheet = hospital(tmp_path / "a.xlsx", Figures(indicators(), pace(H001=(9_041, "watch"))).of("H001"))
    lines = by_label(sheet)
    # columns: number, label, relation, 310, 390, total
    assert lines["费用消耗指数"][3:6] == [1.1336, None, 1.1393]
    assert lines["时间消耗指数"][3:6] == [0.9951, None, 0.9928]
    assert lines["例均费用"][3:6] == [10_889.3, 10_107.74, 10_417.1]
    assert lines["平均住院日（天）"][3:6] == [7.83, 7.62, 7.71]
    assert lines["药品费占比"][3:6] == [0.254, None, 0.261]
    assert "耗材费占比" not in lines  # no hospital says what its consumables cost
    assert lines["核定统筹基金累计"][2:6] == ["已计 10 个月", 40_000, None, None]
    assert lines["已用比例"][3] == 0.9041 and lines["序时进度"][2:4] == ["10 ÷ 12", 0.8333]
    assert lines["已用减序时"][3] == 0.0708 and lines["进度提示"][3:6] == ["预警", None, None]
    assert "五、预算进度（1—10 月）" in lines and "全区预算已用比例" not in lines
    number = {str(label): line[0] for label, line in lines.items()}
    assert lines["例均费用"][2] == f"({number['医疗费用总额']}) ÷ ({number['病例数（冲销计 −1）']})"
    assert lines["已用比例"][2] == f"({number['核定统筹基金累计']}) ÷ ({number['年度预算']})"
    assert lines["已用减序时"][2] == f"({number['已用比例']}) − ({number['序时进度']})"
    numbers = [line[0] for line in lines.values() if isinstance(line[0], int)]
    assert numbers == list(range(1, len(numbers) + 1))
    formats = {str(row[1].value).strip(): row[3].number_format for row in sheet.iter_rows()}
    wanted = {"费用消耗指数": "#,##0.0000", "药品费占比": "0.0%", "已用比例": "0.00%", "例均费用": "#,##0.00"}
    assert {name: formats[name] for name in wanted} == wanted


def test_a_hospital_without_a_budget_sees_its_share_and_the_regions_pace(tmp_path: Path) -> None:
    lines = by_label(hospital(tmp_path / "a.xlsx", Figures(indicators(), pace(months_counted=1)).of("H001")))
    assert lines["占全区"][3] == 0.5 and "年度预算" not in lines and "进度提示" not in lines
    assert lines["核定统筹基金累计"][2] == "已计 1 个月，缺 9 个月"
    assert lines["全区预算已用比例"][3] == 0.8153 and lines["全区进度提示"][3] == "正常"


def test_without_figures_the_statement_is_what_it_was(tmp_path: Path) -> None:
    plain = by_label(hospital(tmp_path / "a.xlsx", None))
    assert "本期应付" in plain
    assert not any("运行指标" in str(name) or "预算进度" in str(name) for name in plain)
    without = by_label(hospital(tmp_path / "b.xlsx", Figures(indicators(), pace().clear()).of("H001")))
    assert "四、运行指标" in without and not any("预算进度" in str(name) for name in without)


def test_warnings_are_words_and_colours(tmp_path: Path) -> None:
    book = region(
        tmp_path / "r.xlsx", Figures(indicators(), pace(H001=(9_041, "watch"), H002=(9_900, "alarm")))
    )
    assert book.sheetnames.index("运行指标与预算进度") == 2
    sheet = book["运行指标与预算进度"]
    titles = [cell.value for cell in sheet[4]]
    rows = [dict(zip(titles, row, strict=True)) for row in sheet.iter_rows(min_row=5, max_row=12)]
    assert [(row["机构编号"].value, row["险种"].value) for row in rows] == [
        ("H001", "职工"), ("H001", "居民"), ("H001", "合计"), ("H002", "职工"), ("H002", "合计"),
        ("全区", "职工"), ("全区", "居民"), ("全区", "合计"),
    ]  # fmt: skip
    shown = {row["机构编号"].value: row for row in rows if row["险种"].value == "职工"}
    levels = {name: (row["进度提示"].value, row["进度提示"].fill.fgColor.rgb) for name, row in shown.items()}
    assert (levels["H001"], levels["H002"]) == (("预警", WATCH), ("警戒", ALARM))
    assert levels["全区"][0] == "正常" and levels["全区"][1] not in (WATCH, ALARM)
    assert (shown["H002"]["已用比例"].value, shown["H002"]["已用减序时"].value) == (0.99, 0.1567)
    assert shown["H001"]["机构名称"].value == "甲医院" and shown["全区"]["费用消耗指数"].value == 0.9969
    assert "耗材费占比" not in titles
    notes = [row[0] for row in sheet.iter_rows(min_row=13, values_only=True)]
    assert "预警：已用比例超过序时进度 5 个百分点；警戒：超过 12.5 个百分点" in notes
    assert any("费用 0 组，时间 1 组" in note for note in notes) and not any(
        "月份不全" in note for note in notes
    )


def test_a_warning_keeps_its_colour_in_a_row_of_sums(tmp_path: Path) -> None:
    alarmed = pace().with_columns(
        pl.when(pl.col("hospital_id") == "").then(pl.lit("alarm")).otherwise("level").alias("level")
    )
    sheet = region(tmp_path / "r.xlsx", Figures(indicators(), alarmed))["运行指标与预算进度"]
    (cell,) = (cell for row in sheet.iter_rows() for cell in row if cell.value == "警戒")
    assert cell.fill.fgColor.rgb == ALARM and sheet.cell(cell.row, 1).value == "全区"


def test_a_year_with_months_missing_says_so_below_the_table(tmp_path: Path) -> None:
    behind = pace(months_counted=4).with_columns(pl.lit("incomplete").alias("level"))
    sheet = region(tmp_path / "r.xlsx", Figures(indicators(), behind))["运行指标与预算进度"]
    said = [str(row[0]) for row in sheet.iter_rows(values_only=True)]
    assert any("本年已过 10 个月，已计 4 个月，缺 6 个月" in text for text in said)
    assert any(cell.value == "月份不全" for row in sheet.iter_rows() for cell in row)


def test_without_budgets_the_sheet_is_of_indicators_alone(tmp_path: Path) -> None:
    book = region(tmp_path / "r.xlsx", Figures(indicators(), pace().clear()))
    assert "运行指标" in book.sheetnames and "运行指标与预算进度" not in book.sheetnames
    assert [cell.value for cell in book["运行指标"][4]][-1] == "高倍率占比"


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    figures = Figures(indicators(), pace(H001=(9_041, "watch")))
    for name in ("a", "b"):
        hospital(tmp_path / f"{name}.xlsx", figures.of("H001"))
        region(tmp_path / f"r{name}.xlsx", figures)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert (tmp_path / "ra.xlsx").read_bytes() == (tmp_path / "rb.xlsx").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not here")
def test_libreoffice_reads_the_same_numbers(tmp_path: Path) -> None:
    """Opened and saved again by LibreOffice, every cell of both sheets holds what was written."""
    figures = Figures(indicators(), pace(H001=(9_041, "watch"), H002=(9_900, "alarm")))
    hospital(tmp_path / "h.xlsx", figures.of("H001"))
    region(tmp_path / "r.xlsx", figures)
    home = f"-env:UserInstallation=file://{tmp_path}/profile"
    subprocess.run(
        ["soffice", home, "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", str(tmp_path / "again"),
         str(tmp_path / "h.xlsx"), str(tmp_path / "r.xlsx")], check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    for name, title in (("h", "月度结算单"), ("r", "运行指标与预算进度")):
        before, after = (
            openpyxl.load_workbook(tmp_path / place / f"{name}.xlsx")[title] for place in ("", "again")
        )
        found = [
            list(row)[: before.max_column]
            for row in after.iter_rows(max_row=before.max_row, values_only=True)
        ]
        wanted = [list(row) for row in before.iter_rows(values_only=True)]
        assert [[cell or None for cell in row] for row in found] == [
            [cell or None for cell in row] for row in wanted
        ]
