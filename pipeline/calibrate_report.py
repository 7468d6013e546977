"""`report.md` of a built catalogue: what was read, by which rules, with which result; in Chinese."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from groupers.dip.catalogue import CoreRow
from groupers.dip.lint import BASE
from pipeline.calibrate_cost import Cost, half_away, percent, plain, signed_percent
from pipeline.calibrate_draft import markdown_table
from pipeline.calibrate_evidence import Built, latest_year, yuan
from pipeline.calibrate_history import REASONS, YEAR_MONTHS, Month
from pipeline.calibrate_rows import LIBRARY, LOCAL
from pipeline.calibrate_rules import Rules

MOST_CHANGES = 20
VALUE_NAMES = {
    "year_weights": "年度权重", "threshold": "核心病种临界值", "related_rise": "相关手术费用升幅", "pooled_threshold": "综合病种临界值",
    "trim": "费用裁剪", "score": "分值算法", "coefficients": "级别系数", "base": "基层病种", "fee": "费用口径",
    "shortest_history_months": "最短历史（月）", "fewest_hospitals": "最少医院（家）",
}  # fmt: skip


def report(built: Built) -> str:
    """The whole report. It names no file, no time and no machine: same history, same bytes."""
    parts = [
        _read, _windows, _rules, _coverage, _rows, _changes, _law,
    ]  # fmt: skip
    lines = [f"# {built.region.pack.title}病种目录测算报告", ""]
    for part in parts:
        lines += [*part(built), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _read(built: Built) -> Iterator[str]:
    history = built.history
    left = sum(rows for rows, _ in history.left_out.values())
    yield "## 读到与留下"
    yield ""
    yield (
        f"读到 {history.rows} 行 = 用于测算 {history.cases} 例 + 不用 {left} 行；"
        f"用于测算的费用共 {_money(history.fee_fen)} 元，来自 {history.hospitals} 家医院。"
    )
    yield ""
    rows = [(REASONS[code], *history.left_out[code]) for code in REASONS if code in history.left_out]
    yield from markdown_table(
        ["不用的理由", "行数", "费用（元）"], [(told, count, _money(fen)) for told, count, fen in rows]
    )
    yield ""
    yield (
        "每行只记第一条理由，次序如上表所列。医院的编码版本按地区参数 codes；其第一项之前的年份沿用第一项。"
        + (f"排除目录取自 {_exclusions_from(built)}。" if built.exclusions else "没有排除目录。")
    )


def _exclusions_from(built: Built) -> str:
    source = built.library or built.previous
    return source.manifest.name if source else ""


def _windows(built: Built) -> Iterator[str]:
    yield "## 年度窗口"
    yield ""
    yield f"一年为 {YEAR_MONTHS} 个月，最后一个窗口止于历史的最后一个月；更早的记录不用。"
    yield ""
    last = built.history.months[-1].month
    rows = []
    for year, (weight, months) in enumerate(
        zip(built.rules.year_weights, built.history.windows, strict=True)
    ):
        end = last - YEAR_MONTHS * (len(built.rules.year_weights) - 1 - year)
        span = f"{_month(end - YEAR_MONTHS + 1)} 至 {_month(end)}"
        rows.append(
            (span, weight, len(months), sum(m.cases for m in months), _money(sum(m.fee_fen for m in months)))
        )
    yield from markdown_table(["窗口", "权重", "有病例的月数", "例数", "费用（元）"], rows)


def _month(number: int) -> str:
    return Month(number, 0, 0).text


def _rules(built: Built) -> Iterator[str]:
    yield "## 规则与出处"
    yield ""
    rules = built.rules
    yield from markdown_table(
        ["项", "取值", "出处"],
        [(VALUE_NAMES[name], _value(rules, name), rules.sources[name]) for name in VALUE_NAMES],
    )


def _value(rules: Rules, name: str) -> str:
    value = rules.model_dump()[name]
    if isinstance(value, dict):
        return "，".join(f"{key} {_plain(part)}" for key, part in value.items() if part is not None)
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, tuple | list):
        return "∶".join(map(str, value)) or "全部"
    return "不选" if value is None else str(value)


def _coverage(built: Built) -> Iterator[str]:
    yield "## 覆盖"
    yield ""
    core = [one.cost for one in built.rows if isinstance(one.row, CoreRow)]
    pooled = [one.cost for one in built.rows if not isinstance(one.row, CoreRow)]
    parts = {"核心病种": _both(core), "综合病种": _both(pooled), "未入组": _both([built.ungrouped])}
    cases, fen = (sum(both[place] for both in parts.values()) for place in (0, 1))
    yield from markdown_table(
        ["", "例数", "占例数", "费用（元）", "占费用"],
        [(name, n, percent(n, cases), _money(fee), percent(fee, fen)) for name, (n, fee) in parts.items()]
        + [("合计", cases, percent(cases, cases), _money(fen), percent(fen, fen))],
    )


def _both(costs: Sequence[Cost]) -> tuple[int, int]:
    totals = [cost.total() for cost in costs]
    return sum(one.cases for one in totals), sum(one.fee_fen for one in totals)


def _rows(built: Built) -> Iterator[str]:
    yield "## 病种"
    yield ""
    counts: Counter[tuple[str, str]] = Counter()
    for one in built.rows:
        kind = "综合"
        if isinstance(one.row, CoreRow):
            kind = (
                "保守治疗"
                if not one.row.principal_px
                else "有相关手术"
                if one.row.related
                else "单一手术操作"
            )
        counts[kind, one.origin] += 1
    origins = (LIBRARY, LOCAL, "pooled")
    kinds = ("保守治疗", "单一手术操作", "有相关手术", "综合")
    yield from markdown_table(
        ["", "取自病种库", "本地新增", "综合", "合计"],
        [(kind, *(counts[kind, origin] for origin in origins), sum(counts[kind, origin] for origin in origins))
         for kind in kinds],
    )  # fmt: skip
    base = sum(BASE in one.flags for one in built.rows)
    blank = sum(value is None for one in built.rows for value in one.coefficients)
    yield ""
    yield (
        f"{BASE} {base} 个；级别系数未知 {blank} 格（留空，命中的病例会退回，须补上）。"
        f"没有收下的病种与候选 {len(built.dropped) + len(built.pooled_dropped)} 个，理由见 dropped.csv。"
    )


def _changes(built: Built) -> Iterator[str]:
    yield "## 与上一版相比"
    yield ""
    if built.previous is None:
        yield "没有给出上一版（--previous）。"
        return
    changes = [(one, *built.change(one)) for one in built.rows]
    counts = Counter(kind for _, kind, _, _ in changes)
    yield (
        f"上一版 {built.previous.manifest.name}：新增 {counts['new']} 个，消失 {len(built.gone)} 个，"
        f"分值变动 {counts['changed']} 个，不变 {counts['same']} 个，上一版没有分值 {counts['unscored']} 个。"
        f"变动最大的 {MOST_CHANGES} 个："
    )
    yield ""
    moved = [(one, before, share) for one, kind, before, share in changes if kind == "changed" and share]
    moved.sort(key=lambda one: (-abs(one[2]), one[0].row.row))
    yield from markdown_table(
        ["病种", "名称", "例数", "上一版分值", "分值", "变动"],
        [(one.row.row, one.row.name, one.cost.total().cases, plain(before or Decimal()), plain(one.score), signed_percent(share))
         for one, before, share in moved[:MOST_CHANGES]],
    )  # fmt: skip


def _law(built: Built) -> Iterator[str]:
    """Σ n·score = scale · Σ n for one year, untrimmed, by the mean-cost method."""
    score = built.rules.score
    year = max(year for one in built.rows for year in one.cost.by_year())
    rows = latest_year(built.rows, year)
    cases = sum(n for n, _ in rows)
    region = Fraction(sum((n * mean for n, mean in rows), Fraction())) / cases
    exact = sum((n * (mean / region * score.scale) for n, mean in rows), Fraction())
    rounded = sum(
        (n * Fraction(half_away(mean / region * score.scale, score.digits)) for n, mean in rows), Fraction()
    )
    bound = Fraction(cases, 2 * 10**score.digits)
    off = rounded - score.scale * cases
    yield "## 验算：Σ n·分值 = 尺度 × Σ n"
    yield ""
    yield f"取最近一个窗口入组的 {cases} 例，不裁剪，用区域均费法（区域均费 {yuan(region)} 元，尺度 {score.scale}）："
    yield ""
    yield f"- 未取整的分值：Σ n·分值 = {exact}，尺度 × Σ n = {score.scale * cases}，相差 {exact - score.scale * cases}；"
    yield (
        f"- 取 {score.digits} 位小数的分值：相差 {_signed(off)}，"
        f"不超过 Σ n × 半个末位 = {_signed(bound)}：{'成立' if abs(off) <= bound else '不成立'}。"
    )
    yield ""
    yield (
        f"本目录的区域次均费用（裁剪、按年加权）{yuan(built.scale.region_mean)} 元，"
        f"对应 {plain(half_away(built.scale.score(built.scale.region_mean), score.digits))} 分。"
    )


def _signed(value: Fraction) -> str:
    """A fraction of few decimal digits in full."""
    return f"{'-' if value < 0 else ''}{plain(half_away(abs(value), 8)) if value else '0'}"


def _money(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}" if fen >= 0 else f"-{-fen // 100}.{-fen % 100:02d}"


def summary(built: Built) -> dict[str, int | str]:
    """The result in numbers, for the command line."""
    core = [one.cost for one in built.rows if isinstance(one.row, CoreRow)]
    pooled = [one.cost for one in built.rows if not isinstance(one.row, CoreRow)]
    return {
        "rows": built.history.rows,
        "cases": built.history.cases,
        "left_out": sum(rows for rows, _ in built.history.left_out.values()),
        "core": len(core),
        "pooled": len(pooled),
        "core_cases": _both(core)[0],
        "pooled_cases": _both(pooled)[0],
        "ungrouped_cases": built.ungrouped.total().cases,
        "region_mean_yuan": yuan(built.scale.region_mean),
        "dropped": len(built.dropped) + len(built.pooled_dropped),
    }
