"""The region's workbook of a monthly run: what each hospital is paid, and that nothing was lost (DESIGN §9)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipeline.hospital_workbook import DOORS, RETURN_MONEY, write_groups
from pipeline.indicator_sheets import Figures, statement_lines, write_figures
from pipeline.statements import Heading, signed, sums, write_statement
from pipeline.words import ROLE_NAMES
from pipeline.workbook import Book, Field, Kind, Role, fitted, open_book

_HOSPITAL = [
    Field("hospital_id", "机构编号", "text", 15),
    Field("hospital_name", "机构名称", "text", 26),
    Field("level", "级别", "text", 7),
]
_PER_TYPE: tuple[tuple[str, str, Kind, float], ...] = (
    ("fund_fen", "核定统筹基金", "money", 11),
    ("payable_fen", "本期应付", "money", 11),
)
_OVERALL: tuple[tuple[str, str, Kind, float], ...] = (
    ("cases", "病例数", "count", 9),
    ("total_fee_fen", "医疗费用", "money", 11),
    ("fund_fen", "核定统筹基金", "money", 11),
    ("left_for_year_fen", "留待年度清算", "money", 11),
    ("prepay_fen", "本期预拨", "money", 11),
    ("audit_step_fen", "审核扣款", "money", 11),
    ("revolving_step_fen", "周转金抵扣", "money", 11),
    ("deposit_step_fen", "质量保证金", "money", 11),
    ("carried_in_fen", "上期结转", "money", 11),
    ("adjustment_in_fen", "以往月份补差", "money", 11),
    ("carried_step_fen", "负数结转下期", "money", 11),
    ("payable_fen", "本期应付", "money", 11),
)
_RETURNS = [
    Field("door", "去向", "text", 8),
    Field("code", "原因代码", "text", 28),
    *_HOSPITAL[:2],
    Field("rows", "例数", "count", 9),
    Field("total_fee_fen", "医疗费用", "money", 18),
    Field("pool_fund_fen", "统筹基金", "money", 18),
    Field("message", "原因与处理（首例）", "prose", 70),
]
_PLACES = (
    ("in", "收到"),
    ("paid", "本期结算"),
    ("refused", "退回"),
    ("held", "暂挂"),
    ("gap", "差额（应为零）"),
)
_MEASURES: tuple[tuple[str, str, Kind, float], ...] = (
    ("rows", "行数", "count", 10),
    ("fee_fen", "医疗费用", "money", 11),
    ("fund_fen", "统筹基金", "money", 11),
)


def write_region_workbook(
    path: Path,
    heading: Heading,
    hospital_payment: pl.DataFrame,
    groups: pl.DataFrame,
    rejected: pl.DataFrame,
    balance: pl.DataFrame,
    alliances: pl.DataFrame,
    figures: Figures | None = None,
) -> None:
    """The region's month: 拨付汇总表, 医共体汇总 where there are any, 险种汇总, 运行指标与预算进度, 病组汇总, 退回汇总,
    收支核对.

    `hospital_payment`, `groups` (group_summary) and `rejected` are those of all hospitals. `balance` has one
    row per hospital: hospital_id, hospital_name, and in_, paid_, refused_, held_ each with rows, fee_fen,
    fund_fen (the recorded fund; a reversal counts as one row with negative money). A gap is shown, not
    raised: the run's audit raises it. `alliances`: alliance_id, alliance_name,
    hospital_id, role on the last day. Raises AuditBroken where a hospital's steps do not add up.
    """
    payment = signed(hospital_payment)
    with open_book(path, f"{heading.region}{heading.month}拨付汇总表", heading.run, heading.created) as book:
        _write_payments(book, heading, payment)
        if alliances.height:
            _write_alliances(book, heading, payment, alliances)
        sheet = book.sheet("险种汇总")
        units = payment["hospital_id"].n_unique()
        who = (f"统筹区：{heading.region}", f"结算机构：{units:,} 家")
        write_statement(
            sheet, heading, f"{heading.region}分险种结算汇总", who, payment, statement_lines(figures)
        )
        if figures is not None:
            write_figures(book, heading, payment, figures)
        _write_region_groups(book, heading, groups)
        _write_returns(book, heading, rejected, hospital_payment)
        _write_balance(book, heading, balance)


def _write_payments(book: Book, heading: Heading, payment: pl.DataFrame) -> None:
    """One row per hospital: the insurance types side by side, then all of them together, step by step."""
    types = payment.select("insurance_type", "insurance_name").unique().sort("insurance_type").rows()
    fields = list(_HOSPITAL)
    for code, _ in types:
        fields += [Field(f"{code}_{name}", title, kind, width) for name, title, kind, width in _PER_TYPE]
    fields += [Field(name, title, kind, width) for name, title, kind, width in _OVERALL]
    lines = [
        _across(rows)
        for _, rows in payment.sort("hospital_id").group_by(["hospital_id"], maintain_order=True)
    ]
    total = _across(payment)
    fields = fitted(fields, total, *lines)
    bands = [
        ("定点医药机构", len(_HOSPITAL)),
        *[(name, len(_PER_TYPE)) for _, name in types],
        ("合计", len(_OVERALL)),
    ]
    sheet = book.sheet("拨付汇总表")
    sheet.banner(
        f"{heading.region}住院按病种付费月度拨付汇总表", heading.lines(f"统筹区：{heading.region}"), right=3
    )
    sheet.header(fields, frozen=2, bands=bands)
    for line in lines:
        sheet.total(line, fields, "body")
    sheet.total({**total, "hospital_id": "合计", "hospital_name": None, "level": None}, fields)
    sheet.note("制表：　　　　　　　　　　复核：　　　　　　　　　　审批：　　　　　　　　　　日期：", 1)


def _write_alliances(book: Book, heading: Heading, payment: pl.DataFrame, alliances: pl.DataFrame) -> None:
    """The hospitals of every alliance (医共体), its lead first, and the sum that its lead is paid for all of them."""
    fields = [Field("alliance_name", "医共体", "text", 26), Field("role", "身份", "text", 7), *_HOSPITAL]
    fields += [Field(name, title, kind, width) for name, title, kind, width in _OVERALL]
    lines: list[tuple[dict[str, object], Role]] = []
    for _, members in alliances.sort("alliance_id", "role", "hospital_id").group_by(
        ["alliance_id"], maintain_order=True
    ):
        own = payment.filter(pl.col("hospital_id").is_in(members["hospital_id"].to_list()))
        for member in members.iter_rows(named=True):
            rows = own.filter(pl.col("hospital_id") == member["hospital_id"])
            if rows.height:
                named = {"alliance_name": member["alliance_name"], "role": ROLE_NAMES[member["role"]]}
                lines.append((_across(rows) | named, "body"))
        total = {"alliance_name": members["alliance_name"][0], "role": "合计", **sums(own)}
        lines.append((total, "total"))
    fields = fitted(fields, *(line for line, _ in lines))
    sheet = book.sheet("医共体汇总")
    sheet.banner(
        f"{heading.region}　医共体成员单位结算汇总", [[f"{heading.line()}　合计为拨付牵头医院的金额"]]
    )
    sheet.header(fields, frozen=2)
    for line, role in lines:
        sheet.total(line, fields, role)


def _across(rows: pl.DataFrame) -> dict[str, object]:
    """The sums of some payment rows, of each insurance type and of all, after the first row's hospital."""
    line: dict[str, object] = {f.name: rows[f.name].first() for f in _HOSPITAL} | sums(rows)
    for (code,), of_type in rows.group_by(["insurance_type"]):
        line |= {f"{code}_{name}": sum(of_type[name].to_list()) for name, *_ in _PER_TYPE}
    return line


