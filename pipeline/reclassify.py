"""Classes decided anew, once, with the value that the clearing found (`reclassify: once`).

Source: DESIGN §6: classes are decided with the budget rate of the case's pricing date and stay for the year; `once` clears
the year with these, prices every case again at the rates so found (to their published digits), freezes the new classes
and clears again. There is no third pass. See docs/clearing.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.budgets import pool_name
from pipeline.clear import clear_year
from pipeline.clear_value import half_away, six_digits
from pipeline.clearing_check import check_reclassify
from pipeline.earlier import register_earlier
from pipeline.errors import AuditBroken, ConfigurationError
from pipeline.pack_clearing import ClearingEntry
from pipeline.price_bounds import MOST_HUGEINT, largest_product, stored_numbers
from pipeline.query import audit, engine, keep, parquet_view, rows, statement, store
from pipeline.score import price, priced_through, register_prices
from pipeline.simulate_inputs import Proposal, Stored, review_of_run

Pool = tuple[str, str]
PRESENT_LAW = "audit_simulate/present_equals_stored"
_VALUES = pa.schema([("insurance_type", pa.string()), ("budget_line", pa.string()),
                     *((name, pa.string()) for name in ("first_num", "first_den", "first_value"))])  # fmt: skip
_MOVED = pa.schema([("case_id", pa.string()), ("standard_fen", pa.int64())])


@dataclass(frozen=True)
class Reclassifying:
    """What a year is priced again from: its months as published, and the pack as it stands."""

    months: Sequence[Stored]
    present: Proposal
    spill: Path
    memory_limit: str


def clear_reclassified(
    con: duckdb.DuckDBPyConnection, entry: ClearingEntry, year: int, folder: Path,
    register: Callable[[duckdb.DuckDBPyConnection], None], work: Reclassifying,
) -> list[str]:  # fmt: skip
    """Clear a year, decide its classes anew, and clear it again into `folder`; returns the laws proved.

    `register` makes YEAR_TABLES of a connection, year_scored and year_rules as views; `con` has them already. Beside what
    clear_year writes: reclassification.parquet (a row per pool) and reclassified.parquet (a row per case whose class
    changed). Raises ConfigurationError where the months cannot be priced again, and what clear_year raises.
    """
    for problem in check_reclassify(
        work.present.region, entry, f"{year} 年的清算办法"
    ):  # a trial's is not in the pack
        raise ConfigurationError(f"{problem.where}：{problem.message}")
    first = work.spill / "first"
    first.mkdir()
    with tempfile.TemporaryDirectory(dir=work.spill) as own, engine(Path(own), work.memory_limit) as other:
        register(other)
        clear_year(other, entry, year, first)
    values = _first_values(first)
    _stop_beyond(work.present, values)
    repriced = [_reprice(month, values, work) for month in work.months]
    parquet_view(con, "repriced", [file for files in repriced for file in files])
    _take(con, values, work)
    laws = clear_year(con, entry, year, folder)
    parquet_view(con, "first_cases", [first / "case_clearing.parquet"])
    for name in ("reclassified", "reclassification"):
        store(con, f"reclassify/{name}", folder / f"{name}.parquet")
    return laws


def _first_values(folder: Path) -> dict[Pool, Fraction]:
    """The multiplier of the rates of every solved pool, as the first clearing has found it."""
    pools = folder / "pool_balance.parquet"
    found = pq.read_table(pools if pools.is_file() else folder / "insurance_clearing.parquet").to_pylist()
    return {
        (row["insurance_type"], row.get("budget_line", "")): Fraction(int(row["value_num"]), int(row["value_den"]))
        for row in found if row["value_num"] is not None
    }  # fmt: skip


def _value_row(pool: Pool, value: Fraction) -> dict[str, Any]:
    return {
        "insurance_type": pool[0], "budget_line": pool[1], "first_num": str(value.numerator),
        "first_den": str(value.denominator), "first_value": six_digits(value),
    }  # fmt: skip


def _stop_beyond(present: Proposal, values: Mapping[Pool, Fraction]) -> None:
    """Rates raised by these values still fit the integers of the SQL."""
    region = present.region
    largest = max(
        largest_product(one, region.pack, stored_numbers(one, region.pack, present.schemes[one.scheme.key]))
        for one in present.terms
    )
    for pool, value in values.items():
        if largest * max(1, ceil(value)) ** 2 > MOST_HUGEINT:
            raise ConfigurationError(
                f"险种 {pool_name(*pool)} 首次清算的倍数 {six_digits(value)} 太大，按它重判的费率超出可精确计算的范围；"
                "请核对 budgets.csv，或把 clearing 的 reclassify 改为 never"
            )


def _reprice(month: Stored, values: Mapping[Pool, Fraction], work: Reclassifying) -> list[Path]:
    """The month's cases of the solved pools at the rates found, one file per budget line."""
    _prove(month, work)
    files: list[Path] = []
    for line in sorted({pool[1] for pool in values}):
        found = {kind: value for (kind, of), value in values.items() if of == line}
        file = work.spill / f"repriced-{month.period}-{len(files)}.parquet"
        with _registered(month, work) as con:
            prices = _at_values(con.table("hospital_prices").to_arrow_table(), found)
            con.unregister("hospital_prices")
            con.register("hospital_prices", prices)
            con.register("solved_types", pa.table({"insurance_type": pa.array(list(found), pa.string())}))
            price(con, work.present.region.pack.kind, review_of_run(month, work.present.region))
            store(con, "reclassify/repriced", file, line=line)
        files.append(file)
    return files


