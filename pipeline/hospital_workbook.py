"""A hospital's workbook of a monthly run: its statement and its lists (DESIGN §9)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.indicator_sheets import Figures, statement_lines
from pipeline.statements import Heading, quotient, signed, sums, write_statement
from pipeline.words import worded
from pipeline.workbook import Book, Field, Sheet, fitted, open_book

LISTED = 5_000  # DESIGN §9: at most so many exceptions of a kind on a sheet
EXCEPTIONS = {
    "高倍率": "high", "低倍率": "low", "未入组": "ungrouped", "歧义": "ambiguous", "单列病组": "special",
    "不按病种付费": "excluded", "特例单议": "special_review",
}  # fmt: skip
NOT_OF_KIND = {"drg": "excluded", "dip": "ambiguous"}  # what a kind of scheme never yields
OCCASIONAL = ("special_review",)  # no sheet where there is no case
PRICE_CLASSES = {"normal": "正常", "reversal": "冲销"} | {kind: name for name, kind in EXCEPTIONS.items()}
DOORS = {"refused": "退回", "held": "暂挂"}

CASE_FIELDS = (
    Field("case_id", "结算ID", "text", 24),
    Field("insurance_name", "险种", "text", 8),
    Field("discharge_date", "出院日期", "day", 12),
    Field("settlement_date", "结算日期", "day", 12),
    Field("group_code", "病组编码", "text", 9),
    Field("group_name", "病组名称", "text", 38),
    Field("principal_dx", "主要诊断", "text", 15),
    Field("weight", "权重", "weight", 9),
    Field("rate", "费率", "weight", 12),
    Field("coefficient", "系数", "weight", 8),
    Field("total_fee_fen", "医疗费用", "money", 14),
    Field("ratio", "费用倍率", "ratio", 8),
    Field("standard_fen", "支付标准", "money", 14),
    Field("margin_fen", "标准减费用", "money", 14),
    Field("pool_fund_fen", "记账统筹基金", "money", 14),
    Field("fund_fen", "核定统筹基金", "money", 14),
    Field("rule_text", "计价规则", "text", 26),
)
POINT_FIELDS = (Field("point_value", "点值", "weight", 10), Field("points", "点数", "weight", 12))
AUXILIARY = Field("auxiliary", "辅助系数", "weight", 9)
CASE_MONEY = ("total_fee_fen", "standard_fen", "margin_fen", "pool_fund_fen", "fund_fen")
GROUP_FIELDS = (
    Field("group_code", "病组编码", "text", 10),
    Field("group_name", "病组名称", "text", 46),
    Field("cases", "病例数", "count", 9),
    Field("weight", "权重", "weight", 10),
    Field("total_fee_fen", "医疗费用", "money", 17),
    Field("mean_fee_fen", "次均费用", "money", 14),
    Field("standard_fen", "支付标准", "money", 17),
    Field("margin_fen", "标准减费用", "money", 17),
    Field("fund_fen", "核定统筹基金", "money", 17),
    Field("stay_days", "住院床日", "count", 10),
    Field("mean_stay", "平均住院日", "ratio", 10),
)
GROUP_SUMS = ("cases", "total_fee_fen", "standard_fen", "fund_fen", "stay_days")
RETURN_FIELDS = (
    Field("door", "去向", "text", 8),
    Field("case_id", "结算ID", "text", 26),
    Field("code", "原因代码", "text", 26),
    Field("message", "原因与处理", "prose", 80),
    Field("total_fee_fen", "医疗费用", "money", 18),
    Field("pool_fund_fen", "统筹基金", "money", 18),
)
RETURN_MONEY = ("total_fee_fen", "pool_fund_fen")


def write_hospital_workbook(
    path: Path,
    heading: Heading,
    payment_rows: pl.DataFrame,
    groups: pl.DataFrame,
    exceptions: pl.DataFrame,
    rejected: pl.DataFrame,
    cases: pl.DataFrame | None,
    *,
    case_csv: str,
    rejected_csv: str,
    figures: Figures | None = None,
) -> None:
    """One hospital's month: 月度结算单, 病组汇总, the exceptions by kind, 退回清单, and 病例明细 where `cases` is given.

    Frames as in the module of the run (hospital_payment, group_summary, priced, rejected), of this hospital
    alone; `figures` (indicators and budget pace) may hold others' rows, and `exceptions` other price classes, which are
    left out. A list longer than 5,000 names `case_csv` or `rejected_csv` in its last row. Raises AuditBroken where the
    statement does not add up.
    """
    who = _who(payment_rows, rejected)
    payment = signed(payment_rows)
    names = dict(payment.select("insurance_type", "insurance_name").rows())
    with open_book(path, f"{who[0]} {heading.month}月度结算单", heading.run, heading.created) as book:
        statement = book.sheet("月度结算单")
        (own,) = payment["hospital_id"].unique().to_list() or [None]
        write_statement(
            statement, heading, f"{heading.region}住院按病种付费月度结算单", who, payment,
            statement_lines(figures, own) if own else (),
        )  # fmt: skip
        statement.note(
            "制表：　　　　　　　　　　复核：　　　　　　　　　　医院确认（盖章）：　　　　　　　　　　日期：",
            1,
        )
        write_groups(book, heading, who[0], groups)
        for title, kind in EXCEPTIONS.items():
            of_kind = exceptions.filter(pl.col("price_class") == kind)
            if kind == NOT_OF_KIND[heading.kind] or (kind in OCCASIONAL and not of_kind.height):
                continue
            title = worded(title, heading.kind)
            _write_cases(book.sheet(title), heading, f"{who[0]}　{title}病例", of_kind, names, case_csv)
        _write_returns(book.sheet("退回清单"), heading, who[0], rejected, rejected_csv)
        if cases is not None:
            _write_cases(book.sheet("病例明细"), heading, f"{who[0]}　病例明细", cases, names, None)


def _who(payment: pl.DataFrame, rejected: pl.DataFrame) -> tuple[str, str]:
    """Hospital and level; a hospital with nothing but returned rows has only its id."""
    for row in payment.head(1).iter_rows(named=True):
        level = row["level"]
        return f"医疗机构：{row['hospital_name']}（{row['hospital_id']}）", f"机构级别：{level or '—'}"
    return f"医疗机构：{rejected['hospital_id'][0] if rejected.height else '—'}", "机构级别：—"


def write_groups(
    book: Book, heading: Heading, who: str, groups: pl.DataFrame, more: Sequence[Field] = ()
) -> None:
    """病组汇总 in the frame's order with its sum row; `more` are further columns of the frame."""
    fields = [field.worded(heading.kind) for field in (*GROUP_FIELDS[:3], *more, *GROUP_FIELDS[3:])]
    total = sums(groups, GROUP_SUMS)
    means = [_means(row) for row in groups.iter_rows(named=True)]
    shown = groups.with_columns(
        (pl.col("standard_fen") - pl.col("total_fee_fen")).alias("margin_fen"),
        pl.Series("mean_fee_fen", [fee for fee, _ in means], pl.Int64),
        pl.Series("mean_stay", [stay for _, stay in means], pl.Decimal(18, 2)),
    )
    mean_fee, mean_stay = _means(total)
    margin = total["standard_fen"] - total["total_fee_fen"]
    fields = fitted(fields, total)
    title = worded("病组汇总", heading.kind)
    sheet = book.sheet(title)
    sheet.banner(f"{who}　{title}", [[heading.line()]])
    sheet.header(fields, frozen=2, filtered=shown.height)
    sheet.rows(shown, fields)
    sheet.total(
        {
            "group_code": "合计",
            **total,
            "margin_fen": margin,
            "mean_fee_fen": mean_fee,
            "mean_stay": mean_stay,
        },
        fields,
    )