def _write_region_groups(book: Book, heading: Heading, groups: pl.DataFrame) -> None:
    """A group of two weights (a change inside the month) has two rows."""
    measures = ("cases", "total_fee_fen", "standard_fen", "fund_fen", "stay_days")
    summed = groups.group_by("group_code", "group_name", "weight").agg(
        pl.col("hospital_id").n_unique().alias("hospitals"), *[pl.col(name).sum() for name in measures]
    )
    more = [Field("hospitals", "机构数", "count", 8)]
    write_groups(book, heading, heading.region, summed.sort("group_code", "weight", "group_name"), more)


def _write_returns(book: Book, heading: Heading, rejected: pl.DataFrame, payment: pl.DataFrame) -> None:
    """By code and hospital, with a subtotal per code; the text is that of the first case."""
    names = payment.select("hospital_id", "hospital_name").unique(
        "hospital_id", keep="first", maintain_order=True
    )
    summed = (
        rejected.sort("case_id", "message")
        .group_by("door", "code", "hospital_id", maintain_order=True)
        .agg(
            pl.len().alias("rows"),
            *[pl.col(name).cast(pl.Int128).sum() for name in RETURN_MONEY],
            pl.col("message").first(),
        )
        .join(names, on="hospital_id", how="left")
        .sort("door", "code", "hospital_id", descending=[True, False, False])  # refused before held
        .with_columns(pl.col("door").replace_strict(DOORS))
    )
    measures = ("rows", *RETURN_MONEY)
    sheet = book.sheet("退回汇总")
    sheet.banner(f"{heading.region}　退回与暂挂汇总", [[heading.line()]])
    sheet.header(_RETURNS, frozen=2)
    for (door, code), rows in summed.group_by(["door", "code"], maintain_order=True):
        sheet.rows(rows, _RETURNS)
        sheet.total({"door": door, "code": f"{code} 小计", **sums(rows, measures)}, _RETURNS)
    for door in DOORS.values():
        of_door = summed.filter(pl.col("door") == door)
        sheet.total({"door": door, "code": "合计", **sums(of_door, measures)}, _RETURNS)


