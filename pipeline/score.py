"""Price a period's cases: parameters into SQL tables, one statement per table, unmatched look-ups refused."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from groupers.drg.rulebook import RuleBook
from pipeline.findings import FINDINGS_SCHEMA, messages
from pipeline.query import drop, keep, store, table, view
from pipeline.region import Region
from pipeline.terms import Terms, price_tables


def group_kinds(book: RuleBook) -> dict[str, str]:
    """Every group a scheme can yield and its kind: grouped, ambiguous or ungrouped."""
    ungrouped = {book.choices.ungrouped, *book.choices.ungrouped_by_mdc.values()}
    drgs = {drg.drg for drg in book.drgs}
    return {
        group: "ungrouped" if group in ungrouped else "grouped" if group in drgs else "ambiguous"
        for group in book.group_names
    }


def register_prices(
    con: duckdb.DuckDBPyConnection, region: Region, terms: tuple[Terms, ...], books: dict[str, RuleBook]
) -> None:
    """The region's parameters as SQL tables: terms, group_prices, hospital_prices and names."""
    pack = region.pack
    kinds = {name: group_kinds(book) for name, book in books.items()}
    tables = price_tables(terms, pack.levels, list(pack.insurance_types), kinds)
    names = {group: title for book in books.values() for group, title in book.group_names.items()}
    tables["conventions"] = pa.table({"pricing_by": [pack.pricing_by]})
    tables["group_names"] = _names("drg", names)
    tables["insurance_types"] = _names("insurance_type", pack.insurance_types)
    for name, content in tables.items():
        con.register(name, content)


def _names(key: str, names: dict[str, str]) -> pa.Table:
    return pa.table(
        {key: pa.array(list(names), pa.string()), "name": pa.array(list(names.values()), pa.string())}
    )


def score(con: duckdb.DuckDBPyConnection, folder: Path) -> pa.Table:
    """Price `validated` ⋈ `grouped`; writes scored.parquet and returns the findings of cases that lost their way."""
    keep(con, "days")
    view(con, "offered")
    keep(con, "priced")
    keep(con, "reversed")
    store(con, "scored", folder / "scored.parquet")
    late = late_findings(table(con, "late_findings"))
    doors = pl.DataFrame(late).select("input_row", "severity", "code")
    con.register("late_doors", doors.to_arrow())
    drop(con, "priced")
    return late


def late_findings(found: pa.Table) -> pa.Table:
    """FINDINGS_SCHEMA rows from the statement of the same name."""
    frame = pl.DataFrame(found)
    parts = [messages(str(code[0]), part) for code, part in frame.group_by("code", maintain_order=True)]
    if not parts:
        return FINDINGS_SCHEMA.empty_table()
    return pl.concat(parts).sort("input_row", "code").to_arrow().cast(FINDINGS_SCHEMA)
