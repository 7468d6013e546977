"""医共体结算单: the month's statement of a lead with all its members, and the year's with the split of the surplus.

Statements read downwards like a pocket calculator (see `statements`). Where an insurance type has no package its lines
are blank, and so is their total: the sum of a part would mislead. Source: DESIGN §7 医共体.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.alliance_tables import SPENDING_KINDS
from pipeline.statements import Heading, Line
from pipeline.words import ROLE_NAMES
from pipeline.workbook import Book, Cell, Field, Sheet, fitted, open_book

KIND_LINES = tuple(Line(f"　{title}", f"{kind}_fen") for kind, title in SPENDING_KINDS.items())
SPENDING = ("inpatient_fen", *(line.name for line in KIND_LINES))
SPENDING_SUM = f"({{{SPENDING[0]}}}) 至 ({{{SPENDING[-1]}}}) 相加"
PACKAGE_LINES = (
    Line("一、打包额"),
    Line("筹资总额（按人头）", "income_fen", how="参保人数 × 人均标准"),
    Line("　减：大病保险", "serious_illness_fen", how="参保人数 × 人均大病保险"),
    Line("　减：风险金", "risk_reserve_fen", how="(({income_fen}) − ({serious_illness_fen})) × 风险金比例"),
    Line(
        "年度打包总额",
        "package_year_fen",
        how="({income_fen}) − ({serious_illness_fen}) − ({risk_reserve_fen})，或预算 × 比例",
    ),
)
MONTH_LINES = (
    *PACKAGE_LINES,
    Line("本月打包额", "package_fen", how="({package_year_fen}) ÷ 12，12 月取余数"),
    Line("二、本月支出（包内）"),
    Line("　住院（按病种付费，核定统筹基金）", "inpatient_fen"),
    *KIND_LINES,
    Line("支出合计", "spending_fen", how=SPENDING_SUM, strong=True),
    Line("本月结余（负数为超支）", "difference_fen", how="({package_fen}) − ({spending_fen})", strong=True),
    Line("三、本年累计"),
    Line("已计月数", "months", "count"),
    Line("累计打包额", "package_to_date_fen"),
    Line("累计支出", "spending_to_date_fen"),
    Line(
        "累计结余（负数为超支）", "difference_to_date_fen",
        how="({package_to_date_fen}) − ({spending_to_date_fen})", strong=True,
    ),
    Line("打包额使用率（%）", "used", "ratio", "({spending_to_date_fen}) ÷ ({package_to_date_fen})"),
    Line("四、包外（另行支付，不占打包额）"),
    Line("外来就医：住院", "outsider_inpatient_fen"),
    Line("外来就医：其他", "outsider_other_fen"),
    Line("五、病例数"),
    Line("包内住院病例", "inpatient_cases", "count"),
    Line("　其中：参保地不明，按包内计", "unknown_area_cases", "count"),
    Line("外来就医住院病例", "outsider_cases", "count"),
)  # fmt: skip
YEAR_LINES = (
    *PACKAGE_LINES,
    Line("有成员的月数", "months", "count"),
    Line("本年打包额", "package_fen", how="有成员的各月打包额之和", strong=True),
    Line("二、本年支出（包内）"),
    Line("　住院（按病种付费，成员应得）", "inpatient_fen"),
    *KIND_LINES,
    Line("支出合计", "spending_fen", how=SPENDING_SUM, strong=True),
    Line("三、结余留用"),
    Line("结余", "surplus_fen", how="({package_fen}) − ({spending_fen})，不为负"),
    Line("留用比例（%，考核结果）", "retention", "ratio"),
    Line("留用", "retained_fen", how="({surplus_fen}) × ({retention})", strong=True),
    Line("　县级", "county_fen"),
    Line("　乡级", "township_fen"),
    Line("　村级", "village_fen"),
    Line("交回基金", "returned_fen", how="({surplus_fen}) − ({retained_fen})"),
    Line("四、合理超支分担"),
    Line("超支", "overspend_fen", how="({spending_fen}) − ({package_fen})，不为负"),
    Line("医共体承担", "borne_fen", how="({overspend_fen}) × 承担比例", strong=True),
    Line("基金承担", "fund_bears_fen", how="({overspend_fen}) − ({borne_fen})"),
    Line("五、与牵头单位清算"),
    Line("成员清算额合计", "members_clearing_fen"),
    Line(
        "牵头单位清算额（负数为应退）", "lead_clearing_fen",
        how="({members_clearing_fen})＋({retained_fen})−({borne_fen})", strong=True,
    ),
    Line("六、包外与病例数"),
    Line("外来就医：住院（已在成员清算额中）", "outsider_inpatient_fen"),
    Line("外来就医：其他", "outsider_other_fen"),
    Line("包内住院病例", "inpatient_cases", "count"),
    Line("　其中：参保地不明，按包内计", "unknown_area_cases", "count"),
    Line("外来就医住院病例", "outsider_cases", "count"),
)  # fmt: skip
# What only packaged insurance types can have: their sum is whole, though others have none.
OF_THE_PACKAGED = ("surplus_fen", "retained_fen", "county_fen", "township_fen", "village_fen", "returned_fen",
                   "overspend_fen", "borne_fen", "fund_bears_fen")  # fmt: skip
SIGNED_BY = "制表：　　　　　　　　　　复核：　　　　　　　　　　审批：　　　　　　　　　　牵头单位签收："
_MEMBER = [
    Field("role_name", "身份", "text", 10), Field("hospital_id", "机构编号", "text", 15),
    Field("hospital_name", "机构名称", "text", 26), Field("level", "级别", "text", 7),
]  # fmt: skip


@dataclass(frozen=True)
class AllianceYear:
    """What stands above the year's sheets; `created` (the year's end) is the workbook's only date."""

    region: str
    year: int
    run: str
    pack_version: str
    created: dt.datetime


