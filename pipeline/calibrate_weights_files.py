"""The draft of `calibrate weights`: weights in the pack's form, evidence, comparison, report.

Files of the folder: ‹name›.csv, weights.yaml, evidence.csv, comparison.xlsx, report.md; see docs/calibration.md.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.calibrate_draft import (
    COMPARISON,
    EVIDENCE,
    REPORT,
    DraftOrder,
    change,
    digits,
    draft_folder,
    entry_text,
    frame_of,
    markdown_table,
    plain,
    report_head,
    write_csv,
    yuan,
)
from pipeline.calibrate_spread import Spread, riv, shown_riv
from pipeline.calibrate_weights import STATUSES, UNSTABLE, Weighed, Weights
from pipeline.calibrate_window import Cell
from pipeline.invariance import FACTOR_DIGITS, half_away
from pipeline.negotiate_report import write_weights
from pipeline.words import worded
from pipeline.workbook import Book, Field, open_book

ENTRY = "weights.yaml"
MOST_LISTED = 20
_GROUPS = (
    Field("group_code", "病组编码", "text", 11), Field("name", "病组名称", "prose", 40), Field("status", "办法", "prose", 26),
    Field("cases", "例数", "count", 10), Field("kept", "裁剪后", "count", 10), Field("mean", "均费（元）", "money", 14),
    Field("cv_before", "CV 裁剪前", "weight", 11), Field("cv", "CV 裁剪后", "weight", 11),
    Field("present", "现行权重", "weight", 12), Field("weight", "测算权重", "weight", 12),
    Field("change", "变动", "text", 11), Field("money", "影响金额（元）", "money", 18),
)  # fmt: skip
_YEARS = (
    Field("window", "窗口", "text", 20), Field("weight", "年度加权", "count", 10), Field("cases", "例数", "count", 12),
    Field("fee", "费用（元）", "money", 20), Field("kept", "裁剪后", "count", 12), Field("kept_fee", "裁剪后费用（元）", "money", 20),
    Field("mean", "均费（元）", "money", 14), Field("riv_before", "RIV 裁剪前", "text", 12),
    Field("riv", "RIV 裁剪后", "text", 12),
)  # fmt: skip
_MONEY = (
    "影响金额 = Σ 例数 ×（测算权重 − 现行权重）× 系数 × 现行费率（点值），按正常病例，不计倍率；"
    "逐院、逐例的影响用 drgdip negotiate simulate"
)


def write_draft(found: Weights, order: DraftOrder, name: str) -> None:
    """Write the draft folder; it appears complete or not at all."""
    kind = found.present.kind
    with draft_folder(order) as folder:
        weights = {one.code: one.weight for one in found.groups if one.weight is not None}
        added = {
            one.code: {"mean_fee_yuan": yuan(one.basis or Fraction())}
            for one in found.groups if one.new and one.weight is not None
        }  # fmt: skip
        write_weights(folder / f"{name}.csv", found.ground.region, found.present, weights, added)
        lines = [f"file: {name}.csv", f"scheme: {found.ground.terms.scheme.name}"]
        (folder / ENTRY).write_text(
            entry_text("weights", order, lines, found.window, "weights"), encoding="utf-8"
        )
        write_csv(folder / EVIDENCE, _header(found), list(_evidence(found)))
        (folder / REPORT).write_text(worded("\n".join(_report(found)) + "\n", kind), encoding="utf-8")
        _write_comparison(folder / COMPARISON, found)


def summary(found: Weights) -> dict[str, Any]:
    """The result in numbers, for the command line."""
    counts = Counter(one.status for one in found.groups)
    return {
        "cases": found.window.cases, "groups": len(found.groups),
        "statuses": {status: counts[status] for status in STATUSES if counts[status]},
        "new": [one.code for one in found.groups if one.new and one.status != "not_by_weight"],
        "unseen": [one.code for one in found.of("unseen")],
        "mean_yuan": yuan(found.mean), "factor": digits(found.factor, FACTOR_DIGITS),
        "riv_before": shown_riv(found.riv[0]), "riv": shown_riv(found.riv[1]),
        "total_before": plain(found.before), "total": plain(found.after), "residue": plain(found.residue),
        "left": plain(found.left), "steps": {step.group: step.count for step in found.steps},
    }  # fmt: skip


def _header(found: Weights) -> list[str]:
    per_year = [
        f"year{year + 1}_{what}"
        for year in range(len(found.rules.year_weights))
        for what in ("n", "lowest_yuan", "highest_yuan", "kept", "kept_fee_yuan", "mean_yuan")
    ]
    return [
        "group_code", "name", "status", "n", "fee_yuan", "cv_before", "kept", "kept_fee_yuan", "cv", *per_year,
        "mean_yuan", "basis_yuan", "ratio", "exact_weight", "rounded_weight", "weight", "present_weight",
        "change_percent", "money_yuan",
    ]  # fmt: skip


def _evidence(found: Weights) -> Iterator[list[str]]:
    for one in found.groups:
        years: list[str] = []
        for year in range(len(found.rules.year_weights)):
            years += _year_cells(one.years.get(year, Cell()))
        yield [
            one.code, one.name, one.status, str(one.whole.cases), yuan(one.whole.fee_fen), _cv(one.spread),
            str(one.whole.kept), yuan(one.whole.kept_fen), _cv(one.kept_spread), *years,
            "" if one.mean is None else yuan(one.mean), "" if one.basis is None else yuan(one.basis),
            "" if one.basis is None else digits(one.basis / found.mean, FACTOR_DIGITS),
            *("" if value is None else plain(value) for value in (one.exact, one.rounded, one.weight, one.present)),
            change(one.present, one.weight), "" if one.money_fen is None else yuan(one.money_fen),
        ]  # fmt: skip


def _year_cells(cell: Cell) -> list[str]:
    if not cell.cases:
        return ["0", "", "", "0", "", ""]
    bounds = ["" if bound is None else yuan(bound) for bound in (cell.lowest, cell.highest)]
    return [str(cell.cases), *bounds, str(cell.kept), yuan(cell.kept_fen),
            yuan(Fraction(cell.kept_fen, cell.kept))]  # fmt: skip


def _cv(spread: Spread) -> str:
    return "" if spread.cv is None else plain(spread.cv)


def _report(found: Weights) -> list[str]:
    title = f"{found.present.title}病组权重测算报告"
    lines = report_head(title, found.window, found.ground, found.rules)
    for part in (_result, _statuses, _lists, _changes):
        lines += [*part(found), ""]
    return lines[:-1]


def _result(found: Weights) -> Iterator[str]:
    yield "## 结果"
    yield ""
    yield f"- 总均费 M = {yuan(found.mean)} 元（裁剪、按年加权，只计按权重付的病组）。"
    yield f"- 权重 = 病组均费 ÷ M × 系数，系数 = {digits(found.factor, FACTOR_DIGITS)}，四舍五入到 {found.present.digits} 位。"
    yield (
        f"- 总权重（前后都有权重的病组，Σ 权重 × 例数）：现行 {plain(found.before)}，测算 {plain(found.after_rounding)}，"
        f"余数 {plain(found.residue)}" + (f"；归位后 {plain(found.after)}，未归位 {plain(found.left)}" if found.steps else "") + "。"
    )  # fmt: skip
    yield f"- RIV：裁剪前 {shown_riv(found.riv[0])}，裁剪后 {shown_riv(found.riv[1])}（各年合在一起，不按年加权）。"
    if found.steps:
        yield f"- 归位：{'、'.join(f'{step.group} {step.count:+d}' for step in found.steps)}。"


def _statuses(found: Weights) -> Iterator[str]:
    yield "## 各种办法的病组"
    yield ""
    rows = [
        (told, len(own), sum(one.whole.cases for one in own))
        for status, told in STATUSES.items()
        if (own := found.of(status))
    ]
    yield from markdown_table(["办法", "病组", "例数"], rows)


def _lists(found: Weights) -> Iterator[str]:
    yield "## 不稳定、新出现、未出现"
    yield ""
    new = [one for one in found.groups if one.new and one.status != "not_by_weight"]
    for told, listed in (
        ("不稳定或样本不足", found.of(*UNSTABLE)),
        ("新出现（没有现行权重）", new),
        ("历史里没有", found.of("unseen")),
    ):
        codes = "、".join(one.code for one in listed[:MOST_LISTED])
        more = f" 等，全部见 {COMPARISON}" if len(listed) > MOST_LISTED else ""
        yield f"- {told} {len(listed)} 个{'：' + codes + more if listed else ''}。"  # fmt: skip
    blank = found.of("blank")
    if blank:
        yield (
            f"- 其中 {len(blank)} 个没有写进权重表，须在 off_path 里定办法，否则其病例退回："
            f"{'、'.join(one.code for one in blank[:MOST_LISTED])}。"
        )


def _changes(found: Weights) -> Iterator[str]:
    yield f"## 影响金额最大的 {MOST_LISTED} 个病组"
    yield ""
    moved = sorted(
        (one for one in found.groups if one.money_fen), key=lambda one: (-abs(one.money_fen or 0), one.code)
    )
    yield from markdown_table(
        ["病组", "名称", "例数", "现行", "测算", "变动", "影响金额（元）"],
        [
            (one.code, one.name, one.whole.cases, plain(one.present or Decimal()), plain(one.weight or Decimal()),
             change(one.present, one.weight), yuan(one.money_fen or 0))
            for one in moved[:MOST_LISTED]
        ],
    )  # fmt: skip
    yield ""
    yield f"{_MONEY}。合计 {yuan(sum((one.money_fen or Fraction() for one in found.groups), Fraction()))} 元。"


def _write_comparison(path: Path, found: Weights) -> None:
    """The workbook: 概要 病组 不稳定 新出现 未出现 年度."""
    kind = found.present.kind
    title = worded(f"{found.present.title}权重测算对照", kind)
    created = dt.datetime.combine(found.window.last_day, dt.time())
    new = [one for one in found.groups if one.new and one.status != "not_by_weight"]
    seen = [one for one in found.groups if one.whole.cases and one.status != "not_by_weight"]
    with open_book(path, title, found.present.sha256[:12], created) as book:
        _write_overview(book, title, found)
        for sheet, listed in (
            (worded("病组", kind), seen), ("不稳定", found.of(*UNSTABLE)), ("新出现", new), ("未出现", found.of("unseen")),
        ):  # fmt: skip
            _write_groups(book, sheet, listed, kind)
        _write_years(book, found)


def _write_overview(book: Book, title: str, found: Weights) -> None:
    sheet = book.sheet("概要")
    told = summary(found)
    sheet.banner(
        title, [[f"历史：{found.window.span}　{found.present.version}"], [worded(_MONEY, found.present.kind)]]
    )
    fields = [Field("item", "项", "prose", 44), Field("value", "值", "text", 24)]
    sheet.header(fields, frozen=1)
    lines = [
        ("用于测算的病例", f"{found.window.cases:,}"), ("总均费 M（元）", told["mean_yuan"]), ("系数", told["factor"]),
        ("现行总权重", told["total_before"]), ("测算总权重", told["total"]), ("余数", told["residue"]),
        ("未归位", told["left"]), ("RIV 裁剪前", told["riv_before"]), ("RIV 裁剪后", told["riv"]),
        *((STATUSES[status], f"{count:,}") for status, count in told["statuses"].items()),
    ]  # fmt: skip
    rows = [{"item": worded(item, found.present.kind), "value": value} for item, value in lines]
    sheet.rows(pl.DataFrame(rows, schema={"item": pl.String, "value": pl.String}), fields)


def _write_groups(book: Book, name: str, listed: Sequence[Weighed], kind: str) -> None:
    sheet = book.sheet(name)
    fields = [field.worded(kind) for field in _GROUPS]
    sheet.header(fields, frozen=2, filtered=len(listed))
    rows = [
        {
            "group_code": one.code, "name": one.name, "status": worded(STATUSES[one.status], kind),
            "cases": one.whole.cases, "kept": one.whole.kept, "mean": _fen(one.mean), "cv_before": one.spread.cv,
            "cv": one.kept_spread.cv, "present": one.present, "weight": one.weight,
            "change": change(one.present, one.weight), "money": _fen(one.money_fen),
        }
        for one in listed
    ]  # fmt: skip
    sheet.rows(frame_of(rows, _GROUPS), fields)
    if rows:
        sums = {
            "cases": sum(one.whole.cases for one in listed), "kept": sum(one.whole.kept for one in listed),
            "money": sum(_fen(one.money_fen) or 0 for one in listed),
        }  # fmt: skip
        sheet.total({"group_code": "合计", **sums}, fields)


def _write_years(book: Book, found: Weights) -> None:
    sheet = book.sheet("年度")
    sheet.header(_YEARS, frozen=1)
    counted = [one for one in found.groups if one.status != "not_by_weight"]
    rows = []
    for year, (weight, months) in enumerate(zip(found.rules.year_weights, found.window.windows, strict=True)):
        cells = [one.years[year] for one in counted if year in one.years]
        sums = found.year_means.get(year)
        rows.append(
            {
                "window": f"{months[0].text} 至 {months[-1].text}", "weight": weight,
                "cases": sum(one.cases for one in cells), "fee": sum(one.fee_fen for one in cells),
                "kept": sum(one.kept for one in cells), "kept_fee": sum(one.kept_fen for one in cells),
                "mean": None if sums is None or not sums.kept else _fen(sums.mean),
                "riv_before": shown_riv(riv(Spread(one.cases, one.fee_fen, one.squares) for one in cells)),
                "riv": shown_riv(riv(Spread(one.kept, one.kept_fen, one.kept_squares) for one in cells)),
            }
        )  # fmt: skip
    sheet.rows(frame_of(rows, _YEARS), _YEARS)


def _fen(value: Fraction | None) -> int | None:
    return None if value is None else int(half_away(value, 0))
