"""Lint names what is odd in a scheme, and only that; what it calls unreachable is never reached."""

from __future__ import annotations

import csv
import dataclasses
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groupers.codes import CodeTables, load_code_tables
from groupers.drg.lint import Lint, lint
from groupers.drg.rulebook import Drg, RuleBook, load_rulebook
from groupers.scheme import Choices, data_root
from tests.reference.group_case import group_case
from tests.reference.strategies import discharges, rulebooks
from tests.test_drg_reference import facts, needs_shared
from tests.test_drg_trace import DRGS, RULES, small_book

NO_TABLES = CodeTables({}, {}, {}, frozenset(), frozenset(), {}, {}, ())


def found(book: RuleBook, *codes: str) -> list[Lint]:
    return [each for each in lint(book, NO_TABLES) if each.code in codes]


def never_met(rules: str, choices: Choices | None = None) -> dict[str, str]:
    """Subject and message of each rule that lint says no case can reach."""
    return {
        each.subject: each.message for each in found(small_book(rules, choices=choices), "rule_never_met")
    }


def test_the_national_scheme_has_the_oddities_known_from_the_facts() -> None:
    book, tables = load_rulebook("chs-drg-2.0"), load_code_tables("yb-2.0")
    started = time.process_time()
    lints = [each for each in lint(book, tables) if each.code != "unknown_code"]
    assert time.process_time() - started < 2
    # Rule 68 yields MQY from MDCN (DESIGN §4). D36.700x021 is in dx057 and not in dx041 (facts, code_lists.csv).
    # Rule 461 (WR2: other_dx in dx457) stands behind 460 (principal_dx in dx448), the entry of MDCW itself.
    assert [(each.code, each.subject) for each in lints] == [
        ("principal_outside_mdc", "rule 67"),
        ("group_of_other_mdc", "rule 68"),
        ("rule_never_met", "rule 461"),
    ]
    assert "1 个编码" in lints[0].message
    assert "D36.700x021" in lints[0].message
    assert lints[1].message == ("规则 68（MDCN MQY）列在 MDCN 下，结果却属 MDCM；照方案执行，请核对是否笔误")
    assert not {"error"} & {each.severity for each in lints}


@pytest.mark.shared
@needs_shared
def test_unknown_codes_are_those_of_the_facts() -> None:
    # 78 codes of the lists are not in the code tables (facts/README.md).
    listed = {row["code"] for row in facts("chs-drg-2.0/code_lists.csv")}
    known = {row["code"] for name in ("diagnosis", "procedure") for row in facts(f"icd/{name}.csv")}
    lints = lint(load_rulebook("chs-drg-2.0"), load_code_tables("yb-2.0"))
    unknown = [each.subject for each in lints if each.code == "unknown_code"]
    assert len(unknown) == 78
    assert set(unknown) == listed - known


def test_unknown_codes_of_lists_and_severity_tables_are_named_with_their_place() -> None:
    tables = dataclasses.replace(
        NO_TABLES,
        diagnosis_names=dict.fromkeys(("I21.900", "I10.x00", "D25.900", "S01.000", "S21.000", "I50.900"), ""),
        procedure_names=dict.fromkeys(("37.5100", "36.0600"), ""),
    )
    places = {
        each.subject: each.message for each in lint(small_book(), tables) if each.code == "unknown_code"
    }
    assert places.keys() == {"D26.900", "J96.000", "E11.900", "68.4900"}
    assert "诊断编码 `J96.000` 不在编码表内（见于 MCC/CC 表）" in places["J96.000"]
    assert "手术编码 `68.4900` 不在编码表内（见于 名单 px_valid、名单 womb_operation）" in places["68.4900"]


def test_a_sound_book_has_no_unreachable_rule() -> None:
    assert never_met(RULES) == {}


def test_contradictions_are_named() -> None:
    messages = never_met(
        """
        1 MDCF enter - principal_dx in heart and age_years >= 18
        2 MDCF adrg FB1 age_years < 18 and main_px in stent
        3 MDCF adrg FB1 principal_dx in womb
        4 MDCF adrg FB1 principal_dx in heart and not principal_dx in heart
        5 MDCF adrg FB1 sex == 1 and sex == 2
        6 MDCF adrg FB1 hits regions >= 3
        7 MDCF adrg FB1 principal_dx startswith D
        8 MDCF adrg FB1 age_years < 19 and (sex == 1 or main_px in stent)
        9 MDCF adrg FB1 not age_days < 5 and not age_days >= 5
        """
    )
    # 8 is possible at 18 years; 9 where age_days is missing, for both comparisons are false then.
    assert messages.keys() == {"rule 2", "rule 3", "rule 4", "rule 5", "rule 6", "rule 7"}
    assert messages["rule 2"] == "规则 2（MDCF FB1）永远不会满足：对 `age_years` 的比较互相矛盾；请核对方案"
    assert "名单族 `regions` 命中的个数不可能 >= 3" in messages["rule 6"]  # it has two lists


