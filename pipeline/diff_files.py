"""A comparison of two runs as a workbook: 概要, 医院, 病组, 病例; the whole list of cases beside it where it is long."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipeline.case_csv import write_case_csv
from pipeline.diff_words import Difference, made_from_words, reason_title
from pipeline.errors import UsageMistake
from pipeline.findings import BY_CODE
from pipeline.hospital_workbook import LISTED
from pipeline.query import statement
from pipeline.words import DIP_WORDS, PAID_DOORS, worded
from pipeline.workbook import DIP_CODE_WIDTH, Book, Field, Kind, fitted, open_book
from pipeline.yardstick import period_days

Bands = Sequence[tuple[str, int]]
_MONEY = (("standard", "支付标准"), ("fund", "核定统筹基金"), ("due", "本期净额"))


def _three(name: str, kind: Kind, width: float, unit: str = "") -> list[Field]:
    """Before, after and difference of a measure, which stands above them."""
    places = ((f"{name}_before{unit}", "前"), (f"{name}_after{unit}", "后"), (f"{name}{unit}", "差"))
    return [Field(column, title, kind, width) for column, title in places]


_COUNTED = [*_three("cases", "count", 9), *_three("weight", "weight", 13)]
_COUNTED_BANDS = [("病例数", 3), ("总权重", 3)]
_HOSPITAL_FIELDS = [
    Field("hospital_id", "机构编号", "text", 15), Field("hospital_name", "机构名称", "text", 26),
    Field("insurance_name", "险种", "text", 8), Field("changed", "结果不同的病例", "count", 9),
    Field("reason_title", "主要原因", "text", 18), *_COUNTED,
    *[field for name, _ in _MONEY for field in _three(name, "money", 12, "_fen")],
]  # fmt: skip
_HOSPITAL_BANDS = [("定点医药机构", 3), ("变化", 2), *_COUNTED_BANDS, *[(title, 3) for _, title in _MONEY]]
_GROUP_FIELDS = [
    Field("group_code", "编码", "text", 10), Field("group_name", "名称", "text", 40),
    Field("changed", "结果不同的病例", "count", 9), *_COUNTED,
    *[field for name, _ in _MONEY[:2] for field in _three(name, "money", 12, "_fen")],
]  # fmt: skip
_GROUP_BANDS = [("病组", 2), ("变化", 1), *_COUNTED_BANDS, *[(title, 3) for _, title in _MONEY[:2]]]
_CASE_FIELDS = [
    Field("case_id", "结算ID", "text", 24), Field("hospital_id", "机构编号", "text", 15),
    Field("insurance_type", "险种代码", "text", 9), Field("reason_title", "主要原因", "text", 18),
    Field("detail", "哪里不同", "prose", 46), Field("door_before", "前", "prose", 14),
    Field("door_after", "后", "prose", 14), Field("group_before", "前", "text", 10),
    Field("group_after", "后", "text", 10), Field("weight_before", "前", "weight", 11),
    Field("weight_after", "后", "weight", 11),
    *[field for name, _ in _MONEY[:2] for field in _three(name, "money", 12, "_fen")],
]  # fmt: skip
_CASE_BANDS = [
    ("病例", 3), ("为什么", 2), ("去处", 2), ("病组", 2), ("权重", 2), *[(title, 3) for _, title in _MONEY[:2]],
]  # fmt: skip
_REASON_FIELDS = [
    Field("title", "原因", "text", 30), Field("changed", "结果不同的病例", "count", 18), Field("cases", "病例数（差）", "count", 18),
    Field("standard_fen", "支付标准（差）", "money", 18), Field("fund_fen", "核定统筹基金（差）", "money", 18),
]  # fmt: skip
_TOTAL_TITLES: dict[str, tuple[str, Kind]] = {
    "cases": ("病例数", "count"), "weight": ("总权重", "weight"), "standard_fen": ("支付标准", "money"),
    "fund_fen": ("核定统筹基金", "money"), "due_fen": ("本期净额", "money"),
}  # fmt: skip


def write_difference(con: duckdb.DuckDBPyConnection, found: Difference, path: Path) -> list[Path]:
    """Write the workbook at `path`, and every changed case as CSV beside it where a sheet does not hold them.

    `found` is a Difference; the tables of the comparison stand in `con`. Returns the files. Raises UsageMistake for
    another kind of file, InputError where the place cannot be written.
    """
    if path.suffix != ".xlsx":
        raise UsageMistake(f"比较结果写成工作簿，文件名应以 .xlsx 结尾，实为 `{path.name[:60]}`；请更正 --to")
    beside = path.with_name(f"{path.stem}.cases.csv")
    many = found.changed > LISTED
    if many:
        everything = _cases(con, found.kind)
        write_case_csv(beside, everything, _csv_headers(found.kind))
        shown = everything.head(LISTED)
    else:
        shown = _cases(con, found.kind)
        beside.unlink(missing_ok=True)  # of an earlier, longer comparison under this name
    created = dt.datetime.combine(period_days(found.after["period"])[1], dt.time())
    runs = f"{found.before['run']} → {found.after['run']}"
    with open_book(path, f"{found.title}批次比较 {runs}", runs, created) as book:
        _write_overview(book, found)
        _write_rows(book, found, "医院", _HOSPITAL_FIELDS, _HOSPITAL_BANDS, _with_reasons(pl.DataFrame(
            found.hospitals, schema=_schema(con, "by_hospital")), "main_reason", found.kind))  # fmt: skip
        _write_rows(book, found, worded("病组", found.kind), _GROUP_FIELDS, _GROUP_BANDS,
                    pl.DataFrame(found.groups, schema=_schema(con, "by_group")))  # fmt: skip
        _write_cases(book, found, shown, beside.name if many else None)
    return [path, beside] if many else [path]


def _csv_headers(kind: str) -> dict[str, str]:
    """A CSV has one line of headers: what stands above a column, and its own title where that says more."""
    above = [title for title, width in _CASE_BANDS for _ in range(width)]
    return {
        field.name: worded(
            f"{title}（{field.title}）" if field.title in ("前", "后", "差") else field.title, kind
        )
        for field, title in zip(_CASE_FIELDS, above, strict=True)
    }


def _banded(bands: Bands, kind: str) -> list[tuple[str, int]]:
    return [(worded(title, kind), width) for title, width in bands]


def _schema(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    """Column types, so that a table without rows is still a table; sums of fen fit 64 bits by the ledger."""
    known = {"VARCHAR": pl.String, "BIGINT": pl.Int64, "HUGEINT": pl.Int128, "INTEGER": pl.Int64}
    relation = con.table(name)
    return {
        column: known.get(str(kind), pl.Decimal(38, 9))
        for column, kind in zip(relation.columns, relation.types, strict=True)
    }


def _cases(con: duckdb.DuckDBPyConnection, kind: str) -> pl.DataFrame:
    """The changed cases in words, the largest difference first."""
    frame = pl.DataFrame(con.sql(statement("diff/case_list")).to_arrow_table())
    frame = frame.with_columns(
        pl.col(pl.String).cast(pl.String), pl.selectors.ends_with("_fen").cast(pl.Int64)
    )
    titles = {code: one.title for code, one in BY_CODE.items()}
    doors = []
    for side in ("before", "after"):
        code = pl.col(f"code_{side}")
        why = pl.lit("：") + code.replace(titles)
        doors.append(
            (pl.col(f"door_{side}").replace(PAID_DOORS) + pl.when(code.is_null()).then(pl.lit("")).otherwise(why))
            .fill_null("（没有）").alias(f"door_{side}")
        )  # fmt: skip
    detail = pl.col("detail")
    if kind == "dip":
        detail = detail.str.replace_many(list(DIP_WORDS), list(DIP_WORDS.values()))
    return _with_reasons(frame.with_columns(*doors, detail), "reason", kind)


def _with_reasons(frame: pl.DataFrame, name: str, kind: str) -> pl.DataFrame:
    titles = {one: reason_title(one, kind) for one in frame[name].drop_nulls().unique().to_list()}
    return frame.with_columns(
        pl.col(name).replace_strict(titles, default=None, return_dtype=pl.String).alias("reason_title")
    )


def _write_overview(book: Book, found: Difference) -> None:
    sheet = book.sheet("概要")
    title = "同一结算期的两个批次" if found.same_period else "两个批次不是同一结算期"
    sheet.banner(f"{found.title}　批次比较", [[f"{title}；差 ＝ 后 － 前，金额单位：元"]])
    fields = fitted(
        _REASON_FIELDS, *found.reasons, *({"fund_fen": one} for one in found.totals["fund_fen"].values())
    )
    sheet.header([Field("what", "项目", "text", fields[0].width), Field("b", "前", "text", fields[1].width),
                  Field("a", "后", "text", fields[2].width), Field("d", "差", "text", fields[3].width),
                  Field("note", "说明", "text", fields[4].width)], frozen=0)  # fmt: skip
    for what, key in (
        ("批次", "run"),
        ("结算期", "period"),
        ("地区参数", "pack_version"),
        ("程序", "code_version"),
    ):
        sheet.line([(what, "text"), (found.before[key], "text"), (found.after[key], "text"), (None, "text"),
                    (None if found.before[key] == found.after[key] else "不同", "text")])  # fmt: skip
    for name, (what, kind) in _TOTAL_TITLES.items():
        one = found.totals[name]
        sheet.line([(worded(what, found.kind), "text"), (one["before"], kind), (one["after"], kind),
                    (one["difference"], kind), (None, "text")])  # fmt: skip
    for said in made_from_words(found.made_from) or ["来源完全相同"]:
        sheet.note(f"来源：{said}")
    sheet.note("各原因（每个结果不同的病例只算一个主要原因，取最先成立的）", 1)
    sheet.line([(field.title, "text") for field in fields], "header")
    for one in found.reasons:
        sheet.total(one | {"title": reason_title(one["reason"], found.kind)}, fields, "body")
    total = {
        name: sum(one[name] for one in found.reasons)
        for name in ("changed", "cases", "standard_fen", "fund_fen")
    }
    sheet.total({"title": "合计（等于总差额）", **total}, fields)


def _worded(fields: Sequence[Field], kind: str) -> list[Field]:
    """The fields in the words of a kind of scheme, with room for its codes."""
    shown = [field.worded(kind) for field in fields]
    wide = DIP_CODE_WIDTH if kind == "dip" else 0
    return [
        replace(field, width=max(field.width, wide))
        if field.name in ("group_before", "group_after")
        else field
        for field in shown
    ]


def _write_rows(
    book: Book, found: Difference, title: str, fields: Sequence[Field], bands: Bands, frame: pl.DataFrame
) -> None:
    fields = _worded(fields, found.kind)
    names = [field.name for field in fields if field.kind in ("count", "weight", "money")]
    total = {
        name: sum(frame[name].to_list()) for name in names if not (name == "changed" and title != "医院")
    }
    fields = fitted(fields, total)
    sheet = book.sheet(title)
    sheet.banner(f"{found.title}　批次比较：{title}", [[_line(found)]])
    sheet.header(fields, frozen=2, bands=_banded(bands, found.kind), filtered=frame.height)
    sheet.rows(frame, fields)
    sheet.total({fields[0].name: "合计", **total}, fields)


def _write_cases(book: Book, found: Difference, shown: pl.DataFrame, csv: str | None) -> None:
    fields = _worded(_CASE_FIELDS, found.kind)
    money = {name: sum(shown[name].drop_nulls().to_list()) for name in shown.columns if name.endswith("_fen")}
    fields = fitted(fields, money)
    sheet = book.sheet("病例")
    sheet.banner(f"{found.title}　批次比较：病例", [[f"{_line(found)}　按核定统筹基金之差由大到小"]])
    sheet.header(fields, frozen=1, bands=_banded(_CASE_BANDS, found.kind), filtered=shown.height)
    sheet.rows(shown, fields)
    if csv is None:
        sheet.total({"case_id": f"合计 {shown.height:,} 例", **money}, fields)
    else:
        sheet.note(f"共 {found.changed:,} 例，本表只列差额最大的 {shown.height:,} 例；全部病例见文件：{csv}")


def _line(found: Difference) -> str:
    before, after = found.before, found.after
    return f"前：{before['period']} 批次 {before['run']}　后：{after['period']} 批次 {after['run']}　金额单位：元"
