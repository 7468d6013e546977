"""Read a history of discharges into working tables of integers: cases, and combinations of codes.

Working tables (Parquet in the spill folder, then views of the engine):
    history        one row per discharge: case_id, reverses and what is used of it, with why it is left out
    combinations   combination, diagnosis (place among the subcategories), procedure (place, ABSENT or UNKNOWN),
                   others (two bytes per place, ascending), cases
    cases          combination, year (place among the year weights), level (place among the region's), fee_fen
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groupers.codes import CodeTables
from pipeline.calibrate_places import EPOCH, MOST_PLACES, CodeSpace, Hospitals
from pipeline.codelists import CodeColumn, Vocabulary
from pipeline.errors import InputError
from pipeline.query import parquet_view, rows, statement, store
from pipeline.read import Piece, Source, open_source, stream
from pipeline.region import Region
from pipeline.tables import DISCHARGES, MOST_FEN

NO_PRINCIPAL, NOT_IN_TABLE = -(2**31), 1 - 2**31  # a row without principal diagnosis; with one of no table
ABSENT, UNKNOWN = -1, -2  # no procedure; one of no class that no row asks for
YEAR_MONTHS = 12
NEEDED = ("case_id", "hospital_id", "discharge_date", "dx_codes", "px_codes", "total_fee_fen", "reverses")
SEPARATE = "separate_items_fen"

# Why a row of the history is left out, in the order of the report.
REASONS = {
    "no_case_id": "没有结算ID",
    "repeated_differing": "结算ID重复而内容不同（各行都不用）",
    "repeated_alike": "结算ID重复且内容相同（只用一行）",
    "reversal": "冲销记录",
    "reversed": "已被冲销的原记录",
    "no_date": "没有出院日期",
    "unknown_hospital": "医院在出院之日不在地区的医院表里",
    "unknown_level": "医院在出院之日的级别不在地区的级别之列",
    "no_fee": "费用为空、为零或为负",
    "absurd_fee": "费用超过一亿元",
    "no_principal": "没有主要诊断",
    "unknown_principal": "主要诊断不在编码表内",
    "excluded": "主要诊断不按病种付费（排除目录）",
    "too_old": "早于最早一个年度窗口",
}


HISTORY = pa.schema(
    [
        ("input_row", pa.int64()), ("case_id", pa.string()), ("reverses", pa.string()), ("hospital", pa.int32()),
        ("level", pa.int8()), ("day", pa.int32()), ("month", pa.int32()), ("diagnosis", pa.int32()),
        ("procedure", pa.int32()), ("others", pa.binary()), ("fee_fen", pa.int64()), ("reason", pa.string()),
    ]
)  # fmt: skip
# What a row shows by itself; the other reasons need the whole history.
_ROW_REASONS = list(REASONS)[list(REASONS).index("no_date") : list(REASONS).index("too_old")]


class HistoryReader:
    """Turns batches of discharges into batches of HISTORY; it keeps nothing of any case, so threads may share it."""

    def __init__(self, region: Region, tables: CodeTables, space: CodeSpace, less_separate: bool) -> None:
        self.hospitals = Hospitals(region)
        self.space = space
        self._less_separate = less_separate
        self._dx = Vocabulary("dx_codes", tables.clinical_dx, lambda code: 0)
        self._px = Vocabulary("px_codes", tables.clinical_px, lambda code: 0)

    def read(self, piece: Piece, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One batch of HISTORY, row by row of the input."""
        dates = batch.column("discharge_date")
        dated = dates.is_valid().to_numpy(zero_copy_only=False)
        day = dates.cast(pa.int32()).fill_null(0).to_numpy().astype(np.int64)
        hospital = self.hospitals.places(batch.column("hospital_id"))
        held, level = self.hospitals.levels(hospital, day)
        clinical = self.hospitals.clinical(hospital, day)
        diagnosis = self._principals(self._dx.read(batch.column("dx_codes"), clinical))
        procedure, others = self._procedures(self._px.read(batch.column("px_codes"), clinical))
        fee, paid = self._fees(batch)
        # The order is that of _ROW_REASONS.
        faults = [~dated, ~held, level < 0, ~paid, fee > MOST_FEN, diagnosis == NO_PRINCIPAL,
                  diagnosis == NOT_IN_TABLE, diagnosis < 0]  # fmt: skip
        reason = np.select(faults, range(len(faults)), default=-1).astype(np.int32)
        month = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        columns = [
            np.arange(piece.start, piece.start + batch.num_rows), _filled(batch.column("case_id")),
            _filled(batch.column("reverses")), hospital, level, day, month, diagnosis, procedure, others, fee,
            pa.array(_ROW_REASONS).take(pa.array(reason, mask=reason < 0)),
        ]  # fmt: skip
        arrays = [
            pa.array(column).cast(field.type) if isinstance(column, np.ndarray) else column
            for column, field in zip(columns, HISTORY, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=HISTORY)

    def _principals(self, column: CodeColumn) -> np.ndarray:
        known = self.space.principal
        places = np.array(
            [known.get(code, NOT_IN_TABLE) for code in column.vocabulary.to_pylist()] or [0], dtype=np.int64
        )
        found = np.full(len(column.first_is_empty), NO_PRINCIPAL, dtype=np.int64)
        filled = ~column.first_is_empty & (column.lengths > 0)
        found[filled] = places[column.ids[column.offsets[:-1][filled]]]
        return found

    def _procedures(self, column: CodeColumn) -> tuple[np.ndarray, pa.Array]:
        """The principal procedure, and the set of the others that count, two bytes each, ascending."""
        known = self.space.place_of_px
        places = np.array(
            [known.get(code, UNKNOWN) for code in column.vocabulary.to_pylist()] or [0], dtype=np.int64
        )
        cases = len(column.lengths)
        place = places[column.ids]
        principal = np.full(cases, ABSENT, dtype=np.int64)
        filled = column.lengths > 0
        principal[filled] = place[column.offsets[:-1][filled]]
        counts = ~column.is_first & (place >= 0)
        keys = np.unique(column.rows[counts] * MOST_PLACES + place[counts])
        length = np.bincount(keys // MOST_PLACES, minlength=cases)
        # A single procedure of no class is as if nothing had been done.
        principal[(principal == UNKNOWN) & (length == 0)] = ABSENT
        offsets = np.concatenate([[0], np.cumsum(length * 2)]).astype(np.int32)
        content = (keys % MOST_PLACES).astype(">u2").tobytes()
        return principal, pa.Array.from_buffers(
            pa.binary(), cases, [None, pa.py_buffer(offsets), pa.py_buffer(content)]
        )

    def _fees(self, batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        fee = batch.column("total_fee_fen")
        known = fee.is_valid().to_numpy(zero_copy_only=False)
        fen = fee.fill_null(0).to_numpy()
        if self._less_separate:
            fen = fen - batch.column(SEPARATE).fill_null(0).to_numpy()
        return fen, known & (fen > 0)


def _filled(column: pa.Array) -> pa.Array:
    """Text with empty as null."""
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


@dataclass(frozen=True)
class Month:
    """Usable cases of one month of discharge; `month` counts from the epoch."""

    month: int
    cases: int
    fee_fen: int

    @property
    def text(self) -> str:
        return f"{EPOCH.year + self.month // YEAR_MONTHS}-{self.month % YEAR_MONTHS + 1:02d}"


@dataclass(frozen=True)
class History:
    """What was read: rows, what was left out by reason (rows, fen), months used, windows oldest first."""

    rows: int
    left_out: dict[str, tuple[int, int]]
    months: tuple[Month, ...]
    windows: tuple[tuple[Month, ...], ...]  # months with cases of every window; empty where there is none
    hospitals: int

    @property
    def cases(self) -> int:
        return sum(month.cases for month in self.months)

    @property
    def fee_fen(self) -> int:
        return sum(month.fee_fen for month in self.months)


def open_history(path: Path, less_separate: bool) -> Source:
    """The files of a history with the columns that are needed. Raises InputError."""
    wanted = (*NEEDED, SEPARATE) if less_separate else NEEDED
    source = open_source(path, [column for column in DISCHARGES if column.name in wanted])
    if less_separate and SEPARATE not in source.present:
        raise InputError(
            f"输入缺列：{path} 缺 `{SEPARATE}`（除外支付金额），而测算规则的 fee 为 total_less_separate；"
            "请补列或改规则"
        )
    return source


def stage_history(
    con: duckdb.DuckDBPyConnection,
    source: Source,
    reader: HistoryReader,
    work: Path,
    tick: Callable[[int], None],
) -> None:
    """Write `history` and `judged` into `work` and make them tables of the engine, with the view `usable`."""
    path = work / "history.parquet"
    with pq.ParquetWriter(path, HISTORY, use_dictionary=["reason"]) as writer:
        for batch in stream(source, reader.read):
            writer.write_batch(batch)
            tick(batch.num_rows)
    parquet_view(con, "history", [path])
    for name in ("repeated", "reversals"):
        con.sql(statement(f"calibrate/{name}")).create(name)
    store(con, "calibrate/judged", work / "judged.parquet")
    view_of(con, "usable")
    path.unlink()


def view_of(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """A statement of calibrate/ as a view of its own name."""
    con.execute(f"CREATE OR REPLACE VIEW {name} AS {statement(f'calibrate/{name}')}")


def stage_cases(con: duckdb.DuckDBPyConnection, work: Path, last_month: int, years: int) -> None:
    """Make `combinations` and `cases` tables of the engine."""
    span = {"last_month": last_month, "months": years * YEAR_MONTHS}
    store(con, "calibrate/combinations", work / "combinations.parquet", **span)
    store(con, "calibrate/cases", work / "cases.parquet", **span)


def history_of(con: duckdb.DuckDBPyConnection, read: int, years: int) -> History:
    """Months, windows and left-out rows of the tables `usable` and `judged`."""
    found = rows(con, statement("calibrate/months"))
    if not found:
        reasons = {one["reason"]: (one["row_count"], one["fee_fen"]) for one in
                   rows(con, statement("calibrate/left_out"), last_month=0, months=0)}  # fmt: skip
        return History(read, reasons, (), (), 0)
    last = found[-1]["month"]
    first = last - years * YEAR_MONTHS
    left = rows(con, statement("calibrate/left_out"), last_month=last, months=years * YEAR_MONTHS)
    used = [one for one in found if one["month"] > first]
    months = tuple(Month(one["month"], one["cases"], one["fee_fen"]) for one in used)
    windows = tuple(
        tuple(month for month in months if (month.month - first - 1) // YEAR_MONTHS == year)
        for year in range(years)
    )
    hospitals = {hospital for one in used for hospital in one["hospitals"]}
    told = {one["reason"]: (one["row_count"], one["fee_fen"]) for one in left}
    return History(read, told, months, windows, len(hospitals))