def write_alliance_month(path: Path, heading: Heading, payment: pl.DataFrame, package: pl.DataFrame) -> None:
    """One alliance's month: 医共体结算单 with every member, 打包使用情况.

    `payment` and `package` are its rows of alliance_payment and alliance_package.
    """
    first = payment.row(0, named=True)
    lead = _lead(payment)
    title = f"{first['alliance_name']}　{heading.month}结算单"
    with open_book(path, title, heading.run, heading.created) as book:
        sheet = book.sheet("医共体结算单")
        lines = [
            [f"统筹区：{heading.region}", f"牵头单位：{lead}"],
            [f"结算期：{heading.month}", f"金额单位：元　批次：{heading.run}"],
            [f"拨付牵头单位期限：{_shown(first['lead_due_on'])}",
             f"牵头单位拨付成员期限：{_shown(first['member_due_on'])}"],
        ]  # fmt: skip
        per_type = (("fund_fen", "核定统筹基金"), ("payable_fen", "本期应付"))
        overall = (
            ("cases", "病例数"), ("total_fee_fen", "医疗费用"), ("fund_fen", "核定统筹基金"),
            ("inside_fund_fen", "其中：包内"), ("outsider_fund_fen", "其中：外来就医"), ("payable_fen", "本期应付"),
        )  # fmt: skip
        _write_members(sheet, title, lines, payment, _MEMBER, per_type, overall, "拨付牵头")
        sheet.note("合计行的本期应付拨付牵头单位，由牵头单位按本表拨付各成员。", 1)
        sheet.note(
            "制表：　　　　　　　　　　复核：　　　　　　　　　　审批：　　　　　　　　　　牵头单位签收：", 1
        )
        shown = package.with_columns(pl.col("used_to_date_e4").alias("used"))
        _write_lines(book, "打包使用情况", f"{first['alliance_name']}　{heading.month}打包使用情况",
                     lines[:2], shown, MONTH_LINES)  # fmt: skip


