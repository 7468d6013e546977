"""The workbooks of special case review: what hospitals apply with, and what is published (特例单议申报表、公示表)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.case_csv import write_case_csv
from pipeline.decision_list import HEADERS
from pipeline.hospital_workbook import PRICE_CLASSES
from pipeline.statements import quotient
from pipeline.words import DECISION_NAMES, worded
from pipeline.workbook import Book, Field, fitted, open_book

LISTED = 5_000  # DESIGN §9: at most so many on a sheet; the CSV has all
TEMPLATE_ROWS = 200
CLASS_NAMES = PRICE_CLASSES | {"case_review": "待单议"}
CONDITION_NAMES = {
    "stay_days_ge": "住院时间长", "fee_over_standard_gt": "费用超过支付标准", "fee_ge_yuan": "费用高",
    "new_tech": "新药新技术", "ward_transfers_ge": "多学科（转科）",
}  # fmt: skip
_APPLICATION = (
    Field("case_id", "结算ID", "text", 24),
    Field("insurance_name", "险种", "text", 8),
    Field("discharge_date", "出院日期", "day", 12),
    Field("settlement_date", "结算日期", "day", 12),
    Field("stay_days", "住院天数", "count", 9),
    Field("group_code", "病组编码", "text", 9),
    Field("group_name", "病组名称", "prose", 40),
    Field("class_name", "费用分类", "text", 10),
    Field("fee_fen", "医疗费用", "money", 13),
    Field("standard_fen", "支付标准", "money", 13),
    Field("over", "费用÷标准", "ratio", 10),
    Field("at_stake_fen", "费用减标准", "money", 13),
    Field("fund_fen", "核定统筹基金", "money", 13),
    Field("fund_more_fen", "按项目基金多付", "money", 15),
    Field("reasons", "符合的申请条件", "prose", 34),
    Field("applies", "申请（是/否）", "text", 12),
    Field("application", "申请理由", "prose", 30),
)
_MONEY = ("fee_fen", "standard_fen", "at_stake_fen", "fund_fen", "fund_more_fen")
_SUMMARY = (
    Field("hospital_id", "机构编号", "text", 15),
    Field("hospital_name", "机构名称", "text", 30),
    Field("cases", "可申请例数", "count", 11),
    Field("held", "其中待单议", "count", 11),
    Field("fee_fen", "医疗费用", "money", 16),
    Field("standard_fen", "支付标准", "money", 16),
    Field("at_stake_fen", "费用减标准", "money", 16),
    Field("fund_more_fen", "按项目基金多付", "money", 16),
)
_WIDTHS = (24, 10, 20, 8, 16, 13, 40, 20)
_NOTICE = (
    Field("hospital_id", "机构编号", "text", 15),
    Field("hospital_name", "机构名称", "text", 30),
    Field("applied_for", "申请例数", "count", 9),
    Field("approved", "通过例数", "count", 9),
    Field("refused_quota", "超限额未执行", "count", 12),
    Field("rejected", "不予单议", "count", 9),
    Field("not_found", "本期无此病例", "count", 12),
    Field("of_quota", "通过占全区限额（%）", "ratio", 13),
    Field("fee_fen", "通过病例医疗费用", "money", 16),
    Field("before_fen", "原支付标准", "money", 16),
    Field("after_fen", "单议后支付标准", "money", 16),
    Field("fund_fen", "基金支付", "money", 16),
)
_NOTICE_SUMS = (
    "applied_for", "approved", "refused_quota", "rejected", "not_found", "fee_fen", "before_fen", "after_fen", "fund_fen",
)  # fmt: skip
_QUOTA = (
    Field("quota_year", "年度", "index", 8),
    Field("review_from", "规则起始日", "day", 13),
    Field("share", "限额比例（%）", "ratio", 13),
    Field("discharges_before", "往月出院病例", "count", 13),
    Field("discharges", "本期出院病例", "count", 13),
    Field("quota", "限额（例）", "count", 11),
    Field("approvals_before", "往月已通过", "count", 11),
    Field("approved", "本期通过", "count", 10),
    Field("left", "剩余", "count", 9),
)
_CONDITION = (
    Field("name", "申请条件", "text", 22),
    Field("applied_for", "申请例数", "count", 11),
    Field("approved", "通过例数", "count", 11),
)


@dataclass(frozen=True)
class Title:
    """What stands above the sheets of a review: `created` (the period's end) is the workbook's only date."""

    region: str
    period: str
    run: str
    kind: str  # of the scheme: drg | dip
    created: dt.datetime

    @property
    def when(self) -> str:
        """`2025-10` as staff write it; a whole year has no month."""
        year, _, month = self.period.partition("-")
        return f"{year}年{month}月" if month else f"{year}年"

    def line(self) -> str:
        return f"统筹区：{self.region}　结算期：{self.when}　批次：{self.run}　金额单位：元"


def write_applications(path: Path, title: Title, cases: pl.DataFrame, hospitals: Mapping[str, str]) -> Path:
    """The application workbook at `path` and its CSV twin beside it, which is returned.

    `cases`: see `review.candidates`, with insurance_name and group_name; `hospitals`: names by id. Sheets: 申报汇总, one
    申报表 per hospital (its id), and 评议决定表, the empty form that `review import` reads.
    """
    shown = cases.with_columns(
        pl.col("price_class").replace(CLASS_NAMES).alias("class_name"),
        (pl.col("over_e2").cast(pl.Decimal(20, 0)) * pl.lit("0.01").cast(pl.Decimal(4, 2)))
        .cast(pl.Decimal(18, 2))
        .alias("over"),
        pl.col("hospital_id").replace_strict(hospitals, default="").alias("hospital_name"),
        pl.lit(None, pl.String).alias("applies"),
        pl.lit(None, pl.String).alias("application"),
    )
    twin = path.with_suffix(".csv")
    with open_book(path, f"{title.region}{title.when}特例单议申报表", title.run, title.created) as book:
        listed = shown.partition_by("hospital_id", as_dict=True, maintain_order=True)
        _write_summary(book, title, [listed[key] for key in sorted(listed)])
        for name, key in zip(
            _sheet_names([str(key[0]) for key in sorted(listed)]), sorted(listed), strict=True
        ):
            _write_application(book, title, name, listed[key], twin.name)
        _write_form(book, title)
    headers = {"hospital_id": "机构编号", "hospital_name": "机构名称"}
    headers |= {field.name: worded(field.title, title.kind) for field in _APPLICATION}
    write_case_csv(twin, shown, headers)
    return twin


def _sheet_names(hospital_ids: Sequence[str]) -> list[str]:
    """The ids, or numbers where Excel would not take them all: too long, other signs, or unlike only in their case."""
    plain = all(
        re.fullmatch(r"[A-Za-z0-9_.-]{1,31}", one) and one.lower() != "history" for one in hospital_ids
    )
    if plain and len({one.lower() for one in hospital_ids}) == len(hospital_ids):
        return list(hospital_ids)
    return [f"医院{number}" for number, _ in enumerate(hospital_ids, start=1)]


def _sums(frame: pl.DataFrame, names: tuple[str, ...]) -> dict[str, int]:
    return {name: sum(frame[name].drop_nulls().to_list()) for name in names}


def _write_summary(book: Book, title: Title, listed: list[pl.DataFrame]) -> None:
    names = tuple(field.name for field in _SUMMARY[4:])
    lines = [
        {"hospital_id": of_one["hospital_id"][0], "hospital_name": of_one["hospital_name"][0],
         "cases": of_one.height, "held": of_one["held"].sum(), **_sums(of_one, names)}
        for of_one in listed
    ]  # fmt: skip
    total = {
        "hospital_id": "合计",
        **{name: sum(line[name] for line in lines) for name in ("cases", "held", *names)},
    }
    fields = fitted(_SUMMARY, total)
    sheet = book.sheet("申报汇总")
    sheet.banner(f"{title.region}　特例单议可申请病例", [[title.line()]])
    sheet.header(fields, frozen=2)
    for line in lines:
        sheet.total(line, fields, "body")
    sheet.total(total, fields)
    sheet.note(
        "每家医院一张申报表，填“申请”与“申请理由”；评议后填最后一张“评议决定表”，用 drgdip review import 导入。",
        1,
    )


def _write_application(book: Book, title: Title, name: str, cases: pl.DataFrame, twin: str) -> None:
    total = _sums(cases, _MONEY)
    fields = fitted([field.worded(title.kind) for field in _APPLICATION], total)
    shown = cases.head(LISTED)
    sheet = book.sheet(name)
    sheet.banner(
        f"{cases['hospital_name'][0]}（{cases['hospital_id'][0]}）　特例单议申报表",
        [[title.line() + "　按“费用减标准”由大到小排列"]],
    )
    sheet.header(fields, frozen=1, filtered=shown.height)
    sheet.choices([field.name for field in fields].index("applies"), shown.height, ("是", "否"))
    sheet.rows(shown, fields)
    sheet.total({"case_id": f"合计 {cases.height:,} 例", **total}, fields)
    if shown.height < cases.height:
        sheet.note(f"共 {cases.height:,} 例，本表只列前 {shown.height:,} 例；全部病例见文件：{twin}")
    sheet.note(
        "填表：　　　　　　　　　　医保办：　　　　　　　　　　医院（盖章）：　　　　　　　　　　日期：", 1
    )


def _write_form(book: Book, title: Title) -> None:
    """评议决定表: text cells for the ids, so that Excel does not round them."""
    fields = [
        Field(name, titles[0], "text", width)
        for (name, titles), width in zip(HEADERS.items(), _WIDTHS, strict=True)
    ]
    empty = pl.DataFrame({field.name: pl.Series([None] * TEMPLATE_ROWS, dtype=pl.String) for field in fields})
    verdicts = list(DECISION_NAMES.values())
    sheet = book.sheet("评议决定表")
    sheet.banner(
        "特例单议评议决定表",
        [
            [title.line()],
            [f"决定填{'、'.join(verdicts)}；调整的填金额；排名从 1 起不重复，超过限额时排在前面的先用"],
        ],
    )
    sheet.header(fields, frozen=1)
    sheet.choices(1, TEMPLATE_ROWS, verdicts)
    sheet.rows(empty, fields)


def write_notice(
    path: Path, title: Title, outcome: pl.DataFrame, quota: pl.DataFrame, hospitals: Mapping[str, str]
) -> Path:
    """The publication table 特例单议公示表 at `path` and its CSV twin beside it, which is returned.

    `outcome`, `quota`: review_outcome and review_quota of a run. By hospital: applied for, approved, share of the
    region's quota, fund paid; by rule the quota; by condition the cases. No case and no person is named.
    """
    limit = sum(quota["quota"].to_list())
    lines = [
        _notice_line(of_one, limit, hospitals)
        for of_one in outcome.sort("hospital_id", "case_id").partition_by("hospital_id", maintain_order=True)
    ]
    total: dict[str, Any] = {name: sum(line[name] for line in lines) for name in _NOTICE_SUMS}
    total |= {"hospital_id": "合计", "of_quota": _percent(total["approved"], limit)}
    fields = fitted(_NOTICE, total)
    with open_book(path, f"{title.region}{title.when}特例单议公示表", title.run, title.created) as book:
        sheet = book.sheet("特例单议公示表")
        sheet.banner(f"{title.region}{title.when}特例单议公示表", [[title.line()]], across=len(fields))
        sheet.header(fields, frozen=2)
        for line in lines:
            sheet.total(line, fields, "body")
        sheet.total(total, fields)
        sheet.note("本表不含个人信息；公示期内有异议的，请向医保经办机构提出。", 1)
        _write_quota(book, title, outcome, quota)
        _write_conditions(book, title, outcome)
    twin = path.with_suffix(".csv")
    columns = [field.name for field in _NOTICE]
    rows = pl.DataFrame([{name: line[name] for name in columns} for line in lines], infer_schema_length=None)
    write_case_csv(twin, rows, {field.name: field.title for field in _NOTICE})
    return twin


def _notice_line(cases: pl.DataFrame, limit: int, hospitals: Mapping[str, str]) -> dict[str, Any]:
    """One hospital: how its cases fared, and the money of those approved."""
    hospital_id = cases["hospital_id"][0] or ""
    approved = cases.filter(pl.col("outcome") == "applied")
    counted = dict(cases["outcome"].value_counts().rows())
    money = _sums(approved, ("fee_fen", "standard_before_fen", "standard_after_fen", "fund_fen"))
    return {
        "hospital_id": hospital_id, "hospital_name": hospitals.get(hospital_id, ""),
        "applied_for": cases.height, "approved": approved.height,
        "refused_quota": counted.get("refused_quota", 0), "rejected": counted.get("rejected", 0),
        "not_found": counted.get("case_not_found", 0), "of_quota": _percent(approved.height, limit),
        "fee_fen": money["fee_fen"], "before_fen": money["standard_before_fen"],
        "after_fen": money["standard_after_fen"], "fund_fen": money["fund_fen"],
    }  # fmt: skip


def _percent(part: int, whole: int) -> Decimal | None:
    """Hundredths of a per cent, half away from zero; null of nothing."""
    digits = quotient(part * 10_000, whole)
    return None if digits is None else Decimal(digits).scaleb(-2)


def _write_quota(book: Book, title: Title, outcome: pl.DataFrame, quota: pl.DataFrame) -> None:
    sheet = book.sheet("限额")
    sheet.banner(f"{title.region}　特例单议限额", [[title.line()]])
    sheet.header(_QUOTA, frozen=2)
    approved = outcome.filter(pl.col("outcome") == "applied")
    for row in quota.iter_rows(named=True):
        own = approved.filter(
            (pl.col("quota_year") == row["quota_year"]) & (pl.col("review_from") == row["review_from"])
        ).height
        day = (row["review_from"] - dt.date(1899, 12, 30)).days  # Excel's serial number
        left = row["quota"] - row["approvals_before"] - own
        share = Decimal(row["share_e4"]).scaleb(-2)
        sheet.total(
            {**row, "review_from": day, "share": share, "approved": own, "left": left}, _QUOTA, "body"
        )
    sheet.note(
        "限额 = 比例 ×（往月 + 本期出院病例，冲销减一），舍去小数；按病组、病种付费范围以外的病例不计。", 1
    )


def _write_conditions(book: Book, title: Title, outcome: pl.DataFrame) -> None:
    sheet = book.sheet("按申请条件")
    sheet.banner("特例单议　按申请条件", [[title.line()]])
    sheet.header(_CONDITION, frozen=1)
    none_met = (pl.col("conditions").list.len() == 0) | pl.col("conditions").is_null()
    kinds = {name: pl.col("conditions").list.contains(key) for key, name in CONDITION_NAMES.items()}
    for name, condition in {
        **kinds,
        "病组须逐例评议": pl.col("held"),
        "不符合任何条件": none_met & ~pl.col("held"),
    }.items():
        met = outcome.filter(condition)
        approved = met.filter(pl.col("outcome") == "applied").height
        sheet.total({"name": name, "applied_for": met.height, "approved": approved}, _CONDITION, "body")
    sheet.note("一个病例可以符合几个条件，所以各行相加可能多于申请例数。", 1)
