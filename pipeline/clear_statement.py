"""The yearly statement 年度清算单: its heading, its lines, and the proof that they add up (DESIGN §7 year).

Like the monthly one it reads downwards: every step is signed, and the last line is the sum a pocket calculator gives.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from pipeline.errors import AuditBroken
from pipeline.statements import Line
from pipeline.words import worded, yuan_text
from pipeline.workbook import Cell, Field, Sheet

VALUES = {"fixed": "按月度价格", "floating": "浮动", "elastic": "弹性"}
MEASURES = {"fund": "F 为记账统筹基金，S 为清算基金", "total": "F 为医疗费用，S 为支付标准"}
TO_ENTITLEMENT = ("fund_from_points_fen", "band_step_fen", "assessment_step_fen", "audit_step_fen")
TO_CLEARING = (
    "entitlement_fen", "settled_step_fen", "advanced_step_fen", "returned_fen", "revolving_offset_fen",
    "deposit_returned_fen", "unpaid_fen",
)  # fmt: skip
# What is summed over insurance types and hospitals.
SUMMED = (
    "cases", "total_fee_fen", "pool_fund_fen", "month_fund_fen", "apart_fen", "standard_fen", "separate_fen",
    *TO_ENTITLEMENT, *TO_CLEARING, "still_out_step_fen", "deposit_fen", "due_fen", "cash_fen", "clearing_fen",
)  # fmt: skip


@dataclass(frozen=True)
class ClearingHeading:
    """What stands above every sheet; `created` (the year's end) is the workbook's only date.

    `value` and `measure` as in the pack's clearing entry; `insurance_names` by code; `trial`: only a calculation.
    """

    region: str
    year: int
    run: str
    pack_version: str
    created: dt.datetime
    value: str
    measure: str | None
    insurance_names: Mapping[str, str]
    method: str = ""  # of the fund: difference | ratio; other mixes leave the relation unsaid
    kind: str = "drg"
    by_points: bool = False
    trial: bool = False
    once: bool = False  # classes were decided anew at the rates first found

    @property
    def mark(self) -> str:
        return "（测算，不作拨付依据）" if self.trial else ""

    def lines(self, left: str, right: str = "") -> list[list[str]]:
        """Who, which year, how it was cleared, by which pack and run."""
        bands = (
            f"结余留用、合理超支分担：{MEASURES[self.measure]}" if self.measure else "不设结余留用、超支分担"
        )
        return [
            [left, right],
            [f"清算年度：{self.year}年", f"金额单位：元　批次：{self.run}"],
            [f"清算办法：{VALUES[self.value]}　{bands}", f"参数版本：{self.pack_version}"],
        ]

    def name_of(self, code: str) -> str:
        return self.insurance_names.get(code, code)


def stepped(clearing: pl.DataFrame) -> pl.DataFrame:
    """The rows of hospital_clearing with their signed steps. Raises AuditBroken where they do not add up."""
    frame = clearing.with_columns(
        (pl.col("banded_fen") - pl.col("fund_from_points_fen")).alias("band_step_fen"),
        (pl.col("assessed_fen") - pl.col("banded_fen")).alias("assessment_step_fen"),
        (-pl.col("audit_fen")).alias("audit_step_fen"),
        (-pl.col("settled_fen")).alias("settled_step_fen"),
        (-pl.col("advanced_fen")).alias("advanced_step_fen"),
        (-pl.col("still_out_fen")).alias("still_out_step_fen"),
    )
    for steps, total in ((TO_ENTITLEMENT, "entitlement_fen"), (TO_CLEARING, "clearing_fen")):
        found = frame.with_columns(pl.sum_horizontal(*steps).alias("sum_fen"))
        for row in found.filter(pl.col("sum_fen") != pl.col(total)).head(1).iter_rows(named=True):
            added, stated = row["sum_fen"], row[total]
            raise AuditBroken(
                f"年度清算单 `{row['hospital_id']}` 险种 `{row['insurance_type']}` 对不上：逐项相加 {yuan_text(added)} 元，"
                f"清算表 {yuan_text(stated)} 元，相差 {yuan_text(added - stated)} 元；请重新清算"
            )
    return frame


def summed(frame: pl.DataFrame) -> dict[str, Any]:
    """Exact sums of the steps, and of the points where there are any."""
    points = frame["points_total"].drop_nulls().to_list()
    return {name: sum(frame[name].to_list()) for name in SUMMED} | {
        "points_total": sum(points, Decimal(0)) if points else None
    }


def statement_lines(heading: ClearingHeading, one_share: bool) -> tuple[Line, ...]:
    """The lines of a hospital's year; `how` names other lines by their column.

    `one_share`: all its cases of an insurance type have the same fund share, so that sums can be multiplied.
    """
    floats, points = heading.value != "fixed", heading.by_points
    standard = "各病例之和"
    if floats:
        standard = f"({{{'points_total' if points else 'moving_fen'}}}) × ({{value}})＋({{apart_fen}})"
    fund = {
        "ratio": "({standard_fen}) × ({fund_share})＋({separate_fen})",
        "difference": "({standard_fen}) − [({total_fee_fen}) − ({pool_fund_fen})]＋({separate_fen})",
    }.get(heading.method if floats and (one_share or heading.method != "ratio") else "", "各病例之和")
    ratio = {
        "fund": "({pool_fund_fen}) ÷ ({fund_from_points_fen})",
        "total": "({total_fee_fen}) ÷ ({standard_fen})",
    }
    lines = (
        Line("一、全年病例"),
        Line("病例数（冲销计 −1）", "cases", "count"),
        Line("医疗费用总额", "total_fee_fen"),
        Line("统筹基金（按项目记账）", "pool_fund_fen"),
        Line("总点数", "points_total", "value", only="points"),
        Line("二、清算基金"),
        Line("首次清算的费率倍数", "first_value", "share", only="once"),
        Line("按首次清算费率改档的病例数", "changed_cases", "count", only="once"),
        Line(
            f"随费率变动的标准（按{'首次清算' if heading.once else '月度'}费率）", "moving_fen", only="moving"
        ),
        Line("清算点值（元／点）" if points else "再次清算的费率倍数" if heading.once else "费率的倍数", "value", "share", only="floats"),
        Line("其中不随点值变动的标准" if points else "其中不随费率变动的标准", "apart_fen", only="floats"),
        Line("支付标准合计", "standard_fen", how=standard),
        Line("基金占比", "fund_share", "share", only="ratio"),
        Line("除外支付", "separate_fen"),
        Line("清算基金", "fund_from_points_fen", how=fund, strong=True),
        Line("三、应得总额"),
        Line("F ÷ S", "spent_ratio", "weight", ratio.get(heading.measure or "", ""), only="bands"),
        Line("适用分段", "band", "text", only="bands"),
        Line("结余留用、超支分担", "band_step_fen", how="分段金额 − ({fund_from_points_fen})", only="bands"),
        Line("考核系数", "coefficient", "weight"),
        Line(
            "考核增减", "assessment_step_fen",
            how=f"[({{fund_from_points_fen}}){'＋({band_step_fen})' if heading.measure else ''}] × [({{coefficient}}) − 1]",
        ),
        Line("审核扣款（全年）", "audit_step_fen"),
        Line("应得总额", "entitlement_fen", how=_added(heading, TO_ENTITLEMENT), strong=True),
        Line("四、清算额"),
        Line("月度已结算（扣审核、未扣保证金）", "settled_step_fen"),
        Line("预付金", "advanced_step_fen"),
        Line("预付金收回", "returned_fen"),
        Line("周转金抵扣", "revolving_offset_fen"),
        Line("全年扣留的质量保证金", "deposit_fen"),
        Line("保证金返还比例", "deposit_return", "weight"),
        Line("质量保证金返还", "deposit_returned_fen", how="({deposit_fen}) × ({deposit_return})"),
        Line("各月应付未付", "unpaid_fen", how="各月应付 − 各月实付，负数为多付"),
        Line("清算额（正数应拨，负数应退）", "clearing_fen", how=_added(heading, TO_CLEARING), strong=True),
    )  # fmt: skip
    asked = _asked(heading, one_share)
    return tuple(line for line in lines if line.only in asked)


def _asked(heading: ClearingHeading, one_share: bool) -> set[str]:
    """Which lines a year's statement has: `only` of Line."""
    floats, points = heading.value != "fixed", heading.by_points
    return {
        "", "points" if points else "", "floats" if floats else "", "moving" if floats and not points else "",
        "once" if heading.once else "", "bands" if heading.measure else "", "ratio" if heading.method == "ratio" and one_share else "",
    }  # fmt: skip


def _added(heading: ClearingHeading, names: Sequence[str]) -> str:
    return "＋".join(f"({{{name}}})" for name in names if heading.measure or name != "band_step_fen")


def twelve_digits(numerator: str | None, denominator: str | None) -> Decimal | None:
    """A fraction as a pocket calculator takes it: rounded to twelve digits, exact integers before."""
    if numerator is None or denominator is None:
        return None
    top, bottom = int(numerator) * 10**12, int(denominator)
    return Decimal((2 * top + bottom) // (2 * bottom)).scaleb(-12)


def shown(row: Mapping[str, Any], values: Mapping[str, Decimal | None]) -> dict[str, Any]:
    """A row of hospital_clearing with what only its own statement shows: ratio, band, coefficient, value."""
    ratio, lo = row["spent_ratio_e4"], row["band_lo_e4"]
    band = "不分段" if lo is None else (
        f"{_e4(row['band_base_e4'])}×S＋{_e4(row['band_share_e4'])}×(F−{_e4(lo)}×S)"
    )  # fmt: skip
    return {
        **row, "value": values.get(row["insurance_type"]), "band": band,
        "spent_ratio": None if ratio is None else Decimal(ratio).scaleb(-4),
        "coefficient": Decimal(row["coefficient_e4"]).scaleb(-4),
        "deposit_return": Decimal(row["deposit_return_e4"]).scaleb(-4),
    }  # fmt: skip


def _e4(number: int) -> str:
    return f"{Decimal(number).scaleb(-4).normalize():f}"


def write_clearing_statement(
    sheet: Sheet, heading: ClearingHeading, title: str, who: tuple[str, str], columns: Sequence[tuple[str, Mapping[str, Any]]],
    lines: Sequence[Line],
) -> None:  # fmt: skip
    """Lines downwards, `columns` (insurance types, total) across."""
    fields = [
        Field("no", "栏次", "index", 6),
        Field("item", "项目", "text", 34),
        Field("how", "计算关系", "text", 44),
    ]
    fields += [Field(str(place), name, "money", 22) for place, (name, _) in enumerate(columns)]
    sheet.one_page()
    sheet.banner(title + heading.mark, heading.lines(*who), across=len(fields), right=3)
    sheet.header(fields, frozen=2)
    numbers = {line.name: number for number, line in enumerate((one for one in lines if one.name), start=1)}
    for line in lines:
        said = worded(line.title, heading.kind)
        if not line.name:
            blank: Cell = (None, "text")
            sheet.line([blank, (said, "text"), *[blank] * (len(fields) - 2)], "section")
            continue
        cells: list[Cell] = [
            (numbers[line.name], "index"),
            (said, "text"),
            (line.how.format(**numbers) or None, "text"),
        ]
        cells += [(values.get(line.name), line.kind) for _, values in columns]
        sheet.line(cells, "total" if line.strong else "body")
