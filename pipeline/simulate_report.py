"""What the workbook and the page of a simulation tell alike: headings, the tables read back, their Chinese words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import duckdb

from pipeline.region import Region
from pipeline.words import CLASS_NAMES, worded

UNPAID = "unpaid"
# Ways of adding up that `simulation_total` has, and the sheet of each.
WAYS = {"level": "级别", "insurance_type": "险种", "mdc": "MDC", "alliance": "医共体"}


@dataclass(frozen=True)
class Report:
    """A finished simulation: its tables stand in `con` under their own names."""

    con: duckdb.DuckDBPyConnection
    region: Region
    run: str
    periods: Sequence[str]
    proposals: Sequence[str]
    changed_since: Sequence[str]
    regrouped: bool  # whether there is a crosswalk of groups
    mdc_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.region.pack.kind

    @property
    def by_points(self) -> bool:
        return self.region.pack.by_points

    @property
    def created(self) -> dt.datetime:
        """The only date in the files: the first day of the newest month."""
        return dt.datetime.fromisoformat(f"{max(self.periods)}-01")

    @property
    def title(self) -> str:
        return f"{self.region.pack.title}方案测算"

    @property
    def window(self) -> str:
        months = f"{self.periods[0]} 至 {self.periods[-1]}（{len(self.periods)} 个月）"
        return f"历史窗口：{self.periods[0] if len(self.periods) == 1 else months}"

    @property
    def notes(self) -> list[str]:
        """What a reader has to know to read the numbers."""
        told = [
            "各方案只换参数，病例、分组与特例单议决定照原批次；倍率分档按各方案重新判定",
            "中性：点值（费率）同乘一数，使各险种基金合计仍等于现行；稀释＝中性基金−方案基金，即方案许诺而总额不容的部分",
        ]
        if self.changed_since:
            told.append(
                f"{'、'.join(self.changed_since)} 的批次是按较早的参数算的，这里的“现行”按今天的参数包重算，与当时结果不同"
            )
        return told

    def rows(self, text: str, **parameters: Any) -> list[dict[str, Any]]:
        """A query's rows as plain values."""
        found = self.con.sql(text, params=parameters)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def word(self, text: str) -> str:
        """A text in the words of DRG or DIP."""
        if text == "MDC" and self.kind == "dip":
            return "病种类别"
        return worded(text, self.kind)

    def label(self, way: str, key: str) -> str:
        """How a key is told: insurance types, MDCs and alliances by name."""
        if way == "insurance_type":
            return f"{key} {self.region.pack.insurance_types.get(key, '')}".strip()
        if way == "alliance":
            names = {one.alliance_id: one.alliance_name for one in self.region.memberships}
            return f"{key} {names.get(key, '')}".strip() if key else "（不在医共体）"
        if way == "mdc" and not key:
            return "（无）"
        if way == "mdc" and self.kind == "dip":
            return DISEASE_KINDS.get(key, key)
        return f"{key} {self.mdc_names.get(key, '')}".strip() if way == "mdc" else key

    def place(self, way: str, key: str) -> tuple[int, str]:
        """Where a key stands in its table: levels as the pack has them, from the lowest; all else by the key."""
        levels = self.region.pack.levels
        return (levels.index(key) if way == "level" and key in levels else len(levels), key)

    def priced(self, insurance_type: str, price: Decimal | None) -> str:
        """An insurance type with the levels whose rate this is, where levels have rates of their own."""
        pack, label = self.region.pack, self.label("insurance_type", insurance_type)
        levels = [
            level
            for level in pack.levels
            if any(one.at(insurance_type, level) == price for one in pack.rates)
        ]
        return label if len(levels) in (0, len(pack.levels)) else f"{label} {'、'.join(levels)}"


DISEASE_KINDS = {"core": "核心病种", "pooled": "综合病种", "ungrouped": "未入组", "excluded": "不按病种付费"}


def class_name(name: str) -> str:
    """A ratio class in Chinese; one side may not pay the case at all."""
    return "不予支付" if name == UNPAID else CLASS_NAMES.get(name, name)
