"""The draft of `calibrate rate`: ‹key›.yaml, evidence.csv, comparison.xlsx, report.md; see docs/calibration.md."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

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
from pipeline.calibrate_rate import STATUSES, Pool, Rates, Share
from pipeline.invariance import half_away
from pipeline.words import worded
from pipeline.workbook import Field, open_book

EXACT_DIGITS = 8
_FIELDS = (
    Field("insurance", "险种", "text", 10), Field("level", "级别", "text", 10), Field("status", "办法", "prose", 24),
    Field("cases", "例数", "count", 12), Field("fee", "费用（元）", "money", 18), Field("units", "Σ 权重·系数", "weight", 18),
    Field("standards", "全年可支付（元）", "money", 20), Field("present", "现行", "value", 16),
    Field("value", "测算", "value", 16), Field("change", "变动", "text", 12),
)  # fmt: skip


def write_draft(found: Rates, order: DraftOrder) -> None:
    """Write the draft folder; it appears complete or not at all."""
    kind, region = found.ground.region.pack.kind, found.ground.region
    key = "point_values" if found.by_points else "rates"
    with draft_folder(order) as folder:
        text = entry_text(key, order, _value_lines(found), found.window, "rate")
        if found.ground.terms.point_scale is not None:
            text += "\n" + entry_text("point_scale", order, _scale_lines(found), found.window, "rate")
        (folder / f"{key}.yaml").write_text(text, encoding="utf-8")
        write_csv(folder / EVIDENCE, _HEADER, list(_evidence(found)))
        lines = [
            *report_head(f"{region.pack.title}{found.word}测算报告", found.window, found.ground, found.rules),
            *_result(found),
        ]
        (folder / REPORT).write_text(worded("\n".join(lines) + "\n", kind), encoding="utf-8")
        _write_comparison(folder / COMPARISON, found)


def summary(found: Rates) -> dict[str, Any]:
    """The result in numbers, for the command line."""
    return {
        "cases": found.window.cases, "months": found.months, "year": found.year, "growth_percent": plain(found.growth),
        "area_mean_cost_yuan": digits(found.area_mean, 2),
        "values": {
            pool.insurance: {
                one.level: {"status": one.status, "present": _text(one.present), "value": _text(one.value)}
                for one in pool.shares
            }
            for pool in found.pools
        },
    }  # fmt: skip


def told(found: Rates) -> list[str]:
    """One line a rate."""
    lines = [
        f"全市每权重费用 A {digits(found.area_mean, 2)} 元，{found.months} 个月折成全年，增长 {plain(found.growth)}%"
    ]
    for pool in found.pools:
        for one in pool.shares:
            level = f" {one.level}" if one.level else ""
            lines.append(
                f"险种 {pool.insurance}{level}：{found.word} {_text(one.present) or '（无）'} → {_text(one.value) or '（无）'} 元"
                f"（{STATUSES[one.status]}）"
            )
    return [worded(line, found.ground.region.pack.kind) for line in lines]


def _text(value: Decimal | None) -> str:
    return "" if value is None else plain(value)


def _value_lines(found: Rates) -> list[str]:
    terms = found.ground.terms
    mode = (terms.point_values or terms.rates).mode  # type: ignore[union-attr]  # the method has one of them
    lines = [] if mode == "fixed" else [f"mode: {mode}"]
    lines.append("values:")
    for pool in found.pools:
        known = [one for one in pool.shares if one.value is not None]
        if not known:
            continue
        value = (
            plain(known[0].value or Decimal())
            if not known[0].level
            else "{"
            + ", ".join(f"{json.dumps(one.level, ensure_ascii=False)}: {_text(one.value)}" for one in known)
            + "}"
        )
        lines.append(f"  {json.dumps(pool.insurance)}: {value}")
    return lines


def _scale_lines(found: Rates) -> list[str]:
    """The area's mean cost in the form in force: one number, or one by insurance type."""
    scale = found.ground.terms.point_scale
    assert scale is not None
    lines = [f"scale: {scale.scale}"]
    if not isinstance(scale.area_mean_cost, dict):
        return [*lines, f"area_mean_cost: {digits(found.area_mean, 2)}"]
    lines.append("area_mean_cost:")
    for pool in found.pools:
        own = pool.area_mean
        text = _text(scale.mean_cost(pool.insurance)) if own is None else digits(own, 2)
        if text:
            lines.append(f"  {json.dumps(pool.insurance)}: {text}")
    return lines


_HEADER = [
    "insurance_type", "level", "status", "fund_yuan", "fund_source", "type_n", "type_fee_yuan", "type_separate_yuan", "type_recorded_yuan",
    "aside_n", "aside_fee_yuan", "aside_paid_yuan", "months", "growth_percent", "stretch", "standards_yuan", "to_share_yuan", "n",
    "fee_yuan", "weight", "units", "share_standards_yuan", "exact", "value", "present", "change_percent", "area_mean_yuan",
]  # fmt: skip


