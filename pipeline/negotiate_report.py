"""What rescaling leaves: the weights file in the pack's own form, and the workbook that proves it (总权重核算表)."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.invariance import Proof, Rescaled, Weight, percent, plain, total_weight
from pipeline.negotiate_present import Present
from pipeline.pack_pricing import CATALOGUE
from pipeline.region import Region
from pipeline.region_tables import read_csv
from pipeline.words import worded
from pipeline.workbook import Book, Field, open_book
from pipeline.write import appearing

WEIGHT_COLUMNS = ("drg", "weight")
_PROOF = (
    Field("scope", "范围", "text", 12), Field("groups", "病组", "count", 8), Field("locked", "锁定", "count", 8),
    Field("cases", "例数", "count", 11), Field("before", "现行总权重", "weight", 17),
    Field("proposed", "提议总权重", "weight", 17), Field("fraction", "系数（分数）", "prose", 34),
    Field("factor", "系数", "text", 14), Field("rounded", "缩放后总权重", "weight", 17),
    Field("residue", "余数", "weight", 13), Field("placed", "归位后总权重", "weight", 17),
    Field("left", "未归位", "weight", 13), Field("steps", "归位", "prose", 36),
)  # fmt: skip
_WEIGHTS = (
    Field("group_code", "病组编码", "text", 11), Field("name", "病组名称", "prose", 44), Field("panel", "表", "text", 9),
    Field("cases", "例数", "count", 10), Field("present", "现行权重", "weight", 12),
    Field("proposed", "提议权重", "weight", 12), Field("locked", "锁定", "text", 7),
    Field("rounded", "缩放后", "weight", 12), Field("placed", "归位后", "weight", 12),
    Field("change", "最终比现行", "text", 12),
)  # fmt: skip

_HOW = "总权重 = Σ 权重 × 例数；系数 = (现行总权重 − 锁定的) ÷ (提议总权重 − 锁定的)；余数 = 现行 − 缩放后；归位按末位一步一步移"


def write_weights(
    path: Path, region: Region, present: Present, weights: Mapping[str, Decimal],
    added: Mapping[str, Mapping[str, str]] | None = None,
) -> None:  # fmt: skip
    """A weights file as the pack has it: its rows, order and other columns, the weights new.

    Where the scores stand in a catalogue, the columns are `drg,weight`; the pack names the file in their place.
    `added`: groups that the file does not have yet, by code, with their other columns; they follow, in code order.
    """
    if present.file == CATALOGUE:
        known = {code: group.present for code, group in present.groups.items()} | present.others
        rows = [{"drg": code, "weight": plain(weight)} for code, weight in sorted(known.items())]
    else:
        rows = [dict(row) for row in read_csv(region.folder / present.file, WEIGHT_COLUMNS)]
    for code, columns in sorted((added or {}).items()):
        rows.append({**dict.fromkeys(rows[0], ""), **columns, "drg": code})
    for row in rows:
        if row["drg"] in weights:
            row["weight"] = f"{weights[row['drg']]:.{present.digits}f}"
    with appearing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def write_report(
    path: Path, present: Present, window: str, weights: Mapping[str, Weight], done: Rescaled
) -> None:
    """The workbook 总权重核算表: the proof by scope, and every group's weights before, proposed, rounded, placed."""
    created = dt.datetime.combine(present.day, dt.time())
    title = worded(f"{present.title}总权重核算表", present.kind)
    with open_book(path, title, present.sha256[:12], created) as book:
        _write_proofs(book, title, present, window, done)
        _write_groups(book, present, weights, done)


def proof_lines(proofs: Sequence[Proof], kind: str = "drg") -> list[str]:
    """The proof as the command line tells it: one line a scope."""
    return [worded(_told(one), kind) for one in proofs]


def proof_values(one: Proof) -> dict[str, Any]:
    """A proof for machines; numbers as exact text, the factor as a fraction and with eight digits."""
    return {
        "scope": one.scope, "groups": one.groups, "locked": one.locked, "cases": one.cases,
        "before": plain(one.before), "proposed": plain(one.proposed), "factor": str(one.factor),
        "factor_8": one.factor_text, "rounded": plain(one.rounded), "residue": plain(one.residue),
        "placed": None if one.placed is None else plain(one.placed), "left": plain(one.left),
        "steps": {step.group: step.count for step in one.steps},
    }  # fmt: skip


