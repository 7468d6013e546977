"""DIP matching: the order of DESIGN §5 by hand, and the fast engine held to the slow twin."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groupers.codes import load_code_tables
from groupers.dip import match
from groupers.dip.catalogue import Catalogue, DipChoices, Exclusion, PooledRow, requirement
from groupers.dip.load import load_catalogue
from groupers.dip.match import Matcher
from groupers.dip.tell import judge, tell
from pipeline.group import MATCHED_CODED, match_file
from tests.reference.dip_strategies import as_table, catalogue_of, catalogues, core_row, stays
from tests.reference.match_case import match_case

Case = dict[str, Any]
many = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
some = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
CLASSES = {"S1": "手术", "S2": "手术", "S3": "手术", "J1": "介入治疗", "T1": "治疗性操作", "D1": "诊断性操作"}


def twin(catalogue: Catalogue, cases: list[Case]) -> list[Case]:
    return [match_case(catalogue, case) for case in cases]


def engine(catalogue: Catalogue, cases: list[Case]) -> list[Case]:
    return Matcher(catalogue).match(as_table(cases)).to_pylist()


def stay(dx: str, *px: str, fee: int | None = None) -> Case:
    return {"dx_codes": [dx], "px_codes": list(px), "total_fee_fen": fee}


def both(catalogue: Catalogue, case: Case) -> Case:
    """The result, the same from twin and engine."""
    (found,) = engine(catalogue, [case])
    assert found == match_case(catalogue, case)
    return found


def code(catalogue: Catalogue, case: Case) -> str | None:
    found: str | None = both(catalogue, case)["dip_code"]
    return found


@st.composite
def catalogues_with_cases(draw: st.DrawFn, wide: bool = False) -> tuple[Catalogue, list[Case]]:
    catalogue = draw(catalogues(wide))
    return catalogue, draw(st.lists(stays(catalogue), min_size=1, max_size=12))


# --- the twin's result


@many
@given(catalogues_with_cases())
def test_engine_agrees_with_the_twin(drawn: tuple[Catalogue, list[Case]]) -> None:
    catalogue, cases = drawn
    assert engine(catalogue, cases) == twin(catalogue, cases)


@some
@given(catalogues_with_cases(wide=True))
def test_engine_agrees_where_the_demands_of_a_key_need_more_than_one_word(
    drawn: tuple[Catalogue, list[Case]],
) -> None:
    catalogue, cases = drawn
    assert Matcher(catalogue).candidates.words > 1
    assert engine(catalogue, cases) == twin(catalogue, cases)


@some
@given(catalogues_with_cases(), st.data())
def test_result_of_a_case_depends_on_that_case_alone(
    drawn: tuple[Catalogue, list[Case]], data: st.DataObject
) -> None:
    catalogue, cases = drawn
    matcher, order = Matcher(catalogue), data.draw(st.permutations(range(len(cases))))
    expected = twin(catalogue, cases)
    shuffled = matcher.match(as_table([cases[place] for place in order])).to_pylist()
    assert shuffled == [expected[place] for place in order]
    cut = data.draw(st.integers(0, len(cases)))
    table = as_table(cases)
    parts = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    assert matcher.match(parts).to_pylist() == expected


@some
@given(catalogues_with_cases(), st.data())
def test_neighbours_do_not_matter(drawn: tuple[Catalogue, list[Case]], data: st.DataObject) -> None:
    catalogue, cases = drawn
    matcher, other = Matcher(catalogue), stays(catalogue)
    before, after = (data.draw(st.lists(other, max_size=4)) for _ in range(2))
    alone = [matcher.match(as_table([case])).to_pylist()[0] for case in cases]
    among = matcher.match(as_table([*before, *cases, *after])).to_pylist()
    assert among[len(before) : len(before) + len(cases)] == alone


@settings(some, max_examples=15)
@given(catalogues_with_cases())
def test_row_groups_of_the_file_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[Catalogue, list[Case]]
) -> None:
    catalogue, cases = drawn
    folder: Path = tmp_path_factory.mktemp("groups")
    table = as_table(cases).add_column(0, "case_id", pa.array([f"c{n}" for n in range(len(cases))]))
    expected = [{"case_id": f"c{n}", **row} for n, row in enumerate(twin(catalogue, cases))]
    for rows in (1, 2, len(cases)):
        pq.write_table(table, folder / f"{rows}.parquet", row_group_size=rows)
        assert match_file(
            Matcher(catalogue), folder / f"{rows}.parquet", folder / "out.parquet", lambda n: None
        )
        assert pq.read_table(folder / "out.parquet").select(MATCHED_CODED.names).to_pylist() == expected


CHOSEN: tuple[dict[str, Any], ...] = (
    {"conservative": "any"},
    {"related": "best_partial"},
    {"score_scale": Decimal(100)},
    *({"tie_breakers": (breaker,)} for breaker in (
        "catalogue_order", "core_before_base", "more_procedures", "higher_score", "nearest_mean_cost", "class_priority",
    )),
    {"tie_breakers": ()},
)  # fmt: skip


@pytest.mark.parametrize("chosen", CHOSEN, ids=str)
@settings(some, max_examples=16)
@given(catalogues_with_cases())
def test_choices_of_a_region_take_the_place_of_the_catalogues(
    chosen: dict[str, Any], drawn: tuple[Catalogue, list[Case]]
) -> None:
    # A run replaces the choices of a catalogue that was used before: nothing of the old ones may linger.
    catalogue, cases = drawn
    used = engine(catalogue, cases), catalogue.row_names, [judge(catalogue, case) for case in cases]
    replaced = dataclasses.replace(catalogue, choices=dataclasses.replace(catalogue.choices, **chosen))
    expected = twin(replaced, cases)
    assert engine(replaced, cases) == expected
    assert replaced.row_names == catalogue.row_names
    for case, found in zip(cases, expected, strict=True):
        judged = judge(replaced, case)
        assert (judged.dip_code, judged.runner_up) == (found["dip_code"], found["runner_up"])
        assert tell(replaced, case, {}, {})
    # and the catalogue itself stays as it was
    assert (engine(catalogue, cases), catalogue.row_names, [judge(catalogue, case) for case in cases]) == used


@some
@given(catalogues_with_cases(), st.integers(1, 5))
def test_result_is_the_same_where_candidate_rows_come_in_slices(
    drawn: tuple[Catalogue, list[Case]], most: int
) -> None:
    catalogue, cases = drawn
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(match, "MOST_PAIRS", most)
        assert engine(catalogue, cases) == twin(catalogue, cases)


@some
@given(catalogues_with_cases())
def test_dictionary_encoded_lists_and_threads_give_the_same(drawn: tuple[Catalogue, list[Case]]) -> None:
    catalogue, cases = drawn
    plain = as_table(cases)
    coded = plain
    for place, name in enumerate(("dx_codes", "px_codes")):
        column = plain.column(name).combine_chunks()
        lists = pa.ListArray.from_arrays(
            column.offsets, column.values.dictionary_encode(), mask=column.is_null()
        )
        coded = coded.set_column(place, name, lists)
    matcher = Matcher(catalogue)
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(matcher.match, [coded, plain] * 4))
    assert all(result.to_pylist() == twin(catalogue, cases) for result in results)


def test_codes_are_read_in_any_writing() -> None:
    # normal_form: half-width, without blanks, chapter letter upper, filler x lower
    catalogue = catalogue_of(core_row("R1", "A38.x", "99.0900x001"))
    (found,) = engine(catalogue, [{"dx_codes": ["　a38.X00"], "px_codes": ["９９.0900X001 "]}])
    assert (found["dip_code"], found["matched_procedures"]) == ("R1", ["99.0900x001"])


@pytest.mark.parametrize("rows", [(), (core_row("R1", "I63.9"),)])
def test_a_table_without_rows_yields_the_columns(rows: tuple[Any, ...]) -> None:
    matcher = Matcher(catalogue_of(*rows))
    full = matcher.match(as_table([stay("I63.900")])).schema
    for table in (as_table([]), as_table([stay("I63.900")]).slice(0, 0), pa.Table.from_batches([], full)):
        assert matcher.match(table).schema == full
        assert matcher.match(table).num_rows == 0


# --- the order of DESIGN §5, each expected value read off that paragraph


FULL = catalogue_of(
    core_row("C1", "I63.9"),
    core_row("C2", "I63.9", "S1"),
    core_row("C3", "I63.9", "S1", requirement("S2+T1/D1")),
    core_row("C4", "A38.x"),
    pooled=[
        PooledRow(f"I63-{kind}", "I63", kind, None, None, frozenset(), kind)
        for kind in ("相关手术", "治疗性操作", "诊断性操作", "内科诊疗")
    ],
    exclusions=(Exclusion("I63.95", "精神类按床日"),),
    procedure_classes=CLASSES,
)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (stay("I63.951", "S1"), (None, "excluded", None, [], None, "excluded")),
        (stay("I63.902"), ("C1", "core", "保守治疗", [], None, "grouped")),
        (stay("I63.902", "X9"), ("C1", "core", "保守治疗", [], None, "grouped")),  # X9 has no class
        (stay("I63.902", "S1"), ("C2", "core", "手术", ["S1"], None, "grouped")),
        (stay("I63.902", "S1", "S2"), ("C2", "core", "手术", ["S1"], None, "grouped")),  # T1/D1 is missing
        (stay("I63.902", "S1", "D1", "S2"), ("C3", "core", "手术", ["S1", "D1", "S2"], "C2", "grouped")),
        (stay("I63.902", "D1", "S1", "S2"), ("I63-诊断性操作", "pooled", "诊断性操作", ["D1"], None, "grouped")),
        (stay("I63.902", "S3"), ("I63-相关手术", "pooled", "相关手术", ["S3"], None, "grouped")),
        (stay("I63.902", "J1"), ("I63-相关手术", "pooled", "相关手术", ["J1"], None, "grouped")),
        (stay("I63.902", "T1"), ("I63-治疗性操作", "pooled", "治疗性操作", ["T1"], None, "grouped")),
        # the principal procedure has no class, another one has: not conservative, and pooled by the principal one
        (stay("I63.902", "X9", "S1"), ("I63-内科诊疗", "pooled", "内科诊疗", [], None, "grouped")),
        (stay("I63.000"), ("I63-内科诊疗", "pooled", "内科诊疗", [], None, "grouped")),
        (stay("I63"), ("I63-内科诊疗", "pooled", "内科诊疗", [], None, "grouped")),
        (stay("A38.x00"), ("C4", "core", "保守治疗", [], None, "grouped")),
        (stay("A38.x00", "S1"), ("0000", "ungrouped", None, [], None, "ungrouped")),
        (stay("Z99.900"), ("0000", "ungrouped", None, [], None, "ungrouped")),
        ({"dx_codes": None, "px_codes": None}, ("0000", "ungrouped", None, [], None, "ungrouped")),
        ({"dx_codes": [None, "", "I63.902"], "px_codes": ["", "S1"]}, ("C2", "core", "手术", ["S1"], None, "grouped")),
    ],
)  # fmt: skip
def test_order_of_exclusion_core_pooled_ungrouped(case: Case, expected: tuple[Any, ...]) -> None:
    assert tuple(both(FULL, case).values()) == expected


def test_a_bare_category_is_no_subcategory() -> None:
    # 医保版 2.0 writes scarlet fever A38.x00 and below; its table has no code of three characters (facts/icd:
    # none of 33,307), so a bare `A38` says less than any row of a subcategory asks, and a run refuses it.
    pool = PooledRow("P1", "A38", "内科诊疗", None, None, frozenset(), "")
    catalogue = catalogue_of(core_row("R1", "A38.x"), pooled=[pool])
    assert (code(catalogue, stay("A38.x00")), code(catalogue, stay("A38"))) == ("R1", "P1")
    assert not any("." not in known for known in load_code_tables().diagnosis_names)


def test_the_principal_procedure_does_not_serve_as_a_related_one() -> None:
    twice = catalogue_of(core_row("R1", "I63.9", "S1", requirement("S1")), core_row("R0", "I63.9", "S1"))
    assert code(twice, stay("I63.900", "S1")) == "R0"
    assert both(twice, stay("I63.900", "S1", "S1", "S1"))["matched_procedures"] == ["S1", "S1"]


def test_conservative_any_takes_the_row_beside_procedures() -> None:
    rows = (core_row("R1", "I63.9"), core_row("R2", "I63.9", "S1"))
    free = catalogue_of(*rows, choices=DipChoices(conservative="any"), procedure_classes=CLASSES)
    assert code(free, stay("I63.900", "T1")) == "R1"
    # Both met, neither asks for related ones: `more_procedures`, the first default tie-breaker, counts S1.
    assert both(free, stay("I63.900", "S1"))["runner_up"] == "R1"


def test_best_partial_only_where_no_row_is_met_in_full() -> None:
    rows = (
        core_row("R1", "I63.9", "S1", requirement("S2+S3")),
        core_row("R2", "I63.9", "S1", requirement("T1+D1+J1")),
    )
    strict, partial = catalogue_of(*rows), catalogue_of(*rows, choices=DipChoices(related="best_partial"))
    case = stay("I63.900", "S1", "S2", "T1", "D1")
    assert code(strict, case) == "0000"
    found = both(partial, case)  # R1 is met in one demand, R2 in two
    assert (found["dip_code"], found["matched_procedures"], found["runner_up"]) == (
        "R2",
        ["S1", "T1", "D1"],
        "R1",
    )
    assert code(partial, stay("I63.900", "S1")) == "0000"  # none met at all
    assert code(partial, stay("I63.900", "S1", "S2", "S3", "T1", "D1")) == "R1"  # in full beats two of three


LOW = core_row("R9", "I63.9", "S1", order=9, score=Decimal(50), mean_cost_fen=100_00, treatment_class="手术")
HIGH = core_row(
    "R1", "I63.9", "S1", order=10, score=Decimal(80), mean_cost_fen=200_00, treatment_class="介入治疗",
    flags=frozenset({"基层病种"}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("breakers", "fee", "winner"),
    [
        (("catalogue_order",), None, "R9"),
        (("core_before_base",), None, "R9"),
        (("higher_score",), None, "R1"),
        (("class_priority",), None, "R9"),
        (("nearest_mean_cost",), 149_99, "R9"),  # 49.99 against 50.01
        (("nearest_mean_cost",), 150_01, "R1"),
        (("nearest_mean_cost", "core_before_base"), 150_00, "R9"),  # 50.00 both
        (("nearest_mean_cost",), None, "R1"),  # no fee: the row code decides
        (("more_procedures",), None, "R1"),  # equal: the row code decides
        ((), None, "R1"),
        (("higher_score", "catalogue_order"), None, "R1"),
        (("catalogue_order", "higher_score"), None, "R9"),
    ],
)
def test_tie_breakers_decide_in_the_order_given(
    breakers: tuple[Any, ...], fee: int | None, winner: str
) -> None:
    catalogue = catalogue_of(HIGH, LOW, choices=DipChoices(tie_breakers=breakers))
    found = both(catalogue, stay("I63.900", "S1", fee=fee))
    assert (found["dip_code"], found["runner_up"]) == (winner, "R1" if winner == "R9" else "R9")


def test_most_related_procedures_come_before_every_tie_breaker() -> None:
    plain, asking = LOW, core_row("R2", "I63.9", "S1", requirement("S2"), order=99)
    catalogue = catalogue_of(
        plain, asking, choices=DipChoices(tie_breakers=("catalogue_order", "higher_score"))
    )
    assert code(catalogue, stay("I63.900", "S1", "S2")) == "R2"


def test_no_score_and_no_mean_cost_come_last() -> None:
    none = core_row("R0", "I63.9", "S1")
    for breaker in ("higher_score", "nearest_mean_cost"):
        catalogue = catalogue_of(none, LOW, choices=DipChoices(tie_breakers=(breaker,)))
        assert code(catalogue, stay("I63.900", "S1", fee=10**9)) == "R9"


def test_the_fee_is_asked_for_only_where_it_breaks_ties() -> None:
    assert Matcher(catalogue_of(LOW)).columns == ()
    assert Matcher(catalogue_of(LOW, choices=DipChoices(tie_breakers=("nearest_mean_cost",)))).columns == (
        "total_fee_fen",
    )


def test_cost_distance_is_exact_at_the_ends_of_the_integers() -> None:
    # |2^62 + 2^62| = 2^63 does not fit int64; |0 + 2^62| is nearer
    far, near = (
        core_row("R1", "I63.9", "S1", mean_cost_fen=2**62),
        core_row("R2", "I63.9", "S1", mean_cost_fen=0),
    )
    catalogue = catalogue_of(far, near, choices=DipChoices(tie_breakers=("nearest_mean_cost",)))
    assert code(catalogue, stay("I63.900", "S1", fee=-(2**62))) == "R2"


def test_every_row_of_the_national_library_is_reached_by_its_own_codes() -> None:
    # Full keys are unique, and a row that asks for less loses to the one that asks for more.
    library = load_catalogue("dip-2.0")
    cases = [
        stay(
            f"{row.dx4}00",
            *([row.principal_px] if row.principal_px else []),
            *(min(one) for one in row.related),
        )
        for row in library.core
    ]
    found = Matcher(library).match(as_table(cases)).to_pydict()
    assert found["dip_code"] == [row.row for row in library.core]
    assert found["matched_procedures"] == [case["px_codes"] for case in cases]
    # DIP540 is C34.1 with 32.4100 alone, DIP558 asks for 40.5906 beside it: both are met, more related ones win.
    assert found["runner_up"][found["dip_code"].index("DIP558")] == "DIP540"
    some = cases[::97]
    assert [match_case(library, case)["dip_code"] for case in some] == found["dip_code"][::97]


def test_a_conservative_row_is_never_met_in_part() -> None:
    row = core_row("R1", "I63.9", "", requirement("S2+S3"))
    catalogue = catalogue_of(row, choices=DipChoices(conservative="any", related="best_partial"))
    assert code(catalogue, stay("I63.900", "T1", "S2")) == "0000"
