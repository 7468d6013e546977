"""Price a period's cases: parameters into SQL tables, one statement per table, unmatched look-ups refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from pipeline.decide import Review, decide, over_quota, store_outcome
from pipeline.findings import FINDINGS_SCHEMA, messages
from pipeline.price_schemas import SCHEMAS
from pipeline.price_tables import price_tables
from pipeline.query import keep, statement, store, table, view
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


# Texts with few values are numbered while a month is priced, joined and sorted: half the time, the same texts in the
# file. The number's type, by the column that carries it; its values are those of the parameter tables and of NUMBERED_IN.
NUMBERED = {
    "hospital_id": "hospital_code", "insurance_type": "insurance_code", "level": "level_name", "terms_id": "terms_name",
    "group_code": "group_name", "rule_id": "rule_name", "family": "family_name", "price_class": "class_name", "path": "path_name",
}  # fmt: skip
NUMBERED_IN = {
    "hospital_code": "SELECT hospital_id FROM validated",
    "insurance_code": "SELECT insurance_type FROM insurance_types",
    "group_name": "SELECT group_code FROM group_names",
    "class_name": "SELECT status FROM grouped UNION ALL SELECT 'reversal'",
    "dx_code": "SELECT principal_dx FROM grouped",
    "budget_name": "SELECT budget_line FROM special_rules UNION ALL SELECT ''",
}
# The texts of `scored` that are numbered, with their numbers' types: reversals of earlier months bring texts of their own.
EARLIER_TEXTS = {
    "hospital_id": "hospital_code", "insurance_type": "insurance_code", "level": "level_name",
    "principal_dx": "dx_code", "terms_id": "terms_name", "group_code": "group_name", "budget_line": "budget_name",
    "status": "class_name", "price_class": "class_name", "rule_id": "rule_name", "family": "family_name",
}  # fmt: skip
NUMBERED_BY_KIND = {
    "drg": {"mdc_code": "SELECT mdc FROM grouped"},
    "dip": {"dip_kind_name": "SELECT dip_kind FROM grouped"},
}


def number_texts(con: duckdb.DuckDBPyConnection, kind: str) -> None:
    """The types of the texts with few values, each in the order of its texts; the parameter tables take them on."""
    sources = {number: [values] for number, values in (NUMBERED_IN | NUMBERED_BY_KIND[kind]).items()}
    numbered = {
        name: [field.name for field in schema if field.name in NUMBERED and field.type == pa.string()]
        for name, schema in SCHEMAS.items()
    }
    for name, columns in numbered.items():
        for column in columns:
            sources.setdefault(NUMBERED[column], []).append(f"SELECT {column} FROM {name}")
    for column, number in EARLIER_TEXTS.items():
        sources[number].append(f"SELECT {column} FROM earlier_turned")
    for number, values in sources.items():
        con.execute(
            f"CREATE TYPE {number} AS ENUM (SELECT DISTINCT value FROM ({' UNION ALL '.join(values)}) found(value) "
            "WHERE value IS NOT NULL ORDER BY value)"
        )
    for name, columns in numbered.items():
        taken_on = ", ".join(f"{column}::{NUMBERED[column]} AS {column}" for column in columns)
        con.execute(f"CREATE TABLE {name}_by_number AS SELECT * REPLACE ({taken_on}) FROM {name}")
        con.unregister(name)
        con.execute(f"ALTER TABLE {name}_by_number RENAME TO {name}")


def divert(con: duckdb.DuckDBPyConnection) -> None:
    """The table `diverted`; a pack without scope and special rules has it empty and does not look at any case."""
    if con.sql("SELECT 1 FROM special_rules LIMIT 1").fetchall():
        keep(con, "diverted")
    else:
        con.sql(statement("diverted")).limit(0).create("diverted")


def share_funds(con: duckdb.DuckDBPyConnection) -> None:
    """The table `fund_shares`; where no terms share a ratio between cases it is empty and no case is looked at."""
    if con.sql("SELECT 1 FROM terms WHERE fund_of <> 'case' LIMIT 1").fetchall():
        keep(con, "fund_shares")
    else:
        con.sql(statement("fund_shares")).limit(0).create("fund_shares")


def _names(key: str, names: Mapping[str, str]) -> pa.Table:
    return pa.table(
        {key: pa.array(list(names), pa.string()), "name": pa.array(list(names.values()), pa.string())}
    )


def price(con: duckdb.DuckDBPyConnection, kind: str, review: Review | None = None) -> None:
    """`scored` as a view that nobody has stored yet: `validated` ⋈ `grouped` of a scheme of this kind (drg | dip), priced
    with the registered parameters, decisions applied. A simulation adds it up; `score` stores it. Until it was read,
    joins keep the order in which they are written; then `priced_through` lets them go.
    """
    keep(con, "turned")
    turn_earlier(con)
    number_texts(con, kind)
    # Of a join the table on the right is hashed, as written: parameters and the few columns of `placed`, not the cases.
    con.execute("SET disabled_optimizers = 'build_side_probe_side'")
    view(con, f"{kind}/placed")
    keep(con, "days")
    keep(con, "counted")
    for name in ("cases", "offered", "measured"):
        view(con, name)
    divert(con)
    view(con, "ruled")
    decide(con, review or Review())
    view(con, "priced")
    share_funds(con)
    view(con, "funded")
    view(con, "payable")
    order(con)
    view(con, "scored")


# What is empty in every row where the pack pays otherwise. A column that holds nothing is not carried through the sort.
EMPTY_WHERE = {
    "NOT by_rate": ("rate",),
    "NOT by_points": ("point_value", "reference_price", "points"),
    "by_dip OR NOT by_points": ("point_scale",),
    "NOT by_dip": ("auxiliary", "dip_kind", "subtype"),
    "NOT EXISTS (SELECT 1 FROM terms WHERE fund_method = 'ratio')": ("share_fund_fen", "share_fee_fen"),
}


def order(con: duckdb.DuckDBPyConnection) -> None:
    """`ordered`: `payable` by hospital and input row, without sorting what holds nothing."""
    types = {row[0]: row[1] for row in con.sql("DESCRIBE payable").fetchall()}
    earlier = {row[0] for row in con.sql("DESCRIBE earlier_turned").fetchall()}
    empty = [
        column
        for where, columns in EMPTY_WHERE.items()
        if con.sql(f"SELECT 1 FROM conventions WHERE {where}").fetchall()
        for column in columns
        if column not in earlier  # what an earlier month paid may have been paid otherwise
        or not con.sql(f"SELECT 1 FROM earlier_turned WHERE {column} IS NOT NULL LIMIT 1").fetchall()
    ]
    thin = ", ".join(f"NULL::BOOLEAN AS {column}" for column in empty)
    full = ", ".join(f"NULL::{types[column]} AS {column}" for column in empty)
    con.execute(
        f"CREATE OR REPLACE VIEW ordered AS SELECT * REPLACE ({full}) FROM ("
        f"SELECT * REPLACE ({thin}) FROM payable ORDER BY hospital_id, input_row)"
    )


def priced_through(con: duckdb.DuckDBPyConnection) -> None:
    """After `price`, once `scored` was read."""
    con.execute("RESET disabled_optimizers")


def turned_away(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """The cases and reversals that have no price, as `late_findings` shows them, once `scored` stands in a table."""
    view(con, "unpaid/cases")
    keep(con, "refused")
    keep(con, "reversed")
    return table(con, "late_findings")


def score(con: duckdb.DuckDBPyConnection, kind: str, folder: Path, review: Review | None = None) -> pa.Table:
    """Price `validated` ⋈ `grouped` and apply decisions (see `price`).

    Writes scored.parquet, rules_used.parquet and, with decisions, review_outcome.parquet and review_quota.parquet;
    returns the findings of cases that lost their way or their place in the quota.
    """
    review = review or Review()
    price(con, kind, review)
    store(con, "scored", folder / "scored.parquet")
    priced_through(con)
    store(con, "rules_used", folder / "rules_used.parquet")
    store_outcome(con, review, folder)
    late = late_findings(turned_away(con), over_quota(con, review))
    doors = pl.DataFrame(late).filter(pl.col("severity") != "warn").select("input_row", "severity", "code")
    con.register("late_doors", doors.to_arrow())
    return late


def turn_earlier(con: duckdb.DuckDBPyConnection) -> None:
    """`turned_before` and `earlier_turned`: reversals of cases that published months have paid (see earlier.py)."""
    if con.sql("SELECT 1 FROM duckdb_views() WHERE view_name = 'earlier_scored'").fetchall():
        keep(con, "turned_before")
        keep(con, "earlier_turned")
        return
    con.execute("CREATE TABLE turned_before (input_row BIGINT, mirrors BOOLEAN, taken BOOLEAN, nth BIGINT)")
    texts = ", ".join(f"{column} VARCHAR" for column in (*EARLIER_TEXTS, "original_class"))
    con.execute(f"CREATE TABLE earlier_turned (input_row BIGINT, {texts})")


def late_findings(found: pa.Table, more: pa.Table | None = None) -> pa.Table:
    """FINDINGS_SCHEMA rows from the statement of the same name, and `more` of the same shape."""
    frame = pl.DataFrame(found)
    if more is not None:
        frame = pl.concat([frame, pl.DataFrame(more)], how="vertical_relaxed")
    parts = [messages(str(code[0]), part) for code, part in frame.group_by("code", maintain_order=True)]
    if not parts:
        return FINDINGS_SCHEMA.empty_table()
    return pl.concat(parts).sort("input_row", "code").to_arrow().cast(FINDINGS_SCHEMA)
