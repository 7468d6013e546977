"""Sentences on the auxiliary subtypes of one case: every one met, which counts and why, and what replaces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from groupers.dip.auxiliary import AuxiliaryTables, default_auxiliary
from groupers.dip.tell_auxiliary import NONE_MET, tell_subtypes
from tests.test_dip_auxiliary import (
    CITY,
    PLACED,
    SICK,
    WELL,
    Case,
    auxiliary_tables,
    evaluate,
    many,
    tables_of,
)


def told(tables: AuxiliaryTables, case: Case, level: str | None = None, **more: Any) -> list[str]:
    [found] = evaluate(tables, [case], None if "row" not in more else [more.pop("row")], [level])
    return tell_subtypes(tables, {**case, **found, **more, "level": level})


def test_every_subtype_met_with_its_condition_and_the_highest() -> None:
    baby = WELL | {"age_years": 0, "age_days": 28, "icu_hours": 49, "dx_codes": ["P07.000", "J96.000"]}
    # 49 hours are 2 whole days; AGE1 1.30 is above SEV3 1.20, ICU1 1.15 and CCI0 1.00
    assert told(default_auxiliary(), baby, severity="mcc", cci=0) == [
        "满足辅助分型 AGE1 0～28 天（系数 1.3）：年龄为 0 岁（本例 0）；天龄 ≥ 0 天（本例 28）；天龄 ≤ 28 天（本例 28）",
        "满足辅助分型 SEV3 非肿瘤，重度（有 MCC）（系数 1.2）：没有主要诊断在名单 tumour（C、D00、D01、D02、D03、D04 等）中；"
        "离院方式不为死亡（本例 医嘱离院）；并发症合并症程度为严重（MCC）（本例 严重（MCC））",
        "满足辅助分型 ICU1 监护 2～7 天（系数 1.15）：重症监护天数（满 24 小时计 1 天） ≥ 2（本例 2）；"
        "重症监护天数（满 24 小时计 1 天） ≤ 7（本例 2）",
        "满足辅助分型 CCI0 CCI 0（系数 1）：合并症指数（CCI）为 0（本例 0）",
        "同时满足 4 个，取系数最高的 AGE1，系数 1.3，与级别系数相乘",
    ]


def test_none_met_is_coefficient_one() -> None:
    assert told(CITY, WELL) == [NONE_MET] == ["未满足任何辅助分型，系数 1"]


def test_replacing_subtype_stands_in_place_of_the_product() -> None:
    assert told(CITY, SICK, "三级", row="A41.9C") == [
        "满足辅助分型 ALL 中度（系数 1.2）：并发症合并症程度为一般（CC）",
        "计 ALL，系数 1.2，与级别系数相乘",
        "满足取代型辅助分型 A41.9C-1 严重（三级医院系数 1.61）：并发症合并症程度为一般（CC）",
        "计 A41.9C-1，系数 1.61，取代“级别系数 × 辅助系数”，不与级别系数相乘；两者不同时按高的定价",
    ]


@pytest.mark.parametrize(
    ("level", "shown"), [("一级", "一级医院系数 未公布"), (None, "级别不明的医院系数 未公布")]
)
def test_unknown_coefficient_says_that_the_case_has_no_price(level: str | None, shown: str) -> None:
    lines = told(CITY, SICK, level, row="A41.9C")
    assert shown in lines[2]
    assert lines[3] == (
        "辅助分型 A41.9C-1 的系数未公布，无从知道哪个最高，本例不能定价（no_coefficient）；请补系数"
    )


def test_equal_coefficients_lists_and_negations() -> None:
    tables = tables_of(
        "A,,own,any_px in cure and not other_dx startswith C7,1.2,a",
        "B,,own,not age_years >= 66,1.20,b",
        "C,,own,(stay_days > 3 or sex == 2),1.1,",
        lists="cure,92.2\ncure,99.25\n",
    )
    case = {"dx_codes": ["C34.100"], "px_codes": ["92.2400", "47.0100"], "stay_days": 5}
    assert told(tables, case) == [
        "满足辅助分型 A a（系数 1.2）：手术操作在名单 cure（92.2、99.25）中（本例 92.2400）；没有其他诊断以 C7 开头",
        "满足辅助分型 B b（系数 1.2）：年龄 < 66 岁或没有记录",
        "满足辅助分型 C（系数 1.1）：住院 > 3 天（本例 5） 或 性别为女",
        "同时满足 3 个，其中 2 个同为最高，取目录中在前的 A，系数 1.2，与级别系数相乘",
    ]


@many
@given(auxiliary_tables(), PLACED)
def test_every_subtype_met_is_said_once(
    tables: AuxiliaryTables, placed: tuple[Case, str | None, str | None]
) -> None:
    case, row, level = placed
    [found] = evaluate(tables, [case], [row], [level])
    lines = tell_subtypes(tables, {**case, **found, "level": level})
    met = [*found["aux_met"], *found["own_met"]]
    assert [line.split(" ")[1].split("（")[0] for line in lines if line.startswith("满足")] == met
    assert (lines == [NONE_MET]) == (not met)
    for kind in ("aux", "own"):
        counts = [
            line for line in lines if f" {found[f'{kind}_subtype']}" in line and not line.startswith("满足")
        ]
        assert bool(counts) == bool(found[f"{kind}_met"])
