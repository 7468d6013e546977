"""The monthly statement 月度结算单: its heading, its lines, and the proof that they add up (DESIGN §7 month).

It reads downwards like a pocket calculator: each step is signed and the last line is the sum.
Totals are values computed from integers. Sign of the frames: deductions positive, `carried_fen` <= 0 (the
negative rest moved to the next month), so
prepay - audit - revolving - deposit + carried in + adjustments = payable + carried.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from pipeline.errors import AuditBroken
from pipeline.words import worded, yuan_text
from pipeline.workbook import Cell, Field, Kind, Sheet

COUNTS = (
    "cases",
    "low_cases",
    "high_cases",
    "ungrouped_cases",
    "ambiguous_cases",
    "rejected_rows",
    "held_rows",
)
MONEY = (
    "total_fee_fen", "pool_fund_fen", "standard_fen", "fund_fen", "prepay_fen",
    "audit_deduction_fen", "revolving_offset_fen", "deposit_fen", "carried_in_fen", "adjustment_in_fen",
    "payable_fen", "carried_fen",
)  # fmt: skip


@dataclass(frozen=True)
class Heading:
    """What stands above every sheet; `created` (the period's end) is the workbook's only date."""

    region: str
    period: str  # 2025-10
    run: str
    scheme: str
    pack_version: str
    created: dt.datetime
    prepay_ratio: str
    deposit_rate: str
    kind: str = "drg"  # of the scheme: drg | dip
    by_points: bool = False  # whether cases have points and a point value in place of a rate

    @property
    def month(self) -> str:
        return f"{self.period[:4]}年{self.period[5:7]}月"

    def lines(self, left: str, right: str = "") -> list[list[str]]:
        """The heading block: who, when, by which scheme, pack and run."""
        return [
            [left, right],
            [f"结算期：{self.month}", f"金额单位：元　批次：{self.run}"],
            [f"分组方案：{self.scheme}", f"参数版本：{self.pack_version}"],
            [f"预拨比例：{self.prepay_ratio}", f"质量保证金比例：{self.deposit_rate}"],
        ]

    def line(self) -> str:
        return f"结算期：{self.month}　批次：{self.run}　金额单位：元"


def quotient(numerator: int, denominator: int) -> int | None:
    """Integer quotient, half away from zero; null over zero."""
    if denominator == 0:
        return None
    rounded = (2 * abs(numerator) + abs(denominator)) // (2 * abs(denominator))
    return rounded if (numerator < 0) == (denominator < 0) else -rounded


def cmi(weight_total: Decimal, cases: int) -> Decimal | None:
    """Case-mix index 总权重 ÷ 病例数 to four digits; null without cases."""
    digits = quotient(int(weight_total.scaleb(4)), cases)
    return None if digits is None or cases < 0 else Decimal(digits).scaleb(-4)


def signed(payment: pl.DataFrame) -> pl.DataFrame:
    """The payment rows with the statement's signed steps beside them. Raises AuditBroken where they do not add up.

    Adds left_for_year_fen (prepay - fund), audit_step_fen, revolving_step_fen, deposit_step_fen, carried_step_fen;
    fund + all of them = payable.
    """
    for name in (*COUNTS, *MONEY, "weight_total"):
        if payment[name].null_count():
            raise AuditBroken(f"医院支付表的列 `{name}` 有空值，结算单无法合计，请重新结算后再出表")
    frame = payment.with_columns(
        (pl.col("prepay_fen") - pl.col("fund_fen")).alias("left_for_year_fen"),
        (-pl.col("audit_deduction_fen")).alias("audit_step_fen"),
        (-pl.col("revolving_offset_fen")).alias("revolving_step_fen"),
        (-pl.col("deposit_fen")).alias("deposit_step_fen"),
        (-pl.col("carried_fen")).alias("carried_step_fen"),
    )
    sum_of_steps = pl.sum_horizontal("prepay_fen", *STEPS_AFTER_PREPAY)
    broken = frame.with_columns(sum_of_steps.alias("sum_fen")).filter(
        pl.col("sum_fen") != pl.col("payable_fen")
    )
    for row in broken.head(1).iter_rows(named=True):
        found, stated = row["sum_fen"], row["payable_fen"]
        raise AuditBroken(
            f"月度结算单 `{row['hospital_id']}` 险种 `{row['insurance_type']}` 本期应付对不上："
            f"逐项相加 {yuan_text(found)} 元，支付表 {yuan_text(stated)} 元，"
            f"相差 {yuan_text(found - stated)} 元，请核对扣款、保证金与结转"
        )
    _check_cmi(frame)
    return frame


def _check_cmi(frame: pl.DataFrame) -> None:
    """The table's CMI is line (8) ÷ line (1); its last digit may differ, as the table divides unrounded weights."""
    for row in frame.drop_nulls("cmi").iter_rows(named=True):
        found = cmi(row["weight_total"], row["cases"])
        if found is None or abs(found - row["cmi"]) > Decimal("0.0001"):
            raise AuditBroken(
                f"月度结算单 `{row['hospital_id']}` 险种 `{row['insurance_type']}` 的 CMI 对不上："
                f"总权重除以病例数 {found}，支付表 {row['cmi']}，请核对支付表的 CMI 口径"
            )


STEPS_AFTER_PREPAY = (
    "audit_step_fen", "revolving_step_fen", "deposit_step_fen", "carried_in_fen", "adjustment_in_fen", "carried_step_fen",
)  # fmt: skip
SIGNED = tuple(dict.fromkeys(
    (*COUNTS, *MONEY, "left_for_year_fen", *STEPS_AFTER_PREPAY, "weight_total", "points_total")
))  # fmt: skip
DECIMALS = ("weight_total", "points_total")


def sums(frame: pl.DataFrame, names: Sequence[str] = SIGNED) -> dict[str, Any]:
    """Exact column sums (integers, or Decimal for the weight) with their CMI; 0 for a frame without rows."""
    row: dict[str, Any] = {
        name: sum(frame[name].drop_nulls().to_list(), Decimal(0) if name in DECIMALS else 0) for name in names
    }
    if "weight_total" in names:
        # One row's CMI is the payment table's own, so that the two files tie to the last digit.
        row["cmi"] = frame["cmi"][0] if frame.height == 1 else cmi(row["weight_total"], row["cases"])
    return row


@dataclass(frozen=True)
class Line:
    """One line of the statement; without a column it opens a section. `how` names other lines by their column."""

    title: str
    name: str = ""
    kind: Kind = "money"
    how: str = ""
    strong: bool = False
    only: str = ""  # drg, dip (the kind of scheme) or points (by points); without, all have it


LINES = (
    Line("一、病例与权重"),
    Line("病例数（冲销计 −1）", "cases", "count"),
    Line("　其中：低倍率病例", "low_cases", "count"),
    Line("　　　　高倍率病例", "high_cases", "count"),
    Line("　　　　未入组病例", "ungrouped_cases", "count"),
    Line("　　　　歧义组病例", "ambiguous_cases", "count", only="drg"),
    Line("退回（未计入病例数）", "rejected_rows", "count"),
    Line("暂挂（未计入病例数）", "held_rows", "count"),
    Line("总权重", "weight_total", "weight"),
    Line("病例组合指数（CMI）", "cmi", "weight", "({weight_total}) ÷ ({cases})"),
    Line("总点数", "points_total", "weight", only="points"),
    Line("二、费用与支付标准"),
    Line("医疗费用总额", "total_fee_fen"),
    Line("统筹基金（按项目记账）", "pool_fund_fen"),
    Line("病组支付标准合计", "standard_fen"),
    Line("三、本期应付"),
    Line("核定统筹基金", "fund_fen"),
    Line("留待年度清算", "left_for_year_fen", how="({fund_fen}) × (预拨比例 − 1)"),
    Line("本期预拨金额", "prepay_fen", how="({fund_fen})＋({left_for_year_fen})", strong=True),
    Line("审核扣款", "audit_step_fen"),
    Line("周转金抵扣", "revolving_step_fen"),
    Line("质量保证金", "deposit_step_fen", how="−({prepay_fen}) × 保证金比例，为负不扣"),
    Line("上期负数结转", "carried_in_fen"),
    Line("以往月份重算补差（补＋、扣−）", "adjustment_in_fen"),
    Line("负数结转下期", "carried_step_fen"),
    Line(
        "本期应付",
        "payable_fen",
        how="＋".join(f"({{{name}}})" for name in ("prepay_fen", *STEPS_AFTER_PREPAY)),
        strong=True,
    ),
)


@dataclass(frozen=True)
class Added:
    """A line below those of the payment, from another table: its values by insurance type, '' for the total."""

    line: Line
    values: Mapping[str, Any]


def write_statement(
    sheet: Sheet,
    heading: Heading,
    title: str,
    who: tuple[str, str],
    payment: pl.DataFrame,
    more: Sequence[Added] = (),
) -> None:
    """The statement: lines downwards, insurance types and their total across. `payment` as from `signed`."""
    types = payment.select("insurance_type", "insurance_name").unique().sort("insurance_type").rows()
    columns = [(name, sums(payment.filter(pl.col("insurance_type") == code))) for code, name in types]
    columns.append(("合计", sums(payment)))
    for (_, values), code in zip(columns, [*(code for code, _ in types), ""], strict=True):
        values.update({one.line.name: one.values.get(code) for one in more})
    fields = [
        Field("no", "栏次", "index", 6),
        Field("item", "项目", "text", 28),
        Field("how", "计算关系", "text", 32),
    ]
    fields += [Field(str(place), name, "money", 20) for place, (name, _) in enumerate(columns)]
    sheet.one_page()
    sheet.banner(title, heading.lines(*who), across=len(fields), right=3)
    sheet.header(fields, frozen=2)
    asked = ("", heading.kind, "points" if heading.by_points else "")
    lines = [line for line in (*LINES, *(one.line for one in more)) if line.only in asked]
    numbers = {line.name: n for n, line in enumerate((one for one in lines if one.name), start=1)}
    for line in lines:
        said = worded(line.title, heading.kind)
        if not line.name:
            blank: Cell = (None, "text")
            sheet.line([blank, (said, "text"), *[blank] * (len(fields) - 2)], "section")
            continue
        how = worded(line.how.format(**numbers), heading.kind) or None
        cells: list[Cell] = [(numbers[line.name], "index"), (said, "text"), (how, "text")]
        cells += [(values[line.name], line.kind) for _, values in columns]
        sheet.line(cells, "total" if line.strong else "body")
