"""Workbooks read back: numbers tie to the fen, text stays text, the same input gives the same bytes."""

from __future__ import annotations

import datetime as dt
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import polars as pl
import pytest

from pipeline import hospital_workbook
from pipeline.errors import AuditBroken, InputError
from pipeline.hospital_workbook import write_hospital_workbook
from pipeline.region_workbook import write_region_workbook
from pipeline.statements import Heading, cmi, quotient
from pipeline.words import yuan_text
from pipeline.workbook import yuan

HEADING = Heading(
    region="示例市",
    period="2025-10",
    run="0123456789ab",
    scheme="CHS-DRG 2.0",
    pack_version="2025-07-01",
    created=dt.datetime(2025, 10, 31),
    prepay_ratio="95%",
    deposit_rate="5%",
)
# Worked by hand (DESIGN §7 month), in fen:
# 310: fund 1,000,000.00 × 95 % = 950,000.00; − audit 12,345.67 − revolving 100,000.00 − deposit 5 % 47,500.00
#      = 790,154.33 payable.
# 390: fund 1,000.00 × 95 % = 950.00; − audit 2,000.00 − revolving 0 − deposit 47.50 = −1,097.50 → carried, payable 0.
FUND = {"310": 100_000_000, "390": 100_000}
PREPAY = {"310": 95_000_000, "390": 95_000}
AUDIT = {"310": 1_234_567, "390": 200_000}
REVOLVING = {"310": 10_000_000, "390": 0}
DEPOSIT = {"310": 4_750_000, "390": 4_750}
PAYABLE = {"310": 79_015_433, "390": 0}
CARRIED = {"310": 0, "390": -109_750}


def payment(hospital: str = "H001", name: str = "示例市人民医院") -> pl.DataFrame:
    rows = []
    for code, title in (("310", "职工"), ("390", "居民")):
        rows.append(
            {
                "hospital_id": hospital, "hospital_name": name, "level": "三级",
                "insurance_type": code, "insurance_name": title,
                "cases": 200 if code == "310" else 3, "rejected_rows": 2, "held_rows": 1, "low_cases": 4,
                "high_cases": 5, "ungrouped_cases": 1, "ambiguous_cases": 1,
                "weight_total": Decimal("246.9135") if code == "310" else Decimal("1.0000"),
                "cmi": Decimal("1.2346") if code == "310" else Decimal("0.3333"), "points_total": None,
                "total_fee_fen": 2 * FUND[code], "pool_fund_fen": FUND[code] + 7, "standard_fen": 2 * FUND[code] - 3,
                "fund_fen": FUND[code], "prepay_fen": PREPAY[code], "audit_deduction_fen": AUDIT[code],
                "revolving_offset_fen": REVOLVING[code], "deposit_fen": DEPOSIT[code],
                "carried_in_fen": 0, "adjustment_in_fen": 0,
                "payable_fen": PAYABLE[code], "carried_fen": CARRIED[code],
            }
        )  # fmt: skip
    decimals = {"weight_total": pl.Decimal(18, 4), "cmi": pl.Decimal(10, 4)}
    return pl.DataFrame(rows, schema_overrides=decimals)


def priced(count: int, kind: str = "high", **changed: Any) -> pl.DataFrame:
    """Cases whose fee exceeds the standard by 1 fen, 2 fen, 3 fen, …"""
    row = {
        "hospital_id": "H001", "insurance_type": "310", "discharge_date": dt.date(2025, 10, 3),
        "settlement_date": dt.date(2025, 10, 5), "group_code": "BR23", "group_name": "脑缺血性疾患，伴并发症或合并症",
        "status": "grouped", "price_class": kind, "principal_dx": "I63.900", "weight": Decimal("0.9258"),
        "rate": Decimal("9575.2500"), "coefficient": Decimal("0.9200"), "ratio": Decimal("3.5000"),
        "standard_fen": 815_559, "pool_fund_fen": 540_000, "fund_fen": 455_559, "rule_text": "费率法",
    } | changed  # fmt: skip
    rows = [{"case_id": f"C{n:06d}", **row, "total_fee_fen": 815_559 + n} for n in range(1, count + 1)]
    money = ("standard_fen", "pool_fund_fen", "fund_fen", "total_fee_fen")
    types: dict[str, Any] = dict.fromkeys(money, pl.Int64) | {"ratio": pl.Decimal(12, 4)}
    types |= dict.fromkeys(("weight", "rate", "coefficient"), pl.Decimal(18, 4))
    return pl.DataFrame(rows, schema_overrides=types)