def _write_balance(book: Book, heading: Heading, balance: pl.DataFrame) -> None:
    """收到 = 本期结算 + 退回 + 暂挂, in rows, fee and recorded fund, by hospital."""
    gaps = [
        (pl.col(f"in_{m}") - pl.col(f"paid_{m}") - pl.col(f"refused_{m}") - pl.col(f"held_{m}")).alias(
            f"gap_{m}"
        )
        for m, *_ in _MEASURES
    ]
    even = pl.all_horizontal(pl.col(f"gap_{m}") == 0 for m, *_ in _MEASURES)
    verdict = pl.when(even).then(pl.lit("平")).otherwise(pl.lit("不平")).alias("verdict")
    frame = balance.with_columns(gaps).with_columns(verdict).sort("hospital_id")
    measured = [
        Field(f"{place}_{m}", title, kind, width)
        for place, _ in _PLACES
        for m, title, kind, width in _MEASURES
    ]
    total = sums(frame, [f.name for f in measured])
    fields = fitted(
        [*_HOSPITAL[:2], *measured, Field("verdict", "结论", "text", 8)], total, *frame.to_dicts()
    )
    bands = [("定点医药机构", 2), *[(title, len(_MEASURES)) for _, title in _PLACES], ("", 1)]
    sheet = book.sheet("收支核对")
    law = "收到 ＝ 本期结算 ＋ 退回 ＋ 暂挂；统筹基金为上传数据记账金额"
    sheet.banner(f"{heading.region}　收支核对", [[f"{heading.line()}　{law}"]])
    sheet.header(fields, frozen=2, bands=bands)
    sheet.rows(frame, fields)
    overall = "平" if (frame["verdict"] == "平").all() else "不平"
    sheet.total({"hospital_id": "合计", **total, "verdict": overall}, fields)
