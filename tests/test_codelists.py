"""Code lists in normal form, mapped exactly once, whatever Arrow form and batch they come in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groupers.codes import load_code_tables, normal_form
from pipeline import codelists
from pipeline.codelists import CodeColumn, Vocabulary

TABLES = load_code_tables("yb-2.0")
CHAINS = {old: new for old, new in TABLES.clinical_dx.items() if new in TABLES.clinical_dx}
Lists = list[list[str | None] | None]


def vocabulary(clinical: dict[str, str] | None = None) -> Vocabulary:
    return Vocabulary("dx_codes", TABLES.clinical_dx if clinical is None else clinical, len)


def read(lists: Lists, clinical_rows: list[bool] | None = None, by: Vocabulary | None = None) -> CodeColumn:
    rows = None if clinical_rows is None else np.array(clinical_rows)
    return (by or vocabulary()).read(pa.array(lists, pa.list_(pa.string())), rows)


def slow(lists: Lists, clinical_rows: list[bool], clinical: dict[str, str]) -> list[list[str]]:
    rows = []
    for codes, is_clinical in zip(lists, clinical_rows, strict=True):
        normal = [normal_form(code) for code in codes or [] if code is not None]
        rows.append([clinical.get(code, code) if is_clinical else code for code in normal if code])
    return rows


def test_a_chaining_key_of_the_official_table_is_followed_once() -> None:
    # clinical_diagnosis.csv: A19.800x010 → A19.000x001, and A19.000x001 → A19.001.
    assert CHAINS["A19.800x010"] == "A19.000x001"
    assert TABLES.clinical_dx["A19.000x001"] == "A19.001"
    found = read([["A19.800x010"], ["A19.000x001"], ["A19.800x010", "A19.000x001"]], [True, True, True])
    assert found.as_arrow().to_pylist() == [["A19.000x001"], ["A19.001"], ["A19.000x001", "A19.001"]]


def test_every_chain_of_the_official_table_is_followed_once() -> None:
    assert len(CHAINS) == 76  # with one procedure the 77 of DESIGN §3
    found = read([[code] for code in CHAINS], [True] * len(CHAINS))
    assert found.as_arrow().to_pylist() == [[code] for code in CHAINS.values()]
    assert found.rewritten["value"].to_list() == [f"{old}→{new}" for old, new in CHAINS.items()]


def test_reading_twice_with_one_vocabulary_maps_once_each() -> None:
    by = vocabulary()
    for _ in range(3):
        assert read([["A19.800x010"]], [True], by).as_arrow().to_pylist() == [["A19.000x001"]]
    assert read([["A19.800x010"]], [False], by).as_arrow().to_pylist() == [["A19.800x010"]]


def test_only_the_rows_of_declaring_hospitals_are_mapped() -> None:
    found = read([["A19.800x010"]] * 3, [False, True, False])
    assert found.as_arrow().to_pylist() == [["A19.800x010"], ["A19.000x001"], ["A19.800x010"]]
    assert found.rewritten.rows() == [(1, "mapped_code", "A19.800x010→A19.000x001")]
    assert read([["A19.800x010"]], [False]).rewritten.is_empty()
    assert read([["A19.800x010"]], None).rewritten.is_empty()


def test_a_code_that_is_no_key_stays() -> None:
    found = read([["I10.x00", "Q99.999"]], [True])
    assert found.as_arrow().to_pylist() == [["I10.x00", "Q99.999"]]
    assert found.rewritten.is_empty()


def test_a_spelling_is_mended_before_it_is_mapped() -> None:
    found = read([["a19.800X010"]], [True])
    assert found.as_arrow().to_pylist() == [["A19.000x001"]]
    assert found.rewritten.rows() == [
        (0, "code_form", "a19.800X010→A19.800x010"),
        (0, "mapped_code", "A19.800x010→A19.000x001"),
    ]


def test_empty_elements_are_dropped_and_told() -> None:
    found = read([["A", None], None, [], [" ", "B"], ["C"], [None]])
    assert found.as_arrow().to_pylist() == [["A"], [], [], ["B"], ["C"], []]
    assert found.emptied.tolist() == [0, 3, 5]
    assert found.first_is_empty.tolist() == [False, True, True, True, False, True]
    assert found.lengths.tolist() == [1, 0, 0, 1, 1, 0]
    assert found.rows.tolist() == [0, 3, 4]
    assert found.is_first.tolist() == [True, True, True]


CODES = st.sampled_from(["A1", "a1", "A2", " A2", "A3", "B9", "", " ", None, "x1", "X1", "Ａ１"])
CLINICAL = {"A1": "A2", "A2": "A3", "A3": "A1", "X1": "C1"}  # a circle: a second pass would be seen


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.one_of(st.none(), st.lists(CODES, max_size=5)), st.booleans()), max_size=8),
    st.data(),
)
def test_reading_agrees_with_a_loop_in_every_form_and_batch(
    drawn: list[tuple[list[str | None] | None, bool]], data: st.DataObject
) -> None:
    lists, clinical = [codes for codes, _ in drawn], [flag for _, flag in drawn]
    expected = slow(lists, clinical, CLINICAL)
    plain = pa.array(lists, pa.list_(pa.string()))
    offsets = plain.offsets
    coded = pa.ListArray.from_arrays(offsets, plain.values.dictionary_encode(), mask=plain.is_null())
    cut = data.draw(st.integers(0, len(lists)))
    by = vocabulary(CLINICAL)
    for column in (plain, coded):
        whole = by.read(column, np.array(clinical, dtype=bool))
        assert whole.as_arrow().to_pylist() == expected
        parts = [
            by.read(column.slice(0, cut), np.array(clinical[:cut], dtype=bool)),
            by.read(column.slice(cut), np.array(clinical[cut:], dtype=bool)),
        ]
        assert [row for part in parts for row in part.as_arrow().to_pylist()] == expected
        assert [traits for part in parts for traits in part.traits[part.ids]] == [
            len(code) for codes in expected for code in codes
        ]


def test_null_lists_over_storage_that_is_not_empty_have_no_codes() -> None:
    values = pa.array(["A1", "A2", "A3"])
    column = pa.ListArray.from_arrays(pa.array([0, 2, 3], pa.int32()), values, mask=pa.array([True, False]))
    found = vocabulary({}).read(column, None)
    assert found.as_arrow().to_pylist() == [[], ["A3"]]
    assert found.first_is_empty.tolist() == [True, False]


def test_a_dictionary_full_to_its_index_width_still_holds_nulls() -> None:
    texts = pa.array([f"A{number}" for number in range(128)])
    codes = pa.DictionaryArray.from_arrays(pa.array([None, 127], pa.int8()), texts)
    column = pa.ListArray.from_arrays(pa.array([0, 2], pa.int32()), codes)
    assert vocabulary({}).read(column, None).as_arrow().to_pylist() == [["A127"]]


def test_memory_of_texts_is_bounded_and_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codelists, "MOST_REMEMBERED", 3)
    by = vocabulary({})
    lists: Lists = [[f"a{number}.x00" for number in range(20)]] * 2
    for _ in range(2):
        found = read(lists, None, by)
        assert found.as_arrow().to_pylist() == [[f"A{number}.x00" for number in range(20)]] * 2
    assert len(by._normal) <= 4
    assert len(by._traits) <= 4