def _means(row: dict[str, Any]) -> tuple[int | None, Decimal | None]:
    """Mean fee in fen and mean stay in days to two digits, of one group or of the sum."""
    days = quotient(100 * (row["stay_days"] or 0), row["cases"])
    return quotient(row["total_fee_fen"], row["cases"]), None if days is None else Decimal(days).scaleb(-2)


def largest(frame: pl.DataFrame, money: pl.Expr) -> pl.DataFrame:
    """At most 5,000 rows, the largest absolute `money` first, ties by case_id, then as given; null is 0."""
    ranked = frame.with_columns(money.fill_null(0).abs().alias("_size"))
    return (
        ranked.sort(["_size", "case_id"], descending=[True, False], maintain_order=True)
        .head(LISTED)
        .drop("_size")
    )


def _write_cases(
    sheet: Sheet,
    heading: Heading,
    title: str,
    frame: pl.DataFrame,
    names: dict[str, str],
    case_csv: str | None,
) -> None:
    """One list of cases. An exception list ranks by |standard - fee|: what the case wins or costs the hospital.

    (|fund - fee| would rank by the patient's own payment too.) Without a standard the whole fee counts.
    The case list itself (`case_csv` None) keeps the frame's order and is never cut.
    """
    margin = pl.col("standard_fen") - pl.col("total_fee_fen")
    frame = frame.with_columns(
        margin.alias("margin_fen"), pl.col("insurance_type").replace(names).alias("insurance_name")
    )
    fields = list(CASE_FIELDS)
    place = [field.name for field in fields].index("rate")
    if heading.by_points:
        auxiliary = [AUXILIARY] if heading.kind == "dip" else []
        fields[place : place + 2] = [POINT_FIELDS[0], fields[place + 1], *auxiliary, POINT_FIELDS[1]]
    fields = [field.worded(heading.kind) for field in fields]
    if case_csv is None:
        fields.insert(5, Field("price_name", "类别", "text", 8))
        frame = frame.with_columns(pl.col("price_class").replace(PRICE_CLASSES).alias("price_name"))
    size = pl.col("standard_fen").fill_null(0) - pl.col("total_fee_fen")
    shown = frame if case_csv is None else largest(frame, size)
    total = {name: sum(frame[name].drop_nulls().to_list()) for name in CASE_MONEY}
    order = "" if case_csv is None else "　按“支付标准减医疗费用”的绝对值由大到小排列"
    fields = fitted(fields, total)
    sheet.banner(title, [[heading.line() + order]])
    sheet.header(fields, frozen=1, filtered=shown.height)
    sheet.rows(shown, fields)
    sheet.total({"case_id": f"合计 {frame.height:,} 例", **total}, fields)
    _last_row(sheet, frame.height, shown.height, case_csv)


