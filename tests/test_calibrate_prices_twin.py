"""The engine's calibration against the slow one of tests/reference, on invented histories."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from price_history_fixtures import LEVELS, UNWEIGHED, WEIGHTS, Row, case, demo_ground, rules_text, window_of
from reference import calibrate_prices as twin

from pipeline.calibrate_coefficients import calibrate_coefficients
from pipeline.calibrate_price_rules import PriceRules
from pipeline.calibrate_weights import calibrate_weights, weights_of
from pipeline.calibrate_window import Ground, Window
from pipeline.errors import InputError

GROUPS = (*WEIGHTS, UNWEIGHED)
PRESENT = {group: Fraction(weight) for group, weight in WEIGHTS.items()}
COEFFICIENT_DIGITS = WEIGHT_DIGITS = 4  # of the demo pack


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Up to forty cases of three Decembers, few fees so that ranks tie; some flawed, taken back or sent twice."""
    fees = st.sampled_from([1, 1.01, 2, 3, 5, 8, 200])
    rows = [
        case(group, draw(fees), year)
        for year in (2023, 2024, 2025)
        for group in draw(st.sampled_from([["AA19"], ["BR11", "BR13"]]))
    ]
    for _ in range(draw(st.integers(0, 40))):
        more: dict[str, Any] = {"hospital_id": draw(st.sampled_from(["H1", "H2", "H3"]))}
        kind = draw(st.integers(0, 15))
        if kind == 0:
            more |= draw(
                st.sampled_from(
                    [{"hospital_id": "H9"}, {"insurance_type": "x"}, {"case_id": None}, {"discharge_date": None},
                     {"total_fee_fen": 0}, {"drg": None}]
                )
            )  # fmt: skip
        year = draw(st.sampled_from([2022, 2023, 2024, 2025, 2025]))
        rows.append(case(draw(st.sampled_from(GROUPS)), draw(fees), year, **more))
        if kind == 1:
            rows.append(dict(rows[-1]))
        elif kind == 2:
            rows.append(rows[-1] | {"total_fee_fen": 7})
        elif kind == 3:
            rows.append(case("AA19", -1, reverses=rows[-1]["case_id"]))
    return draw(st.permutations(rows))


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    trim = draw(
        st.sampled_from(
            [
                {"method": "none", "low": None, "high": None, "k": None},
                {"method": "percentile", "low": "0.25", "high": "0.7501", "k": None},
                {"method": "percentile", "low": "0.1", "high": "0.9", "k": None},
                {
                    "method": "iqr",
                    "low": None,
                    "high": None,
                    "k": draw(st.sampled_from(["0", "0.0013", "1.5"])),
                },
            ]
        )
    )
    return rules_text(
        year_weights=draw(st.sampled_from([[1], [1, 2], [1, 2, 7]])), trim=trim | {"least": draw(st.integers(1, 4))},
        fewest_cases=draw(st.integers(1, 5)), cv_at_most=draw(st.sampled_from(["0.2", "1"])),
        thin=draw(st.sampled_from(["keep", "own"])), new_thin=draw(st.sampled_from(["pool", "blank"])),
        unstable=draw(st.sampled_from(["own", "keep"])), scaling=draw(st.sampled_from(["total_weight", "mean_cost"])),
        coefficients={"step": draw(st.sampled_from([None, "0.10"])), "fewest_cases": draw(st.integers(1, 4))},
    )  # fmt: skip


def read(rows: list[Row], said: dict[str, Any]) -> tuple[Window, Ground, PriceRules]:
    ground, parsed = demo_ground(), PriceRules.model_validate(said)
    with tempfile.TemporaryDirectory() as folder:
        return window_of(Path(folder) / "h", rows, parsed, ground), ground, parsed


def slow(rows: list[Row], said: dict[str, Any]) -> list[dict[str, Any]]:
    named = [{**row, "group": row["drg"]} for row in rows]
    usable = twin.usable(named, LEVELS, ("310", "390"))
    return twin.trimmed(twin.windowed(usable, len(said["year_weights"])), said["trim"])


@settings(suppress_health_check=list(HealthCheck))
@given(histories(), rules())
def test_weights_and_coefficients_equal_those_of_plain_loops(rows: list[Row], said: dict[str, Any]) -> None:
    window, ground, parsed = read(rows, said)  # once for both: starting an engine takes longest
    cases = slow(rows, said)
    same_weights(window, ground, parsed, said, cases)
    same_coefficients(window, ground, parsed, said, [one for one in cases if one["group"] in PRESENT])


def same_weights(
    window: Window, ground: Ground, parsed: PriceRules, said: dict[str, Any], cases: list[Row]
) -> None:
    found = calibrate_weights(window, ground, weights_of(ground), parsed)
    adrg_of = {group: group[:3] for group in GROUPS}
    wanted = twin.weights(cases, PRESENT, said, WEIGHT_DIGITS, adrg_of)
    got = {
        one.code: (one.status, None if one.weight is None else Fraction(one.weight)) for one in found.groups
    }
    assert got == wanted
    assert found.mean == twin.mean(cases, said["year_weights"])
    assert found.riv == (twin.riv(cases), twin.riv([one for one in cases if one["kept"]]))
    # Trimming leaves at least one case of every group and year, so no mean is ever missing.
    assert all(cell.kept for years in window.cells.values() for cell in years.values())
    # The total weight stays but for rounding: half a unit of the last digit for every case. A weight below half a unit
    # is one unit.
    tiny = any(one.exact is not None and one.exact < Decimal("0.00005") for one in found.groups)
    if said["scaling"] == "total_weight" and not tiny:
        assert abs(found.residue) * 20_000 <= sum(one.whole.cases for one in found.groups)


def same_coefficients(
    window: Window, ground: Ground, parsed: PriceRules, said: dict[str, Any], cases: list[Row]
) -> None:
    try:
        found = calibrate_coefficients(window, ground, weights_of(ground), parsed, "hospital")
    except InputError:
        assert not cases
        return
    wanted = twin.coefficients(cases, PRESENT, dict.fromkeys(LEVELS, Fraction(1)), said, COEFFICIENT_DIGITS)
    for one in found.units:
        if one.value is not None:
            # The twin halves its way to the scale: a value at the edge of rounding may differ in its last digit.
            assert abs(Fraction(one.value) - wanted[one.key]) * 10**COEFFICIENT_DIGITS <= edge(one.exact), one
    weight = sum(PRESENT[one["group"]] for one in cases)
    assert found.before == weight
    settled = ((one.exact if one.exact is not None else one.present or 0) * one.weight for one in found.units)
    assert sum(settled) == weight  # neutral before rounding, to the last fraction


def edge(exact: Fraction | None) -> int:
    """1 where an exact value lies within 10^-12 of the edge of rounding, else 0."""
    if exact is None:
        return 0
    beyond = (exact * 10**COEFFICIENT_DIGITS) % 1
    return int(abs(beyond - Fraction(1, 2)) < Fraction(1, 10**12))
