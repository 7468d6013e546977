"""Sentences on one DIP case: the reasons are the twin's result, and each step is said."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from groupers.dip.catalogue import Catalogue, DipChoices, PooledRow, requirement
from groupers.dip.tell import judge, tell
from tests.reference.dip_strategies import catalogue_of, core_row
from tests.reference.match_case import match_case
from tests.test_dip_match import FULL, HIGH, LOW, Case, catalogues_with_cases, many, stay

DX_NAMES = {"I63.902": "脑梗死"}
PX_NAMES = {"S1": "取栓术", "S2": "支架置入"}


def told(catalogue: Catalogue, case: Case) -> list[str]:
    return tell(catalogue, case, DX_NAMES, PX_NAMES)


@many
@given(catalogues_with_cases())
def test_judgement_and_sentences_are_the_twins(drawn: tuple[Catalogue, list[Case]]) -> None:
    catalogue, cases = drawn
    for case in cases:
        expected, judged = match_case(catalogue, case), judge(catalogue, case)
        assert (judged.dip_code, judged.runner_up) == (expected["dip_code"], expected["runner_up"])
        if expected["dip_kind"] == "core":
            assert list(judged.ranked[0].procedures) == expected["matched_procedures"]
        last = " ".join(told(catalogue, case)[2:] or told(catalogue, case))
        ending = {
            "core": f"归入核心病种 {expected['dip_code']} ",
            "pooled": f"归入综合病种 {expected['dip_code']} ",
            "excluded": "不按病种分值付费",
            "ungrouped": "无法入组，记为 0000",
        }
        said = {kind: bool(re.search(text, last)) for kind, text in ending.items()}
        assert said == {kind: kind == expected["dip_kind"] for kind in ending}


def test_core_row_met_and_runner_up_short_of_related() -> None:
    assert told(FULL, stay("I63.902", "S1", "S2", "D1")) == [
        "读入：主要诊断 I63.902 脑梗死（亚目 I63.9）；主要手术操作 S1 取栓术（手术）；"
        "其他手术操作 2 个：S2 支架置入（手术）、D1（诊断性操作）",
        "主要诊断不在排除名单中",
        "亚目 I63.9 的核心病种有 3 个，其中主要手术操作与本例相同的 2 个",
        "保守治疗病种 C1 病种C1 不适用：本例有手术操作 S1 取栓术（手术）、S2 支架置入（手术）、D1（诊断性操作）",
        "病种 C3 病种C3：满足，依据手术操作 S1 取栓术、S2 支架置入、D1",
        "病种 C2 病种C2：满足，依据手术操作 S1 取栓术",
        "归入核心病种 C3 病种C3（手术）",
        "未归入次选病种 C2 病种C2：其相关手术操作匹配 0 项，少于 C3 的 2 项",
    ]


def test_exclusion_names_its_reason() -> None:
    assert (
        told(FULL, stay("I63.951"))[-1]
        == "主要诊断以 I63.95 开头，在排除名单中（精神类按床日），不按病种分值付费"
    )


@pytest.mark.parametrize(
    ("breakers", "fee", "why"),
    [
        (("catalogue_order",), None, "按“目录顺序在前者优先”，R9 在第 10 位，R1 在第 11 位"),
        (("core_before_base",), None, "按“非基层病种优先”，R9 不是基层病种，R1 是基层病种"),
        (("higher_score",), None, "按“分值高者优先”，R1 分值 80，R9 分值 50"),
        (("class_priority",), None, "按“治疗方式优先级高者优先”，R9 为手术，R1 为介入治疗"),
        (
            ("more_procedures", "nearest_mean_cost"), 149_99,  # 149.99 − 100.00 and 200.00 − 149.99
            "“匹配手术操作多者优先”也相同，按“次均费用与本例总费用最接近者优先”，"
            "R9 次均费用 100.00 元，相差 49.99 元，R1 次均费用 200.00 元，相差 50.01 元",
        ),
        ((), None, "没有规定优先次序，按病种编码 R1 在前"),
        (("more_procedures",), None, "“匹配手术操作多者优先”也都相同，按病种编码 R1 在前"),
        (
            ("more_procedures", "nearest_mean_cost"), None,
            "“匹配手术操作多者优先”、“次均费用与本例总费用最接近者优先”也都相同（本例没有总费用，次均费用无从比较），"
            "按病种编码 R1 在前",
        ),
    ],
)  # fmt: skip
def test_the_tie_breaker_that_decided_is_named(breakers: tuple, fee: int | None, why: str) -> None:
    catalogue = catalogue_of(HIGH, LOW, choices=DipChoices(tie_breakers=breakers))
    last = told(catalogue, stay("I63.902", "S1", fee=fee))[-1]
    assert last.endswith(f"：两者相关手术操作匹配都是 0 项，{why}")


def test_pooled_by_the_class_of_the_principal_procedure() -> None:
    assert told(FULL, stay("I63.902", "S3"))[-2:] == [
        "没有核心病种满足；综合病种按类目 I63：主要手术操作 S3（手术），对应相关手术组",
        "归入综合病种 I63-相关手术 相关手术",
    ]


POOL = PooledRow("P1", "A38", "内科诊疗", None, None, frozenset(), "")


@pytest.mark.parametrize(
    ("case", "closest"),
    [
        (stay("I63.902", "S1", "T1"), "最接近的是病种 R2 病种R2：缺相关手术操作 S2 支架置入（已匹配 1 项）"),
        (stay("I63.902", "S2"), "最接近的是同亚目的病种：R2 病种R2 要求主要手术操作 S1 取栓术"),
        (stay("I63.100"), "目录中同类目只有亚目 I63.9 的病种"),
        (stay("A38.x00", "S1"), "最接近的是类目 A38 的其他综合病种：内科诊疗"),
        (stay("Z99.900"), "目录中没有类目 Z99 的任何病种"),
    ],
)
def test_ungrouped_says_what_came_closest(case: Case, closest: str) -> None:
    row = core_row("R2", "I63.9", "S1", requirement("S2+T1/D1"))
    catalogue = catalogue_of(row, pooled=[POOL], procedure_classes={"S1": "手术", "S2": "手术"})
    lines = told(catalogue, case)
    assert lines[-1] == closest
    assert lines[-2].endswith("无法入组，记为 0000")


def test_partial_match_says_that_none_is_met_in_full() -> None:
    row = core_row("R2", "I63.9", "S1", requirement("S2+T1"))
    lines = told(catalogue_of(row, choices=DipChoices(related="best_partial")), stay("I63.902", "S1", "S2"))
    assert lines[-2:] == [
        "病种 R2 病种R2：不完全满足，缺相关手术操作 T1（已匹配 1 项）",
        "没有病种完全满足，本地允许部分相符，取相关手术操作匹配最多者（1 项），归入核心病种 R2 病种R2（手术）",
    ]
