"""What every draft of `calibrate weights|rate|coefficients` shares: where it goes, its entry for the pack, its report.

A draft names no file of the machine and no time: the same history and rules give the same bytes.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.calibrate_history import YEAR_MONTHS
from pipeline.calibrate_price_rules import PriceRules
from pipeline.calibrate_window import REASONS, Ground, Window, month_text
from pipeline.errors import UsageMistake
from pipeline.invariance import half_away
from pipeline.workbook import Field
from pipeline.write import appearing

OPEN_END = dt.date(9999, 12, 31)  # a draft holds from no day on until someone puts it in force
REPORT, EVIDENCE, COMPARISON = "report.md", "evidence.csv", "comparison.xlsx"
UNVERIFIED = "测算草案，未经经办机构核定"
RULE_NAMES = {
    "year_weights": "年度加权", "trim": "费用裁剪", "fewest_cases": "最少例数", "cv_at_most": "变异系数上限",
    "thin": "样本不足", "new_thin": "样本不足又没有现行权重", "unstable": "不稳定", "scaling": "缩放", "fee": "费用口径",
    "shortest_history_months": "最短历史（月）", "rate": "费率", "coefficients": "系数",
}  # fmt: skip


@dataclass(frozen=True)
class DraftOrder:
    """Where a draft goes and from which day it is to hold."""

    out: Path
    effective_from: dt.date | None = None

    @property
    def start(self) -> dt.date:
        return self.effective_from or OPEN_END


@contextmanager
def draft_folder(order: DraftOrder) -> Iterator[Path]:
    """The folder to write to; it appears complete or not at all. Raises UsageMistake where it stands already."""
    stop_if_taken(order)
    with appearing(order.out, folder=True) as beside:
        yield beside


def stop_if_taken(order: DraftOrder) -> None:
    """Raise UsageMistake where the folder stands already: before the work, not after it."""
    if order.out.exists():
        raise UsageMistake(f"草案的文件夹已存在：{order.out}；请用 --out 另选文件夹，或先移走原文件夹")


def entry_text(key: str, order: DraftOrder, lines: Sequence[str], window: Window, command: str) -> str:
    """An entry of region.yaml, dated, with its source, and marked as unverified so that no pack runs with it unseen."""
    source = f"由 {window.span} 的 {window.cases} 例测算（drgdip calibrate {command}），依据见 {EVIDENCE}"
    return "\n".join(
        [
            f"# 测算草案：核定以后把这一项加到 region.yaml 的 {key} 末尾，source 改成本市文号，删去 unverified。",
            f"{key}:", f"  - from: {order.start}", *(f"    {line}" for line in lines),
            f"    source: {json.dumps(source, ensure_ascii=False)}",
            f"    unverified: {json.dumps(UNVERIFIED, ensure_ascii=False)}", "",
        ]
    )  # fmt: skip


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A CSV with a byte order mark, so that Excel reads its Chinese."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', '／') for cell in row)} |"


def report_head(title: str, window: Window, ground: Ground, rules: PriceRules) -> list[str]:
    """The sections that every report begins with: what it is, the history, the windows, the rules."""
    return [
        f"# {title}", "",
        f"草案，未经核定。与 {ground.day} 有效的参数（`{ground.terms.terms_id}`，方案 {ground.terms.scheme.name}）比较。", "",
        *_history(window), "", *_windows(window, rules), "", *_rules(rules), "",
    ]  # fmt: skip


def _history(window: Window) -> Iterator[str]:
    yield "## 历史"
    yield ""
    yield f"来自 {'；'.join(window.told)}。用于测算 {window.cases} 例，{window.span}。"
    if window.orphans:
        yield f"有 {window.orphans} 笔冲销的原记录不在这段历史里，不计。"
    yield ""
    yield from markdown_table(
        ["不用的理由", "行数", "费用（元）"],
        [
            (told, window.left_out[code][0], yuan(window.left_out[code][1]))
            for code, told in REASONS.items()
            if code in window.left_out
        ],
    )


def _windows(window: Window, rules: PriceRules) -> Iterator[str]:
    yield "## 年度窗口"
    yield ""
    yield f"一年为 {YEAR_MONTHS} 个月，最后一个窗口止于历史的最后一个月。"
    yield ""
    last = window.months[-1].month
    rows = []
    for year, (weight, months) in enumerate(zip(rules.year_weights, window.windows, strict=True)):
        end = last - YEAR_MONTHS * (len(rules.year_weights) - 1 - year)
        span = f"{month_text(end - YEAR_MONTHS + 1)} 至 {month_text(end)}"
        cases, fee = sum(one.cases for one in months), sum(one.fee_fen for one in months)
        rows.append((span, weight, len(months), cases, yuan(fee)))
    yield from markdown_table(["窗口", "加权", "有病例的月数", "例数", "费用（元）"], rows)


def _rules(rules: PriceRules) -> Iterator[str]:
    yield "## 规则与出处"
    yield ""
    values = rules.model_dump()
    yield from markdown_table(
        ["项", "取值", "出处"],
        [(told, _value(values[name]), rules.sources[name]) for name, told in RULE_NAMES.items()],
    )


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "，".join(f"{name} {_value(part)}" for name, part in value.items() if part is not None)
    return "∶".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def yuan(fen: Fraction | int) -> str:
    """Yuan with two digits, half away from zero."""
    return plain(half_away(Fraction(fen) / 100, 2))


def plain(number: Decimal) -> str:
    """A number without an exponent."""
    return format(number, "f")


def digits(value: Fraction, places: int) -> str:
    """A fraction with so many digits, half away from zero."""
    return plain(half_away(value, places))


def change(before: Decimal | None, after: Decimal | None) -> str:
    """The relative change with two digits, as `+12.50%`; empty where one of them is missing."""
    if before is None or after is None or not before:
        return ""
    return f"{half_away((Fraction(after) - Fraction(before)) / Fraction(before) * 100, 2):+f}%"


def frame_of(rows: Sequence[Mapping[str, Any]], fields: Sequence[Field]) -> pl.DataFrame:
    """The rows of a sheet: money in fen, numbers exact."""
    number = pl.Decimal(38, 9)
    types: dict[str, Any] = {"weight": number, "value": number, "count": pl.Int64, "money": pl.Int64}
    return pl.DataFrame(rows, schema={field.name: types.get(field.kind, pl.String) for field in fields})