def groups(*hospitals: str) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "hospital_id": hospital, "group_code": drg, "group_name": drg + "病组", "cases": cases, "weight": Decimal("1.5"),
                "total_fee_fen": 1_000, "standard_fen": 900, "fund_fen": 800, "stay_days": 20,
            }
            for hospital in hospitals
            for drg, cases in (("BR23", 3), ("ES35", 0))
        ],
        schema_overrides={"weight": pl.Decimal(10, 4)},
    )  # fmt: skip


def rejected() -> pl.DataFrame:
    rows = [
        ("R1", "H001", "refused", "no_principal", "缺主要诊断", 100_05, 50_00),
        ("R2", "H001", "held", "other_period", "属于其他月份", 200_00, 60_00),
        ("R3", "H001", "refused", "no_principal", "缺主要诊断", 300_00, None),
        ("R4", "H002", "refused", "already_paid", "已支付", 400_00, 80_00),
    ]
    names = ["case_id", "hospital_id", "door", "code", "message", "total_fee_fen", "pool_fund_fen"]
    return pl.DataFrame(rows, schema=names, orient="row")


def balance(held_fen: int = 60_00) -> pl.DataFrame:
    parts = {
        "in": (206, 1_000_00, 500_00), "paid": (203, 700_00, 390_00),
        "refused": (2, 100_00, 50_00), "held": (1, 200_00, held_fen),
    }  # fmt: skip
    row: dict[str, Any] = {"hospital_id": "H001", "hospital_name": "示例市人民医院"}
    for place, values in parts.items():
        row |= dict(zip([f"{place}_rows", f"{place}_fee_fen", f"{place}_fund_fen"], values, strict=True))
    return pl.DataFrame([row])


def write(path: Path, rows: pl.DataFrame | None = None, **frames: Any) -> Any:
    given = {
        "groups": groups("H001"),
        "exceptions": priced(3),
        "rejected": rejected(),
        "cases": None,
    } | frames
    write_hospital_workbook(
        path,
        HEADING,
        payment() if rows is None else rows,
        **given,
        case_csv="H001.csv",
        rejected_csv="退回.csv",
    )
    return openpyxl.load_workbook(path)


def by_label(sheet: Any, label_column: int = 1) -> dict[str, list[Any]]:
    return {str(row[label_column]).strip(): list(row) for row in sheet.iter_rows(values_only=True)}


def records(sheet: Any, header: int) -> list[dict[str, Any]]:
    """Rows under the header row (1-based) by title."""
    rows = list(sheet.iter_rows(min_row=header, values_only=True))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def test_sheets_stand_in_the_order_staff_read_them(tmp_path: Path) -> None:
    names = ["月度结算单", "病组汇总", "高倍率", "低倍率", "未入组", "歧义", "单列病组", "退回清单"]
    assert write(tmp_path / "a.xlsx").sheetnames == names
    assert write(tmp_path / "b.xlsx", cases=priced(2)).sheetnames == [*names, "病例明细"]


def test_statement_adds_up_like_a_pocket_calculator(tmp_path: Path) -> None:
    lines = by_label(write(tmp_path / "a.xlsx")["月度结算单"])
    steps = ("本期预拨金额", "审核扣款", "周转金抵扣", "质量保证金", "负数结转下期")
    for column, payable in ((3, "790154.33"), (4, "0"), (5, "790154.33")):
        cents = [round(lines[step][column] * 100) for step in steps]
        assert sum(cents) == round(Decimal(payable) * 100) == round(lines["本期应付"][column] * 100)
        assert lines["核定统筹基金"][column] + lines["留待年度清算"][column] == lines["本期预拨金额"][column]
    assert lines["审核扣款"][3:6] == [-12345.67, -2000, -14345.67]
    assert lines["负数结转下期"][3:6] == [0, 1097.5, 1097.5]
    assert lines["病例数（冲销计 −1）"][3:6] == [200, 3, 203]
    # CMI of the total: 247.9135 / 203 = 1.22124… ; a mean of the two CMIs would be 0.7840
    assert lines["病例组合指数（CMI）"][3:6] == [1.2346, 0.3333, 1.2212]


def test_line_numbers_in_the_relations_point_at_the_lines_they_mean(tmp_path: Path) -> None:
    number = {
        line[1].strip(): line[0]
        for line in by_label(write(tmp_path / "a.xlsx")["月度结算单"]).values()
        if line[1]
    }
    assert [number[name] for name in ("病例数（冲销计 −1）", "总权重")] == [1, 8]
    names = (
        "核定统筹基金",
        "留待年度清算",
        "本期预拨金额",
        "审核扣款",
        "周转金抵扣",
        "质量保证金",
        "负数结转下期",
    )
    assert [number[name] for name in names] == [
        13,
        14,
        15,
        16,
        17,
        18,
        21,
    ]  # 19, 20: what earlier months left


