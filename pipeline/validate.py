"""Validate a batch of discharges: what goes on, what is found, and the door of every row.

Each finding is one named check: a polars expression over the scalar columns, or a few integers of the code
lists. Pandera holds the contract at the border (`contracts.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.codelists import (
    KNOWN,
    MEN_ONLY,
    NOT_FOR_GROUPING,
    RESTRICTED,
    WOMEN_ONLY,
    CodeColumn,
    Vocabulary,
)
from pipeline.contracts import check_discharges, completed
from pipeline.findings import BY_CODE, FINDINGS_SCHEMA, RANK, messages
from pipeline.tables import DISCHARGE_SCHEMA, DISCHARGES, MONEY_COLUMNS, MOST_FEN

LONGEST_TEXT = 200
MOST_CODES = 100
DISCHARGE_WAYS = ("1", "2", "3", "4", "5", "9")
PLACES = ("local", "province", "country")

VALIDATED_SCHEMA = pa.schema([("input_row", pa.int64()), *DISCHARGE_SCHEMA, ("stay_days", pa.int32())])
ARRIVALS_SCHEMA = pa.schema(
    [
        ("input_row", pa.int64()),
        ("case_id", pa.string()),
        ("hospital_id", pa.string()),
        ("insurance_type", pa.string()),
        ("total_fee_fen", pa.int64()),
        ("pool_fund_fen", pa.int64()),
        ("door", pa.string()),  # on | refuse | hold
        ("code", pa.string()),  # the first finding that closed the way
    ]
)


Check = tuple[str, str, pl.Expr, pl.Expr]  # finding, column, condition, value shown
Interval = tuple[dt.date, dt.date, tuple[str, ...]]  # first day, last day, hospitals


@dataclass(frozen=True)
class Yardstick:
    """What a batch is measured against, resolved for one region and period."""

    dx: Vocabulary
    px: Vocabulary
    hospitals: pl.DataFrame  # hospital_id, in_force_from, in_force_to
    out_of_force: tuple[Interval, ...]  # gaps between a hospital's intervals
    clinical: tuple[Interval, ...]  # which hospitals declare 国临版, from when to when
    insurance_types: tuple[str, ...]
    period_column: str
    period_first: dt.date
    period_last: dt.date
    repeated: np.ndarray  # input rows that repeat an earlier row, sorted
    conflicting: np.ndarray  # input rows that share a case_id but differ, sorted
    closed: tuple[tuple[dt.date, dt.date], ...] = ()  # published months before the period, first and last day
    paid_rows: np.ndarray = field(
        default_factory=lambda: np.empty(0, np.int64)
    )  # paid in another month, sorted
    paid_where: tuple[str, ...] = ()  # month and run of each of them


@dataclass(frozen=True)
class Validated:
    """`passed` (VALIDATED_SCHEMA), `findings` (FINDINGS_SCHEMA) and `arrivals` (ARRIVALS_SCHEMA)."""

    passed: pa.Table
    findings: pa.Table
    arrivals: pa.Table


def validate(batch: pa.RecordBatch, start: int, yardstick: Yardstick) -> Validated:
    """Check every row of a batch whose first row stands at input position `start`."""
    batch = completed(batch)
    frame = _scalars(batch, start, yardstick)
    dx = yardstick.dx.read(batch.column("dx_codes"), _clinical_rows(frame))
    px = yardstick.px.read(batch.column("px_codes"), _clinical_rows(frame))
    found = [
        *_scalar_findings(frame, yardstick),
        *_code_findings(frame, dx, px),
        *_duplicates(frame, yardstick),
    ]
    findings = pl.concat(found) if found else _no_findings()
    findings = findings.sort(
        ["input_row", pl.col("code").replace_strict(RANK, return_dtype=pl.Int32), "value", "column"]
    )
    arrivals = _doors(frame, findings)
    on = (arrivals["door"] == "on").to_arrow()
    columns = {"dx_codes": dx.as_arrow(), "px_codes": px.as_arrow()}
    table = pa.table(
        [
            pa.array(frame["input_row"].to_numpy()),
            *(columns.get(name, batch.column(name)) for name in DISCHARGE_SCHEMA.names),
            frame["stay_days"].to_arrow(),
        ],
        names=VALIDATED_SCHEMA.names,
    )
    passed = table.filter(pa.array(on))
    check_discharges(passed)
    return Validated(
        passed,
        findings.to_arrow().cast(FINDINGS_SCHEMA),
        arrivals.select(ARRIVALS_SCHEMA.names).to_arrow().cast(ARRIVALS_SCHEMA),
    )


def _scalars(batch: pa.RecordBatch, start: int, yardstick: Yardstick) -> pl.DataFrame:
    names = [name for name in DISCHARGE_SCHEMA.names if name not in ("dx_codes", "px_codes")]
    frame = (
        pl.DataFrame(batch.select(names))
        .with_row_index("row")
        .with_columns(
            pl.col("row").cast(pl.Int64),
            (pl.col("row").cast(pl.Int64) + start).alias("input_row"),
            (pl.col("discharge_date") - pl.col("admission_date"))
            .dt.total_days()
            .cast(pl.Int32)
            .alias("stay_days"),
            pl.col("reverses").is_not_null().alias("is_reversal"),
        )
    )
    return frame.join(yardstick.hospitals, on="hospital_id", how="left", maintain_order="left").with_columns(
        _within(yardstick.clinical).alias("is_clinical")
    )


def _within(intervals: Sequence[Interval]) -> pl.Expr:
    """The hospital's interval covers the day of discharge."""
    held = [
        pl.col("hospital_id").is_in(list(hospitals)) & pl.col("discharge_date").is_between(first, last)
        for first, last, hospitals in intervals
    ]
    return pl.any_horizontal(pl.lit(False), *held).fill_null(False)


