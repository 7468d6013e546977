"""simulation.xlsx: the proposals side by side, for the meeting. Says what `pipeline.simulate` found, computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.simulate_report import WAYS, Report, class_name
from pipeline.workbook import Book, Cell, Field, Kind, Sheet, clean, fitted, open_book

MILLION = 6  # shares and changes are stored in millionths


def write_workbook(path: Path, report: Report) -> None:
    """概要, 医院, 级别, 险种, MDC, 病组, 医共体 (where there are any), 跨档病例, 排名."""
    with open_book(path, report.title, report.run, report.created) as book:
        _summary(book, report)
        _by_hospital(book, report)
        for way, title in WAYS.items():
            keys: tuple[Field, ...] = (
                Field("label", title, "text", 44 if way == "mdc" and report.mdc_names else 22),
            )
            rows = report.rows(
                "SELECT *, key AS label FROM simulation_total WHERE by_what = $way ORDER BY key", way=way
            )
            for row in rows:
                row["label"] = report.label(way, row["key"])
                row["key"] = report.place(way, row["key"])
            if rows or way != "alliance":
                _side_by_side(book, report, title, keys, rows, "key")
            if way == "mdc":
                _by_group(book, report)
        _crossings(book, report)
        _ranks(book, report)
        if report.regrouped:
            _crosswalk(book, report)


def _open(book: Book, report: Report, title: str, lines: Sequence[str] = ()) -> Sheet:
    sheet = book.sheet(report.word(title))
    sheet.banner(f"{report.title}：{report.word(title)}", [[report.window], *([line] for line in lines)])
    return sheet


def _summary(book: Book, report: Report) -> None:
    sheet = _open(book, report, "概要", [f"测算编号：{report.run}", *report.notes])
    fields = [Field("what", "项目", "text", 34), Field("before", "现行", "money", 20)]
    fields += [Field(f"p{place}", name, "money", 20) for place, name in enumerate(report.proposals)]
    sheet.header([_plain(one) for one in fields], frozen=1)
    totals = {row["proposal"]: row for row in report.rows("FROM simulation_total WHERE by_what = 'region'")}
    measures: list[tuple[str, str, Kind]] = [
        ("病例数", "cases", "count"), ("总权重", "weight", "weight"), 
        ("支付标准合计（元）", "standard", "money"), ("基金（元）", "fund", "money"),
    ]  # fmt: skip
    if report.by_points:
        measures.insert(2, ("总点数", "points", "weight"))
    first = totals[report.proposals[0]]
    for told, name, kind in measures:
        tail = "_fen" if kind == "money" else ""
        cells: list[Cell] = [(report.word(told), "text"), (first[f"{name}_before{tail}"], kind)]
        sheet.line(cells + [(totals[one][f"{name}_after{tail}"], kind) for one in report.proposals])
    sheet.line(
        [("基金增减（元）", "text"), (None, "money"), *_each(report, totals, "fund_change_fen", "money")]
    )
    sheet.line([("基金增减", "text"), (None, "percent"),
                *((_share(totals[one]["change_e6"]), "percent") for one in report.proposals)])  # fmt: skip
    counts = {
        row["proposal"]: row for row in report.rows(
            "SELECT proposal, count(*) FILTER (fund_change_fen > 0) AS won, count(*) FILTER (fund_change_fen < 0) AS lost, "
            "sum(crossed_cases)::BIGINT AS crossed FROM simulation_rank GROUP BY ALL"
        )
    }  # fmt: skip
    for told, name in (("受益医院（家）", "won"), ("受损医院（家）", "lost"), ("跨档病例（例）", "crossed")):
        sheet.line([(told, "text"), (None, "count"), *_each(report, counts, name, "count")])
    _values(sheet, report)


def _values(sheet: Sheet, report: Report) -> None:
    """The hidden cut: the price that keeps the pool."""
    sheet.note("总额不变时的点值（费率）：各险种基金合计仍等于现行", below=1)
    sheet.line(
        [
            (report.word("险种／点值（费率），元"), "text"),
            ("现行", "text"),
            *((one, "text") for one in report.proposals),
        ],
        "header",
    )
    found = report.rows("FROM simulation_value")
    keys = sorted({(row["insurance_type"], row["price"]) for row in found if row["price"] is not None})
    for kind, price in keys:
        held = {
            row["proposal"]: row for row in found if (row["insurance_type"], row["price"]) == (kind, price)
        }
        cells: list[Cell] = [(report.priced(kind, price), "text"), (price, "value")]
        sheet.line(cells + [_neutral(held.get(one)) for one in report.proposals])
    for kind in sorted({row["insurance_type"] for row in found}):
        held = {row["proposal"]: row for row in found if row["insurance_type"] == kind}
        cells = [(f"{report.label('insurance_type', kind)} 同乘", "text"), (Decimal(1), "value")]
        sheet.line(
            cells
            + [((held[one]["multiplier"] if one in held else None), "value") for one in report.proposals]
        )
    for why in sorted({f"{row['insurance_type']}：{row['why']}" for row in found if row["why"]}):
        sheet.note(why)


def _neutral(row: Mapping[str, Any] | None) -> Cell:
    return (row["neutral_price"], "value") if row and row["neutral_price"] is not None else ("—", "level")


def _each(report: Report, held: Mapping[str, Mapping[str, Any]], name: str, kind: Kind) -> list[Cell]:
    return [(held[one][name] if one in held else None, kind) for one in report.proposals]


def _plain(field: Field) -> Field:
    return Field(field.name, clean(field.title), "text", field.width)


def _share(millionths: int | None) -> Decimal | None:
    return None if millionths is None else Decimal(millionths).scaleb(-MILLION)


def _by_hospital(book: Book, report: Report) -> None:
    rows = report.rows("FROM simulation_hospital ORDER BY hospital_id, insurance_type")
    for row in rows:
        row["key"] = (row["hospital_id"], row["insurance_type"])
        row["kind"] = report.label("insurance_type", row["insurance_type"])
    keys = (
        Field("hospital_id", "机构编号", "text", 16), Field("name", "医院", "text", 24), Field("level", "级别", "text", 7),
        Field("kind", "险种", "text", 10),
    )  # fmt: skip
    more = (
        Field("crossed_cases", "跨档病例", "count", 9), Field("fund_neutral_fen", "中性基金（元）", "money", 15),
        Field("dilution_fen", "稀释（元）", "money", 13), Field("net_change_fen", "中性增减（元）", "money", 14),
    )  # fmt: skip
    _side_by_side(book, report, "医院", keys, rows, "key", more)


def _by_group(book: Book, report: Report) -> None:
    rows = report.rows("SELECT *, group_code AS key FROM simulation_group ORDER BY group_code")
    keys = (Field("group_code", "病组", "text", 10), Field("name", "名称", "text", 34))
    keys = tuple(one.worded(report.kind) for one in keys)  # type: ignore[assignment]
    _side_by_side(book, report, "病组", keys, rows, "key", (Field("crossed_cases", "跨档病例", "count", 9),))


def _side_by_side(
    book: Book, report: Report, title: str, keys: Sequence[Field], rows: Sequence[dict[str, Any]], key: str,
    more: Sequence[Field] = (),
) -> None:  # fmt: skip
    """One row per key and proposal, those of a key beneath each other: the present, then the proposal."""
    unit = (
        Field("points", "点数", "weight", 13) if report.by_points else Field("weight", "权重", "weight", 13)
    )
    now = [
        Field("cases_before", "病例", "count", 8), replace(unit, name=f"{unit.name}_before"),
        Field("standard_before_fen", "支付标准（元）", "money", 15), Field("fund_before_fen", "基金（元）", "money", 15),
        Field("share_before_e6", "占比", "percent", 8),
    ]  # fmt: skip
    then = [
        replace(unit, name=f"{unit.name}_after"), Field("standard_after_fen", "支付标准（元）", "money", 15),
        Field("fund_after_fen", "基金（元）", "money", 15), Field("fund_change_fen", "增减（元）", "money", 14),
        Field("change_e6", "增减", "percent", 9), Field("share_after_e6", "占比", "percent", 8), *more,
    ]  # fmt: skip
    now, then = (fitted([one.worded(report.kind) for one in part], *rows) for part in (now, then))
    fields = [*keys, Field("proposal", "方案", "text", 12), *now, *then]
    sheet = _open(book, report, title)
    bands = [("", len(keys) + 1), ("现行", len(now)), ("方案", len(then))]
    sheet.header(fields, frozen=len(keys) + 1, bands=bands, filtered=len(rows))
    places = {name: place for place, name in enumerate(report.proposals)}
    for row in sorted(rows, key=lambda row: (row[key], places[row["proposal"]])):
        sheet.line([_cell(row, one) for one in fields])


def _cell(row: Mapping[str, Any], field: Field) -> Cell:
    value = row[field.name]
    return (_share(value) if field.kind == "percent" else value, field.kind)


def _crossings(book: Book, report: Report) -> None:
    sheet = _open(book, report, "跨档病例", ["按各方案重新判定倍率分档；只列换档的，冲销按原病例的档次抵减"])
    rows = report.rows(
        "SELECT proposal, class_before, class_after, sum(cases)::BIGINT AS cases, sum(fund_before_fen)::BIGINT AS fund_before_fen, "
        "sum(fund_after_fen)::BIGINT AS fund_after_fen FROM simulation_class WHERE class_before <> class_after "
        "GROUP BY ALL ORDER BY ALL"
    )  # fmt: skip
    fields = fitted([
        Field("proposal", "方案", "text", 22), Field("class_before", "现行分档", "text", 14), Field("class_after", "方案分档", "text", 14),
        Field("cases", "病例", "count", 10), Field("fund_before_fen", "现行基金（元）", "money", 16),
        Field("fund_after_fen", "方案基金（元）", "money", 16),
    ], *rows)  # fmt: skip
    sheet.header(fields, frozen=1, filtered=len(rows))
    for name in report.proposals:
        for row in (one for one in rows if one["proposal"] == name):
            told = row | {part: class_name(row[part]) for part in ("class_before", "class_after")}
            sheet.line([_cell(told, one) for one in fields])
    if not rows:
        sheet.note("没有病例换档")


def _ranks(book: Book, report: Report) -> None:
    sheet = _open(
        book, report, "排名", ["按现行点值（费率）下的基金增减由多到少；中性增减为总额不变时的净增减"]
    )
    rows = report.rows("FROM simulation_rank")
    fields = fitted([
        Field("proposal", "方案", "text", 22), Field("place", "名次", "index", 6), Field("hospital_id", "机构编号", "text", 16),
        Field("name", "医院", "text", 24), Field("level", "级别", "text", 7), Field("fund_before_fen", "现行基金（元）", "money", 16),
        Field("fund_after_fen", "方案基金（元）", "money", 16), Field("fund_change_fen", "增减（元）", "money", 15),
        Field("change_e6", "增减", "percent", 9), Field("net_change_fen", "中性增减（元）", "money", 15),
        Field("crossed_cases", "跨档病例", "count", 9),
    ], *rows)  # fmt: skip
    sheet.header(fields, frozen=4, filtered=len(rows))
    for row in rows:
        sheet.line([_cell(row, one) for one in fields])


def _crosswalk(book: Book, report: Report) -> None:
    sheet = _open(
        book, report, "分组对照", ["按病例由旧组到新组；“无价”的新组没有权重，其病例的现行权重、基金列在左边"]
    )
    rows = report.rows("FROM simulation_crosswalk")
    for row in rows:
        row["told"] = "" if row["has_price"] else "无价"
    fields = fitted([one.worded(report.kind) for one in (
        Field("proposal", "方案", "text", 14), Field("group_before", "现行病组", "text", 24), Field("name_before", "名称", "text", 30),
        Field("group_after", "新病组", "text", 24), Field("name_after", "名称", "text", 30), Field("told", "说明", "level", 7),
        Field("cases", "病例", "count", 9), Field("weight_before", "现行权重", "weight", 13), Field("weight_after", "新权重", "weight", 13),
        Field("fund_before_fen", "现行基金（元）", "money", 15), Field("fund_after_fen", "新基金（元）", "money", 15),
    )], *rows)  # fmt: skip
    sheet.header(fields, frozen=2, filtered=len(rows))
    for row in rows:
        sheet.line([_cell(row, one) for one in fields])
