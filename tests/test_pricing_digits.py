"""The largest numbers that a pack may hold are exact; one step further is refused before it could overflow."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.price_bounds import MOST_HUGEINT, largest_product, stored_numbers
from pipeline.price_rules import Amount
from pipeline.region import Region
from pipeline.region_check import check_region
from pipeline.tables import MOST_FEN
from pipeline.terms import resolve
from tests.pricing_fixtures import KINDS, SOURCE, Case, dated, dip_pack, priced, scheme_of, write_pack
from tests.pricing_twin import checked

LEVELS = ("一级", "二级", "三级")
SCORES = {"AA": "9999.99", "BB": "0.01"}
CASES = [Case("large", "AA", MOST_FEN, 0), Case("small", "BB", MOST_FEN, MOST_FEN), Case("low", "AA", 1, 0)]


def of_many_digits(point_value: int) -> dict[str, Any]:
    """Five digits of a coefficient that the reference divides by (x·a: it enters twice); point value in 0.0001 yuan.

    A threshold of four decimals: the factors of the high rule are ten-thousandths and do not reduce.
    """
    low = {"threshold": "0.5", "inclusive": True, "family": "deviation", "by_coefficient": False}
    high = {"threshold": "2.0001", "inclusive": True, "family": "deviation_excess", "plus": "coefficient"}
    return dip_pack(
        digits={"weight": 2, "rate": 4, "coefficient": 5, "points": 4, "source": SOURCE},
        point_values=[dated(values={"310": f"{point_value // 10_000}.{point_value % 10_000:04d}"})],
        reference_prices=[dated(values={"310": "11.0001"})],
        coefficients=[dated(by_level=dict.fromkeys(LEVELS, "0.98765"))],
        ratio=[dated(reference="with_coefficient", low=low, high=[high])],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "unit"),
    [
        (Amount("normal", by_standard=Decimal(1)), 1),
        (Amount("excess_share", by_standard=Decimal("-1.1"), of_points=Decimal("0.7")), 10),  # 1 − 0.7 × 3
        (Amount("linear_add", by_standard=Decimal(1), by_value=Decimal("-2.25")), 4),  # quarters
        (Amount("linear_add", by_standard=Decimal(1), by_value=Decimal("-2.0001")), 10_000),
        (Amount("bed_day", of_item=True), 10_000),  # B is kept in ten-thousandths of a point
    ],
    ids=str,
)
def test_the_factors_of_a_rule_are_told_in_the_largest_parts_that_fit(amount: Amount, unit: int) -> None:
    assert amount.unit == unit


def bound(folder: Path, point_value: int) -> int:
    region = write_pack(folder / str(point_value), of_many_digits(point_value))
    (terms,) = resolve(region, dt.date(2025, 3, 1), dt.date(2025, 3, 1))
    return largest_product(terms, region.pack, stored_numbers(terms, region.pack, the_scheme()))


def largest_inside(folder: Path) -> int:
    """The largest point value that the bound lets pass."""
    inside, outside = 1, 10**7
    while outside - inside > 1:
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if bound(folder, middle) <= MOST_HUGEINT else (inside, middle)
    assert inside > 1
    return inside


def the_scheme() -> Any:
    return scheme_of(KINDS | dict.fromkeys(SCORES, "grouped"), "dip", SCORES)


def refused(region: Region) -> bool:
    """Whether `regions check` names the digits."""
    terms = resolve(region, dt.date(2025, 3, 1), dt.date(2025, 3, 1))
    schemes = {entry.key: the_scheme() for entry in region.pack.scheme}
    return any(
        one.severity == "error" and ("超出可" in one.message) for one in check_region(region, terms, schemes)
    )


def test_the_largest_numbers_are_exact_and_the_next_ones_refused(tmp_path: Path) -> None:
    """The bound is true and not idle: up to it the SQL is the twin's, at three times it the SQL overflows.

    The factor is the doubling that rounding may need (2n + d) and what a rule adds beside the largest product.
    """
    inside = largest_inside(tmp_path)
    outside = inside + 1
    pack = of_many_digits(inside)
    scored = checked(pack, CASES, tmp_path / "inside", SCORES)
    assert {row["price_class"] for row in scored.values()} == {"low", "high"}
    assert not refused(write_pack(tmp_path / "in", pack))
    assert refused(write_pack(tmp_path / "out", of_many_digits(outside)))
    beyond = write_pack(tmp_path / "beyond", of_many_digits(3 * outside))
    assert refused(beyond)
    with (
        pytest.raises(duckdb.OutOfRangeException, match="INT128"),
        priced(beyond, CASES, tmp_path / "r", scores=SCORES),
    ):
        pass


@pytest.mark.parametrize(("price", "fits"), [("0.01", True), ("0.0001", False)])
def test_a_reference_near_nothing_is_refused_before_its_ratio_overflows(
    tmp_path: Path, price: str, fits: bool
) -> None:
    """10¹⁰ fen ÷ (0.01 × 1 fen) × 10⁴ = 10¹⁶ fits 63 bits; at 0.0001 points of 0.01 fen it is 10²⁰ and does not."""
    scores = {"AA": "0.01" if fits else "0.0001"}
    pack = dip_pack(reference_prices=[dated(values={"310": price})], point_values=[dated(values={"310": "10"})],
                    coefficients=[dated(by_level=dict.fromkeys(LEVELS, "1"))])  # fmt: skip
    region = write_pack(tmp_path / "p", pack)
    terms = resolve(region, dt.date(2025, 3, 1), dt.date(2025, 3, 1))
    scheme = scheme_of(KINDS | {"AA": "grouped"}, "dip", scores)
    messages = [one.message for one in check_region(region, terms, {region.pack.scheme[0].key: scheme})]
    assert any("最小的权重（分值）" in message for message in messages) != fits
    case = Case("one", "AA", MOST_FEN, 0)
    if fits:
        checked(pack, [case], tmp_path, scores)
    else:
        with pytest.raises(duckdb.Error), priced(region, [case], tmp_path / "r", scores=scores):
            pass


@pytest.mark.parametrize(
    "share",
    [{"method": "policy", "benefit": {"310": "0.8", "390": "0.7"}}, {"method": "ratio", "of": "region"}],
)
def test_the_digits_of_a_fund_share_count(tmp_path: Path, share: dict[str, Any]) -> None:
    """By difference the largest numbers just fit; a benefit ratio or a sum of fees beside them no longer does."""
    pack = of_many_digits(largest_inside(tmp_path))
    assert not refused(write_pack(tmp_path / "difference", pack))
    region = write_pack(tmp_path / "share", {**pack, "fund_share": [dated(**share)]})
    assert refused(region)
    if share["method"] == "policy":
        with pytest.raises(duckdb.OutOfRangeException), priced(region, CASES, tmp_path / "r", scores=SCORES):
            pass
