"""The project's own table of how real areas pay by group: `data/areas`. A blank is unknown and stays blank.

Source: a public calculator and published tables (data/areas/README.md); a city checks them against its own document.
Every number is kept as the text that the source prints.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from groupers.scheme import data_root
from pipeline.errors import UsageMistake
from pipeline.region_tables import read_csv

PLAIN = (
    "ratio_reference", "low_threshold", "low_inclusive", "high_inclusive", "low_settlement", "high_settlement",
    "area_mean_cost_yuan", "no_high_bands",
)  # fmt: skip
UNDATED = "未注年份"
SHOWN = 8


@dataclass(frozen=True)
class Number:
    """One printed number: a high_band (by weight or level), point_value, rate or coefficient."""

    kind: str
    insurance_type: str
    level: str
    weight_le: str
    value: str


@dataclass(frozen=True)
class Elsewhere:
    """What another public table or program says of an area, and which columns it contradicts."""

    area: str
    year: str
    region: str
    item: str
    value: str
    unit: str
    source: str
    disputes: tuple[str, ...]


@dataclass(frozen=True)
class Area:
    """One row: an area, of a year where the table says one. `texts`: the columns of PLAIN as printed."""

    label: str
    name: str
    year: str
    texts: dict[str, str]
    disputed: tuple[str, ...]
    numbers: tuple[Number, ...]
    elsewhere: tuple[Elsewhere, ...]

    def of(self, kind: str) -> list[Number]:
        """The numbers of a kind, as printed from left to right."""
        return [number for number in self.numbers if number.kind == kind]


def area_folder() -> Path:
    """Where the table lies."""
    return data_root() / "areas"


def read_areas() -> dict[str, Area]:
    """Every row by its label, in the order of the table."""
    folder = area_folder()
    numbers: dict[str, list[Number]] = {}
    for row in read_csv(
        folder / "numbers.csv", ("label", "kind", "insurance_type", "level", "weight_le", "value")
    ):
        numbers.setdefault(row.pop("label"), []).append(Number(**row))
    elsewhere: dict[str, list[Elsewhere]] = {}
    columns = ("area", "year", "region", "item", "value", "unit", "source", "disputes")
    for row in read_csv(folder / "other_sources.csv", columns):
        texts = {name: text for name, text in row.items() if name != "disputes"}
        one = Elsewhere(**texts, disputes=tuple(row["disputes"].split()))
        elsewhere.setdefault(one.area, []).append(one)
    return {
        row["label"]: Area(
            row["label"], row["area"], row["year"], {name: row[name] for name in PLAIN},
            tuple(row["disputed"].split()), tuple(numbers.get(row["label"], ())), tuple(elsewhere.get(row["area"], ())),
        )
        for row in read_csv(folder / "areas.csv", ("label", "area", "year", *PLAIN, "disputed"), unique="label")
    }  # fmt: skip


def find_area(asked: str) -> Area:
    """The row of a label. Raises UsageMistake where there is none, or where several years would do."""
    areas = read_areas()
    same = [area for area in areas.values() if area.name == asked]
    if len(same) > 1:
        labels = "、".join(shown_label(area, areas) for area in same)
        raise UsageMistake(
            f"“{asked}”在各地参数表中有 {len(same)} 行，年份不同：{labels}；请用 --like 写明哪一行"
        )
    for area in areas.values():
        if asked in (area.label, shown_label(area, areas)):
            return area
    near = [name for name in areas if asked and (asked in name or name in asked)]
    near += [
        name for name in difflib.get_close_matches(asked, areas, n=SHOWN, cutoff=0.4) if name not in near
    ]
    told = f"名称相近的有：{'、'.join(near[:SHOWN])}" if near else "没有相近的名称"
    raise UsageMistake(f"各地参数表中没有这个地区：`{asked}`；{told}；请用 `drgdip regions areas` 查看全部")


def shown_label(area: Area, areas: dict[str, Area]) -> str:
    """How a row is asked for: its label, or name and 未注年份 where another row of the area has a year."""
    several = any(other.name == area.name and other is not area for other in areas.values())
    return f"{area.name}{UNDATED}" if several and not area.year else area.label


def read_families() -> dict[str, dict[str, dict[str, Any]]]:
    """`low` and `high`: how the table writes a family → how a pack writes it; every scalar is text."""
    return _texts("families.yaml")


def read_drafting() -> dict[str, Any]:
    """The conventions of a draft: dates, codes of insurance types, what the city supplies; every scalar is text."""
    return _texts("drafting.yaml")


def _texts(name: str) -> Any:
    # BaseLoader leaves every scalar the text it is, so that 2.0 stays 2.0.
    return yaml.load((area_folder() / name).read_text(encoding="utf-8"), yaml.BaseLoader)
