"""Columns of codes as integers and back, for engines that touch no text twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

DROPPED = -1  # a null or empty element of a code list


class CodeIds(Protocol):
    """What knows the codes of one kind."""

    def ids_of(self, dictionary: pa.Array) -> np.ndarray:
        """The id of every distinct text of a batch; DROPPED for null and empty ones."""


@dataclass(frozen=True)
class CodeLists:
    """A list column as integers: `ids[offsets[i]:offsets[i+1]]` are the codes of row i."""

    offsets: np.ndarray  # int64, rows + 1
    ids: np.ndarray  # int32 or int64, as the codes have them

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    def principal(self, absent: int) -> np.ndarray:
        """The first id of every row; `absent` where the row has none."""
        filled = self.lengths > 0
        first = np.full(len(filled), absent, dtype=self.ids.dtype)
        first[filled] = self.ids[self.offsets[:-1][filled]]
        return first


def code_lists(column: pa.Array, side: CodeIds) -> CodeLists:
    """A list column as ids of the side, null and empty elements dropped."""
    values = column.values
    if not pa.types.is_dictionary(values.type):
        values = values.cast(pa.string()).dictionary_encode()
    offsets = column.offsets.to_numpy().astype(np.int64)
    lengths = np.diff(offsets)
    begin, end = (offsets[0], offsets[-1]) if len(offsets) else (0, 0)
    # Narrow indices cannot hold the place one past a full dictionary, which stands for null.
    indices = values.indices.slice(begin, end - begin).cast(pa.int32())
    id_of = side.ids_of(values.dictionary)
    holes = indices.null_count > 0
    ids = (
        np.append(id_of, np.int32(DROPPED))[indices.fill_null(len(id_of)).to_numpy()]
        if holes
        else id_of[indices.to_numpy()]
    )
    void = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    if void is not None and lengths[void].any():
        ids[np.repeat(void, lengths)] = DROPPED
    if holes or void is not None or (id_of == DROPPED).any():
        keep = ids != DROPPED
        kept = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])
        return CodeLists(kept[offsets - begin], ids[keep])
    return CodeLists(offsets - begin, ids)


class TextColumn:
    """Texts chosen by number, as dictionary-encoded columns that all share one sorted dictionary; None is null."""

    def __init__(self, values: Sequence[str | None]) -> None:
        texts = sorted({value for value in values if value is not None})
        code = {text: number for number, text in enumerate(texts)}
        self._texts = pa.array(texts, pa.string())
        self._codes = np.array([-1 if value is None else code[value] for value in values], dtype=np.int32)

    def __call__(self, index: np.ndarray) -> pa.DictionaryArray:
        """`values[index]`; an index of -1 is the last value."""
        codes = self._codes[index]
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), self._texts)


def text_column(values: Sequence[str | None], index: np.ndarray) -> pa.DictionaryArray:
    """`values[index]` as a dictionary-encoded column, None as null."""
    return TextColumn(values)(index)