def _clinical_rows(frame: pl.DataFrame) -> np.ndarray:
    return frame["is_clinical"].to_numpy()


def _cell_checks() -> Iterator[Check]:
    """Checks that look at one cell alone: filled, not too long, printable."""
    col = pl.col
    for column in DISCHARGES:
        name = column.name
        if column.filled:
            empty = col(name).is_null()
            if name in ("case_id", "person_id"):  # other texts have checks of their own
                empty |= col(name) == ""
            yield "missing_value", name, empty, pl.lit(f"`{name}`（{column.meaning}）")
        if pa.types.is_string(column.type):
            # A person's number never stands in a message.
            shown = pl.lit(f"`{name}`") if name == "person_id" else col(name).str.slice(0, 20)
            yield "oversized_text", name, col(name).str.len_bytes() > LONGEST_TEXT, shown
    for name in ("case_id", "hospital_id", "reverses"):
        yield "bad_character", name, col(name).str.contains(r"[\x00-\x1f\x7f]"), pl.lit(f"`{name}`")


def _checks(yardstick: Yardstick) -> Iterator[Check]:
    """Every check over scalar columns."""
    col, text = pl.col, lambda name: pl.col(name).cast(pl.String)
    clinical = ~col("is_reversal")  # a reversal takes its original's case as it was
    yield from _cell_checks()
    yield "unknown_sex", "sex", clinical & ~col("sex").is_in(["1", "2"]), col("sex")
    # Platforms give the days of life to adults too; only under one year must they fit the years.
    days = col("age_days").fill_null(0)
    impossible = ~col("age_years").is_between(0, 150) | (days < 0) | ((col("age_years") == 0) & (days > 366))
    yield "impossible_age", "age_years", clinical & impossible, text("age_years") + "岁"
    yield (
        "newborn_without_days", "age_days",
        clinical & (col("age_years") == 0) & col("age_days").is_null(), pl.lit(""),
    )  # fmt: skip
    dates = text("admission_date") + " → " + text("discharge_date")
    yield "dates_reversed", "discharge_date", col("stay_days") < 0, dates
    for name in MONEY_COLUMNS:
        yield "negative_money", name, clinical & (col(name) < 0), pl.lit(f"`{name}` ") + text(name) + " 分"
        yield "absurd_amount", name, (col(name) > MOST_FEN) | (col(name) < -MOST_FEN), text(name)
    yield "unknown_hospital", "hospital_id", col("in_force_from").is_null(), col("hospital_id")
    away = ~col("discharge_date").is_between("in_force_from", "in_force_to") | _within(yardstick.out_of_force)
    yield "hospital_not_in_force", "hospital_id", away, col("hospital_id")
    known = col("insurance_type").is_in(list(yardstick.insurance_types))
    yield "unknown_insurance_type", "insurance_type", ~known, col("insurance_type")
    period = col(yardstick.period_column)
    outside = ~period.is_between(yardstick.period_first, yardstick.period_last)
    late = pl.any_horizontal(pl.lit(False), *(period.is_between(*month) for month in yardstick.closed))
    other = outside & ~late
    yield "late_discharge", yardstick.period_column, outside & late, period.cast(pl.String)
    yield "other_period", yardstick.period_column, other, period.cast(pl.String)
    # Settled in the period but not yet discharged in it: the stay is not over, its codes are not final.
    unfinished = ~other & (col("discharge_date") > yardstick.period_last)
    yield "other_period", "discharge_date", unfinished, text("discharge_date")
    parts = [
        col(name).fill_null(0)
        for name in (
            "pool_fund_fen", "serious_illness_fund_fen", "medical_aid_fund_fen", "other_fund_fen",
            "personal_paid_fen", "hospital_borne_fen",
        )
    ]  # fmt: skip
    gap = col("total_fee_fen") - pl.sum_horizontal(parts)
    yield "identity_broken", "total_fee_fen", gap != 0, gap.cast(pl.String)
    for name in (
        "ownpay_fee_fen",
        "overlimit_fee_fen",
        "firstpay_fee_fen",
        "drug_fee_fen",
        "consumable_fee_fen",
    ):
        over = clinical & (col(name) > col("total_fee_fen"))
        yield "part_over_total", name, over, pl.lit(f"`{name}` ") + text(name) + " 分"
    yield "zero_day_stay", "discharge_date", clinical & (col("stay_days") == 0), pl.lit("0")
    early = col("settlement_date") < col("discharge_date")
    yield "settled_before_discharge", "settlement_date", early, text("settlement_date")
    ways = col("discharge_way").is_in(DISCHARGE_WAYS)
    yield "unknown_discharge_way", "discharge_way", clinical & ~ways, col("discharge_way")
    yield "unknown_place", "place", ~col("place").is_in(PLACES), col("place")


