"""The codes said to have decided a case are those that a slow loop over its rule finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from groupers.drg.engine import Grouper
from groupers.drg.evidence import evidence
from groupers.drg.rulebook import RuleBook, load_rulebook
from groupers.drg.rules import Member, Prefix
from tests.reference.group_case import group_case
from tests.reference.strategies import as_table
from tests.test_drg_engine import books_with_cases, dx_cases
from tests.test_drg_reference import SHARED, case_of, needs_shared, rows
from tests.test_drg_trace import small_book

Case = dict[str, Any]


def filled(case: Case) -> Case:
    """As validation leaves a case: lists without null or empty elements."""
    return {
        **case,
        **{side: [code for code in case[side] or [] if code] for side in ("dx_codes", "px_codes")},
    }


def slow_evidence(book: RuleBook, case: Case) -> Case:
    dx, px = case["dx_codes"], case["px_codes"]
    result = group_case(book, case)
    decided_by = []
    rule = next((rule for rule in book.rules if rule.seq == result["rule"]), None)
    for clause in rule.condition if rule else ():
        for literal in clause:
            atom = literal.atom
            if literal.negated or not isinstance(atom, Member | Prefix):
                continue
            subject = {
                "main_px": f"{book.choices.main_procedure}_px",
                "operation_px": "any_px" if book.choices.ambiguous == "any" else "principal_px",
            }.get(atom.subject, atom.subject)
            codes = dx if subject.endswith("dx") else px
            asked = {"principal": codes[:1], "any": codes, "other": codes[1:]}[subject.split("_")[0]]
            for code in asked:
                if isinstance(atom, Prefix):
                    met = code.startswith(atom.prefix)
                else:
                    lists = book.dx_lists if subject.endswith("dx") else book.px_lists
                    met = code in lists[atom.list_name]
                if met:
                    decided_by.append(code)
                    break
    counted, excluded = None, []
    for code in dx[1:]:
        severity, table = book.severity.get(code, ("none", ""))
        if severity == "none":
            continue
        if table and table == book.exclusions.get(dx[0]):
            excluded.append(code)
        elif counted is None and severity == result["severity"]:
            counted = code
    return {"decided_by": decided_by, "severity_code": counted, "excluded_codes": excluded}


def fast_evidence(grouper: Grouper, table: pa.Table) -> list[Case]:
    batch = table.combine_chunks().to_batches()[0]
    return evidence(grouper, batch, grouper.decide(batch)).to_pylist()


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(books_with_cases())
def test_evidence_agrees_with_a_loop_over_the_rule(drawn: tuple[RuleBook, list[Case]]) -> None:
    book, cases = drawn
    cases = [filled(case) for case in cases]
    assert fast_evidence(Grouper(book), as_table(cases)) == [slow_evidence(book, case) for case in cases]


@pytest.mark.shared
@needs_shared
def test_evidence_agrees_with_the_loop_on_the_shared_cases() -> None:
    book = load_rulebook("chs-drg-2.0")
    cases = [filled(case_of(row)) for row in rows(SHARED / "cases" / "drg20_cases.csv.gz")[::10]]
    found = fast_evidence(Grouper(book), as_table(cases))
    assert found == [slow_evidence(book, case) for case in cases]
    assert sum(bool(row["excluded_codes"]) for row in found) > 10  # the sample holds what it is to prove
    assert sum(row["severity_code"] is not None for row in found) > 100


def test_evidence_of_a_small_book_by_hand() -> None:
    # Rule 7 asks for the infarct, rule 5 for infarct and stent, rule 10 for the womb (tests/test_drg_trace.py);
    # I50.900 is an MCC in table 9, the table of the principal I21.900; E11.900 a CC, J96.000 an MCC.
    cases = dx_cases(
        ["I21.900", "I50.900", "E11.900"],
        ["I21.900", "E11.900", "J96.000", "J96.000"],
        ["I21.900", "I50.900", "I50.900"],
        ["Q99.999", "I50.900"],
        [],
        age_years=40,
    )
    cases += [{"dx_codes": ["I21.900"], "px_codes": ["99.9900", "36.0600", "36.0600"], "age_years": 40}]
    found = fast_evidence(Grouper(small_book()), as_table(cases))
    assert [tuple(row.values()) for row in found] == [
        (["I21.900"], "E11.900", ["I50.900"]),
        (["I21.900"], "J96.000", []),
        (["I21.900"], None, ["I50.900", "I50.900"]),
        ([], "I50.900", []),
        ([], None, []),
        (["I21.900", "36.0600"], None, []),
    ]


def test_evidence_of_a_slice_is_that_of_its_rows() -> None:
    cases = dx_cases(["I21.900", "I50.900"], ["D25.900", "E11.900"], ["I21.900", "E11.900"], sex="2")
    grouper = Grouper(small_book())
    table = as_table(cases).combine_chunks()
    coded = table.column("dx_codes").combine_chunks()
    values = coded.values.dictionary_encode()
    coded = pa.ListArray.from_arrays(coded.offsets, values)
    for form in (
        table,
        table.set_column(table.schema.get_field_index("dx_codes"), "dx_codes", coded),
    ):
        batch = form.to_batches()[0]
        whole = evidence(grouper, batch, grouper.decide(batch)).to_pylist()
        assert whole[2] == {"decided_by": ["I21.900"], "severity_code": "E11.900", "excluded_codes": []}
        parts = [batch.slice(at, 1) for at in range(3)]
        assert [
            row for part in parts for row in evidence(grouper, part, grouper.decide(part)).to_pylist()
        ] == whole


def test_evidence_of_no_rows_has_its_columns() -> None:
    batch = pa.RecordBatch.from_pylist([], schema=as_table([]).schema)
    grouper = Grouper(small_book())
    found = evidence(grouper, batch, grouper.decide(batch))
    assert (found.num_rows, found.column_names) == (0, ["decided_by", "severity_code", "excluded_codes"])


def test_only_other_diagnoses_count_for_severity() -> None:
    grouper = Grouper(small_book())
    batch = as_table(dx_cases(["J96.000"], ["J96.000", "J96.000"])).combine_chunks().to_batches()[0]
    decided = grouper.decide(batch)
    assert np.array_equal(decided.rank, [0, 2])
    assert evidence(grouper, batch, decided).column("severity_code").to_pylist() == [None, "J96.000"]
