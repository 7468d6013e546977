"""Indicators and budget pace as people see them: sections of the 月度结算单, and a sheet of the region's workbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from pipeline.statements import Added, Heading, Line
from pipeline.words import worded
from pipeline.workbook import Book, Field, fitted

LEVEL_NAMES = {"normal": "正常", "watch": "预警", "alarm": "警戒", "incomplete": "月份不全"}
ALL_TYPES, REGION = "", ""  # as the tables name them

_WHO = [
    Field("hospital_id", "机构编号", "text", 15), Field("hospital_name", "机构名称", "text", 26),
    Field("level", "级别", "text", 6), Field("insurance_name", "险种", "text", 6),
]  # fmt: skip
_INDICATORS = [
    Field("cases", "病例数", "count", 8), Field("cmi", "病例组合指数（CMI）", "weight", 13),
    Field("cost_index", "费用消耗指数", "weight", 8), Field("time_index", "时间消耗指数", "weight", 8),
    Field("mean_fee_fen", "例均费用", "money", 10), Field("mean_stay", "平均住院日", "ratio", 8),
    Field("drug_share", "药品费占比", "permille", 8), Field("consumable_share", "耗材费占比", "permille", 8),
    Field("low_share", "低倍率占比", "percent", 8), Field("high_share", "高倍率占比", "percent", 8),
]  # fmt: skip
_PACE = [
    Field("fund_so_far_fen", "本年累计核定基金", "money", 11), Field("region_share", "占全区", "percent", 8),
    Field("budget_fen", "年度预算", "money", 11), Field("used", "已用比例", "percent", 8),
    Field("gone", "序时进度", "percent", 8), Field("gap", "已用减序时", "percent", 9),
    Field("pace_level", "进度提示", "level", 10),
]  # fmt: skip
_SCALES = {  # shown column → stored integers, their digits
    "cost_index": ("cost_index_e4", 4), "time_index": ("time_index_e4", 4), "mean_stay": ("mean_stay_e2", 2),
    "drug_share": ("drug_share_e3", 3), "consumable_share": ("consumable_share_e3", 3),
    "low_share": ("low_share_e4", 4), "high_share": ("high_share_e4", 4), "region_share": ("region_share_e4", 4),
    "used": ("used_e4", 4), "gone": ("gone_e4", 4), "gap": ("gap_e4", 4),
}  # fmt: skip


@dataclass(frozen=True)
class Figures:
    """The tables `indicators` and `budget_pace` of a run, or the part of them that one workbook shows."""

    indicators: pl.DataFrame
    pace: pl.DataFrame

    def of(self, hospital_id: str) -> Figures:
        """A hospital's rows, and the region's beside which they stand."""
        own = pl.col("hospital_id").is_in([hospital_id, REGION])
        return Figures(self.indicators.filter(own), self.pace.filter(own))

    def shown(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Both tables as one row by hospital and insurance type, numbers in the size they are read in."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for frame in (self.indicators, self.pace.rename({"level": "pace_level"})):
            for row in frame.iter_rows(named=True):
                rows.setdefault((row["hospital_id"], row["insurance_type"]), {}).update(row)
        for row in rows.values():
            for name, (stored, digits) in _SCALES.items():
                found = row.get(stored)
                row[name] = None if found is None else Decimal(found).scaleb(-digits)
            row["pace_level"] = LEVEL_NAMES.get(row.get("pace_level") or "")
        return rows


def statement_lines(figures: Figures | None, hospital_id: str = REGION) -> list[Added]:
    """The sections 运行指标 and 预算进度 of a statement: a hospital's, or the region's."""
    if figures is None:
        return []
    rows = {kind: row for (hospital, kind), row in figures.shown().items() if hospital == hospital_id}
    of_region = {kind: row for (hospital, kind), row in figures.shown().items() if hospital == REGION}
    if not rows:
        return []
    named = [
        Line("费用消耗指数", "cost_index", "weight", "同病组的全区例均费用为 1"),
        Line("时间消耗指数", "time_index", "weight", "同病组的全区平均住院日为 1"),
        Line("例均费用", "mean_fee_fen", "money", "({total_fee_fen}) ÷ ({cases})"),
        Line("平均住院日（天）", "mean_stay", "ratio"),
        Line("药品费占比", "drug_share", "permille"),
        Line("耗材费占比", "consumable_share", "permille"),
    ]
    lines = [Added(Line("四、运行指标"), {}), *_filled(named, rows)]
    pace = {kind: row for kind, row in rows.items() if row.get("gone") is not None}
    if pace:
        first = next(iter(pace.values()))
        lines.append(Added(Line(f"五、预算进度（1—{first['months']} 月）"), {}))
        lines += _filled(_pace_lines(first, pace, hospital_id), pace)
        if hospital_id != REGION and not _has_budget(pace):
            lines += _region_pace(first, {kind: of_region[kind] for kind in pace if kind in of_region})
    return lines


def _has_budget(pace: Mapping[str, Mapping[str, Any]]) -> bool:
    return any(row["budget_fen"] is not None for row in pace.values())


def _pace_lines(
    first: Mapping[str, Any], pace: Mapping[str, Mapping[str, Any]], hospital_id: str
) -> list[Line]:
    lines = [Line("核定统筹基金累计", "fund_so_far_fen", "money", _months(first))]
    if hospital_id != REGION:
        lines.append(Line("　占全区", "region_share", "percent"))
    if _has_budget(pace):
        lines += [
            Line("年度预算", "budget_fen"),
            Line("已用比例", "used", "percent", "({fund_so_far_fen}) ÷ ({budget_fen})"),
            Line("序时进度", "gone", "percent", f"{first['months']} ÷ 12"),
            Line("已用减序时", "gap", "percent", "({used}) − ({gone})"),
            Line("进度提示", "pace_level", "level"),
        ]
    return lines


def _region_pace(first: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> list[Added]:
    """What a hospital without a budget of its own sees: how the region stands."""
    lines = [
        Line("全区预算已用比例", "used", "percent"),
        Line("序时进度", "gone", "percent", f"{first['months']} ÷ 12"),
        Line("全区进度提示", "pace_level", "level"),
    ]
    return _filled(lines, rows)


def _filled(lines: Sequence[Line], rows: Mapping[str, Mapping[str, Any]]) -> list[Added]:
    """Each line with its values by insurance type; a line that no type has a value for is left out."""
    added = [Added(line, {kind: row.get(line.name) for kind, row in rows.items()}) for line in lines]
    return [one for one in added if any(value is not None for value in one.values.values())]


def _months(row: Mapping[str, Any]) -> str:
    missing = row["months"] - row["months_counted"]
    return f"已计 {row['months_counted']} 个月" + (f"，缺 {missing} 个月" if missing > 0 else "")


def write_figures(book: Book, heading: Heading, payment: pl.DataFrame, figures: Figures) -> None:
    """运行指标与预算进度: a row per hospital and insurance type, then the region's; 预警 and 警戒 in words and colour."""
    rows = figures.shown()
    title = "运行指标与预算进度" if figures.pace.height else "运行指标"
    asked = [*_WHO, *_INDICATORS, *(_PACE if figures.pace.height else [])]
    fields = [
        field.worded(heading.kind) for field in asked
        if field in _WHO or any(row.get(field.name) is not None for row in rows.values())
    ]  # fmt: skip
    fields = fitted(fields, *rows.values())
    who = {
        row["hospital_id"]: row for row in payment.select("hospital_id", "hospital_name", "level").to_dicts()
    }
    types = dict(payment.select("insurance_type", "insurance_name").rows()) | {ALL_TYPES: "合计"}
    sheet = book.sheet(title)
    sheet.banner(f"{heading.region}　{title}", [[heading.line()]])
    bands = [
        ("定点医药机构", len(_WHO)), ("运行指标", sum(one.name in _names(_INDICATORS) for one in fields)),
        ("预算进度", sum(one.name in _names(_PACE) for one in fields)),
    ]  # fmt: skip
    sheet.header(fields, frozen=2, bands=[band for band in bands if band[1]])
    # The types in their order, then all together; the region's rows stand last, as every total does.
    for hospital_id, kind in sorted(
        rows, key=lambda key: (key[0] == REGION, key[0], key[1] == ALL_TYPES, key[1])
    ):
        named = (
            {"hospital_id": "全区"}
            if hospital_id == REGION
            else who.get(hospital_id, {"hospital_id": hospital_id})
        )
        line = {**rows[hospital_id, kind], "hospital_name": None, "level": None, **named}
        line["insurance_name"] = types.get(kind, kind)
        line["gone"] = line.get("gone") if line.get("used") is not None else None  # nothing to set it beside
        sheet.total(line, fields, "total" if REGION in (hospital_id, kind) else "body")
    for text in _notes(figures, rows.get((REGION, ALL_TYPES), {})):
        sheet.note(worded(text, heading.kind))