def test_a_statement_that_does_not_add_up_is_not_written(tmp_path: Path) -> None:
    wrong = payment().with_columns(pl.col("payable_fen") + 1)
    with pytest.raises(AuditBroken, match=r"险种 `310`.*790154\.33.*790154\.34.*相差 -0\.01 元"):
        write(tmp_path / "a.xlsx", wrong)
    with pytest.raises(AuditBroken, match="deposit_fen"):
        write(tmp_path / "a.xlsx", payment().with_columns(pl.lit(None, pl.Int64).alias("deposit_fen")))
    with pytest.raises(AuditBroken, match=r"CMI.*1\.2346.*1\.3000"):
        other = pl.when(pl.col("insurance_type") == "310").then(Decimal("1.3000")).otherwise("cmi")
        write(tmp_path / "a.xlsx", payment().with_columns(other.cast(pl.Decimal(10, 4)).alias("cmi")))
    assert list(tmp_path.iterdir()) == []


def test_text_that_looks_like_a_formula_stays_text(tmp_path: Path) -> None:
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "<r>x</r>", "<r>&", "http://x.cn"):
        book = write(tmp_path / "a.xlsx", payment(name=text), exceptions=priced(1, group_name=text))
        cell = book["高倍率"]["F4"]
        assert (cell.value.strip(), cell.data_type, cell.hyperlink) == (text, "s", None)
        assert text in book["月度结算单"]["A2"].value


def test_characters_that_xml_forbids_do_not_break_the_file(tmp_path: Path) -> None:
    book = write(
        tmp_path / "a.xlsx", payment(name="甲\x00乙"), exceptions=priced(1, group_name="a\x00b\x1fc\nd\uffff")
    )
    assert book["高倍率"]["F4"].value == "a�b�c d�"
    assert "甲�乙" in book["月度结算单"]["A2"].value


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write(tmp_path / name, cases=priced(4))
        write_region_workbook(
            tmp_path / f"r{name}", HEADING, payment(), groups("H001"), rejected(), balance(), alliances()
        )
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert (tmp_path / "ra.xlsx").read_bytes() == (tmp_path / "rb.xlsx").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        assert {entry.date_time[:3] for entry in archive.infolist()} == {(1980, 1, 31)}
        assert b"2025-10-31T00:00:00Z" in archive.read("docProps/core.xml")


def test_frozen_panes_formats_and_print_setup(tmp_path: Path) -> None:
    book = write(tmp_path / "a.xlsx", cases=priced(1))
    frozen = {sheet.title: sheet.freeze_panes for sheet in book}
    assert frozen["月度结算单"] == "C7" and frozen["病组汇总"] == "C4" and frozen["高倍率"] == "B4"
    for sheet in book:
        wide = sheet.title in ("高倍率", "低倍率", "未入组", "歧义", "单列病组", "病例明细")  # 17 columns: A3
        assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 8 if wide else 9)
        assert sheet.page_setup.fitToWidth in (None, 1) and sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.print_title_rows
    high = book["高倍率"]
    shown = {high.cell(3, c.column).value: (c.value, c.number_format) for c in high[4]}
    assert shown["医疗费用"] == (8155.62, "#,##0.00")  # the largest of three: 8155.59 + 0.03
    assert shown["出院日期"] == (dt.datetime(2025, 10, 3), "yyyy-mm-dd")
    assert shown["权重"] == (0.9258, "#,##0.0000")
    assert shown["险种"][0] == "职工"


def test_only_the_largest_exceptions_are_listed_and_the_last_row_names_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hospital_workbook, "LISTED", 2)
    high = write(tmp_path / "a.xlsx", exceptions=priced(3))["高倍率"]
    rows = list(high.iter_rows(min_row=4, values_only=True))
    assert [row[0] for row in rows[:2]] == ["C000003", "C000002"]
    # The sum is of all three cases: 3 × 8155.59 + 0.01 + 0.02 + 0.03
    assert (rows[2][0], rows[2][10]) == ("合计 3 例", 24466.83)
    assert rows[-1][0] == "共 3 例，本表只列金额最大的 2 例；全部病例见文件：H001.csv"


