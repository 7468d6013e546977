"""The workbook that goes to the panels (权重谈判表): 说明, one sheet a panel, 核对 by which it is known again."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl

from pipeline.invariance import Limits, half_away, percent_of, plain
from pipeline.negotiate_history import History
from pipeline.negotiate_present import Group, Present, fingerprint, ground, implied_weights
from pipeline.words import worded
from pipeline.workbook import Book, Field, Sheet, open_book

GUIDE, STAMP = "说明", "核对"
LOCKS = ("是", "否")
# The keys of the sheet 核对, in order.
STAMP_KEYS = ("地区", "权重文件", "权重日期", "权重校验", "窗口", "批次", "指纹")
# The columns of a panel's sheet, by the name that the check uses.
COLUMNS = {
    "group_code": Field("group_code", "编码", "text", 10),
    "name": Field("name", "名称", "prose", 46),
    "cases": Field("cases", "例数", "count", 9),
    "mean_fen": Field("mean_fen", "例均费用（元）", "money", 13),
    "cv": Field("cv", "CV", "weight", 9),
    "present": Field("present", "现行权重", "weight", 11),
    "implied": Field("implied", "费用折算权重", "weight", 11),
    "proposed_weight": Field("proposed_weight", "建议权重", "entry", 12),
    "reason": Field("reason", "理由", "entry_text", 36),
    "lock": Field("lock", "锁定", "entry_text", 8),
}
STAMP_COLUMNS = (
    Field("group_code", "编码", "text", 24), Field("panel", "表", "text", 12),
    Field("cases", "例数", "text", 12), Field("present", "现行权重", "text", 16),
)  # fmt: skip


def write_template(path: Path, present: Present, history: History) -> None:
    """The sheets of a negotiation at `path`; every panel's groups by code, the proposed weight left empty."""
    with open_book(
        path, f"{present.title}权重谈判表", stamp_of(present, history)["指纹"][:12], _created(present)
    ) as book:
        _write_guide(book, present, history)
        implied = implied_weights(present, history)
        for panel in present.panels:
            _write_panel(book, panel, present, history, implied)
        _write_stamp(book, present, history)


def stamp_of(present: Present, history: History) -> dict[str, str]:
    """What the sheet 核对 says of where the workbook comes from, by key."""
    rows = ground(present, history)
    day = str(present.day)
    values = (
        present.region, present.file, day, present.sha256, history.window, "、".join(history.runs),
        fingerprint(present.region, present.sha256, day, history.runs, rows),
    )  # fmt: skip
    return dict(zip(STAMP_KEYS, values, strict=True))


def fields_of(kind: str) -> list[Field]:
    """The columns of a panel's sheet in the words of a kind of scheme."""
    return [field.worded(kind) for field in COLUMNS.values()]


def _created(present: Present) -> dt.datetime:
    return dt.datetime.combine(present.day, dt.time())


def _write_panel(
    book: Book, panel: str, present: Present, history: History, implied: dict[str, Decimal]
) -> None:
    groups = [group for group in present.groups.values() if group.panel == panel]
    fields = fields_of(present.kind)
    sheet = book.sheet(panel)
    seen = [history.of(group.code) for group in groups]
    title = worded(f"权重谈判表　{panel} {present.panels[panel]}", present.kind)
    sheet.banner(
        title,
        [
            [f"统筹区：{present.title}　历史：{_window(history)}　{present.version}"],
            [
                f"只填黄色各格：{fields[7].title}（空着就是不变）、理由、锁定（是：缩放时不动）。其余各格不要改动"
            ],
        ],
    )
    sheet.header(fields, frozen=2, filtered=len(groups))
    sheet.choices(list(COLUMNS).index("lock"), len(groups), LOCKS)
    sheet.rows(_panel_frame(groups, history, implied), fields)
    cases = sum(one.cases for one in seen)
    cost = sum(one.fee_fen for one in seen)
    sheet.total(
        {
            "group_code": "合计", "name": f"{len(groups)} 个", "cases": cases,
            "mean_fen": (2 * cost + cases) // (2 * cases) if cases else None,
        },
        [replace(field, kind="text") if field.kind in ("entry", "entry_text") else field for field in fields],
    )  # fmt: skip


def _panel_frame(groups: list[Group], history: History, implied: dict[str, Decimal]) -> pl.DataFrame:
    means = [history.of(group.code).mean_fen for group in groups]
    numbers = pl.Decimal(38, 9)
    return pl.DataFrame(
        {
            "group_code": [group.code for group in groups],
            "name": [group.name for group in groups],
            "cases": [history.of(group.code).cases for group in groups],
            "mean_fen": [None if mean is None else int(half_away(mean, 0)) for mean in means],
            "cv": pl.Series([history.of(group.code).cv for group in groups], dtype=numbers),
            "present": pl.Series([group.present for group in groups], dtype=numbers),
            "implied": pl.Series([implied.get(group.code) for group in groups], dtype=numbers),
            "proposed_weight": pl.Series([None] * len(groups), dtype=numbers),
            "reason": pl.Series([None] * len(groups), dtype=pl.String),
            "lock": pl.Series([None] * len(groups), dtype=pl.String),
        },
        schema_overrides={"cases": pl.Int64, "mean_fen": pl.Int64},
    )