@contextmanager
def _registered(month: Stored, work: Reclassifying) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own that holds a stored month and the parameters as they stand, ready to be priced."""
    present = work.present
    with tempfile.TemporaryDirectory(dir=work.spill) as own, engine(Path(own), work.memory_limit) as con:
        for name, stored in (("validated", "validated"), ("grouped", "grouped"), ("stored_payment", "case_payment"),
                             ("stored_scored", "scored")):  # fmt: skip
            parquet_view(con, name, [month.table(stored)])
        if month.earlier:
            register_earlier(con, month.earlier)
        keep(con, "simulate/arrivals")
        register_prices(con, present.region, present.terms, present.schemes)
        yield con


def _prove(month: Stored, work: Reclassifying) -> None:
    """The pack as it stands gives what the month has published. Raises ConfigurationError where it does not."""
    with _registered(month, work) as con:
        price(con, work.present.region.pack.kind, review_of_run(month, work.present.region))
        keep(con, "simulate/simulated")
        priced_through(con)
        try:
            audit(con, [PRESENT_LAW])
        except AuditBroken as error:
            raise ConfigurationError(
                f"{month.period} 发布之后价格参数改过，按今天的参数重算与所发布的不同，不能重判倍率；"
                f"请先用 `drgdip rerun` 重算、发布 {month.period}，再清算"
            ) from error


def _at_values(prices: pa.Table, values: Mapping[str, Fraction]) -> pa.Table:
    """`hospital_prices` with the rates of these insurance types times their value, to the published digits."""
    rows = prices.to_pylist()
    for row in rows:
        if (value := values.get(row["insurance_type"])) is not None:
            row["rate_num"] = half_away(row["rate_num"] * value)
    return pa.Table.from_pylist(rows, prices.schema)


def _take(con: duckdb.DuckDBPyConnection, values: Mapping[Pool, Fraction], work: Reclassifying) -> None:
    """Make year_scored and year_rules those of the new classes; `changed` keeps the cases whose class is another."""
    con.register("first_values", pa.Table.from_pylist([_value_row(*one) for one in values.items()], _VALUES))
    lost = rows(con, statement("reclassify/lost"))
    if lost:
        raise ConfigurationError(
            f"按首次清算的费率重判，{lost[0]['cases']:,} 例已发布的病例没有价格，如 `{lost[0]['case_id']}`；"
            "请核对 budgets.csv 与费率，或把 clearing 的 reclassify 改为 never"
        )
    con.register("moved", pa.Table.from_pylist(_moved(con, values), _MOVED))
    store(con, "reclassify/changed", work.spill / "changed.parquet")
    # Both read the views that they take the place of: written first, put in their place then.
    for name in ("year_reclassified", "rules_reclassified"):
        store(con, f"reclassify/{name}", work.spill / f"{name}.parquet")
    parquet_view(con, "year_scored", [work.spill / "year_reclassified.parquet"])
    parquet_view(con, "year_rules", [work.spill / "rules_reclassified.parquet"])


def _moved(con: duckdb.DuckDBPyConnection, values: Mapping[Pool, Fraction]) -> list[dict[str, Any]]:
    """What takes back an earlier year's case was not priced anew: its moving part follows the rates as it did."""
    return [
        {"case_id": row["case_id"], "standard_fen": row["apart_fen"] + half_away(
            (row["standard_fen"] - row["apart_fen"]) * values[row["insurance_type"], row["budget_line"]])}
        for row in rows(con, statement("reclassify/older"))
    ]  # fmt: skip
