"""Code lists of a batch in normal form, mapped to the insurance edition where a hospital declares 国临版.

Works on the distinct texts of a batch; the rows are only integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from groupers.codes import normal_form

DROPPED = -1
MOST_REMEMBERED = 500_000

KNOWN, RESTRICTED, NOT_FOR_GROUPING, MEN_ONLY, WOMEN_ONLY = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class CodeColumn:
    """One list column as integers. `ids[offsets[i]:offsets[i+1]]` are row i's codes in `vocabulary`."""

    name: str
    offsets: np.ndarray
    ids: np.ndarray
    vocabulary: pa.Array  # normal form, mapped
    traits: np.ndarray  # uint8 bits per entry of the vocabulary
    first_is_empty: np.ndarray  # the row's first element was null or blank, or there was none
    emptied: np.ndarray  # rows from which an empty element was dropped
    rewritten: pl.DataFrame  # row, code (mapped_code | code_form), value

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    @property
    def rows(self) -> np.ndarray:
        """The row of every code."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    @property
    def is_first(self) -> np.ndarray:
        first = np.zeros(len(self.ids), dtype=bool)
        first[self.offsets[:-1][self.lengths > 0]] = True
        return first

    def texts(self, ids: np.ndarray) -> pa.Array:
        return self.vocabulary.take(pa.array(ids))

    def as_arrow(self) -> pa.ListArray:
        """The column as a list of dictionary-encoded text."""
        codes = pa.DictionaryArray.from_arrays(pa.array(self.ids, pa.int32()), self.vocabulary)
        return pa.ListArray.from_arrays(pa.array(self.offsets, pa.int32()), codes)


class Vocabulary:
    """Normal form, mapping and traits of texts, remembered between batches; a pure function of the tables."""

    def __init__(self, name: str, clinical: dict[str, str], traits_of: Callable[[str], int]) -> None:
        self.name = name
        self._clinical = clinical
        self._traits_of = traits_of
        self._normal: dict[str, str] = {}
        self._traits: dict[str, int] = {}

    def read(self, column: pa.Array, clinical_rows: np.ndarray | None) -> CodeColumn:
        """Read a list column; `clinical_rows` marks the rows whose hospital declares 国临版."""
        offsets, indices, texts, empty_lists = _flatten(column)
        lengths = np.diff(offsets)
        codes: dict[str, int] = {}
        own = np.array([self._id(text, codes) for text in texts] + [DROPPED], dtype=np.int32)
        ids = own[indices]
        rewritten = [_spelling(texts, own, indices, offsets, codes)]
        if clinical_rows is not None and clinical_rows.any():
            chosen = np.repeat(clinical_rows, lengths)
            ids, changed = self._mapped(ids, chosen, codes)
            if changed is not None:
                rewritten.append(changed.with_columns(row=_rows_of(changed["position"].to_numpy(), offsets)))
        keep = ids != DROPPED
        first_is_empty = lengths == 0
        filled = ~first_is_empty
        first_is_empty[filled] = ~keep[offsets[:-1][filled]]
        emptied = np.zeros(0, dtype=np.int64)
        if not keep.all():
            emptied = np.unique(_rows_of(np.flatnonzero(~keep), offsets))
            kept = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])
            offsets, ids = kept[offsets], ids[keep]
        vocabulary = list(codes)
        return CodeColumn(
            self.name, offsets, ids, pa.array(vocabulary, pa.string()),
            np.array([self._trait(code) for code in vocabulary] or [0], dtype=np.uint8),
            first_is_empty | empty_lists, emptied,
            pl.concat([frame.select("row", "code", "value") for frame in rewritten]),
        )  # fmt: skip

    def _id(self, text: str | None, codes: dict[str, int]) -> int:
        if text is None:
            return DROPPED
        code = self._normal.get(text)
        if code is None:
            if len(self._normal) > MOST_REMEMBERED:
                self._normal.clear()
            code = self._normal[text] = normal_form(text)
        return codes.setdefault(code, len(codes)) if code else DROPPED

    def _trait(self, code: str) -> int:
        trait = self._traits.get(code)
        if trait is None:
            if len(self._traits) > MOST_REMEMBERED:
                self._traits.clear()
            trait = self._traits[code] = self._traits_of(code)
        return trait

    def _mapped(
        self, ids: np.ndarray, chosen: np.ndarray, codes: dict[str, int]
    ) -> tuple[np.ndarray, pl.DataFrame | None]:
        """Each code mapped exactly once: 77 entries chain, and a second pass would follow the chain."""
        names = list(codes)
        target = np.array(
            [codes.setdefault(self._clinical[code], len(codes)) if code in self._clinical else number
             for number, code in enumerate(names)] + [DROPPED],
            dtype=np.int32,
        )  # fmt: skip
        moved = np.flatnonzero(chosen & (target[ids] != ids))
        if not len(moved):
            return ids, None
        after = ids.copy()
        after[moved] = target[ids[moved]]
        final = list(codes)
        values = [f"{final[old]}→{final[new]}" for old, new in zip(ids[moved], after[moved], strict=True)]
        return after, pl.DataFrame({"position": moved, "code": "mapped_code", "value": values})


def _flatten(column: pa.Array) -> tuple[np.ndarray, np.ndarray, list[str | None], np.ndarray]:
    """Offsets from zero, dictionary positions (last position for null), texts, and which rows are null."""
    values = column.values
    if not pa.types.is_dictionary(values.type):
        values = values.cast(pa.string()).dictionary_encode()
    offsets = column.offsets.to_numpy().astype(np.int64)
    # Narrow indices cannot hold the position one past a full dictionary, which stands for null.
    indices = values.indices.slice(offsets[0], offsets[-1] - offsets[0]).cast(pa.int32())
    texts = values.dictionary.to_pylist()
    positions = indices.fill_null(len(texts)).to_numpy()
    void = column.is_null().to_numpy(zero_copy_only=False)
    offsets = offsets - offsets[0]
    if void.any() and np.diff(offsets)[void].any():
        positions = np.where(np.repeat(void, np.diff(offsets)), len(texts), positions)
    return offsets, positions, texts, void


def _spelling(
    texts: list[str | None], own: np.ndarray, indices: np.ndarray, offsets: np.ndarray, codes: dict[str, int]
) -> pl.DataFrame:
    """Codes whose spelling was not in normal form, with both spellings."""
    names = list(codes)
    odd = np.array(
        [number >= 0 and names[number] != text for number, text in zip(own, [*texts, None], strict=True)]
    )
    position = np.flatnonzero(odd[indices]) if odd.any() else np.zeros(0, dtype=np.int64)
    values = [f"{texts[number]}→{names[own[number]]}" for number in indices[position]]
    return pl.DataFrame(
        {"row": _rows_of(position, offsets), "code": ["code_form"] * len(values), "value": values},
        schema={"row": pl.Int64, "code": pl.String, "value": pl.String},
    )


def _rows_of(position: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    return np.searchsorted(offsets, position, side="right") - 1
