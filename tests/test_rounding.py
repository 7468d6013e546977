"""Half away from zero, exact to 38 digits; and the behaviours of the libraries that the design rests on."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import duckdb
import pandera.polars as pa_polars
import polars as pl
import pytest
from pandera.errors import SchemaError

from pipeline.contracts import discharges_contract
from pipeline.query import engine
from pipeline.tables import DISCHARGES
from tests.reference.price_case import half_away

LARGEST = 2**127 - 1  # HUGEINT; 38 digits fit whole


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with engine(tmp_path_factory.mktemp("rounding")) as opened:
        yield opened


def rounded(con: duckdb.DuckDBPyConnection, numerator: int, denominator: int) -> int:
    found = con.sql(f"SELECT half_away({numerator}::HUGEINT, {denominator}::HUGEINT)").fetchall()[0][0]
    assert isinstance(found, int)
    return found


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        (0, 10, 0), (4, 10, 0), (5, 10, 1), (6, 10, 1), (14, 10, 1), (15, 10, 2), (25, 10, 3), (35, 10, 4),
        (-4, 10, 0), (-5, 10, -1), (-6, 10, -1), (-15, 10, -2), (-25, 10, -3), (7, 1, 7), (-7, 1, -7),
        (1, 3, 0), (2, 3, 1), (-1, 3, 0), (-2, 3, -1), (3, 2, 2), (-3, 2, -2), (49, 99, 0), (50, 99, 1),
    ],
)  # fmt: skip
def test_half_away(con: duckdb.DuckDBPyConnection, numerator: int, denominator: int, expected: int) -> None:
    assert half_away(Fraction(numerator, denominator)) == expected  # the twin's rule is the same
    assert rounded(con, numerator, denominator) == expected


def test_half_away_to_the_end_of_its_range(con: duckdb.DuckDBPyConnection) -> None:
    """38 digits: 2n + d must fit HUGEINT; beyond, an error and never a wrapped number."""
    e25, e37 = 10**25, 10**37
    for numerator in (8 * e37, -8 * e37, 8 * e37 - e25 // 2, 5 * e37 + e25 // 2, -(5 * e37 + e25 // 2)):
        assert rounded(con, numerator, e25) == half_away(Fraction(numerator, e25))
    luck = random.Random(7)
    for _ in range(200):
        numerator, denominator = luck.randint(-8 * e37, 8 * e37), luck.choice((10**4, 10**8, e25, 37, 2))
        assert rounded(con, numerator, denominator) == half_away(Fraction(numerator, denominator))
    with pytest.raises(duckdb.OutOfRangeException):
        rounded(con, LARGEST // 2 + 1, e25)


def test_numbers_that_fit_63_bits_and_those_that_do_not_are_rounded_by_one_rule(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """On both sides of 2⁶¹, where the division of BIGINT ends, and of 2⁶³, where a cast to it would fail.

    In one table, so that each row takes its own branch; expected values by the twin's fractions.
    """
    edges = [2**61 - 1, 2**61, 2**62, 2**63 - 1, 2**63]
    tops = [edge + step for edge in edges for step in (-1, 0, 1)]
    pairs = [(sign * top, bottom) for top in tops for sign in (1, -1) for bottom in (1, 2, 3, 10_000, *tops)]
    given = ", ".join(f"({top}::HUGEINT, {bottom}::HUGEINT)" for top, bottom in pairs)
    found = con.sql(f"SELECT half_away(top, bottom) FROM (VALUES {given}) t(top, bottom)").fetchall()
    assert [row[0] for row in found] == [half_away(Fraction(top, bottom)) for top, bottom in pairs]


def test_a_tie_is_told_from_its_neighbours(con: duckdb.DuckDBPyConnection) -> None:
    """One below, at and above a half: a DOUBLE holds 16 digits and could not tell these apart."""
    e25 = 10**25
    for quotient in (0, 1, 7, 815_559, 10**12 - 1):
        for step in (-1, 0, 1):
            numerator = quotient * e25 + e25 // 2 + step
            assert rounded(con, numerator, e25) == quotient + (step >= 0)
            assert rounded(con, -numerator, e25) == -(quotient + (step >= 0))


def test_a_share_is_rounded_once_from_the_unrounded_amount(con: duckdb.DuckDBPyConnection) -> None:
    """top / bottom × num / den against fractions, ties and negatives among them; top × num would not fit 38 digits."""
    luck = random.Random(7)
    cases = [
        (10**37, 10**25, 10**14 + 1, 10**15),
        (5 * 10**24, 10**25, 1, 1),
        (-5 * 10**24, 10**25, 1, 1),
        (1, 2, 1, 1),
    ]
    cases += [
        (
            luck.randint(-(10**36), 10**36),
            10 ** luck.randint(0, 22),
            luck.randint(0, 10**15),
            luck.randint(1, 10**15),
        )
        for _ in range(300)
    ]
    for top, bottom, num, den in cases:
        text = f"SELECT shared({top}::HUGEINT, {bottom}::HUGEINT, {num}::HUGEINT, {den}::HUGEINT)"
        if abs(top) // bottom * num < 2**125:
            assert con.sql(text).fetchall() == [(half_away(Fraction(top, bottom) * Fraction(num, den)),)], (
                text
            )


def test_a_reversal_is_the_exact_negative(con: duckdb.DuckDBPyConnection) -> None:
    gaps = con.sql(
        "SELECT n FROM range(-500, 500) t(n) WHERE half_away(n, 40) <> -half_away(-n, 40)"
    ).fetchall()
    assert gaps == []


def test_scales_are_what_they_are_called(con: duckdb.DuckDBPyConnection) -> None:
    assert con.sql("SELECT e4()").fetchall() == [(10**4,)]
    assert con.sql("SELECT typeof(half_away(1::BIGINT, 2))").fetchall() == [("HUGEINT",)]


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("1.00::DECIMAL(18, 2) / 3.00::DECIMAL(18, 2)", "DOUBLE"),
        ("avg(1.00::DECIMAL(18, 2))", "DOUBLE"),
        ("7 / 2", "DOUBLE"),
        ("7::BIGINT // 2", "BIGINT"),
        ("7::HUGEINT // 2", "HUGEINT"),
        ("sum(1.0::DECIMAL(18, 9))", "DECIMAL(38,9)"),
        ("sum(1::BIGINT)", "HUGEINT"),
    ],
)
def test_what_duckdb_makes_of_a_quotient(con: duckdb.DuckDBPyConnection, expression: str, kind: str) -> None:
    """DESIGN §2, fact 1: a division of decimals is a DOUBLE and a cast would hide it; integer `//` is exact."""
    assert con.sql(f"SELECT typeof({expression})").fetchall() == [(kind,)]


def test_what_duckdb_does_at_the_edges(con: duckdb.DuckDBPyConnection) -> None:
    assert con.sql("SELECT round(2.25, 1), -7 // 2").fetchall() == [
        (Decimal("2.3"), -3)
    ]  # half away; truncates
    assert con.sql("SELECT (7.0 / 0)::VARCHAR").fetchall() == [("inf",)]
    with pytest.raises(duckdb.OutOfRangeException):
        con.sql(f"SELECT {LARGEST}::HUGEINT * 2").fetchall()


def test_what_polars_does_at_a_tie() -> None:
    """DESIGN §2, fact 2: half to even, so money is never rounded in polars."""
    assert pl.Series([2.25]).round(1).to_list() == [2.2]


def discharges(**changes: object) -> pl.DataFrame:
    """One row of the contract's scalar columns."""
    plain = {"string": "x", "int32": 1, "int64": 1, "date32[day]": dt.date(2025, 10, 1), "bool": False}
    row = {column.name: plain[str(column.type)] for column in DISCHARGES if str(column.type) in plain}
    row |= {"sex": "1", "reverses": None, **changes}
    kinds = {
        "string": pl.String,
        "int32": pl.Int32,
        "int64": pl.Int64,
        "date32[day]": pl.Date,
        "bool": pl.Boolean,
    }
    schema = {column.name: kinds[str(column.type)] for column in DISCHARGES if column.name in row}
    return pl.DataFrame([row], schema=schema)


@pytest.mark.parametrize(
    "bad", [{"total_fee_fen": -5}, {"sex": "9"}, {"admission_date": dt.date(2025, 12, 1)}, {"case_id": None}],
    ids=str,
)  # fmt: skip
def test_pandera_proves_collected_batches_only(bad: dict[str, object]) -> None:
    """DESIGN §2, fact 4: the same bad batch passes as a LazyFrame, also with lazy=True, and fails collected."""
    contract = discharges_contract()
    contract.validate(discharges())
    frame = discharges(**bad)
    for lazy in (False, True):
        assert contract.validate(frame.lazy(), lazy=lazy).collect().equals(frame)
    with pytest.raises(SchemaError):
        contract.validate(frame)


def test_pandera_sees_the_schema_of_a_lazy_frame() -> None:
    with pytest.raises((SchemaError, pl.exceptions.PolarsError)):
        schema: pa_polars.DataFrameSchema = discharges_contract()
        schema.validate(discharges().drop("case_id").lazy()).collect()