def test_a_limit_of_five_thousand_and_an_empty_list_says_so(tmp_path: Path) -> None:
    book = write(tmp_path / "a.xlsx", exceptions=priced(5_001))
    assert book["高倍率"]["A5003"].value == "C000002" and book["高倍率"]["A5004"].value == "合计 5,001 例"
    assert book["低倍率"]["A5"].value == "本期无此类病例"


def test_exceptions_without_a_standard_and_of_other_classes(tmp_path: Path) -> None:
    frame = pl.concat(
        [
            priced(1, "ungrouped").with_columns(pl.lit(None, pl.Int64).alias("standard_fen")),
            priced(2, "normal"),
        ]
    )
    book = write(tmp_path / "a.xlsx", exceptions=frame, cases=frame)
    assert [row["支付标准"] for row in records(book["未入组"], 3)] == [None, 0]
    assert book["高倍率"]["A4"].value == "合计 0 例"
    assert [row["类别"] for row in records(book["病例明细"], 3)] == ["未入组", "正常", "正常", None]


def test_group_summary_ties(tmp_path: Path) -> None:
    rows = records(write(tmp_path / "a.xlsx")["病组汇总"], 3)
    # 10.00 yuan / 3 cases = 3.33; no mean where the reversals leave no case
    assert [(r["病组编码"], r["次均费用"], r["平均住院日"]) for r in rows[:2]] == [
        ("BR23", 3.33, 6.67),
        ("ES35", None, None),
    ]
    assert (rows[2]["病例数"], rows[2]["医疗费用"], rows[2]["标准减费用"]) == (3, 20, -2)


def test_returned_list_sets_refused_before_held(tmp_path: Path) -> None:
    own = rejected().filter(pl.col("hospital_id") == "H001")
    rows = records(write(tmp_path / "a.xlsx", rejected=own)["退回清单"], 3)
    assert [(r["去向"], r["结算ID"], r["医疗费用"]) for r in rows] == [
        ("退回", "R3", 300), ("退回", "R1", 100.05), ("暂挂", "R2", 200),
        ("退回", "合计 2 例", 400.05), ("暂挂", "合计 1 例", 200),
    ]  # fmt: skip


def test_a_long_reason_gets_the_height_it_needs(tmp_path: Path) -> None:
    long = rejected().with_columns(
        pl.when(pl.col("case_id") == "R3").then(pl.lit("长" * 100)).otherwise("message").alias("message")
    )
    sheet = write(tmp_path / "a.xlsx", rejected=long)["退回清单"]
    # R4 (400 yuan) stands first, R3 (300) next: 100 characters are 200 wide in a column of 80, three lines of 17
    assert (sheet["B5"].value, sheet.row_dimensions[5].height) == ("R3", 51)
    assert sheet.row_dimensions[4].height < 20


def test_money_columns_grow_with_the_sum(tmp_path: Path) -> None:
    rich = priced(2, standard_fen=123_456_789_012)  # the sum shows as 2,469,135,780.24: 16 characters
    sheet = write(tmp_path / "a.xlsx", exceptions=rich)["高倍率"]
    assert sheet.column_dimensions["M"].width > 17 > sheet.column_dimensions["K"].width


def test_a_hospital_of_returned_rows_only_has_its_workbook(tmp_path: Path) -> None:
    empty = {"exceptions": priced(1).clear(), "groups": groups("H001").clear()}
    book = write(tmp_path / "a.xlsx", payment().clear(), **empty)
    assert book["月度结算单"]["A2"].value == "医疗机构：H001"
    assert by_label(book["月度结算单"])["本期应付"][3] == 0


def alliances(*members: tuple[str, str]) -> pl.DataFrame:
    """One alliance of (hospital_id, role)."""
    rows = [("A1", "甲县医共体", hospital, role) for hospital, role in members]
    names = ("alliance_id", "alliance_name", "hospital_id", "role")
    return pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row")


def test_an_alliance_is_summed_for_its_lead(tmp_path: Path) -> None:
    sheet = region(tmp_path / "r.xlsx", alliances=alliances(("H002", "lead"), ("H001", "member")))[
        "医共体汇总"
    ]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=3)]
    header, lead, member, total = rows[0], *rows[1:4]
    assert [row[:3] for row in (lead, member)] == [
        ["甲县医共体", "牵头", "H002"],
        ["甲县医共体", "成员", "H001"],
    ]
    assert total[:3] == ["甲县医共体", "合计", None]
    for name in ("病例数", "核定统筹基金", "本期应付"):
        place = header.index(name)
        assert total[place] == lead[place] + member[place] != 0
    assert "医共体汇总" not in region(tmp_path / "s.xlsx").sheetnames


