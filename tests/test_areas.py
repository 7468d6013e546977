"""The table of areas is the facts, cell by cell; an area is found by its label, and a blank stays blank."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.areas import PLAIN, Area, Number, area_folder, find_area, read_areas, read_families, shown_label
from pipeline.errors import UsageMistake

# beside the checkout, or beside the folder of worktrees
FACTS = [Path(__file__).resolve().parents[up] / "shared/facts/payment" for up in (2, 3)]
CELLS = {"point_value_yuan": "point_value", "rate_yuan": "rate", "hospital_coefficient": "coefficient"}


def facts(name: str) -> list[dict[str, str]]:
    for root in FACTS:
        if (root / name).is_file():
            with (root / name).open(encoding="utf-8") as file:
                return list(csv.DictReader(file))
    pytest.skip("the facts are not here")


def printed(text: str) -> Any:
    """A cell of the facts, its numbers as printed."""
    return json.loads(text, parse_float=str, parse_int=str)


def cell(numbers: list[Number]) -> Any:
    """Our numbers of one kind as the facts write them in one cell."""
    if len(numbers) == 1 and not numbers[0].insurance_type and not numbers[0].level:
        return numbers[0].value
    found: dict[str, Any] = {}
    for number in numbers:
        if number.level and number.insurance_type:
            found.setdefault(number.level, {})[number.insurance_type] = number.value
        else:
            found[number.level or number.insurance_type] = number.value
    return found


@pytest.mark.shared
def test_table_is_the_facts_cell_by_cell() -> None:
    rows, areas = facts("area_rules.csv"), list(read_areas().values())
    assert [row["area"] for row in rows] == [area.label for area in areas]
    for row, area in zip(rows, areas, strict=True):
        for name in PLAIN:
            if name != "no_high_bands":
                assert area.texts[name] == row[name], (area.label, name)
        bands = [
            {name: text for name, text in
             (("level", band.level), ("weight_le", band.weight_le), ("k", band.value)) if text}
            for band in area.of("high_band")
        ]  # fmt: skip
        if row["high_bands"] == "none":
            assert (area.texts["no_high_bands"], bands) == ("none", [])
        else:
            assert area.texts["no_high_bands"] == ""
            assert bands == (printed(row["high_bands"]) if row["high_bands"] else []), area.label
        for name, kind in CELLS.items():
            ours = area.of(kind)
            assert (cell(ours) if ours else None) == (printed(row[name]) if row[name] else None), area.label
            # 988 numbers: none is lost where two of one key would fall together
            theirs = re.findall(r"[0-9.]+(?=[,}]|$)", row[name])
            assert len(ours) == len(theirs), (area.label, name)


@pytest.mark.shared
def test_other_sources_stand_in_the_facts() -> None:
    rows = {
        (row["region"], row["year"], row["parameter"], row["value"]) for row in facts("region_params.csv")
    }
    others = [one for area in read_areas().values() for one in area.elsewhere]
    assert others
    for one in others:
        vector = re.search(r"P0[245]", one.source)  # the three vectors that contradict the table
        assert vector or (one.region, one.year, one.item, one.value) in rows, one


def test_count_of_rows_and_years() -> None:
    """facts/README.md: 148 rows, 135 areas, 13 stand twice with a year."""
    areas = list(read_areas().values())
    names = Counter(area.name for area in areas)
    assert (len(areas), len(names), sum(count == 2 for count in names.values())) == (148, 135, 13)
    assert all(area.label == area.name + area.year for area in areas)


def test_disputed_values_name_what_contradicts_them() -> None:
    """facts/README.md: 周口 and 盘锦 contradict region_params and the vectors."""
    disputed = {area.label: area for area in read_areas().values() if area.disputed}
    assert set(disputed) == {"周口", "盘锦"}
    for area in disputed.values():
        assert set(area.disputed) == {column for one in area.elsewhere for column in one.disputes}
    assert disputed["盘锦"].disputed == ("high_settlement",)


def test_every_number_has_an_area_and_every_family_a_meaning() -> None:
    areas, families = read_areas(), read_families()
    with (area_folder() / "numbers.csv").open(encoding="utf-8") as file:
        assert {row["label"] for row in csv.DictReader(file)} <= set(areas)
    for side in ("low", "high"):
        written = {area.texts[f"{side}_settlement"] for area in areas.values()} - {""}
        assert written == set(families[side])


def test_an_area_is_found_by_its_label() -> None:
    areas = read_areas()
    for area in areas.values():
        found = find_area(shown_label(area, areas))
        assert found == area
    assert find_area("太原未注年份").label == "太原"
    assert find_area("太原2026").year == "2026"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("太原", ("有 2 行", "太原未注年份、太原2026", "--like")),
        ("重庆", ("有 2 行", "重庆2024、重庆未注年份")),
        ("金花", ("没有这个地区：`金花`", "金华", "regions areas")),
        ("镇江市", ("没有这个地区：`镇江市`", "镇江")),
        ("", ("没有这个地区", "没有相近的名称")),
    ],
)
def test_an_area_that_is_not_one_row_is_one_sentence(asked: str, told: tuple[str, ...]) -> None:
    with pytest.raises(UsageMistake) as said:
        find_area(asked)
    for text in told:
        assert text in str(said.value)


def test_a_blank_stays_blank() -> None:
    """金华 prints no answer to whether its high thresholds belong to the high class."""
    area: Area = find_area("金华")
    assert area.texts["high_inclusive"] == "" and area.of("coefficient") == []