def write_alliance_year(
    path: Path, heading: AllianceYear, members: pl.DataFrame, clearing: pl.DataFrame
) -> None:
    """One alliance's year: 年度清算单 with surplus, split and overspend, 成员清算表 with each member's months.

    `members` and `clearing` are its rows of alliance_member_clearing and alliance_clearing.
    """
    name, lead = members["alliance_name"][0], _lead(members)
    title = f"{name}　{heading.year}年度清算单"
    lines = [
        [f"统筹区：{heading.region}", f"牵头单位：{lead}"],
        [
            f"清算年度：{heading.year}年　参数版本：{heading.pack_version}",
            f"金额单位：元　批次：{heading.run}",
        ],
    ]
    with open_book(path, title, heading.run, heading.created) as book:
        shown = clearing.with_columns(pl.col("retention_e4").alias("retention"))
        _write_lines(book, "医共体年度清算单", title, lines, shown, YEAR_LINES)
        per_type = (("entitlement_fen", "应得"), ("clearing_fen", "清算额"))
        overall = (
            ("cases", "病例数"), ("inside_entitlement_fen", "应得：包内"),
            ("outsider_entitlement_fen", "应得：外来就医"), ("settled_fen", "各月已结算"), ("clearing_fen", "清算额"),
        )  # fmt: skip
        fields = [*_MEMBER, Field("months_text", "加入月份", "text", 14)]
        months = [months_text(text) for text in members["periods"].to_list()]
        frame = members.with_columns(pl.Series("months_text", months, pl.String))
        sheet = book.sheet("成员清算表")
        _write_members(sheet, f"{name}　{heading.year}年度成员清算表", lines, frame, fields, per_type,
                       overall, "合计")  # fmt: skip
        sheet.note(SIGNED_BY, 1)


def write_month_books(folder: Path, heading: Heading) -> int:
    """`alliances/<id>.xlsx` of every alliance of a run folder; returns how many, none where it has none."""
    if not (folder / "alliance_payment.parquet").is_file():
        return 0
    payment = pl.read_parquet(folder / "alliance_payment.parquet")
    package = pl.read_parquet(folder / "alliance_package.parquet")
    names = payment["alliance_id"].unique(maintain_order=True).to_list()
    for name in names:
        own = pl.col("alliance_id") == name
        write_alliance_month(
            folder / "alliances" / f"{name}.xlsx", heading, payment.filter(own), package.filter(own)
        )
    return len(names)


def write_year_books(folder: Path, heading: AllianceYear) -> int:
    """`alliances/<id>.xlsx` of every alliance of a clearing folder; returns how many, none where it has none."""
    if not (folder / "alliance_clearing.parquet").is_file():
        return 0
    members = pl.read_parquet(folder / "alliance_member_clearing.parquet")
    clearing = pl.read_parquet(folder / "alliance_clearing.parquet")
    names = members["alliance_id"].unique(maintain_order=True).to_list()
    for name in names:
        own = pl.col("alliance_id") == name
        write_alliance_year(
            folder / "alliances" / f"{name}.xlsx", heading, members.filter(own), clearing.filter(own)
        )
    return len(names)


