"""The fast engine gives the slow twin's result for every case, whatever stands beside it in the batch."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groupers.drg.compile import MOST_COMPARISONS
from groupers.drg.engine import Grouper
from groupers.drg.rulebook import RuleBook, check_rulebook, load_rulebook
from groupers.drg.rules import Rule, parse_condition
from groupers.scheme import Choices, SchemeError
from pipeline.group import with_stay_days
from tests.reference.group_case import group_case
from tests.reference.strategies import as_table, discharges, rulebooks
from tests.test_drg_reference import SHARED, case_of, needs_shared, rows
from tests.test_drg_trace import RULES, rules_of, small_book

Case = dict[str, Any]
RESULT = ("mdc", "adrg", "drg", "status", "severity", "rule")
many = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
some = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def twin(book: RuleBook, cases: list[Case]) -> list[Case]:
    return [group_case(book, case) for case in cases]


def engine(book: RuleBook, cases: list[Case]) -> list[Case]:
    return Grouper(book).group(as_table(cases)).to_pylist()


@st.composite
def books_with_cases(
    draw: st.DrawFn, wide: bool | None = None, most: int = 12
) -> tuple[RuleBook, list[Case]]:
    book = draw(rulebooks(wide=wide))
    return book, draw(st.lists(discharges(book), min_size=1, max_size=most))


@pytest.fixture(scope="module")
def national() -> Grouper:
    return Grouper(load_rulebook("chs-drg-2.0"))


def dx_cases(*lists: list[str | None] | None, **columns: Any) -> list[Case]:
    return [{"dx_codes": codes, "px_codes": [], **columns} for codes in lists]


# --- the twin's result


@many
@given(books_with_cases())
def test_engine_agrees_with_the_twin(drawn: tuple[RuleBook, list[Case]]) -> None:
    book, cases = drawn
    assert engine(book, cases) == twin(book, cases)


@some
@given(books_with_cases(wide=True))
def test_engine_agrees_with_the_twin_where_lists_need_more_than_one_word(
    drawn: tuple[RuleBook, list[Case]],
) -> None:
    book, cases = drawn
    assert Grouper(book).compiled.words > 1
    assert engine(book, cases) == twin(book, cases)


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize(("name", "count"), [("drg20_cases.csv.gz", 20_000), ("drg20_demo_30.csv", 30)])
def test_engine_agrees_with_the_independent_grouper_on_every_case(
    national: Grouper, name: str, count: int
) -> None:
    # Source: the mdc, adrg and drg columns come from an independent running grouper (DESIGN §4).
    told = rows(SHARED / "cases" / name)
    found = national.group(as_table([case_of(row) for row in told])).to_pylist()
    differences = [
        (row["case_id"], got)
        for row, got in zip(told, found, strict=True)
        if (got["mdc"] or "", got["adrg"] or "", got["drg"]) != (row["mdc"], row["adrg"], row["drg"])
    ]
    assert len(told) == len(found) == count
    assert differences == []


# --- order, batch, neighbours, threads


@some
@given(books_with_cases(), st.data())
def test_a_row_does_not_depend_on_order_split_or_neighbours(
    drawn: tuple[RuleBook, list[Case]], data: st.DataObject
) -> None:
    book, cases = drawn
    alone = [Grouper(book).group(as_table([case])).to_pylist()[0] for case in cases]
    order = data.draw(st.permutations(range(len(cases))))
    grouper = Grouper(book)
    shuffled = grouper.group(as_table([cases[place] for place in order])).to_pylist()
    assert shuffled == [alone[place] for place in order]
    # The same grouper, its memory now filled by other batches, over slices with offsets other than zero.
    table = as_table(cases).combine_chunks()
    batch = table.to_batches()[0]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(cases)), max_size=4)) | {0, len(cases)})
    parts = [batch.slice(a, b - a) for a, b in pairwise(cuts)]
    assert [row for part in parts for row in grouper.group(part).to_pylist()] == alone
    assert grouper.group(pa.Table.from_batches(parts)).to_pylist() == alone


def test_threads_share_a_grouper_without_touching_each_others_rows(national: Grouper) -> None:
    book = national.book
    dx, px = sorted(book.known_dx), sorted(book.known_px)
    random = np.random.default_rng(7)

    def batch() -> pa.Table:
        return as_table(
            [
                {
                    "dx_codes": [dx[at] for at in random.integers(0, len(dx), random.integers(1, 6))],
                    "px_codes": [px[at] for at in random.integers(0, len(px), random.integers(0, 4))],
                    "sex": str(random.integers(1, 3)),
                    "age_years": int(random.integers(0, 90)),
                    "age_days": int(random.integers(0, 400)),
                }
                for _ in range(400)
            ]
        )

    batches = [batch() for _ in range(24)]
    shared = Grouper(book)  # nothing remembered: the threads meet every cell for the first time together
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: shared.group(one).to_pylist(), batches))
    serial = Grouper(book)
    assert together == [serial.group(one).to_pylist() for one in batches]
    assert len({row["drg"] for rows_ in together for row in rows_}) > 300  # many groups, not one answer


def test_growing_memory_keeps_earlier_answers() -> None:
    # Each of the ages 0..19 is a combination of truths of its own, so the table of cells grows twice.
    lines = [f"{12 + n} MDCF adrg FB1 age_years == {n} and principal_dx in heart" for n in range(20)]
    book = dataclasses.replace(
        small_book(), rules=rules_of("3 MDCF enter - principal_dx in heart\n" + "\n".join(lines))
    )
    grouper = Grouper(book)
    cases = [{"dx_codes": ["I10.x00"], "px_codes": [], "age_years": n} for n in range(20)]
    one_by_one = [grouper.group(as_table([case])).column("rule").to_pylist()[0] for case in cases]
    assert one_by_one == list(range(12, 32))
    assert grouper.group(as_table(cases[::-1])).column("rule").to_pylist() == one_by_one[::-1]


# --- how the codes come in


def list_column(kind: pa.DataType, values: list[list[str | None] | None]) -> pa.Array:
    if pa.types.is_dictionary(kind.value_type):
        flat = pa.array([code for codes in values for code in codes or []], kind.value_type.value_type)
        encoded = flat.dictionary_encode().cast(kind.value_type)
        offsets = np.concatenate([[0], np.cumsum([len(codes or []) for codes in values])])
        offset_type = pa.int64() if pa.types.is_large_list(kind) else pa.int32()
        make = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
        mask = pa.array([codes is None for codes in values])
        return make.from_arrays(pa.array(offsets, offset_type), encoded, mask=mask)
    return pa.array(values, kind)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.string()),
        pa.list_(pa.large_string()),
        pa.list_(pa.string_view()),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
        pa.list_(pa.dictionary(pa.int32(), pa.string())),
        pa.list_(pa.dictionary(pa.int64(), pa.large_string())),
        pa.large_list(pa.dictionary(pa.uint16(), pa.string())),
    ],
    ids=str,
)
def test_every_arrow_form_of_a_code_list_groups_alike(kind: pa.DataType) -> None:
    book = small_book()
    values: list[list[str | None] | None] = [["I21.900", "E11.900"], None, [], ["", None, "I10.x00"], ["Z99"]]
    cases = dx_cases(*values, sex="1", age_years=40)
    table = as_table(cases)
    place = table.schema.get_field_index("dx_codes")
    column = list_column(kind, values)
    found = Grouper(book).group(table.set_column(place, "dx_codes", column))
    assert found.to_pylist() == twin(book, cases)
    sliced = table.set_column(place, "dx_codes", column).slice(3)
    assert Grouper(book).group(sliced).to_pylist() == twin(book, cases[3:])


def test_a_full_dictionary_of_narrow_indices_still_holds_nulls() -> None:
    # 128 texts fill an int8 index; the place one past them, which stands for null, does not fit it.
    texts = ["I21.900", *(f"Z{number:03}" for number in range(127))]
    codes = pa.DictionaryArray.from_arrays(pa.array([None, 0, 127], pa.int8()), pa.array(texts))
    column = pa.ListArray.from_arrays(pa.array([0, 2, 3], pa.int32()), codes)
    table = as_table(dx_cases([], [], sex="1", age_years=40))
    table = table.set_column(table.schema.get_field_index("dx_codes"), "dx_codes", column)
    assert Grouper(small_book()).group(table).column("adrg").to_pylist() == ["FR1", None]


def test_null_lists_over_storage_that_is_not_empty_have_no_codes() -> None:
    values = pa.array(["I21.900", "I21.900", "I50.900"])
    column = pa.ListArray.from_arrays(
        pa.array([0, 1, 3], pa.int32()), values, mask=pa.array([True, False])
    )  # row 0 is null although one code is stored under it
    table = as_table(dx_cases([], [], sex="1", age_years=40))
    table = table.set_column(table.schema.get_field_index("dx_codes"), "dx_codes", column)
    assert Grouper(small_book()).group(table).column("drg").to_pylist() == ["0000", "FR15"]


def test_a_text_column_may_be_dictionary_encoded() -> None:
    cases = dx_cases(["D25.900"], ["D25.900"], ["D25.900"], age_years=40)
    for case, sex in zip(cases, ("2", None, "1"), strict=True):
        case["sex"] = sex
    table = as_table(cases)
    place = table.schema.get_field_index("sex")
    coded = table.set_column(place, "sex", table.column("sex").combine_chunks().dictionary_encode())
    assert Grouper(small_book()).group(coded).to_pylist() == twin(small_book(), cases)


@pytest.mark.parametrize(
    "spelled",
    [
        "i21.900",
        " I21.900 ",
        "I21 .900",
        "\u3000I21.900",
        "Ｉ２１．９００",
        "\ufeffI21.900\u200b",
        "I21.900\n",
    ],
)
def test_a_code_not_in_normal_form_groups_like_its_normal_form(spelled: str) -> None:
    book = small_book()
    found = engine(book, dx_cases([spelled, "e11.900"], age_years=40))
    assert found == twin(book, dx_cases(["I21.900", "E11.900"], age_years=40))
    assert found[0]["drg"] == "FR13"  # the infarct rule with a CC


def test_case_of_the_filler_is_mended_and_the_chapter_is_not_a_filler() -> None:
    heart = {"I10.x00", "X59.900"}
    book = dataclasses.replace(small_book(), dx_lists={**small_book().dx_lists, "infarct": frozenset(heart)})
    book = dataclasses.replace(book, dx_lists={**book.dx_lists, "heart": frozenset(heart)})
    spelled = dx_cases(["i10.X00"], ["I10.X00"], ["x59.900"], ["X59.900"], ["I10.x00"])
    assert {row["adrg"] for row in engine(book, spelled)} == {"FR1"}


def test_unknown_codes_meet_no_list_and_no_later_code_moves_up() -> None:
    cases = dx_cases(["Q99.999", "I21.900"], ["不是编码", "I21.900"], ["Q" * 70], age_years=40)
    found = engine(small_book(), cases)
    assert [row["drg"] for row in found] == ["0000", "0000", "0000"]
    # DESIGN §3: null and empty elements are dropped before the principal is looked up.
    assert engine(small_book(), dx_cases([None, " ", "I21.900"], age_years=40))[0]["adrg"] == "FR1"


def test_nothing_in_nothing_out() -> None:
    found = Grouper(small_book()).group(as_table([]))
    assert found.column_names == list(RESULT)
    assert found.num_rows == 0
    batch = pa.RecordBatch.from_pylist([], schema=as_table([]).schema)
    assert Grouper(small_book()).group(batch).num_rows == 0


def test_stay_days_come_from_the_two_dates() -> None:
    book = dataclasses.replace(
        small_book(),
        rules=rules_of("3 MDCF enter - always\n4 MDCF adrg FB1 stay_days >= 2\n5 MDCF adrg FB2 always"),
    )
    table = as_table(dx_cases(["I10.x00"], ["I10.x00"], ["I10.x00"])).drop_columns("stay_days")
    days = pa.array([1, 2, None], pa.int32()).cast(pa.date32())
    table = table.append_column("discharge_date", days)
    table = table.append_column("admission_date", pa.array([0, 0, 0], pa.int32()).cast(pa.date32()))
    found = Grouper(book).group(with_stay_days(table.combine_chunks().to_batches()[0]))
    assert found.column("rule").to_pylist() == [5, 4, 5]  # 1 day; 2 days; unknown is false


# --- choices of the scheme


def test_the_ambiguous_rule_looks_where_the_scheme_says() -> None:
    # The second procedure is an operation, the principal one is not; heart, but no infarct (rules 6 and 3).
    case = [{"dx_codes": ["I10.x00"], "px_codes": ["99.9900", "68.4900"], "sex": "1", "age_years": 40}]
    found = {
        choice: engine(small_book(choices=Choices(ambiguous=choice)), case)[0]["drg"]
        for choice in ("principal", "any", "off")
    }
    assert found == {"principal": "0000", "any": "FQY", "off": "0000"}
    case[0]["px_codes"] = ["68.4900"]
    assert engine(small_book(), case)[0]["drg"] == "FQY"
    assert engine(small_book(choices=Choices(ambiguous="off")), case)[0]["drg"] == "0000"


def test_the_main_procedure_is_the_principal_or_any() -> None:
    case = [{"dx_codes": ["I10.x00"], "px_codes": ["99.9900", "36.0600"], "sex": "1", "age_years": 40}]
    assert engine(small_book(), case)[0]["drg"] == "0000"
    assert engine(small_book(choices=Choices(main_procedure="any")), case)[0]["drg"] == "FB19"


def test_the_ungrouped_code_is_that_of_the_first_mdc_entered_that_has_one() -> None:
    # MDCA takes every case in (rule 1) but has no code of its own; hypertension enters MDCF and meets no rule.
    rules = RULES + "12 MDCP enter - principal_dx in heart\n13 MDCP adrg FB1 sex == 9\n"
    book = small_book(rules, choices=Choices(ungrouped_by_mdc={"MDCP": "000P", "MDCN": "000N"}))
    both = small_book(rules, choices=Choices(ungrouped_by_mdc={"MDCP": "000P", "MDCF": "000F"}))
    cases = dx_cases(["I10.x00"], ["D25.900"], ["Q99.999"], sex="2", age_years=40)
    assert [row["drg"] for row in engine(book, cases)] == ["000P", "NR19", "0000"]
    assert [row["drg"] for row in engine(both, cases)] == ["000F", "NR19", "0000"]
    assert engine(both, cases)[0] == {
        "mdc": None, "adrg": None, "drg": "000F", "status": "ungrouped", "severity": "none", "rule": None,
    }  # fmt: skip


# --- corners of the compiler


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("hits regions == 0", [True, False, False]),
        ("hits regions == 1", [False, True, False]),
        ("hits regions != 1", [True, False, True]),
        ("hits regions < 1", [True, False, False]),
        ("hits regions <= 1", [True, True, False]),
        ("hits regions > 1", [False, False, True]),
        ("hits regions >= 1", [False, True, True]),
        ("not hits regions == 1", [True, False, True]),
    ],
)
@pytest.mark.parametrize("principal", ["Q99.999", "S01.000"])
def test_hits_count_lists_over_all_diagnoses(condition: str, expected: list[bool], principal: str) -> None:
    rules = f"3 MDCF enter - always\n4 MDCF adrg FB1 {condition}\n5 MDCF adrg FB2 always"
    book = dataclasses.replace(small_book(), rules=rules_of(rules))
    if principal == "Q99.999":  # no list; then the head twice; then head and chest
        cases = dx_cases([principal], [principal, "S01.000", "S01.000"], [principal, "S21.000", "S01.000"])
    else:  # the principal itself counts: no diagnosis at all; the head; head and chest
        cases = dx_cases([], [principal, principal], [principal, "S21.000"])
    found = engine(book, cases)
    assert [row["rule"] == 4 for row in found] == expected
    assert found == twin(book, cases)


def test_overlapping_prefixes_and_lists_of_known_and_unknown_codes() -> None:
    rules = """
