"""Price a period's cases: parameters into SQL tables, one statement per table, unmatched look-ups refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from pipeline.decide import Review, decide, over_quota, store_outcome
from pipeline.findings import FINDINGS_SCHEMA, messages
from pipeline.price_tables import price_tables
from pipeline.query import drop, keep, statement, store, table, view
from pipeline.region import Region
from pipeline.schemes import Scheme
from pipeline.terms import Terms


def register_prices(
    con: duckdb.DuckDBPyConnection, region: Region, terms: tuple[Terms, ...], schemes: Mapping[str, Scheme]
) -> None:
    """The region's parameters as SQL tables (see `price_tables`), and the names of groups and insurance types."""
    pack = region.pack
    tables = price_tables(terms, pack, schemes)
    names = {group: title for scheme in schemes.values() for group, title in scheme.names.items()}
    tables["group_names"] = _names("group_code", names)
    tables["insurance_types"] = _names("insurance_type", pack.insurance_types)
    for name, content in tables.items():
        con.register(name, content)


# Texts with few values are numbered while a month is priced and sorted: a third less time, the same texts in the file.
FEW_VALUES = {
    "hospital_code": "SELECT DISTINCT hospital_id FROM validated",
    "insurance_code": "SELECT insurance_type FROM insurance_types",
    "level_name": "SELECT DISTINCT level FROM hospital_prices",
    "terms_name": "SELECT terms_id FROM terms",
    "group_name": "SELECT group_code FROM group_names",
    "dx_code": "SELECT DISTINCT principal_dx FROM placed WHERE principal_dx IS NOT NULL",
    "rule_name": "SELECT rule_id FROM price_rules",
    "family_name": "SELECT DISTINCT family FROM price_rules",
}


def few_valued(con: duckdb.DuckDBPyConnection) -> None:
    """The types of the texts with few values, each in the order of its texts."""
    for name, values in FEW_VALUES.items():
        con.execute(
            f"CREATE TYPE {name} AS ENUM (SELECT DISTINCT value FROM ({values}) found(value) ORDER BY value)"
        )


def divert(con: duckdb.DuckDBPyConnection) -> None:
    """The table `diverted`; a pack without scope and special rules has it empty and does not look at any case."""
    if con.sql("SELECT 1 FROM special_rules LIMIT 1").fetchall():
        keep(con, "diverted")
    else:
        con.sql(statement("diverted")).limit(0).create("diverted")


def _names(key: str, names: Mapping[str, str]) -> pa.Table:
    return pa.table(
        {key: pa.array(list(names), pa.string()), "name": pa.array(list(names.values()), pa.string())}
    )


def price(con: duckdb.DuckDBPyConnection, kind: str, review: Review | None = None) -> None:
    """`scored` as a view that nobody has stored yet: `validated` ⋈ `grouped` of a scheme of this kind (drg | dip), priced
    with the registered parameters, decisions applied. A simulation adds it up; `score` stores it."""
    view(con, f"{kind}/placed")
    few_valued(con)
    keep(con, "days")
    for name in ("offered", "measured"):
        view(con, name)
    divert(con)
    view(con, "ruled")
    keep(con, "priced")
    decide(con, review or Review())
    keep(con, "reversed")
    keep(con, "fund_shares")
    view(con, "funded")
    view(con, "scored")


def score(con: duckdb.DuckDBPyConnection, kind: str, folder: Path, review: Review | None = None) -> pa.Table:
    """Price `validated` ⋈ `grouped` and apply decisions (see `price`).

    Writes scored.parquet, rules_used.parquet and, with decisions, review_outcome.parquet and review_quota.parquet;
    returns the findings of cases that lost their way or their place in the quota.
    """
    review = review or Review()
    price(con, kind, review)
    store(con, "scored", folder / "scored.parquet")
    store(con, "rules_used", folder / "rules_used.parquet")
    store_outcome(con, review, folder)
    late = late_findings(table(con, "late_findings"), over_quota(con, review))
    doors = pl.DataFrame(late).filter(pl.col("severity") != "warn").select("input_row", "severity", "code")
    con.register("late_doors", doors.to_arrow())
    drop(con, "priced")
    return late


def late_findings(found: pa.Table, more: pa.Table | None = None) -> pa.Table:
    """FINDINGS_SCHEMA rows from the statement of the same name, and `more` of the same shape."""
    frame = pl.DataFrame(found)
    if more is not None:
        frame = pl.concat([frame, pl.DataFrame(more)], how="vertical_relaxed")
    parts = [messages(str(code[0]), part) for code, part in frame.group_by("code", maintain_order=True)]
    if not parts:
        return FINDINGS_SCHEMA.empty_table()
    return pl.concat(parts).sort("input_row", "code").to_arrow().cast(FINDINGS_SCHEMA)
