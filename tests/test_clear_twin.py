"""The clearing against its slow twin on invented years: every case, every step, every value, and the order of rows."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigurationError
from tests.clearing_fixtures import B01, cleared, law
from tests.reference.clear_case import Month, NoValue, Year, YearCase, clear

PHASES = (Phase.explicit, Phase.generate)  # a year takes a second to clear: shrinking one takes minutes
HOSPITALS, KINDS = ("H1", "H2", "H3"), ("310", "390")
NO_LINES, LINES = ("",), ("", "", "异地", "生育")
# Small numbers meet each other: equal remainders, exact halves, shares that do not end.
fen = st.one_of(st.integers(0, 30), st.integers(0, 90_000_000))
LAWS = (
    ("difference", None, True), ("ratio", "case", True), ("ratio", "hospital", True), ("ratio", "group", True),
    ("ratio", "region", True),
)  # fmt: skip
BENT = (("policy", None, True), ("difference", None, False))


@st.composite
def cases_of(
    draw: Any, kind: str, by_points: bool, laws: tuple[Any, ...], lines: tuple[str, ...]
) -> list[YearCase]:
    found: list[YearCase] = []
    for number in range(draw(st.integers(1, 7))):
        method, of, kept = draw(st.sampled_from(laws))
        fee = draw(fen) + 1
        pool = draw(st.integers(0, fee))
        apart = draw(st.one_of(st.just(0), fen))
        points = None
        if by_points:
            points = str(
                Fraction(draw(st.integers(0, 400)), draw(st.sampled_from((1, 4, 8)))).limit_denominator()
            )
            points = f"{float(Fraction(points)):.4f}"  # at most three digits after the point: exact
        case = YearCase(
            f"{kind}-{number}", draw(st.sampled_from(HOSPITALS)), kind, apart + draw(fen), draw(st.integers(-50, 900)),
            fee, pool, points, apart, draw(st.sampled_from((0, 0, 7))), method, of, kept,
            (pool, fee) if method == "ratio" else None, draw(st.sampled_from(("AA", "BB"))),
            draw(st.sampled_from(("2025-01", "2025-07"))), line=draw(st.sampled_from(lines)),
        )  # fmt: skip
        found.append(case)
        if draw(st.integers(0, 4)) == 0:
            found.append(turned(case, f"{case.case_id}r", case.case_id))
        if draw(st.integers(0, 6)) == 0:  # of a case of an earlier year
            found.append(turned(replace(case, points=points and "3"), f"{case.case_id}o", "old"))
    return found


def turned(case: YearCase, case_id: str, reverses: str) -> YearCase:
    return replace(
        case, case_id=case_id, reverses=reverses, standard_fen=-case.standard_fen, fund_fen=-case.fund_fen,
        fee_fen=-case.fee_fen, pool_fen=-case.pool_fen, apart_fen=-case.apart_fen, separate_fen=-case.separate_fen,
        points=None if case.points is None else f"-{case.points}", period="2025-12",
    )  # fmt: skip


@st.composite
def years(draw: Any, value: str) -> Year:
    by_points = value == "elastic" or draw(st.booleans())
    laws = draw(
        st.sampled_from((*((one,) for one in LAWS), LAWS, *(((*LAWS, *BENT),) if value == "fixed" else ())))
    )
    kinds = draw(st.sampled_from((KINDS[:1], KINDS)))
    budget = draw(st.sampled_from((fen, *[st.integers(10**9, 10**12)] * 4)))  # most years have a value
    lines = draw(st.sampled_from((NO_LINES, NO_LINES, LINES)))
    cases = [case for kind in kinds for case in draw(cases_of(kind, by_points, laws, lines))]
    keys = [(name, kind) for name in HOSPITALS for kind in kinds]
    months = [
        Month(*draw(st.sampled_from(keys)), *(draw(fen) for _ in range(4)), draw(st.sampled_from(("2025-01", "2025-02"))))
        for _ in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    some = st.dictionaries(st.sampled_from(keys), st.tuples(fen, fen), max_size=2)
    numbers = st.sampled_from(("0", "0.98", "1", "1.0333"))
    returns = st.sampled_from(("0", "0.5", "0.9999", "1"))
    judged = st.dictionaries(
        st.tuples(st.sampled_from(HOSPITALS), st.sampled_from((None, *kinds))), st.tuples(numbers, returns)
    )
    return Year(
        cases, months, draw(some), draw(st.dictionaries(st.sampled_from(keys), fen, max_size=2)),
        {kind: draw(budget) for kind in kinds}, draw(judged),
        # a line without cases has no budget: that is one sentence, and would empty most years
        {case.pool: draw(budget) for case in cases if case.line},
    )  # fmt: skip


@st.composite
def laws_of(draw: Any, value: str) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if draw(st.booleans()):
        more |= {"bands": B01, "bands_measure": draw(st.sampled_from(("fund", "total")))}
    if value == "elastic":
        more["base_points"] = {kind: str(draw(st.integers(1, 500))) for kind in KINDS}
        more["fixed_values"] = {kind: draw(st.sampled_from(("0.01", "3.3333", "10"))) for kind in KINDS}
    if value != "fixed":
        more["lines_as_priced"] = draw(st.sampled_from(([], ["异地"])))
    return law(value=value, **more)


def proved(year: Year, entry: dict[str, Any]) -> None:
    """Both engines say the same, or both that there is no value."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            expected = clear(year, entry)
        except NoValue:
            with pytest.raises(ConfigurationError), cleared(year, entry, Path(folder)):
                pass
            return
        with cleared(year, entry, Path(folder)) as found:
            assert found.cases() == expected.cases
            rows = found.hospitals()
            assert {
                key: {name: row[name] for name in expected.hospitals[key]} for key, row in rows.items()
            } == (expected.hospitals)
            shown = found.insurance()
            of_pool, pools = found.pools()
    if of_pool:
        assert of_pool == expected.pools
    for (kind, line), value in expected.values.items():
        row = pools[kind, line] if pools else shown[kind]
        assert Fraction(int(row["value_num"]), int(row["value_den"])) == value
        if row["added_points"] is None:
            assert row["fund_from_points_fen"] == year.fund((kind, line))


def examples(of_forty: int) -> int:
    """So many of the profile's forty: every example is a whole year cleared."""
    return settings().max_examples * of_forty // 40


@pytest.mark.parametrize(("value", "of_forty"), [("floating", 28), ("fixed", 10), ("elastic", 10)])
def test_a_year_is_cleared_as_its_twin_says(value: str, of_forty: int) -> None:
    @settings(max_examples=examples(of_forty), suppress_health_check=list(HealthCheck), phases=PHASES)
    @given(years(value), laws_of(value))
    def judged(year: Year, entry: dict[str, Any]) -> None:
        proved(year, entry)

    judged()


@settings(max_examples=examples(3), suppress_health_check=list(HealthCheck), phases=PHASES)
@given(years("floating"), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(year: Year, random: Any) -> None:
    shuffled = list(year.cases)
    random.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        try:
            clear(year, law())
        except NoValue:
            assume(False)
        with cleared(year, law(), Path(one)), cleared(replace(year, cases=shuffled), law(), Path(two)):
            for name in ("case_clearing", "hospital_clearing", "insurance_clearing"):
                file = f"{name}.parquet"
                assert (Path(one) / file).read_bytes() == (Path(two) / file).read_bytes()
