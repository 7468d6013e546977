"""What a command says at its end, in a few lines that a settlement officer can check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from pipeline.clear_run import Cleared
from pipeline.findings import BY_CODE
from pipeline.publish import Publication
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


def publication_summary(done: Publication) -> list[str]:
    """What a publication made final, and where its files are."""
    head = f"{done.period} 第 {done.version} 版（批次 {done.run_id}）"
    if not done.fresh:
        return [f"{head}已经发布过，什么也没有做", f"拨付清单：{done.folder / 'payments.xlsx'}"]
    if done.version > 1:
        return [
            f"已发布 {head}：与上一版的差额 {yuan_text(done.difference_fen)} 元，随下一个发布的月份支付",
            f"补差清单：{done.folder / 'payments.xlsx'}",
        ]
    return [
        f"已发布 {head}：应付 {yuan_text(done.paid_fen)} 元，最迟 {done.due_on} 拨付",
        f"拨付清单：{done.folder / 'payments.xlsx'}",
    ]


def year_lines(year: str, found: list[dict[str, Any]]) -> list[str]:
    """The states of a year, one line each; what is missing or changed behind it."""
    lines = [f"{year} 年度清算"]
    for number, one in enumerate(found, start=1):
        said = "  ".join(part for part in (one["said_by"], one["said_at"][:19], one["note"]) if part)
        ends = f"  ——{one['open']}" if one["open"] else ""
        lines.append(f"{number} {one['state']}  {said}".rstrip() + ends)
    return lines


def year_step_line(year: str, taken: dict[str, Any]) -> str:
    """What a step fixed, or that it stood already."""
    if not taken["fresh"]:
        return f"{year} 年“{taken['step']}”{taken['said_at'][:10]} 已由 {taken['said_by']} 定过，内容没有变，什么也没有做"
    return f"已记 {year} 年“{taken['step']}”：{taken['said_by']}，定下 {len(taken['fixed'])} 项，散列 {taken['sha256'][:12]}"


def clearing_summary(done: Cleared) -> list[str]:
    """Counts and money of a cleared year, and where its files are."""
    totals, manifest = done.manifest["totals"], done.manifest
    again = "" if done.fresh else "（同样的输入已有成果，核对无误，未重复计算）"
    return [
        f"{manifest['title']} {manifest['period']} 年度{'试算，不作拨付依据' if done.trial else '清算'}，"
        f"批次 {manifest['run']}{again}",
        f"全年病例 {totals['cases']:,}（冲销计 −1），医疗费 {yuan_text(totals['total_fee_fen'])} 元，"
        f"支付标准 {yuan_text(totals['standard_fen'])} 元",
        f"清算基金 {yuan_text(totals['fund_fen'])} 元，应得总额 {yuan_text(totals['entitlement_fen'])} 元，"
        f"清算额合计 {yuan_text(totals['payable_fen'])} 元（正数应拨，负数应退）",
        f"核对 {len(manifest['audits'])} 项全部相符",
        f"年度清算表：{done.folder / 'region.xlsx'}",
        f"各医院清算单与病例：{done.folder / 'hospitals'}",
    ]


def rerun_lines(found: list[dict[str, Any]]) -> list[str]:
    """Each month computed again, and what it differs by."""
    lines = [
        f"{one['period']}  批次 {one['run']}：已发布净额 {yuan_text(one['published_fen'])} 元，"
        f"重算 {yuan_text(one['recomputed_fen'])} 元，差额 {yuan_text(one['recomputed_fen'] - one['published_fen'])} 元，"
        f"涉及医院 {one['hospitals_changed']} 家"
        + (f"，已发布第 {one['version']} 版" if one["is_published"] else "")
        for one in found
    ]
    total = sum(one["recomputed_fen"] - one["published_fen"] for one in found)
    after = "随下一个发布的月份支付" if all(one["is_published"] for one in found) else "试算，未发布"
    return [*lines, f"合计差额 {yuan_text(total)} 元，{after}"]


def run_lines(found: list[dict[str, Any]]) -> list[str]:
    """One line per run, in the order in which they were computed."""
    lines = []
    for row in found:
        published = "、".join(f"第 {version} 版" for version in row["published_as"])
        lines.append(
            f"{row['period']}  {row['run_id']}  {row['computed_by']}  {row['finished_at'][:19]}Z  "
            f"病例 {row['cases']:,}，应付 {yuan_text(row['payable_fen'])} 元  {published or '未发布'}"
        )
    return lines or ["账本里还没有批次"]


def shown_lines(found: dict[str, Any]) -> list[str]:
    """A run: what it was made from, what it says each hospital is owed, and how far it has come."""
    lines = [
        f"批次 {found['run_id']}：{found['region']} {found['period']}，计算 {found['computed_by']}（{found['host']}）",
        f"参数 {found['pack_version']}（{found['pack_sha256'][:12]}），程序 {found['code_version']}",
        *(f"输入 {one['name']}（{one['sha256'][:12]}）" for one in found["inputs"]),
        *(f"方案 {one['name']}（{one['sha256'][:12]}）" for one in found["schemes"]),
    ]
    for one in found["hospitals"]:
        lines.append(
            f"  {one['hospital_id']} {one['insurance_type']}：病例 {one['cases']:,}，"
            f"基金 {yuan_text(one['fund_fen'])}，本期净额 {yuan_text(one['due_fen'])}，"
            f"应付 {yuan_text(one['payable_fen'])}，结转 {yuan_text(one['carried_fen'])} 元"
        )
    for one in found["steps"]:
        where = f" {one['hospital_id']}" if one["hospital_id"] else ""
        lines.append(
            f"{one['said_at'][:19]}Z  {one['state']}{where}  {one['said_by']}  {one['note']}".rstrip()
        )
    return lines


def platform_findings(findings: pa.Table) -> tuple[pl.DataFrame, dict[str, str]]:
    """The findings of a conversion for a CSV, with its headers."""
    titles = {
        "case_id": "结算ID", "hospital_id": "医药机构编号", "code": "代码", "column": "平台字段", "value": "值",
        "message": "说明",
    }  # fmt: skip
    return pl.DataFrame(findings), titles