3 MDCF enter - always
4 MDCF adrg FB1 any_dx startswith I21.90
5 MDCF adrg FB2 other_dx startswith I21
6 MDCF adrg FR1 principal_dx startswith I2
7 MDCF adrg NR1 always
"""
    book = dataclasses.replace(small_book(), rules=rules_of(rules))
    cases = dx_cases(
        ["I21.900"], ["I21.901"], ["I21.1"], ["Z00", "I21.1"], ["I22.0"], ["I3"], ["I21.1", "I21.905"]
    )  # I21.900 is a listed code, the others stand in no list
    assert [row["rule"] for row in engine(book, cases)] == [4, 4, 6, 5, 6, 7, 4]
    assert engine(book, cases) == twin(book, cases)


def test_a_limit_beyond_the_columns_width_compares_truly() -> None:
    rules = "3 MDCF enter - age_years < 99999999999\n4 MDCF adrg FB1 age_years >= -99999999999\n"
    book = dataclasses.replace(small_book(), rules=rules_of(rules))
    assert [row["drg"] for row in engine(book, dx_cases([], age_years=2**31 - 1))] == ["FB19"]


def comparing(count: int) -> RuleBook:
    text = " or ".join(f"age_days == {number}" for number in range(count))
    rules = (
        Rule(1, "MDCF", "enter", "", "", parse_condition("always"), "always"),
        Rule(2, "MDCF", "adrg", "FB1", "", parse_condition(f"({text})"), text),
    )
    return dataclasses.replace(small_book(), rules=rules)


def test_every_comparison_that_fits_is_told_apart_and_one_more_is_refused() -> None:
    book = comparing(MOST_COMPARISONS)
    cases = [{"dx_codes": [], "px_codes": [], "age_days": number} for number in range(MOST_COMPARISONS + 1)]
    assert [row["drg"] for row in engine(book, cases)] == ["FB19"] * MOST_COMPARISONS + ["0000"]
    with pytest.raises(SchemeError, match="共有 64 种不同的数值或文本比较，最多 63 种"):
        Grouper(comparing(MOST_COMPARISONS + 1))


def test_a_book_whose_rules_name_no_code_still_groups() -> None:
    rules = rules_of("1 MDCF enter - always\n2 MDCF adrg FB1 sex == 1\n")
    book = dataclasses.replace(
        small_book(), rules=rules, severity={}, exclusions={}, dx_lists={}, px_lists={}
    )
    check_rulebook(book)
    cases = dx_cases(["I21.900"], None, sex="1")
    assert [row["drg"] for row in engine(book, cases)] == ["FB19", "FB19"]


def test_other_does_not_count_the_principal_even_when_it_repeats_elsewhere() -> None:
    rules = "3 MDCF enter - always\n4 MDCF adrg FB1 other_dx in infarct\n5 MDCF adrg FB2 always"
    book = dataclasses.replace(small_book(), rules=rules_of(rules))
    cases = dx_cases(["I21.900"], ["I21.900", "I21.900"], ["I10.x00", "I21.900"])
    assert [row["rule"] for row in engine(book, cases)] == [5, 4, 4]


def test_severity_is_the_cases_own_even_when_ungrouped_or_not_needed() -> None:
    # DESIGN §4.6. I50.900 is an MCC in exclusion table 9, which is also that of the principal I21.900.
    cases = dx_cases(
        ["Q99.999", "I50.900"], ["I21.900", "I50.900"], ["I21.900", "I50.900", "J96.000"], ["I50.900"],
        age_years=40,
    )  # fmt: skip
    found = engine(small_book(), cases)
    assert [(row["drg"], row["severity"]) for row in found] == [
        ("0000", "mcc"), ("FR15", "none"), ("FR11", "mcc"), ("0000", "none"),
    ]  # fmt: skip


def test_an_entry_that_other_diagnoses_decide_opens_and_shuts_its_mdc() -> None:
    # Entry is unknown from the principal alone: the outside rule and the MDC's own code both wait for it.
    rules = """
1 MDCF enter - other_dx in infarct
2 MDCF ambiguous_outside FQY sex == 1
3 MDCF adrg FB1 sex == 9
"""
    book = small_book(rules, choices=Choices(ungrouped_by_mdc={"MDCF": "000F"}))
    cases = dx_cases(["I10.x00"], ["I10.x00", "I21.900"], ["I21.900"], sex="1")
    cases += dx_cases(["I10.x00"], ["I10.x00", "I21.900"], ["I21.900"], sex="2")
    found = [row["drg"] for row in engine(book, cases)]
    assert found == ["FQY", "000F", "FQY", "0000", "000F", "0000"]
    assert found == [row["drg"] for row in twin(book, cases)]
    plain = [row["drg"] for row in engine(small_book(rules), cases)]
    assert plain == ["FQY", "0000", "FQY", "0000", "0000", "0000"]
