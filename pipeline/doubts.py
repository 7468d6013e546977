"""What `run` would refuse of a row that `group` merely groups, as far as it shows without a region."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from groupers.codes import normal_form
from pipeline.findings import FINDINGS_SCHEMA, messages

KNOWN, STRANGE, EMPTY = range(3)


class Doubts:
    """Finds rows without or with an unknown principal diagnosis, of unknown sex, or without a newborn's days."""

    def __init__(self, known_dx: frozenset[str]) -> None:
        self._known = known_dx
        self._texts = pa.array(sorted(known_dx), pa.string())

    def find(self, batch: pa.RecordBatch, start: int) -> pa.Table:
        """FINDINGS_SCHEMA rows of a batch whose first row stands at input position `start`."""
        found = list(self._all(batch, start))
        if not found:
            return FINDINGS_SCHEMA.empty_table()
        return pl.concat(found).sort("input_row", "code").to_arrow().cast(FINDINGS_SCHEMA)

    def _all(self, batch: pa.RecordBatch, start: int) -> Iterator[pl.DataFrame]:
        kind, text = self._principals(batch.column("dx_codes"))
        yield from _at(batch, start, "missing_principal", "dx_codes", kind == EMPTY, None)
        yield from _at(batch, start, "unknown_principal", "dx_codes", kind == STRANGE, text)
        names = batch.schema.names
        if "sex" in names:
            known = pc.is_in(batch.column("sex"), value_set=pa.array(["1", "2"]))
            wrong = ~known.to_numpy(zero_copy_only=False)
            yield from _at(batch, start, "unknown_sex", "sex", wrong, batch.column("sex"))
        if "age_years" in names and "age_days" in names:
            newborn = pc.equal(batch.column("age_years"), 0).fill_null(False).to_numpy(zero_copy_only=False)
            without = batch.column("age_days").is_null().to_numpy(zero_copy_only=False)
            yield from _at(batch, start, "newborn_without_days", "age_days", newborn & without, None)

    def _principals(self, column: pa.Array) -> tuple[np.ndarray, pa.Array]:
        """Kind and text of every row's first element, as stored: no later code moves up."""
        values = column.values
        if not pa.types.is_dictionary(values.type):
            values = values.cast(pa.string()).dictionary_encode()
        offsets = column.offsets.to_numpy()
        filled = (np.diff(offsets) > 0) & column.is_valid().to_numpy(zero_copy_only=False)
        first = pa.array(np.where(filled, offsets[:-1], 0), mask=~filled)
        index = values.indices.cast(pa.int32()).take(first)
        kind_of = np.append(self._kinds(values.dictionary), EMPTY)
        return kind_of[index.fill_null(len(kind_of) - 1).to_numpy()], values.dictionary.take(index)

    def _kinds(self, dictionary: pa.Array) -> np.ndarray:
        kinds = np.where(
            pc.is_in(dictionary, value_set=self._texts).to_numpy(zero_copy_only=False), KNOWN, STRANGE
        )
        for place in np.flatnonzero(kinds == STRANGE):  # few: odd spellings, and codes that nobody knows
            code = normal_form(dictionary[int(place)].as_py() or "")
            kinds[place] = EMPTY if not code else KNOWN if code in self._known else STRANGE
        return kinds


def _at(
    batch: pa.RecordBatch, start: int, code: str, column: str, rows: np.ndarray, values: pa.Array | None
) -> Iterator[pl.DataFrame]:
    at = np.flatnonzero(rows)
    if not len(at):
        return
    place = pa.array(at)
    shown = values.take(place).cast(pa.string()) if values is not None else pa.nulls(len(at), pa.string())
    frame = pl.DataFrame(
        {"input_row": at + start, "case_id": batch.column("case_id").take(place), "value": shown},
        schema_overrides={"case_id": pl.String, "value": pl.String},
    )
    yield messages(
        code,
        frame.with_columns(pl.lit(None, pl.String).alias("hospital_id"), pl.lit(column).alias("column"),
                           pl.col("value").fill_null("")),
    )  # fmt: skip
