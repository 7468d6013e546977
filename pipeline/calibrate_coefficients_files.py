"""The draft of `calibrate coefficients`: coefficients.yaml, evidence.csv, comparison.xlsx, report.md."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.calibrate_coefficients import MOVED, STATUSES, Coefficients, Rated
from pipeline.calibrate_draft import (
    COMPARISON,
    EVIDENCE,
    REPORT,
    DraftOrder,
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
from pipeline.invariance import FACTOR_DIGITS, half_away
from pipeline.words import worded
from pipeline.workbook import Field, open_book

ENTRY = "coefficients.yaml"
_FIELDS = (
    Field("key", "编号", "text", 16), Field("name", "名称", "prose", 30), Field("level", "级别", "text", 9),
    Field("status", "办法", "prose", 24), Field("cases", "例数", "count", 12), Field("kept", "裁剪后", "count", 12),
    Field("weight", "Σ 权重", "weight", 16), Field("cost", "每权重费用（元）", "money", 16), Field("ratio", "比值", "weight", 12),
    Field("present", "现行", "weight", 12), Field("value", "测算", "weight", 12), Field("change", "变动", "text", 12),
    Field("money", "影响金额（元）", "money", 18),
)  # fmt: skip


def write_draft(found: Coefficients, order: DraftOrder) -> None:
    """Write the draft folder; it appears complete or not at all."""
    region = found.ground.region
    with draft_folder(order) as folder:
        text = entry_text("coefficients", order, _value_lines(found), found.window, "coefficients")
        (folder / ENTRY).write_text(text, encoding="utf-8")
        write_csv(folder / EVIDENCE, _header(found), list(_evidence(found)))
        lines = [
            *report_head(f"{region.pack.title}系数测算报告", found.window, found.ground, found.rules),
            *_result(found),
        ]
        (folder / REPORT).write_text(worded("\n".join(lines) + "\n", region.pack.kind), encoding="utf-8")
        _write_comparison(folder / COMPARISON, found)


def summary(found: Coefficients) -> dict[str, Any]:
    """The result in numbers, for the command line."""
    return {
        "cases": found.window.cases, "by": found.by, "aside": found.aside,
        "cost_per_weight_yuan": yuan(found.cost), "factors": {level: digits(f, FACTOR_DIGITS) for level, f in found.factors.items()},
        "total_before": digits(found.before, FACTOR_DIGITS), "total": digits(found.after, FACTOR_DIGITS),
        "residue": digits(found.residue, FACTOR_DIGITS),
        "values": {
            one.key: {
                "status": one.status, "present": None if one.present is None else digits(one.present, FACTOR_DIGITS),
                "value": None if one.value is None else plain(one.value),
            }
            for one in found.units
        },
    }  # fmt: skip


def _value_lines(found: Coefficients) -> list[str]:
    """Both tables of the entry: the calibrated one, the other as it is in force."""
    entry = found.ground.terms.coefficients
    assert entry is not None
    own: dict[str, Any] = {
        one.key: one.value for one in found.units if one.status in MOVED and one.value is not None
    }
    by_level: dict[str, Any] = dict(entry.by_level)
    by_hospital: dict[str, Any] = dict(entry.by_hospital)
    if found.by == "level":
        by_level |= own
    else:
        by_hospital |= own
    lines = []
    for name, table in (("by_level", by_level), ("by_hospital", by_hospital)):
        if table:
            lines.append(f"{name}:")
            lines += [
                f"  {json.dumps(key, ensure_ascii=False)}: {_flow(value)}" for key, value in table.items()
            ]
    return lines


def _flow(value: Decimal | dict[str, Decimal]) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {plain(own)}" for key, own in value.items()) + "}"
    return plain(value)


def _header(found: Coefficients) -> list[str]:
    per_year = [
        f"year{year + 1}_{what}"
        for year in range(len(found.rules.year_weights))
        for what in ("kept_fee_yuan", "kept_weight")
    ]
    return [
        "key", "name", "level", "status", "n", "kept", *per_year, "weight", "cost_per_weight_yuan", "ratio", "lowest",
        "highest", "exact", "value", "present", "change_percent", "money_yuan",
    ]  # fmt: skip


def _evidence(found: Coefficients) -> Iterator[list[str]]:
    for one in found.units:
        years: list[str] = []
        for year in range(len(found.rules.year_weights)):
            held = year in one.fees
            years += [yuan(one.fees[year]), digits(one.weights[year], FACTOR_DIGITS)] if held else ["", ""]
        yield [
            one.key, one.name, one.level, one.status, str(one.cases), str(one.kept), *years,
            digits(one.weight, FACTOR_DIGITS), "" if one.cost is None else yuan(one.cost),
            *(_eight(value) for value in (one.ratio, one.lowest, one.highest, one.exact)),
            "" if one.value is None else plain(one.value), _eight(one.present), _change(one),
            "" if one.money_fen is None else yuan(one.money_fen),
        ]  # fmt: skip


def _eight(value: Fraction | None) -> str:
    return "" if value is None else digits(value, FACTOR_DIGITS)


def _change(one: Rated) -> str:
    if one.present is None or one.value is None:
        return ""
    return f"{half_away((Fraction(one.value) - one.present) / one.present * 100, 2):+f}%"


def _factors(found: Coefficients) -> str:
    return "，".join(f"{level}f = {digits(f, FACTOR_DIGITS)}" for level, f in found.factors.items())


def _whose(found: Coefficients) -> str:
    return "同级别的" if found.rules.coefficients.reference == "level" else "全市的"


def _result(found: Coefficients) -> Iterator[str]:
    yield "## 结果"
    yield ""
    who = "医院" if found.by == "hospital" else "级别"
    yield f"- 全市每权重费用（裁剪、按年加权）{yuan(found.cost)} 元；各{who}的比值 = 本{who}每权重费用 ÷ {_whose(found)}。"
    yield (
        f"- 系数 = 比值 × f，取在上下限与变动幅度之内；{_factors(found)}，"
        "使有病例的、测算的各家 Σ 权重·系数 与现行相等。"
    )
    yield (
        f"- Σ 权重·系数：现行 {digits(found.before, FACTOR_DIGITS)}，测算（取整后）{digits(found.after, FACTOR_DIGITS)}，"
        f"余数 {digits(found.residue, FACTOR_DIGITS)}。"
    )
    yield (
        f"- 不参加的病例 {found.aside} 例：不按权重付、没有现行权重、基础病组系数另定"
        + ("、医院另有机构系数" if found.by == "level" else "")
        + "。"
    )
    rates = found.ground.terms.rates
    by_level = rates is not None and any(isinstance(one, dict) for one in rates.values.values())
    if by_level and found.rules.coefficients.reference == "region":
        yield "- **费率已分级别**：再与全市比，级别差异就算了两次；请考虑把规则的 coefficients.reference 改为 level。"
    yield ""
    yield from markdown_table(
        [who, "名称", "办法", "例数", "每权重费用（元）", "比值", "现行", "测算", "变动", "影响金额（元）"],
        [
            (one.key, one.name, STATUSES[one.status], one.cases, "" if one.cost is None else yuan(one.cost),
             _eight(one.ratio), _eight(one.present), "" if one.value is None else plain(one.value), _change(one),
             "" if one.money_fen is None else yuan(one.money_fen))
            for one in found.units
        ],
    )  # fmt: skip


def _write_comparison(path: Path, found: Coefficients) -> None:
    region = found.ground.region
    kind = region.pack.kind
    title = worded(f"{region.pack.title}系数测算对照", kind)
    created = dt.datetime.combine(found.window.last_day, dt.time())
    with open_book(path, title, region.sha256[:12], created) as book:
        sheet = book.sheet("系数")
        sheet.banner(title, [[f"历史：{found.window.span}　{_factors(found)}"]])
        fields = [field.worded(kind) for field in _FIELDS]
        sheet.header(fields, frozen=2, filtered=len(found.units))
        rows = [
            {
                "key": one.key, "name": one.name, "level": one.level, "status": STATUSES[one.status],
                "cases": one.cases, "kept": one.kept, "weight": half_away(one.weight, 4), "cost": _fen(one.cost),
                "ratio": None if one.ratio is None else half_away(one.ratio, 4),
                "present": None if one.present is None else half_away(one.present, 4), "value": one.value,
                "change": _change(one), "money": _fen(one.money_fen),
            }
            for one in found.units
        ]  # fmt: skip
        sheet.rows(frame_of(rows, _FIELDS), fields)


def _fen(value: Fraction | None) -> int | None:
    return None if value is None else int(half_away(value, 0))