def _scalar_findings(frame: pl.DataFrame, yardstick: Yardstick) -> Iterator[pl.DataFrame]:
    checks = list(_checks(yardstick))
    truths = frame.select([check[2].fill_null(False).alias(str(n)) for n, check in enumerate(checks)])
    hits = truths.select(pl.all().any()).row(0)
    for number, (code, column, _, value) in enumerate(checks):
        if hits[number]:
            rows = frame.filter(truths[str(number)])
            yield messages(
                code,
                rows.select(
                    "input_row", "case_id", "hospital_id",
                    pl.lit(column).alias("column"), value.cast(pl.String).alias("value"),
                ),
            )  # fmt: skip


def _code_findings(frame: pl.DataFrame, dx: CodeColumn, px: CodeColumn) -> Iterator[pl.DataFrame]:
    clinical = ~frame["is_reversal"].to_numpy()
    for side in (dx, px):
        for code in ("mapped_code", "code_form"):
            part = side.rewritten.filter(pl.col("code") == code)
            yield from _at(frame, code, side.name, part["row"].to_numpy(), part["value"].to_list())
        yield from _at(frame, "empty_code", side.name, side.emptied, None)
        long = np.flatnonzero(side.lengths > MOST_CODES)
        yield from _at(frame, "too_many_codes", side.name, long, [str(n) for n in side.lengths[long]])
    yield from _at(frame, "missing_principal", "dx_codes", np.flatnonzero(clinical & dx.first_is_empty), None)
    first = dx.is_first
    trait, rows = dx.traits[dx.ids], dx.rows
    for code, chosen in (
        ("unknown_principal", first & (trait & KNOWN == 0) & clinical[rows]),
        ("restricted_principal", first & (trait & RESTRICTED > 0)),
        ("not_for_grouping_principal", first & (trait & NOT_FOR_GROUPING > 0)),
        ("unknown_code", ~first & (trait & KNOWN == 0)),
        ("sex_conflict", _sex_conflicts(frame, trait, rows)),
        ("secondary_duplicate", _repeats(dx)),
    ):
        yield from _codes_at(frame, code, dx, chosen)
    trait = px.traits[px.ids]
    yield from _codes_at(frame, "unknown_procedure", px, trait & KNOWN == 0)
    aside = px.is_first & (trait & NOT_FOR_GROUPING > 0)
    yield from _codes_at(frame, "not_for_grouping_procedure", px, aside)