def test_an_empty_list_is_never_met_and_its_negation_always() -> None:
    book = small_book(
        "1 MDCF enter - principal_dx in heart\n2 MDCF adrg FB1 main_px in stent\n3 MDCF adrg FB1 not main_px in stent"
    )
    empty = dataclasses.replace(book, px_lists={**book.px_lists, "stent": frozenset()})
    lints = found(empty, "rule_never_met")
    assert [each.subject for each in lints] == ["rule 2"]
    assert "名单 `stent` 是空的" in lints[0].message


def test_rules_behind_a_weaker_one_are_named_with_it() -> None:
    rules = """
    1 MDCF enter - principal_dx in heart
    2 MDCF adrg FB1 age_years < 18 and any_dx in heart
    3 MDCF adrg FB2 age_years < 10
    4 MDCF adrg FB2 age_years < 19
    5 MDCF ambiguous FQY operation_px in px_valid
    6 MDCF adrg FR1 main_px in stent and any_dx in infarct
    7 MDCF adrg FR1 principal_dx in infarct
    8 MDCF adrg FR1 (sex == 1 or sex == 2) and principal_dx in infarct
    9 MDCF ambiguous_outside FQY principal_dx in infarct
    10 MDCF ambiguous_outside FQY principal_dx in womb
    """
    # 3: under 10 is under 18, and the entry gives the heart diagnosis. 6: a stent is a valid operation.
    # 8 asks more than 7. 9: every infarct has entered MDCF; 10 is tried by cases that did not.
    messages = never_met(rules)
    assert messages.keys() == {"rule 3", "rule 6", "rule 8", "rule 9"}
    assert messages["rule 6"].endswith("凡满足它的病例都先满足规则 5（MDCF FQY）；请核对次序")
    assert messages["rule 9"].endswith("凡满足它的病例都已进入 MDCF；请核对方案")
    # Without ambiguous rules nothing takes the stent before 6. Where a stent in second place meets 6, rule 5
    # must look at any procedure too to take all of its cases.
    assert never_met(rules, Choices(ambiguous="off")).keys() == {"rule 3", "rule 8"}
    assert "rule 6" not in never_met(rules, Choices(main_procedure="any"))
    assert "rule 6" in never_met(rules, Choices(main_procedure="any", ambiguous="any"))


def test_principal_diagnoses_outside_their_mdc_are_counted() -> None:
    book = small_book("1 MDCF enter - principal_dx in infarct\n2 MDCF adrg FB1 principal_dx in heart")
    (only,) = found(book, "principal_outside_mdc")
    # `heart` has I21.900 and I10.x00, the entry only I21.900.
    assert only.message == (
        "规则 2（MDCF FB1）的主要诊断名单 `heart` 有 1 个编码不在 MDCF 的进入名单 `infarct` 内，永远用不上：I10.x00"
    )


def test_lists_families_and_groups_without_use_are_named() -> None:
    drgs = (
        *DRGS,
        Drg("NR17", "NR1", "mcc", " "),
        Drg("ZZ19", "ZZ1", "none", "多余"),
        Drg("AA1A", "AA1", "mcc", "x"),
    )
    book = small_book(drgs=drgs)
    book = dataclasses.replace(
        book,
        dx_lists={**book.dx_lists, "spare": frozenset({"I21.900"})},
        px_lists={**book.px_lists, "spare_px": frozenset({"36.0600"})},
        adrg_names={**book.adrg_names, "ZZ2": "无组"},
    )
    lints = [
        each for each in lint(book, NO_TABLES) if each.code not in ("unknown_code", "group_of_other_mdc")
    ]
    # No rule of RULES asks for the family, whose own lists are in use; AA19 takes every case before AA1A.
    assert [(each.code, each.subject) for each in lints] == [
        ("orphan_list", "spare"),
        ("orphan_list", "spare_px"),
        ("orphan_family", "regions"),
        ("drg_unnamed", "NR17"),
        ("drg_never_reached", "AA1A"),
        ("adrg_without_rule", "ZZ1"),
        ("adrg_without_rule", "ZZ2"),
        ("adrg_without_drg", "ZZ2"),
    ]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_case_ever_meets_what_lint_calls_unreachable(data: st.DataObject) -> None:
    book = data.draw(rulebooks())
    lints = found(book, "rule_never_met", "drg_never_reached")
    dead = {each.subject for each in lints}
    for case in data.draw(st.lists(discharges(book), min_size=5, max_size=10)):
        result = group_case(book, case)
        assert f"rule {result['rule']}" not in dead
        assert result["drg"] not in dead


def test_no_row_of_a_national_table_stands_twice() -> None:
    # The tables are read into dicts, where a second row (a code both MCC and CC) would silently win, unseen by lint.
    keys = {
        "severity.csv": ["code"],
        "exclusions.csv": ["principal_dx"],
        "drg.csv": ["drg"],
        "adrg.csv": ["adrg"],
        "mdc.csv": ["mdc"],
        "dx_lists.csv": ["list", "code"],
        "px_lists.csv": ["list", "code"],
        "not_for_grouping.csv": ["kind", "code"],
    }
    for name, columns in keys.items():
        with (data_root() / "schemes" / "chs-drg-2.0" / name).open(encoding="utf-8", newline="") as file:
            table = [tuple(row[column] for column in columns) for row in csv.DictReader(file)]
        assert table
        assert len(set(table)) == len(table), name
