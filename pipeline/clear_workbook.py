"""The workbooks of a cleared year: the region's 年度清算表 and 分险种基金平衡, a hospital's 年度清算单 (DESIGN §7, §9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from pipeline.clear_pools import Pools, balance_columns, own_columns, write_pools
from pipeline.clear_statement import (
    ClearingHeading,
    shown,
    statement_lines,
    stepped,
    summed,
    twelve_digits,
    write_clearing_statement,
)
from pipeline.statements import Line
from pipeline.workbook import Book, Field, fitted, open_book

_HOSPITAL = [
    Field("hospital_id", "机构编号", "text", 15),
    Field("hospital_name", "机构名称", "text", 26),
    Field("level", "级别", "text", 7),
]
_CASES = [
    Field("cases", "病例数", "count", 10),
    Field("total_fee_fen", "医疗费用", "money", 11),
    Field("pool_fund_fen", "记账统筹基金", "money", 11),
]
# The numbers in the headers say how the columns add up, left to right.
_STEPS = [
    Field("standard_fen", "支付标准", "money", 11),
    Field("fund_from_points_fen", "清算基金 (1)", "money", 11),
    Field("band_step_fen", "留用与分担 (2)", "money", 13),
    Field("assessment_step_fen", "考核增减 (3)", "money", 11),
    Field("audit_step_fen", "审核扣款 (4)", "money", 11),
    Field("entitlement_fen", "应得总额 (5)=(1)至(4)", "money", 17),
    Field("settled_step_fen", "月度已结算 (6)", "money", 11),
    Field("still_out_step_fen", "未收回预付 (7)", "money", 13),
    Field("deposit_returned_fen", "保证金返还 (8)", "money", 13),
    Field("unpaid_fen", "各月应付未付 (9)", "money", 14),
    Field("clearing_fen", "清算额 (10)=(5)至(9)", "money", 17),
]
_OF_ONE_TYPE = [
    Field("points_total", "总点数", "weight", 15),
    Field("spent_ratio", "F ÷ S", "weight", 10),
    Field("band", "适用分段", "text", 24),
    Field("coefficient", "考核系数", "weight", 10),
]
_MONTHS = [
    Field("period", "结算期", "text", 10),
    Field("insurance_name", "险种", "text", 10),
    Field("fund_fen", "核定统筹基金", "money", 16),
    Field("prepay_fen", "预拨", "money", 16),
    Field("audit_step_fen", "审核扣款", "money", 16),
    Field("settled_fen", "月度已结算", "money", 16),
    Field("revolving_step_fen", "周转金抵扣", "money", 16),
    Field("deposit_step_fen", "质量保证金", "money", 16),
    Field("due_fen", "当月应付", "money", 16),
]
_MONEY = [field.name for field in _MONTHS if field.kind == "money"]
_BALANCE = (
    Line("一、可分配总额"),
    Line("年度预算", "budget_fen"),
    Line("预算版本", "budget_version", "index"),
    Line("二、点值（费率倍数）"),
    Line("医疗机构（家）", "hospitals", "count"),
    Line("病例数（冲销计 −1）", "cases", "count"),
    Line("总点数", "points_total", "value", only="points"),
    Line("首次清算的费率倍数", "first_value", "value", only="once"),
    Line("按首次清算费率改档的病例数", "changed_cases", "count", only="once"),
    Line("清算点值（费率法：倍数）", "value", "value"),
    Line("　其中基数点数", "base_points", "value", only="elastic"),
    Line("　　　固定点值", "fixed_value", "value", only="elastic"),
    Line("　　　增量点数", "added_points", "value", only="elastic"),
    Line("　　　增量点值", "added_value", "value", only="elastic"),
    Line("支付标准合计", "standard_fen"),
    Line("月度核定统筹基金", "month_fund_fen"),
    Line("三、基金去向"),
    Line("清算基金", "fund_from_points_fen", strong=True),
    Line("未分配", "undistributed_fen", how="({budget_fen}) − ({fund_from_points_fen})"),
    Line("留用与分担留在基金（负为支出）", "left_by_bands_fen"),
    Line("考核留在基金", "left_by_assessment_fen"),
    Line("审核扣款留在基金", "left_by_audit_fen"),
    Line("应得总额", "entitlement_fen", how="({fund_from_points_fen}) − ({left_by_bands_fen}) − ({left_by_assessment_fen})"
         " − ({left_by_audit_fen})", strong=True),
    Line("不退的质量保证金", "left_by_deposit_fen"),
    Line("基金结余（负为超支）", "left_in_fund_fen", how="({budget_fen}) − ({entitlement_fen})＋({left_by_deposit_fen})",
         strong=True),
    Line("四、现金"),
    Line("各月实付", "cash_fen"),
    Line("未收回的预付金", "advances_out_fen"),
    Line("清算额", "clearing_fen", how="({entitlement_fen}) − ({left_by_deposit_fen}) − ({cash_fen}) − ({advances_out_fen})",
         strong=True),
)  # fmt: skip


def write_clearing_region(
    path: Path,
    heading: ClearingHeading,
    hospitals: pl.DataFrame,
    insurance: pl.DataFrame,
    pools: Pools | None = None,
) -> None:
    """年度清算表 over all insurance types, one sheet for each of them, 分险种基金平衡, and 预算单列 where there are lines.

    `hospitals` is hospital_clearing, `insurance` insurance_clearing. Raises AuditBroken where steps do not add up.
    """
    frame = stepped(hospitals)
    title = f"{heading.region}{heading.year}年度清算表"
    with open_book(path, title, heading.run, heading.created) as book:
        _write_table(book, heading, "年度清算表", f"{title}（各险种合计）", frame, one_type=False)
        for code in insurance["insurance_type"].to_list():
            of_type = frame.filter(pl.col("insurance_type") == code)
            name = heading.name_of(code)
            _write_table(book, heading, f"清算表 {name}"[:31], f"{title}（{name}）", of_type, one_type=True)
        if pools is not None:
            write_pools(book, heading, pools)
        _write_balance(book, heading, insurance, pools)


def _write_table(
    book: Book, heading: ClearingHeading, name: str, title: str, frame: pl.DataFrame, one_type: bool
) -> None:
    """One row per hospital, steps left to right, and the total."""
    more = [field for field in _OF_ONE_TYPE if one_type and (heading.by_points or field.name != "points_total")
            and (heading.measure or field.name not in ("spent_ratio", "band"))]  # fmt: skip
    fields = [*_HOSPITAL, *_CASES, *more, *_STEPS]
    lines: list[dict[str, Any]] = []
    for _, rows in frame.sort("hospital_id").group_by(["hospital_id"], maintain_order=True):
        first = rows.row(0, named=True)
        line = {field.name: first[field.name] for field in _HOSPITAL} | summed(rows)
        lines.append(shown(first, {}) | line if one_type else line)
    total = summed(frame) | {"hospital_id": "合计"}
    fields = fitted(fields, total, *lines)
    bands = [
        ("定点医药机构", len(_HOSPITAL)),
        ("全年病例", len(_CASES) + len(more)),
        ("应得总额", 6),
        ("清算额", 5),
    ]
    sheet = book.sheet(name)
    who = (f"统筹区：{heading.region}", f"结算机构：{len(lines):,} 家")
    sheet.banner(title + heading.mark, heading.lines(*who), right=5)
    sheet.header(fields, frozen=2, bands=bands)
    for line in lines:
        sheet.total(line, fields, "body")
    sheet.total(total, fields)
    sheet.note("清算额正数为应拨、负数为应退。各栏已带正负号，从左到右相加。", 1)
    sheet.note("制表：　　　　　　　　　　复核：　　　　　　　　　　审批：　　　　　　　　　　日期：", 1)


def _write_balance(
    book: Book, heading: ClearingHeading, insurance: pl.DataFrame, pools: Pools | None
) -> None:
    """What the budget of each insurance type became, its budget lines before it."""
    columns: list[tuple[str, dict[str, Any]]] = []
    for row in insurance.iter_rows(named=True):
        columns += balance_columns(heading, pools, row["insurance_type"], row)
    alike = [
        line.name
        for line in _BALANCE
        if line.name in insurance.columns and (line.kind in ("money", "count") or line.name == "points_total")
    ]
    known = {name: insurance[name].to_list() for name in alike}
    columns.append(("合计", {
        name: sum(found) for name, found in known.items() if None not in found and name != "hospitals"
    }))  # fmt: skip
    asked = {
        "",
        "points" if heading.by_points else "",
        "elastic" if heading.value == "elastic" else "",
        "once" if heading.once else "",
    }
    lines = [line for line in _BALANCE if line.only in asked]
    sheet = book.sheet("分险种基金平衡")
    title = f"{heading.region}{heading.year}年度分险种基金平衡表"
    write_clearing_statement(sheet, heading, title, (f"统筹区：{heading.region}", ""), columns, lines)


def write_clearing_hospital(
    path: Path,
    heading: ClearingHeading,
    hospital: pl.DataFrame,
    insurance: pl.DataFrame,
    months: pl.DataFrame,
    pools: Pools | None = None,
) -> None:
    """A hospital's 年度清算单 and 各月结算.

    `hospital`: its rows of hospital_clearing; `insurance`: insurance_clearing, for the value; `months`: its rows of
    year_paid; `pools`: its own, where the year has budget lines. Raises AuditBroken where the steps do not add up.
    """
    frame = stepped(hospital)
    values = {
        code: twelve_digits(top, bottom)
        for code, top, bottom in insurance.select("insurance_type", "value_num", "value_den").iter_rows()
    }
    one_share = frame.filter(pl.col("cases") != 0)["fund_share"].null_count() == 0
    first = frame.row(0, named=True)
    name = f"{first['hospital_name']}（{first['hospital_id']}）"
    columns: list[tuple[str, dict[str, Any]]] = []
    for row in frame.sort("insurance_type").iter_rows(named=True):
        columns += own_columns(heading, pools, row["insurance_type"], shown(row, values))
    if frame.height > 1:
        columns.append(("合计", summed(frame)))
    title = f"{heading.region}{heading.year}年度清算单"
    with open_book(path, f"{title} {name}", heading.run, heading.created) as book:
        sheet = book.sheet("年度清算单")
        who = (f"定点医药机构：{name}", f"级别：{first['level']}")
        write_clearing_statement(sheet, heading, title, who, columns, statement_lines(heading, one_share))
        sheet.note(
            "总额用尽到分：不足一分的尾数按最大余数法补给余数最大的医院，所以清算基金与手算可差一两分。"
            if heading.value != "fixed" else "清算基金为各病例核定统筹基金之和，按全年的基金占比。", 1,
        )  # fmt: skip
        sheet.note("医院盖章：　　　　　　　　　　经办机构盖章：　　　　　　　　　　日期：", 1)
        _write_months(book, heading, name, months)


def _write_months(book: Book, heading: ClearingHeading, name: str, months: pl.DataFrame) -> None:
    """What the months' statements said, current versions, and their sums."""
    frame = months.with_columns(
        (-pl.col("audit_deduction_fen")).alias("audit_step_fen"),
        (-pl.col("revolving_offset_fen")).alias("revolving_step_fen"),
        (-pl.col("deposit_fen")).alias("deposit_step_fen"),
        pl.col("insurance_type").map_elements(heading.name_of, pl.String).alias("insurance_name"),
    ).sort("period", "insurance_type")
    total = {field: sum(frame[field].to_list()) for field in _MONEY} | {"period": "合计"}
    fields = fitted(_MONTHS, total, *frame.to_dicts())
    sheet = book.sheet("各月结算")
    sheet.banner(
        f"{name}　{heading.year}年各月结算",
        [["月度已结算＝预拨＋审核扣款；当月应付＝月度已结算＋周转金抵扣＋质量保证金"]],
    )
    sheet.header(fields, frozen=2)
    sheet.rows(frame, fields)
    sheet.total(total, fields)