def _write_guide(book: Book, present: Present, history: History) -> None:
    sheet = book.sheet(GUIDE)
    sheet.banner(worded(f"{present.title}权重谈判表", present.kind), [[f"历史：{_window(history)}"]])
    fields = [Field("about", "项目", "text", 22), Field("text", "内容", "prose", 110)]
    sheet.header(fields, frozen=0)
    lines = [(worded(a, present.kind), worded(b, present.kind)) for a, b in _guide(present, history)]
    sheet.rows(pl.DataFrame(lines, schema=["about", "text"], orient="row"), fields)
    _write_panels(sheet, present, history)


def _guide(present: Present, history: History) -> list[tuple[str, str]]:
    limits = present.limits
    unseen = sum(seen.cases for code, seen in history.groups.items() if code not in present.groups)
    short = ""
    if present.months is not None and len(history.periods) != present.months:
        short = f"（本地区规定 {present.months} 个月，现为 {len(history.periods)} 个月）"
    return [
        ("怎么填", "每个专家组一张表。只填建议权重、理由、锁定三列；建议权重空着就是维持现行权重。"
            "填好后交回整本文件，不要增删行、列、表，不要改名。"),
        ("历史", f"结算期 {history.window}{short}，批次 {'、'.join(history.runs)}；冲销的病例连同原病例一起去掉，"
                 f"另有 {history.orphans:,} 笔冲销的原病例在这段历史之前，不计。"),
        ("例数、例均费用", "这段历史里按本组付费的病例数，医疗费总额的算术平均，不剔除高低费用。"),
        ("CV", "变异系数 = 标准差（总体）÷ 例均费用，四位小数；大于 1 说明组内费用很分散。"),
        ("费用折算权重", "例均费用 ÷ 全部例均费用，再按同一倍数缩放，使总权重 Σ 权重 × 例数 不变。供参考，不是建议。"),
        ("理由", f"变动超过现行权重的 {percent_of(present.reason_over)} 须写理由。" if present.reason_over else "有变动就须写理由。"),
        ("界限", _limit_text(limits)),
        ("锁定", "填“是”的病组缩放时不动：有建议权重的照建议，没有的照现行。"),
        ("总权重不变", "谈判结束后按同一倍数缩放没有锁定的病组，使总权重不变，四舍五入到 "
                       f"{present.digits} 位小数，余数另列。"),
        ("不在表内", f"权重不用于付费的病组不谈判（另行规定办法的、没有权重的），这段历史里共 {unseen:,} 例。"),
    ]  # fmt: skip


def _limit_text(limits: Limits) -> str:
    told = [
        f"不低于 {plain(limits.least)}" if limits.least is not None else "大于零",
        *([f"不高于 {plain(limits.most)}"] if limits.most is not None else []),
        *([f"比现行权重变动不超过 {percent_of(limits.change)}"] if limits.change is not None else []),
    ]
    return f"建议权重{'，'.join(told)}。"


def _write_panels(sheet: Sheet, present: Present, history: History) -> None:
    """The panels in the columns of the guide: sheet, and what is on it."""
    sheet.line([("各专家组的表", "text"), (None, "text")], "section")
    for panel, title in present.panels.items():
        codes = [group.code for group in present.groups.values() if group.panel == panel]
        cases = sum(history.of(code).cases for code in codes)
        text = worded(f"{title + '，' if title else ''}{len(codes)} 个病组，{cases:,} 例", present.kind)
        sheet.line([(panel, "text"), (text, "prose")])


def _write_stamp(book: Book, present: Present, history: History) -> None:
    sheet = book.sheet(STAMP)
    sheet.banner("核对用，请勿改动", [[f"{key}：{text}"] for key, text in stamp_of(present, history).items()])
    fields = [field.worded(present.kind) for field in STAMP_COLUMNS]
    sheet.header(fields, frozen=1)
    rows = [
        (code, panel, str(cases), plain(weight))
        for code, (panel, cases, weight) in ground(present, history).items()
    ]
    sheet.rows(
        pl.DataFrame(
            rows, schema=dict.fromkeys(("group_code", "panel", "cases", "present"), pl.String), orient="row"
        ),
        fields,
    )


def _window(history: History) -> str:
    first, last = history.periods[0], history.periods[-1]
    return first if first == last else f"{first} 至 {last}（{len(history.periods)} 期）"