def proposed_lines(weights: Mapping[str, Weight], kind: str) -> list[str]:
    """Σ w·n as it is and as proposed, over all groups and by panel where the panel's changes."""
    lines = []
    panels = sorted({one.mdc for one in weights.values()})
    for scope in ("全部", *panels):
        within = {code: one for code, one in weights.items() if scope in ("全部", one.mdc)}
        before, after = totals_of(within)
        changed = sum(one.wanted != one.present for one in within.values())
        if scope == "全部" or changed:
            moved = f"，{percent(before, after)}" if before else ""
            lines.append(
                worded(
                    f"{scope}：总权重 {before:,f} → {after:,f}（相差 {after - before:+,f}{moved}），改动 {changed:,} 个病组",
                    kind,
                )
            )
    return lines


def totals_of(weights: Mapping[str, Weight]) -> tuple[Decimal, Decimal]:
    """Σ w·n as it is and as proposed."""
    return (
        total_weight({code: one.present for code, one in weights.items()}, weights),
        total_weight({code: one.wanted for code, one in weights.items()}, weights),
    )


def _told(one: Proof) -> str:
    placed = ""
    if one.placed is not None:
        placed = f"；归位 {_steps(one) or '无'}，归位后 {one.placed:,f}，未归位 {one.left:f}"
    return (
        f"{one.scope}：总权重 现行 {one.before:,f}，提议 {one.proposed:,f}，系数 {one.factor_text}，"
        f"缩放后 {one.rounded:,f}，余数 {one.residue:f}{placed}"
    )


def _steps(one: Proof) -> str:
    return "、".join(f"{step.group} {step.count:+d}" for step in one.steps)


def _write_proofs(book: Book, title: str, present: Present, window: str, done: Rescaled) -> None:
    sheet = book.sheet("总权重核算")
    sheet.banner(
        title,
        [
            [f"统筹区：{present.title}　历史：{window}　{present.version}"],
            [worded(_HOW, present.kind)],
        ],
    )
    fields = [field.worded(present.kind) for field in _PROOF]
    sheet.header(fields, frozen=1)
    rows = [
        {
            **{name: getattr(one, name) for name in ("scope", "groups", "locked", "cases")},
            **{name: getattr(one, name) for name in ("before", "proposed", "rounded", "residue", "placed", "left")},
            "fraction": str(one.factor), "factor": one.factor_text, "steps": _steps(one),
        }
        for one in done.proofs
    ]  # fmt: skip
    sheet.rows(_frame(rows, _PROOF), fields)
    if len(rows) > 1:
        sums = ("groups", "locked", "cases", "before", "proposed", "rounded", "residue", "placed", "left")
        known = {name: [row[name] for row in rows if row[name] is not None] for name in sums}
        sheet.total(
            {"scope": "合计", **{name: sum(values) for name, values in known.items() if values}}, fields
        )


def _write_groups(book: Book, present: Present, weights: Mapping[str, Weight], done: Rescaled) -> None:
    sheet = book.sheet(worded("权重对照", present.kind))
    fields = [
        field.worded(present.kind) for field in _WEIGHTS if field.name != "placed" or done.placed is not None
    ]
    sheet.header(fields, frozen=2, filtered=len(weights))
    rows = [
        {
            "group_code": code, "name": present.groups[code].name, "panel": one.mdc, "cases": one.cases,
            "present": one.present, "proposed": one.proposed, "locked": "是" if one.locked else None,
            "rounded": done.rounded[code], "placed": None if done.placed is None else done.placed[code],
            "change": percent(one.present, done.weights[code]),
        }
        for code, one in sorted(weights.items(), key=lambda item: (item[1].mdc, item[0]))
    ]  # fmt: skip
    sheet.rows(_frame(rows, _WEIGHTS), fields)


def _frame(rows: Sequence[Mapping[str, Any]], fields: Sequence[Field]) -> pl.DataFrame:
    types: dict[str, Any] = {"weight": pl.Decimal(38, 9), "count": pl.Int64}
    return pl.DataFrame(rows, schema={field.name: types.get(field.kind, pl.String) for field in fields})