def _names(fields: Sequence[Field]) -> set[str]:
    return {field.name for field in fields}


def _notes(figures: Figures, region: Mapping[str, Any]) -> list[str]:
    """What the numbers mean, and what is not in them."""
    notes = [
        "费用、时间消耗指数：入组病例与全区同病组的例均费用、平均住院日相比，1 为持平，高于 1 为费用更高、住院更长"
    ]
    left_out = (region.get("cost_left_out_groups") or 0, region.get("time_left_out_groups") or 0)
    if any(left_out):
        notes.append(
            f"全区没有费用、没有住院天数可比而未计入指数的病组：费用 {left_out[0]} 组，时间 {left_out[1]} 组"
        )
    for row in figures.pace.head(1).iter_rows(named=True):
        if row["watch_over_e4"] is not None:
            watch, alarm = (
                f"{Decimal(row[name]).scaleb(-2).normalize():f}"
                for name in ("watch_over_e4", "alarm_over_e4")
            )
            notes.append(f"预警：已用比例超过序时进度 {watch} 个百分点；警戒：超过 {alarm} 个百分点")
        if row["months_counted"] < row["months"]:
            notes.append(
                f"本年已过 {row['months']} 个月，{_months(row)}：累计偏少，未超过界限的记为“月份不全”，不作正常"
            )
    return notes