def months_text(periods: str) -> str:
    """`2025-07,2025-08,2025-12` as `7—8、12月`."""
    runs: list[list[int]] = []
    for number in (int(period[5:7]) for period in periods.split(",")):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return "、".join(f"{run[0]}—{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs) + "月"


def _lead(members: pl.DataFrame) -> str:
    row = members.filter(pl.col("role") == "lead").row(0, named=True)
    return f"{row['hospital_name']}（{row['hospital_id']}）"


def _shown(day: dt.date | None) -> str:
    return "按本地规定" if day is None else f"{day.year}年{day.month}月{day.day}日"


def _write_members(
    sheet: Sheet, title: str, lines: Sequence[Sequence[str]], rows: pl.DataFrame, fields: Sequence[Field],
    per_type: Sequence[tuple[str, str]], overall: Sequence[tuple[str, str]], total_name: str,
) -> None:  # fmt: skip
    """One row per member, its insurance types side by side, then all of them; the last row is the alliance's."""
    types = rows.select("insurance_type", "insurance_name").unique().sort("insurance_type").rows()
    columns = [
        *fields,
        *(Field(f"{code}_{name}", said, "money", 11) for code, _ in types for name, said in per_type),
        *(Field(name, said, "count" if name == "cases" else "money", 11) for name, said in overall),
    ]  # fmt: skip

    def across(frame: pl.DataFrame) -> dict[str, Any]:
        line = {name: sum(frame[name].to_list()) for name, _ in overall}
        for code, _ in types:
            of_type = frame.filter(pl.col("insurance_type") == code)
            line |= {f"{code}_{name}": sum(of_type[name].to_list()) for name, _ in per_type}
        return line

    named = rows.with_columns(pl.col("role").replace_strict(ROLE_NAMES).alias("role_name"))
    body = [
        {field.name: frame[field.name][0] for field in fields} | across(frame)
        for _, frame in named.group_by(["hospital_id"], maintain_order=True)
    ]
    total = {"role_name": total_name, **across(rows)}
    columns = fitted(columns, total, *body)
    bands = [("成员单位", len(fields)), *((name, len(per_type)) for _, name in types), ("合计", len(overall))]
    sheet.one_page()
    sheet.banner(title, lines, across=len(columns), right=len(fields) + 2)
    sheet.header(columns, frozen=3, bands=bands)
    for line in body:
        sheet.total(line, columns, "body")
    sheet.total(total, columns)


def _write_lines(
    book: Book, name: str, title: str, heading: Sequence[Sequence[str]], rows: pl.DataFrame, lines: Sequence[Line]
) -> None:  # fmt: skip
    """A statement downwards: insurance types and their total across."""
    types = rows.sort("insurance_type").to_dicts()
    fields = [
        Field("no", "栏次", "index", 6), Field("item", "项目", "text", 38), Field("how", "计算关系", "text", 34),
        *(Field(row["insurance_type"], row["insurance_name"], "money", 20) for row in types),
        Field("total", "合计", "money", 20),
    ]  # fmt: skip
    sheet = book.sheet(name)
    sheet.one_page()
    sheet.banner(title, heading, across=len(fields), right=2)
    sheet.header(fields, frozen=2)
    numbers = {line.name: n for n, line in enumerate((one for one in lines if one.name), start=1)}
    for line in lines:
        if not line.name:
            blank: Cell = (None, "text")
            sheet.line([blank, (line.title, "text"), *[blank] * (len(fields) - 2)], "section")
            continue
        found = [row[line.name] for row in types]
        values = [*found, _total(line, types)]
        cells: list[Cell] = [
            (numbers[line.name], "index"), (line.title, "text"), (line.how.format(**numbers) or None, "text"),
            *((_percent(value) if line.kind == "ratio" else value, line.kind) for value in values),
        ]  # fmt: skip
        sheet.line(cells, "total" if line.strong else "body")
    if any(row["package_fen"] is None for row in types):
        sheet.note("没有打包的险种只列支出，不算结余、超支；合计栏的打包额因此空着。", 1)


def _total(line: Line, types: Sequence[dict[str, Any]]) -> int | None:
    """Blank for shares and a count of months, and where an insurance type has no package to add."""
    found = [row[line.name] for row in types]
    known = [value for value in found if value is not None]
    if line.kind == "ratio" or line.name == "months":
        return None
    if len(known) < len(found) and (line.name not in OF_THE_PACKAGED or not known):
        return None
    return sum(known)


def _percent(ten_thousandths: int | None) -> Decimal | None:
    return None if ten_thousandths is None else Decimal(ten_thousandths).scaleb(-2)
