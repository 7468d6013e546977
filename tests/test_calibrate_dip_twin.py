"""The fast builder of DIP catalogues against the slow one, and what must not matter to it."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

import pytest
from calibrate_fixtures import (
    ANGIOGRAM,
    APPENDIX,
    HYPERTENSION,
    LARGE_STROKE,
    LEVELS,
    LYSIS,
    NAVIGATION,
    NEWBORN,
    REPAIR,
    STROKE,
    Case,
    a_region,
    built_from,
    rules_with,
    small_library,
    stay,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reference.build_catalogue import Twin, build

from groupers.codes import load_code_tables
from groupers.dip.catalogue import PooledRow
from groupers.dip.load import load_catalogue
from pipeline.calibrate_evidence import Built
from pipeline.calibrate_rules import Rules
from pipeline.errors import InputError

# Few codes and few fees, so that cases meet in rows, ranks tie and thresholds are just met or just missed.
DISEASES = st.sampled_from([STROKE, STROKE, LARGE_STROKE, HYPERTENSION, "I63.901", NEWBORN, "X99.999", None])
OTHERS = st.lists(
    st.sampled_from([ANGIOGRAM, LYSIS, NAVIGATION, REPAIR, APPENDIX, "99.9999", None]), max_size=3
)
PROCEDURES = st.one_of(
    st.just([]),
    st.builds(lambda others: [REPAIR, *others], OTHERS),
    st.builds(lambda others: [REPAIR, *others], OTHERS),
    st.builds(lambda others: [LYSIS, *others], OTHERS),
    OTHERS,
)


@st.composite
def histories(draw: st.DrawFn) -> list[Case]:
    """Up to sixty discharges of forty months, some of them flawed, taken back or sent twice."""
    fees = st.sampled_from([10_000, 10_001, 11_000, 12_000, 15_000, 40_000])
    cases = [
        stay(
            draw(DISEASES), *draw(PROCEDURES), fee=draw(fees), hospital=draw(st.sampled_from(["H1", "H2", "H3", "H3"])),
            ago=draw(st.sampled_from([0, 0, 1, 5, 11, 12, 13, 24, 35, 36, 40])),
        )
        for _ in range(draw(st.integers(12, 60)))
    ]  # fmt: skip
    changes: list[dict[str, Any]] = [
        {"total_fee_fen": 0}, {"total_fee_fen": 2**63 - 1}, {"total_fee_fen": None}, {"hospital_id": "H9"}, {"hospital_id": "H4"},
        {"discharge_date": None}, {"dx_codes": []}, {"case_id": None}, {"px_codes": None, "case_id": "without"},
        {"case_id": cases[0]["case_id"]}, {"reverses": cases[1]["case_id"], "total_fee_fen": -1},
        {"separate_items_fen": 3_000}, {"separate_items_fen": 10_000}, {"discharge_date": dt.date(1999, 12, 31)},
    ]  # fmt: skip
    for _ in range(draw(st.integers(0, 5))):
        cases.append(draw(st.sampled_from(cases)) | draw(st.sampled_from([*changes, {}])))
    return cases


@st.composite
def rule_values(draw: st.DrawFn) -> Rules:
    score = draw(st.sampled_from(["mean", "fixed"]))
    base = {
        "cv_at_most": draw(st.sampled_from(["0", "0.1", "0.5"])),
        "least_cases_per_level": draw(st.integers(1, 3)),
        "levels": draw(st.sampled_from([[], ["二级", "三级"], ["三级"]])),
    }
    return rules_with(
        year_weights=draw(st.sampled_from([[1, 2, 7], [1], [3, 1]])),
        threshold=draw(st.integers(1, 5)),
        related_rise=draw(st.sampled_from(["0", "0.10", "0.5"])),
        pooled_threshold=draw(st.integers(1, 3)),
        trim={"low": draw(st.sampled_from(["0", "0.2", "0.25"])), "high": draw(st.sampled_from(["0.75", "0.8", "1"])),
              "least": draw(st.integers(1, 6))},
        score={"method": score, "fixed_amount_yuan": "12.34", "digits": draw(st.sampled_from([0, 4]))},
        coefficients={"reference": draw(st.sampled_from(["overall", "highest_level"])),
                      "least_cases": draw(st.integers(1, 4)), "thin": draw(st.sampled_from(["blank", "level_mean"]))},
        base=draw(st.sampled_from([None, base, base])),
        fee=draw(st.sampled_from(["total", "total_less_separate"])),
        shortest_history_months=1,
        fewest_hospitals=1,
    )  # fmt: skip


def hospitals() -> Any:
    return a_region(H1="一级", H2="二级", H3="三级", H4="未定级")


def told(built: Built) -> dict[Any, tuple[Any, ...]]:
    """Rows of the fast builder in the twin's words."""
    found = {}
    for one in built.rows:
        row = one.row
        if isinstance(row, PooledRow):
            key: Any = (row.dx3, row.pooled_class, ())
        else:
            related = tuple(sorted("/".join(sorted(forms)) for forms in row.related))
            key = (row.dx4, row.principal_px, related)
        flags = {"基层病种"} & one.flags
        found[key] = (one.origin, one.cost.total().cases, one.mean, one.score, one.exact_score, flags,
                      dict(zip(built.levels, one.coefficients, strict=True)))  # fmt: skip
    return found


def twins(twin: Twin) -> dict[Any, tuple[Any, ...]]:
    return {
        key: (row.origin, row.n, row.mean, row.score, row.exact, row.flags, row.coefficients)
        for key, row in twin.rows.items()
    }


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path | None]:
    folder = tmp_path_factory.mktemp("libraries")
    return {
        "nothing": None,
        "library": small_library(folder / "small"),
        "partial": small_library(folder / "partial", related="best_partial", conservative="any"),
    }


STARTS = ["nothing", "library", "partial"]
# A build takes a quarter of a second: shrinking a failure would take minutes.
MANNER: dict[str, Any] = {
    "deadline": None, "phases": [Phase.generate], "suppress_health_check": [HealthCheck.too_slow],
}  # fmt: skip


@pytest.mark.parametrize("start", STARTS)
@settings(max_examples=6, **MANNER)
@given(cases=histories(), rules=rule_values())
def test_builder_agrees_with_the_twin(
    start: str, libraries: dict[str, Path | None], cases: list[Case], rules: Rules
) -> None:
    judge(libraries[start], cases, rules)


@pytest.mark.slow
@pytest.mark.parametrize("start", STARTS)
@settings(max_examples=150, **MANNER)
@given(cases=histories(), rules=rule_values())
def test_builder_agrees_with_the_twin_at_length(
    start: str, libraries: dict[str, Path | None], cases: list[Case], rules: Rules
) -> None:
    judge(libraries[start], cases, rules)


def judge(library: Path | None, cases: list[Case], rules: Rules) -> None:
    """Both build from the same cases; rows, means, scores, coefficients and what is left out must be equal."""
    region = hospitals()
    loaded = load_catalogue(str(library)) if library else None
    twin = build(cases, region.hospitals, LEVELS, load_code_tables(), rules, loaded)
    with tempfile.TemporaryDirectory() as folder:
        try:
            built = built_from(Path(folder), cases, rules, region, library)
        except InputError:  # a history without a usable case, or one that makes no row
            assert not twin.rows
            return
    assert told(built) == twins(twin)
    assert {code: rows for code, (rows, _) in built.history.left_out.items()} == twin.left_out
    assert built.ungrouped.total().cases == twin.ungrouped
    assert built.scale.region_mean == twin.region_mean
