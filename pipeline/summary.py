"""What a command says at its end, in a few lines that a settlement officer can check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from pipeline.findings import BY_CODE
from pipeline.words import DOOR_NAMES, yuan_text


def run_summary(folder: Path, manifest: dict[str, Any], fresh: bool) -> list[str]:
    """Counts, CMI and money of a run, and where its files are."""
    totals = manifest["totals"]
    again = "" if fresh else "（同样的输入已有成果，核对无误，未重复计算）"
    return [
        f"{manifest['title']} {manifest['period']}，批次 {manifest['run']}{again}",
        f"收到 {totals['rows_in']:,} 行 = 结算 {totals['paid']:,} + 退回 {totals['refused']:,} + 暂挂 {totals['held']:,}",
        f"结算病例 {totals['cases']:,}（冲销计 −1）：{_grouped(manifest)}",
        f"医疗费 {yuan_text(totals['total_fee_fen'])} 元，支付标准 {yuan_text(totals['standard_fen'])} 元，"
        f"核定统筹基金 {yuan_text(totals['fund_fen'])} 元，本期应付 {yuan_text(totals['payable_fen'])} 元",
        f"核对 {len(manifest['audits'])} 项全部相符",
        f"拨付汇总表：{folder / 'region.xlsx'}",
        f"各医院结算单与清单：{folder / 'hospitals'}",
    ]


def _grouped(manifest: dict[str, Any]) -> str:
    totals = manifest["totals"]
    if manifest["method"] == "dip":
        return (
            f"核心病种 {totals['core']:,}，综合病种 {totals['pooled']:,}，未入组 {totals['ungrouped']:,}，"
            f"不按病种付费 {totals['excluded']:,}；例均分值 {totals['cmi'] or '—'}"
        )
    return (
        f"入组 {totals['grouped']:,}，歧义 {totals['ambiguous']:,}，未入组 {totals['ungrouped']:,}；"
        f"CMI {totals['cmi'] or '—'}"
    )


def validation_summary(counts: dict[str, Any], out: Path | None) -> list[str]:
    """Rows by door, and findings by kind, the most frequent first."""
    lines = [
        f"收到 {counts['rows']:,} 行：通过 {counts['on']:,}，退回 {counts['refuse']:,}，暂挂 {counts['hold']:,}"
    ]
    for code, number in sorted(counts["findings"].items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"  [{DOOR_NAMES[BY_CODE[code].door]}] {BY_CODE[code].title}（{code}）：{number:,}")
    return lines + ([f"明细：{out}"] if out else [])


def platform_findings(findings: pa.Table) -> tuple[pl.DataFrame, dict[str, str]]:
    """The findings of a conversion for a CSV, with its headers."""
    titles = {
        "case_id": "结算ID", "hospital_id": "医药机构编号", "code": "代码", "column": "平台字段", "value": "值",
        "message": "说明",
    }  # fmt: skip
    return pl.DataFrame(findings), titles
