"""The trace of a case gives the twin's result, the right reasons, and sentences a hospital understands."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groupers.drg.rulebook import Drg, RuleBook, check_rulebook, load_rulebook
from groupers.drg.rules import Rule, parse_condition
from groupers.drg.tell import tell
from groupers.drg.trace import trace
from groupers.scheme import Choices, Manifest
from tests.reference.group_case import group_case
from tests.reference.strategies import discharges, rulebooks
from tests.test_drg_reference import SHARED, case_of, needs_shared, rows

# Every expected value below can be read off this table.
RULES = """
1  MDCA enter             -   always
2  MDCA adrg              AA1 main_px in transplant
3  MDCF enter             -   principal_dx in heart
4  MDCF adrg              FB1 main_px in stent
5  MDCF adrg              FB2 principal_dx in infarct and any_px in stent and age_years >= 18
6  MDCF ambiguous         FQY operation_px in px_valid
7  MDCF adrg              FR1 principal_dx in infarct
8  MDCN enter             -   principal_dx in womb and sex == 2
9  MDCN adrg              NJ1 main_px in womb_operation
10 MDCN adrg              NR1 principal_dx in womb
11 MDCN ambiguous_outside MQY principal_dx in womb and not principal_dx startswith D25.9
"""
DRGS = (
    Drg("AA19", "AA1", "none", "心脏移植"),
    Drg("FB19", "FB1", "none", "支架"),
    Drg("FB29", "FB2", "none", "心梗支架"),
    Drg("FR11", "FR1", "mcc", "急性心肌梗死，伴严重合并症"),
    Drg("FR13", "FR1", "mcc_or_cc", "急性心肌梗死，伴合并症"),
    Drg("FR15", "FR1", "none", "急性心肌梗死，无合并症"),
    Drg("NJ19", "NJ1", "none", "子宫手术"),
    Drg("NR19", "NR1", "none", "子宫肌瘤"),
)
DX_NAMES = {"I21.900": "急性心肌梗死", "I50.900": "心力衰竭", "E11.900": "2型糖尿病", "I10.x00": "高血压"}
PX_NAMES = {"68.4900": "子宫切除术", "36.0600": "冠状动脉支架置入术"}


def rules_of(text: str) -> tuple[Rule, ...]:
    rules = []
    for line in text.strip().splitlines():
        seq, mdc, kind, group, condition = line.split(maxsplit=4)
        group = "" if group == "-" else group
        rules.append(Rule(int(seq), mdc, kind, group, "", parse_condition(condition), condition))  # type: ignore[arg-type]
    return tuple(rules)


def small_book(text: str = RULES, drgs: tuple[Drg, ...] = DRGS, choices: Choices | None = None) -> RuleBook:
    manifest = Manifest(
        name="small",
        kind="drg",
        title="小方案",
        issuer="测试",
        document="无",
        effective_from=dt.date(2025, 1, 1),
        source="本测试",
        choices=choices or Choices(),
        files={},
    )
    book = RuleBook(
        manifest=manifest,
        rules=rules_of(text),
        dx_lists={
            "heart": frozenset({"I21.900", "I10.x00"}),
            "infarct": frozenset({"I21.900"}),
            "womb": frozenset({"D25.900", "D26.900"}),
            "head": frozenset({"S01.000"}),
            "chest": frozenset({"S21.000"}),
        },
        px_lists={
            "transplant": frozenset({"37.5100"}),
            "stent": frozenset({"36.0600"}),
            "womb_operation": frozenset({"68.4900"}),
            "px_valid": frozenset({"37.5100", "36.0600", "68.4900"}),
        },
        families={"regions": ("head", "chest")},
        severity={"I50.900": ("mcc", "9"), "J96.000": ("mcc", "7"), "E11.900": ("cc", "5")},
        exclusions={"I21.900": "9"},
        drgs=drgs,
        adrg_names={"FB1": "支架", "FB2": "心梗支架", "FR1": "急性心肌梗死", "NJ1": "子宫手术"},
        mdc_names={
            "MDCA": "先期分组", "MDCF": "循环系统疾病", "MDCN": "女性生殖系统疾病", "MDCM": "男性生殖系统疾病",
        },
        list_names={"head": "头部", "chest": "胸部"},
    )  # fmt: skip
    check_rulebook(book)
    return book


def told(book: RuleBook, **case: Any) -> list[str]:
    return tell(trace(book, case), book, DX_NAMES, PX_NAMES)


def result_of(book: RuleBook, case: dict[str, Any]) -> dict[str, Any]:
    found = dataclasses.asdict(trace(book, case))
    return {name: found[name] for name in ("mdc", "adrg", "drg", "status", "severity", "rule")}


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_trace_gives_the_result_of_the_twin(data: st.DataObject) -> None:
    book = data.draw(rulebooks())
    for case in data.draw(st.lists(discharges(book), min_size=1, max_size=8)):
        assert result_of(book, case) == group_case(book, case)
        assert tell(trace(book, case), book, {}, {})


@pytest.mark.shared
@needs_shared
def test_trace_gives_the_result_of_the_twin_on_real_rules() -> None:
    book = load_rulebook("chs-drg-2.0")
    for row in rows(SHARED / "cases" / "drg20_cases.csv.gz")[:2000]:
        case = case_of(row)
        found = result_of(book, case)
        assert found == group_case(book, case)
        assert (found["mdc"] or "", found["adrg"] or "", found["drg"]) == (
            row["mdc"],
            row["adrg"],
            row["drg"],
        )


def test_a_grouped_case_is_told_step_by_step() -> None:
    # Rule 7: I21.900 is in `infarct`. I50.900 shares exclusion table 9 with I21.900; E11.900 (table 5) counts.
    lines = told(small_book(), dx_codes=["I21.900", "I50.900", None, "E11.900", "Z00.000"], px_codes=None)
    assert lines == [
        "读入：主要诊断 I21.900 急性心肌梗死；"
        "其他诊断 3 个：I50.900 心力衰竭、E11.900 2型糖尿病、Z00.000；没有手术编码",
        "MDCA 先期分组：无条件，进入，但其中没有一条规则满足，继续试下一个 MDC",
        "MDCF 循环系统疾病：主要诊断 I21.900 急性心肌梗死 在名单 heart 中，进入",
        "规则 7 满足：主要诊断 I21.900 急性心肌梗死 在名单 infarct 中，归入 ADRG FR1 急性心肌梗死",
        "其他诊断 I50.900 心力衰竭 是 MCC，但与主要诊断同在排除表 9，不计",
        "其他诊断 E11.900 2型糖尿病 是 CC，计入，由它决定严重程度",
        "其余 1 个其他诊断不是 MCC 或 CC",
        "本例严重程度：CC",
        "ADRG FR1 内按编码顺序：FR11 要求 MCC，不符合；FR13 要求 MCC 或 CC，符合，"
        "归入 DRG FR13 急性心肌梗死，伴合并症",
    ]


def test_an_ambiguous_case_is_told_with_what_it_lacks() -> None:
    # Rule 6: a hysterectomy with an infarct. Rules 4 and 5 lack the stent, rule 9 only its MDC's diagnosis;
    # rule 2 has nothing for it but the open entry of MDCA; rule 7 is met, but stands behind rule 6.
    lines = told(small_book(), dx_codes=["I21.900"], px_codes=["68.4900"], sex="2", age_years=60)
    assert lines == [
        "读入：主要诊断 I21.900 急性心肌梗死；主要手术 68.4900 子宫切除术",
        "MDCA 先期分组：无条件，进入，但其中没有一条规则满足，继续试下一个 MDC",
        "MDCF 循环系统疾病：主要诊断 I21.900 急性心肌梗死 在名单 heart 中，进入",
        "规则 6（MDCF 歧义规则）满足：主要手术 68.4900 子宫切除术 在名单 px_valid 中，"
        "且排在前面的规则都不满足，归入歧义组 FQY",
        "本例严重程度：无",
        "只差一个条件的规则有 3 条",
        "规则 4（ADRG FB1 支架）：主要手术 68.4900 子宫切除术 不在名单 stent 中",
        "规则 5（ADRG FB2 心梗支架）：各手术都不在名单 stent 中",
        "规则 9（ADRG NJ1 子宫手术）：未进入 MDCN，因主要诊断 I21.900 急性心肌梗死 不在名单 womb 中",
    ]


def test_an_ungrouped_case_is_told_with_what_it_lacks() -> None:
    # I10.x00 enters MDCF; rule 4 lacks a procedure, rule 7 the infarct.
    lines = told(small_book(), dx_codes=["", "I10.x00"], px_codes=[])
    assert lines == [
        "读入：主要诊断 I10.x00 高血压；没有手术编码",
        "MDCA 先期分组：无条件，进入，但其中没有一条规则满足，继续试下一个 MDC",
        "MDCF 循环系统疾病：主要诊断 I10.x00 高血压 在名单 heart 中，进入，"
        "但其中没有一条规则满足，继续试下一个 MDC",
        "MDCN 女性生殖系统疾病：主要诊断 I10.x00 高血压 不在名单 womb 中；缺性别，无从比较，不进入",
        "所有 MDC 都没有满足的规则，无法入组，记为 0000",
        "本例严重程度：无",
        "只差一个条件的规则有 2 条",
        "规则 4（ADRG FB1 支架）：没有主要手术",
        "规则 7（ADRG FR1 急性心肌梗死）：主要诊断 I10.x00 高血压 不在名单 infarct 中",
    ]


def test_a_rule_outside_its_mdc_is_told_with_the_mdc_of_its_group() -> None:
    lines = told(small_book(), dx_codes=["D26.900"], px_codes=[], sex="1")
    assert lines[3:5] == [
        "MDCN 女性生殖系统疾病：性别为 男，不符合 = 女，不进入",
        "规则 11（MDCN 未进入时的歧义规则）满足：主要诊断 D26.900 在名单 womb 中；"
        "主要诊断 D26.900 不以 D25.9 开头，归入歧义组 MQY（属 MDCM 男性生殖系统疾病）",
    ]
    assert told(small_book(), dx_codes=[], px_codes=[])[0] == "读入：没有诊断编码；没有手术编码"


def test_near_misses_count_every_failing_clause_of_rule_and_entry() -> None:
    book = small_book()
    case = {"dx_codes": ["I21.900"], "px_codes": ["68.4900"]}
    for more, expected in (
        ({"sex": "2", "age_years": 60}, [4, 5, 9]),
        ({"sex": "2", "age_years": 17}, [4, 9]),  # rule 5 lacks the stent and the age
        ({"age_years": 60}, [4, 5]),  # the entry of MDCN lacks the diagnosis and the sex
    ):
        found = trace(book, {**case, **more})
        assert [near.rule.seq for near in found.near_misses] == expected
        assert found.near_miss_count == len(expected)
    assert [near.at_entry for near in trace(book, {**case, "sex": "2"}).near_misses] == [False, True]
    assert trace(book, {"dx_codes": ["I21.900"]}).near_misses == ()  # grouped
    # I10.x00 lacks the infarct of rules 5 (with the stent, so two) and 7; but rule 6 would come before 7.
    behind = trace(book, {"dx_codes": ["I10.x00"], "px_codes": ["68.4900"], "age_years": 60})
    assert (behind.rule, [near.rule.seq for near in behind.near_misses]) == (6, [4])


def test_only_the_first_diagnosis_of_the_highest_rank_decides_the_severity() -> None:
    # After exclusion of I50.900 (table 9, as the principal): a CC, then an MCC twice.
    codes = ["I21.900", "E11.900", "I50.900", "J96.000", "J96.000"]
    found = trace(small_book(), {"dx_codes": codes})
    assert [(other.severity, other.excluded, other.decided) for other in found.others] == [
        ("cc", False, False),
        ("mcc", True, False),
        ("mcc", False, True),
        ("mcc", False, False),
    ]
    assert (found.severity, found.drg) == ("mcc", "FR11")


def test_near_misses_are_shown_to_ten_and_counted_in_full() -> None:
    many = "\n".join(f"{seq} MDCF adrg FB1 main_px in stent" for seq in range(12, 24))
    found = trace(small_book(f"1 MDCF enter - principal_dx in heart\n{many}"), {"dx_codes": ["I10.x00"]})
    assert [near.rule.seq for near in found.near_misses] == list(range(12, 22))
    assert found.near_miss_count == 12


def test_negation_choices_and_families_are_told_as_facts() -> None:
    rules = """
    1 MDCF enter - (hits regions >= 2 or any_dx startswith P07.)
    2 MDCF adrg FB1 not main_px in stent
    """
    choices = Choices(main_procedure="any", ungrouped_by_mdc={"MDCF": "000F"})
    lines = told(
        small_book(rules, choices=choices),
        dx_codes=["S01.000", "S21.000"],
        px_codes=["99.9900", "36.0600"],
    )
    # `main_px` is any procedure here, so the stent in second place forbids rule 2; MDCF was entered first.
    assert lines[1] == (
        "MDCF 循环系统疾病：名单族 regions 命中 2 个（头部、胸部），符合 ≥ 2，进入，"
        "但其中没有一条规则满足，继续试下一个 MDC"
    )
    assert lines[2] == "所有 MDC 都没有满足的规则，无法入组，记为 000F"
    assert (
        lines[-1]
        == "规则 2（ADRG FB1 支架）：手术 36.0600 冠状动脉支架置入术 在名单 stent 中（规则要求相反）"
    )