def _write_returns(
    sheet: Sheet, heading: Heading, who: str, rejected: pl.DataFrame, rejected_csv: str
) -> None:
    """退回清单: refused rows before held ones, the largest fee first inside each."""
    listed = [largest(rejected.filter(pl.col("door") == door), pl.col("total_fee_fen")) for door in DOORS]
    shown = pl.concat(listed).with_columns(pl.col("door").replace(DOORS))
    sheet.banner(f"{who}　退回清单", [[heading.line() + "　退回：更正后重新上传；暂挂：条件具备后下期再算"]])
    sheet.header(RETURN_FIELDS, frozen=2, filtered=shown.height)
    sheet.rows(shown, RETURN_FIELDS)
    for door, name in DOORS.items():
        of_door = rejected.filter(pl.col("door") == door)
        sheet.total(
            {"door": name, "case_id": f"合计 {of_door.height:,} 例", **_money(of_door)}, RETURN_FIELDS
        )
    _last_row(sheet, rejected.height, shown.height, rejected_csv)


def _money(frame: pl.DataFrame) -> dict[str, int]:
    return {name: sum(frame[name].drop_nulls().to_list()) for name in RETURN_MONEY}


def _last_row(sheet: Sheet, found: int, shown: int, csv: str | None) -> None:
    if found == 0:
        sheet.note("本期无此类病例")
    elif shown < found:
        sheet.note(f"共 {found:,} 例，本表只列金额最大的 {shown:,} 例；全部病例见文件：{csv}")