def _evidence(found: Rates) -> Iterator[list[str]]:
    for pool in found.pools:
        for one in pool.shares:
            yield [
                pool.insurance, one.level, one.status, _yuan(pool.fund_fen), pool.fund_source, str(pool.cases),
                yuan(pool.fee_fen), yuan(pool.separate_fen), yuan(pool.recorded_fen), str(pool.aside_cases), yuan(pool.aside_fen),
                yuan(pool.aside_paid_fen),
                str(found.months), plain(found.growth), str(found.stretch), _yuan(pool.standards_fen),
                _yuan(pool.to_share_fen), str(one.cases), yuan(one.fee_fen), digits(one.weight, EXACT_DIGITS),
                digits(one.units, EXACT_DIGITS), _yuan(one.standards_fen),
                "" if one.exact is None else digits(one.exact, EXACT_DIGITS), _text(one.value), _text(one.present),
                change(one.present, one.value), "" if pool.area_mean is None else digits(pool.area_mean, 2),
            ]  # fmt: skip


def _yuan(fen: Fraction | int | None) -> str:
    return "" if fen is None else yuan(fen)


def _result(found: Rates) -> Iterator[str]:
    method = found.ground.terms.fund_share.method
    yield "## 结果"
    yield ""
    yield (
        f"用最近一个窗口的病例；有病例的 {found.months} 个月折成十二个月，增长 {plain(found.growth)}%，"
        f"倍数 g = {found.stretch} = {digits(found.stretch, EXACT_DIGITS)}。"
    )
    yield ""
    if method == "difference":
        yield "可支付的标准 = 基金 +（费用 − 记账统筹基金）× g（差额法）。"
    else:
        yield "可支付的标准 = 基金 × 费用 ÷ 记账统筹基金（比例法，按全险种的比例）。"
    if found.ground.terms.separate_items is not None:
        yield "其中费用含除外支付，基金先减去另付的除外支付；定价的费用不含除外支付。"
    yield f"减去不随{found.word}变动的（按项目、定额等的与没有权重的按实际费用 × g，按费用比例的按比例），再除以 Σ 权重·系数 × g。"
    yield "病例都按正常的计，不计倍率；要由一个批次正好用完基金，用 drgdip calibrate point-value。"
    yield ""
    yield from markdown_table(
        ["险种", "级别", "办法", "例数", "Σ 权重·系数", "基金（元）", "可支付（元）", "现行", "测算", "变动"],
        [_row(pool, one) for pool in found.pools for one in pool.shares],
    )
    yield ""
    for pool in found.pools:
        given = sum((_given(one, found) for one in pool.shares), Fraction())
        if pool.to_share_fen is not None:
            left = pool.to_share_fen - given
            yield (
                f"- 险种 {pool.insurance}：按取整的{found.word}支付 {yuan(given)} 元，可支付 {yuan(pool.to_share_fen)} 元，"
                f"余 {yuan(left)} 元；每权重费用 A = {digits(pool.area_mean or Fraction(), 2)} 元；基金取自 {pool.fund_source}。"
            )
    yield f"- 全市每权重费用 A = {digits(found.area_mean, 2)} 元。"


def _given(one: Share, found: Rates) -> Fraction:
    return one.units * found.stretch * Fraction(one.value or 0) * 100


def _row(pool: Pool, one: Share) -> list[object]:
    return [
        pool.insurance, one.level or "各级", STATUSES[one.status], one.cases, digits(one.units, 4),
        _yuan(pool.fund_fen), _yuan(one.standards_fen), _text(one.present), _text(one.value),
        change(one.present, one.value),
    ]  # fmt: skip


def _write_comparison(path: Path, found: Rates) -> None:
    region = found.ground.region
    kind = region.pack.kind
    title = worded(f"{region.pack.title}{found.word}测算对照", kind)
    created = dt.datetime.combine(found.window.last_day, dt.time())
    with open_book(path, title, region.sha256[:12], created) as book:
        sheet = book.sheet(found.word)
        sheet.banner(title, [[f"历史：{found.window.span}　年度：{found.year}　增长 {plain(found.growth)}%"]])
        fields = [field.worded(kind) for field in _FIELDS]
        sheet.header(fields, frozen=2)
        rows = [
            {
                "insurance": pool.insurance, "level": one.level or "各级", "status": STATUSES[one.status],
                "cases": one.cases, "fee": one.fee_fen, "units": half_away(one.units, 4),
                "standards": None if one.standards_fen is None else int(half_away(one.standards_fen, 0)),
                "present": one.present, "value": one.value, "change": change(one.present, one.value),
            }
            for pool in found.pools for one in pool.shares
        ]  # fmt: skip
        sheet.rows(frame_of(rows, _FIELDS), fields)
