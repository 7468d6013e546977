"""Pandera contracts at the borders: names, types, nullability and enumerations of the tables.

Pandera checks only the schema of a LazyFrame unless told otherwise (a test pins this), so every check here
is made on a collected frame.
"""

from __future__ import annotations

from functools import cache

import pandera.polars as pa_polars
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pandera.errors import SchemaError

from pipeline.errors import AuditBroken
from pipeline.tables import DISCHARGES, GROUPED_SCHEMA

CALENDAR_DAYS = (-719_162, 2_932_896)  # 0001-01-01 and 9999-12-31, counted from 1970-01-01

_POLARS_TYPES = {
    pa.string(): pl.String,
    pa.int32(): pl.Int32,
    pa.int64(): pl.Int64,
    pa.date32(): pl.Date,
    pa.bool_(): pl.Boolean,
}


@cache
def discharges_contract() -> pa_polars.DataFrameSchema:
    """What every discharge satisfies that goes on from validation (scalar columns)."""
    columns = {
        column.name: pa_polars.Column(_POLARS_TYPES[column.type], nullable=not column.filled)
        for column in DISCHARGES
        if column.type in _POLARS_TYPES
    }
    in_order = pa_polars.Check(
        lambda data: data.lazyframe.select(pl.col("admission_date") <= pl.col("discharge_date")),
        name="出院不早于入院",
    )
    known_sex = pa_polars.Check(
        lambda data: data.lazyframe.select(
            pl.col("sex").is_in(["1", "2"]) | pl.col("reverses").is_not_null()
        ),
        name="性别为 1 或 2",
    )
    no_negative = pa_polars.Check(
        lambda data: data.lazyframe.select((pl.col("total_fee_fen") >= 0) | pl.col("reverses").is_not_null()),
        name="非冲销记录的总额不为负",
    )
    return pa_polars.DataFrameSchema(columns, checks=[in_order, known_sex, no_negative], name="discharges")


@cache
def grouped_contract() -> pa_polars.DataFrameSchema:
    """What every grouping result satisfies: one of three statuses, a group, and a rule unless ungrouped."""
    text = {field.name: pa_polars.Column(pl.String) for field in GROUPED_SCHEMA if field.type == pa.string()}
    for name in ("mdc", "adrg"):
        text[name] = pa_polars.Column(pl.String, nullable=True)
    text["status"] = pa_polars.Column(pl.String, pa_polars.Check.isin(["grouped", "ambiguous", "ungrouped"]))
    text["severity"] = pa_polars.Column(pl.String, pa_polars.Check.isin(["mcc", "cc", "none"]))
    placed = pa_polars.Check(
        lambda data: data.lazyframe.select((pl.col("status") == "ungrouped") == pl.col("rule").is_null()),
        name="入组与否和规则号相符",
    )
    return pa_polars.DataFrameSchema(
        {**text, "rule": pa_polars.Column(pl.Int32, nullable=True)}, checks=[placed], name="grouped"
    )


def completed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with every column of the contract; those the file lacks are null.

    Null too: an empty `reverses`, as CSV-minded exporters write it, and days outside the calendar, which no
    library prints.
    """
    arrays = []
    for column in DISCHARGES:
        if column.name not in batch.schema.names:
            arrays.append(pa.nulls(batch.num_rows, column.type))
            continue
        array = batch.column(column.name)
        if column.name == "reverses":
            array = pc.if_else(pc.equal(array, ""), None, array)
        elif pa.types.is_date(column.type):
            days = array.cast(pa.int32())
            outside = pc.or_(pc.less(days, CALENDAR_DAYS[0]), pc.greater(days, CALENDAR_DAYS[1]))
            array = pc.if_else(outside, None, array)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in DISCHARGES])


def check_discharges(passed: pa.Table) -> None:
    """Prove the contract on a validated batch. Raises AuditBroken: a row got past validation."""
    names = [column.name for column in DISCHARGES if column.type in _POLARS_TYPES]
    _prove(discharges_contract(), pl.DataFrame(passed.select(names)))


def check_grouped(grouped: pa.Table) -> None:
    """Prove the contract on a grouped batch. Raises AuditBroken."""
    frame = pl.DataFrame(grouped.select(GROUPED_SCHEMA.names)).with_columns(
        pl.col(pl.Categorical).cast(pl.String)
    )
    _prove(grouped_contract(), frame)


def _prove(contract: pa_polars.DataFrameSchema, frame: pl.DataFrame) -> None:
    try:
        contract.validate(frame)
    except SchemaError as error:
        raise AuditBroken(
            f"表 `{contract.name}` 不合约定：{error.check or error.reason_code}；本次未写出成果，请把日志交给开发者"
        ) from error
