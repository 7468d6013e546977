"""Turn drawn rows into the discharges table: texts from integer codes, never one Python string per row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.synth_draw import AREAS, KINDS, NULL, PLACES, WAYS, Rows
from pipeline.synth_hospitals import Hospitals
from pipeline.synth_pool import Pool
from pipeline.tables import DISCHARGES

UNKNOWN_HOSPITAL = "H99999999999"
CODED = pa.dictionary(pa.int32(), pa.string())
CODED_COLUMNS = (
    "hospital_id", "insurance_type", "sex", "discharge_way", "care_type", "treatment_kind", "department",
    "dx_codes", "px_codes", "place", "insured_area",
)  # fmt: skip
# Parquet sees plain text and lists of text; inside, both are integer codes with one dictionary.
WRITTEN = pa.schema(
    [
        (
            column.name,
            (pa.list_(CODED) if pa.types.is_list(column.type) else CODED)
            if column.name in CODED_COLUMNS
            else column.type,
        )
        for column in DISCHARGES
    ]
)
# SCATTER has no factor in common with 10, so n → n · SCATTER + OFFSET mod 10^13 gives every number its own
# id; the digits are written last first, so that neighbours do not look alike.
SCATTER, OFFSET, ID_SPACE, ID_DIGITS = 719_393, 3_141_592_653_589, 10**13, 13


class Shape:
    """The dictionaries that all chunks of an order share."""

    def __init__(self, pool: Pool, hospitals: Hospitals) -> None:
        texts = {
            "hospital_id": (*hospitals.ids, UNKNOWN_HOSPITAL),
            "insurance_type": ("310", "390"),
            "sex": ("1", "2", "9"),
            "discharge_way": WAYS,
            "care_type": ("1", "2"),
            "treatment_kind": KINDS,
            "department": pool.templates.departments,
            "place": PLACES,
            "insured_area": AREAS,
            "dx_codes": pool.dx_words.texts,
            "px_codes": pool.px_words.texts,
        }
        self.dictionaries = {name: pa.array(values, pa.string()) for name, values in texts.items()}
        self.codes = {"hospital_id": "hospital"}

    def table(self, rows: Rows) -> pa.Table:
        """The rows as a table of WRITTEN, in contract order."""
        rows["hospital"] = np.where(
            rows["hospital"] == -2, len(self.dictionaries["hospital_id"]) - 1, rows["hospital"]
        )
        arrays = [self._column(rows, name, WRITTEN.field(name).type) for name in WRITTEN.names]
        return pa.Table.from_arrays(arrays, schema=WRITTEN)

    def _column(self, rows: Rows, name: str, kind: pa.DataType) -> pa.Array:
        if name in ("dx_codes", "px_codes"):
            void = rows["dx_void"] if name == "dx_codes" else None
            return code_lists(rows[name[:2]], self.dictionaries[name], void)
        if name in self.dictionaries:
            return _coded(rows[self.codes.get(name, name)], self.dictionaries[name])
        if name == "case_id":
            return ids(rows["case_no"], b"4499")
        if name == "reverses":
            return ids(rows["reverses_no"], b"4499")
        if name == "person_id":
            return ids(rows["person_no"], b"P")
        values = rows[name]
        if pa.types.is_boolean(kind):
            return pa.array(values)
        void = values == NULL
        if not void.any():
            return pa.array(values.astype(_numpy_of(kind))).cast(kind)
        return pa.array(np.where(void, 0, values).astype(_numpy_of(kind)), mask=void).cast(kind)


def _numpy_of(kind: pa.DataType) -> str:
    return "int64" if pa.types.is_int64(kind) else "int32"


def _coded(values: np.ndarray, dictionary: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(_indices(values.astype(np.int32)), dictionary)


def _indices(values: np.ndarray) -> pa.Array:
    missing = values < 0
    return pa.array(values, mask=missing) if missing.any() else pa.array(values)


def code_lists(matrix: np.ndarray, dictionary: pa.Array, void: np.ndarray | None) -> pa.ListArray:
    """A list column from a matrix of codes: -1 is no element, -2 an element that is null; `void` rows are null."""
    filled = matrix != -1
    offsets = np.zeros(len(matrix) + 1, dtype=np.int32)
    np.cumsum(filled.sum(axis=1), out=offsets[1:])
    values = pa.DictionaryArray.from_arrays(_indices(matrix[filled]), dictionary)
    if void is None or not void.any():
        return pa.ListArray.from_arrays(pa.array(offsets), values)
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(void))


def ids(numbers: np.ndarray, prefix: bytes) -> pa.StringArray:
    """Ids of ID_DIGITS scattered digits after a prefix; null for a negative number. One id for one number."""
    missing = numbers < 0
    left = (np.where(missing, 0, numbers) % ID_SPACE).astype(np.uint64)
    left = (left * np.uint64(SCATTER) + np.uint64(OFFSET)) % np.uint64(ID_SPACE)
    width = len(prefix) + ID_DIGITS
    text = np.empty((len(numbers), width), dtype=np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix, dtype=np.uint8)
    for place in range(len(prefix), width):
        next_left = left // np.uint64(10)
        text[:, place] = left - next_left * np.uint64(10) + np.uint64(48)
        left = next_left
    if not missing.any():
        offsets = np.arange(len(numbers) + 1, dtype=np.int32) * width
        return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(text))
    offsets = np.zeros(len(numbers) + 1, dtype=np.int32)
    np.cumsum(np.where(missing, 0, width), out=offsets[1:])
    valid = pa.array(~missing).buffers()[1]
    return pa.StringArray.from_buffers(
        len(numbers), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text[~missing])), valid,
        int(missing.sum()),
    )  # fmt: skip