def region(path: Path, **changed: Any) -> Any:
    both = pl.concat([payment("H002", "乙医院"), payment("H001", "甲医院")])
    given = {
        "groups": groups("H001", "H002"),
        "rejected": rejected(),
        "balance": balance(),
        "alliances": alliances(),
    } | changed
    write_region_workbook(path, HEADING, both, **given)
    return openpyxl.load_workbook(path)


def test_region_pays_each_hospital_in_one_row(tmp_path: Path) -> None:
    book = region(tmp_path / "r.xlsx")
    assert book.sheetnames == ["拨付汇总表", "险种汇总", "病组汇总", "退回汇总", "收支核对"]
    sheet = book["拨付汇总表"]
    rows = list(sheet.iter_rows(min_row=6, values_only=True))
    assert [v for v in rows[0] if v] == ["定点医药机构", "职工", "居民", "合计"]
    assert [row[0] for row in rows[2:5]] == ["H001", "H002", "合计"]
    assert rows[2][3:7] == (1_000_000, 790_154.33, 1_000, 0)
    assert (rows[2][7], rows[2][-1], rows[4][-1]) == (203, 790_154.33, 1_580_308.66)
    assert sheet.freeze_panes == "C8" and sheet.print_title_rows == "$6:$7"
    assert by_label(book["险种汇总"])["本期应付"][3:6] == [1_580_308.66, 0, 1_580_308.66]
    assert [row["机构数"] for row in records(book["病组汇总"], 3)] == [2, 2, None]


def test_region_returns_by_code_and_hospital(tmp_path: Path) -> None:
    rows = records(region(tmp_path / "r.xlsx")["退回汇总"], 3)
    assert [(r["去向"], r["原因代码"], r["机构名称"], r["例数"], r["统筹基金"]) for r in rows] == [
        ("退回", "already_paid", "乙医院", 1, 80), ("退回", "already_paid 小计", None, 1, 80),
        ("退回", "no_principal", "甲医院", 2, 50), ("退回", "no_principal 小计", None, 2, 50),
        ("暂挂", "other_period", "甲医院", 1, 60), ("暂挂", "other_period 小计", None, 1, 60),
        ("退回", "合计", None, 3, 130), ("暂挂", "合计", None, 1, 60),
    ]  # fmt: skip


def test_balance_shows_a_gap(tmp_path: Path) -> None:
    even = list(region(tmp_path / "r.xlsx")["收支核对"].iter_rows(min_row=5, values_only=True))
    assert even[0][-4:] == (0, 0, 0, "平") and even[1][-4:] == (0, 0, 0, "平")
    gap = region(tmp_path / "s.xlsx", balance=balance(held_fen=60_01))["收支核对"]
    assert list(gap.iter_rows(min_row=5, values_only=True))[1][-2:] == (-0.01, "不平")


def test_money_is_exact_or_text() -> None:
    assert yuan(7) == Decimal("0.07") and yuan(None) is None
    assert yuan(-(10**15) + 1) == Decimal("-9999999999999.99")
    assert yuan(10**15 + 7) == "10000000000000.07"  # Excel keeps 15 digits
    assert [yuan_text(fen) for fen in (0, -5, 100, -123_456)] == ["0.00", "-0.05", "1.00", "-1234.56"]


def test_a_cmi_of_unrounded_weights_is_printed_as_the_table_has_it(tmp_path: Path) -> None:
    # Weights of six digits: the table divides before it rounds, so its last digit may differ by one.
    near = pl.when(pl.col("insurance_type") == "310").then(Decimal("1.2345")).otherwise("cmi")
    rows = payment().with_columns(near.cast(pl.Decimal(10, 4)).alias("cmi"))
    lines = by_label(write(tmp_path / "a.xlsx", rows)["月度结算单"])
    assert lines["病例组合指数（CMI）"][3:5] == [1.2345, 0.3333]


def test_quotients_round_half_away_from_zero() -> None:
    assert [quotient(n, 2) for n in (1, -1, 3, 4)] == [1, -1, 2, 2] and quotient(1, 0) is None
    assert cmi(Decimal("-1.2000"), -1) is None and cmi(Decimal("0"), 0) is None


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").mkdir()
    with pytest.raises(InputError, match=r"a\.xlsx"):
        write(tmp_path / "a.xlsx")
    assert [found.name for found in tmp_path.iterdir()] == ["a.xlsx"]
