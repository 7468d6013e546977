"""The words of a comparison of two runs, and what it says at the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pipeline.words import worded, yuan_text

LISTED = 5  # hospitals and groups at the terminal
# In the order in which the first that holds is the main reason.
REASONS = {
    "arrived": "新到", "gone": "不再出现", "door": "去处改变", "data": "数据改变", "decision": "特例单议",
    "scheme": "分组改变", "weight": "权重改变", "rate": "费率、点值改变", "coefficient": "系数改变",
    "rule": "分类、规则改变", "fund": "基金分担改变", "other": "其他（程序版本等）",
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """What differs between two runs; amounts are after − before, in fen.

    `before`, `after`: run, period and versions. `made_from`: what the runs were made from and does not agree.
    `totals`: measure → before, after, difference. `reasons`, `hospitals`, `groups`: rows of the statements
    `by_reason`, `by_hospital`, `by_group`, the largest fund first. `changed`: how many cases.
    """

    title: str
    kind: str  # of the scheme: drg | dip
    before: dict[str, Any]
    after: dict[str, Any]
    same_period: bool
    made_from: dict[str, Any]
    totals: dict[str, dict[str, Any]]
    changed: int
    reasons: list[dict[str, Any]]
    hospitals: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    files: list[str]


def difference_lines(found: Difference) -> list[str]:
    """A few lines: what was compared, what the runs were made from, totals, reasons, the largest hospitals and groups."""
    before, after, totals = found.before, found.after, found.totals
    period = "同一结算期" if found.same_period else "不是同一结算期"
    lines = [
        f"{found.title}：批次 {before['run']}（{before['period']}）→ {after['run']}（{after['period']}），{period}",
        f"来源：{'；'.join(made_from_words(found.made_from)) or '完全相同'}",
        f"病例 {totals['cases']['before']:,} → {totals['cases']['after']:,}（{totals['cases']['difference']:+,}），"
        + "，".join(
            f"{title} {yuan_text(one['before'])} → {yuan_text(one['after'])} 元（{signed_yuan(one['difference'])}）"
            for title, one in (
                ("支付标准", totals["standard_fen"]), ("核定统筹基金", totals["fund_fen"]), ("本期净额", totals["due_fen"])
            )
        ),
    ]  # fmt: skip
    if not found.changed:
        lines.append("没有一例的结果不同")
    else:
        lines.append(f"结果不同的病例 {found.changed:,} 例，各原因之和等于总差额，分毫不差：")
        lines += [
            f"  {reason_title(one['reason'], found.kind)} {one['changed']:,} 例：核定统筹基金 {signed_yuan(one['fund_fen'])} 元"
            for one in found.reasons
        ]
    lines += _largest("医院", found.hospitals, found.kind)
    lines += _largest(worded("病组", found.kind), found.groups, found.kind)
    return lines + [f"文件：{file}" for file in found.files]


def _largest(title: str, rows: list[dict[str, Any]], kind: str) -> list[str]:
    if not rows:
        return []
    lines = [f"{title}有变 {len(rows):,} 行，变化最大的："]
    for one in rows[:LISTED]:
        fund = f"基金 {yuan_text(one['fund_before_fen'])} → {yuan_text(one['fund_after_fen'])}（{signed_yuan(one['fund_fen'])}）元"
        if "hospital_id" in one:
            why = f"，主要因为{reason_title(one['main_reason'], kind)}" if one["main_reason"] else ""
            lines.append(
                f"  {one['hospital_id']} {one['hospital_name']} {one['insurance_name']}：{fund}，"
                f"本期净额 {signed_yuan(one['due_fen'])} 元{why}"
            )
        else:
            name = f" {one['group_name']}" if one["group_name"] else ""
            lines.append(f"  {one['group_code']}{name}：病例 {one['cases']:+,}，{fund}")
    return lines


def made_from_words(made: Mapping[str, Any]) -> list[str]:
    """What the runs were made from and does not agree, in words."""
    said = []
    for key, title in (("added", "多"), ("removed", "少"), ("altered", "改")):
        if names := made["inputs"][key]:
            said.append(
                f"输入文件{title} {len(names)} 个（{'、'.join(names[:3])}{'等' if names[3:] else ''}）"
            )
    if made["pack"]:
        (old, digest), (new, other) = made["pack"]["before"], made["pack"]["after"]
        said.append(f"地区参数 {old}（{digest[:12]}）→ {new}（{other[:12]}）")
    if made["schemes"]:
        texts = [
            "、".join(f"{name}（{digest[:12]}）" for name, digest in made["schemes"][side])
            for side in ("before", "after")
        ]
        said.append(f"方案 {texts[0]} → {texts[1]}")
    if made["weights"]:
        old, new = ("、".join(made["weights"][side]) or "（未记）" for side in ("before", "after"))
        said.append(f"权重 {old} → {new}")
    if made["code"]:
        said.append(f"程序 {made['code']['before']} → {made['code']['after']}")
    if not made["standing"]["same"]:
        months = "、".join(made["standing"]["months"])
        said.append(f"以往月份的发布不同{f'（{months}）' if months else ''}")
    if made["other"]:
        said.append(f"清单的其他项不同（{'、'.join(made['other'])}）")
    return said


def reason_title(reason: str, kind: str) -> str:
    """A reason in the words of a kind of scheme (drg | dip)."""
    return worded(REASONS[reason], kind)


def signed_yuan(fen: int) -> str:
    """Fen as yuan with its sign: `+1.00`, `-0.05`, `0.00`."""
    return f"{'+' if fen > 0 else ''}{yuan_text(fen)}"


def plain(value: Any) -> Any:
    """A value for JSON: decimals as text without trailing zeros."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value