def _sex_conflicts(frame: pl.DataFrame, trait: np.ndarray, rows: np.ndarray) -> np.ndarray:
    limited = trait & (MEN_ONLY | WOMEN_ONLY) > 0
    wrong = np.zeros(len(trait), dtype=bool)
    at = np.flatnonzero(limited)
    man = (frame["sex"] == "1").fill_null(False).to_numpy()[rows[at]]
    woman = (frame["sex"] == "2").fill_null(False).to_numpy()[rows[at]]
    wrong[at] = (man & (trait[at] & WOMEN_ONLY > 0)) | (woman & (trait[at] & MEN_ONLY > 0))
    return wrong


def _repeats(codes: CodeColumn) -> np.ndarray:
    """Codes that stand earlier in the same row already."""
    key = codes.rows * max(1, len(codes.vocabulary)) + codes.ids
    order = np.argsort(key, kind="stable")
    again = np.zeros(len(key), dtype=bool)
    again[order[1:]] = key[order[1:]] == key[order[:-1]]
    return again


def _codes_at(frame: pl.DataFrame, code: str, side: CodeColumn, chosen: np.ndarray) -> Iterator[pl.DataFrame]:
    at = np.flatnonzero(chosen)
    if len(at):
        yield from _at(frame, code, side.name, side.rows[at], side.texts(side.ids[at]).to_pylist())


def _at(
    frame: pl.DataFrame, code: str, column: str, rows: np.ndarray, values: list[str] | None
) -> Iterator[pl.DataFrame]:
    """Findings of one kind at the given rows of the batch."""
    if len(rows):
        chosen = frame.select("input_row", "case_id", "hospital_id")[rows]
        shown = pl.Series("value", values, pl.String) if values is not None else pl.lit("").alias("value")
        yield messages(code, chosen.with_columns(pl.lit(column).alias("column"), shown))


def _duplicates(frame: pl.DataFrame, yardstick: Yardstick) -> Iterator[pl.DataFrame]:
    for code, rows in (("repeated_row", yardstick.repeated), ("duplicate_case_id", yardstick.conflicting)):
        start = frame["input_row"][0] if len(frame) else 0
        begin, end = np.searchsorted(rows, [start, start + len(frame)])
        yield from _at(frame, code, "case_id", rows[begin:end] - start, None)
    start = frame["input_row"][0] if len(frame) else 0
    begin, end = np.searchsorted(yardstick.paid_rows, [start, start + len(frame)])
    where = list(yardstick.paid_where[begin:end])
    yield from _at(frame, "already_paid", "case_id", yardstick.paid_rows[begin:end] - start, where)


def _doors(frame: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """The one door of every row: the first refusal, else the first hold, else on."""
    closing = (
        findings.filter(pl.col("severity") != "warn")
        .sort(pl.col("severity") == "hold", maintain_order=True)
        .unique("input_row", keep="first", maintain_order=True)
        .select("input_row", pl.col("severity").alias("door"), "code")
    )
    return frame.join(closing, on="input_row", how="left", maintain_order="left").with_columns(
        pl.col("door").fill_null("on"), pl.col("case_id").str.slice(0, LONGEST_TEXT)
    )


def _no_findings() -> pl.DataFrame:
    return pl.DataFrame(pa.table({field.name: pa.array([], field.type) for field in FINDINGS_SCHEMA}))


assert set(RANK) == set(BY_CODE)
