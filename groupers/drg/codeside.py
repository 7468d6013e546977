"""Codes of one kind, diagnoses or procedures, as small integers with lookup arrays per integer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groupers.codecolumns import DROPPED
from groupers.codes import normal_form, odd_codes


class CodeSide:
    """Diagnoses or procedures as integers: id of a code, class and spread bits of an id.

    Ids: the known codes, then one per prefix for unknown codes that start with it, then `unknown`, then
    `absent` (the principal of an empty list).
    """

    def __init__(
        self, codes: Sequence[str], sets: dict[str, frozenset[str]], prefixes: Sequence[str]
    ) -> None:
        self.sets = (*sets, *(f"{prefix}*" for prefix in prefixes))
        self._prefixes = sorted(prefixes, key=len, reverse=True)
        self.id_of_code = {code: number for number, code in enumerate(codes)}
        odd = set(odd_codes(list(codes))) - {""}
        self.known = pa.array([code for code in codes if code not in odd], pa.string())
        self._known_ids = np.array([self.id_of_code[code] for code in self.known.to_pylist()], dtype=np.int32)
        self.unknown = len(codes) + len(prefixes)
        self.absent = self.unknown + 1
        self.size = self.absent + 1
        member = np.zeros((self.size, len(self.sets)), dtype=bool)
        for column, listed in enumerate(sets.values()):
            member[[self.id_of_code[code] for code in listed], column] = True
        for column, prefix in enumerate(prefixes, start=len(sets)):
            starts = [number for code, number in self.id_of_code.items() if code.startswith(prefix)]
            starts += [
                len(codes) + rank for rank, longer in enumerate(self._prefixes) if longer.startswith(prefix)
            ]
            member[starts, column] = True
        self.member = member
        self.spread = np.zeros((self.size, 1), dtype=np.uint64)
        self.marked = np.zeros(self.size, dtype=bool)

    def split_into_classes(self, columns: Sequence[int]) -> None:
        """Ids that agree in these set memberships become one class."""
        seen = (
            np.packbits(self.member[:, list(columns)], axis=1)
            if columns
            else np.zeros((self.size, 1), np.uint8)
        )
        # `np.unique` sorts all the rows; here only the few that differ are sorted, with the same numbers.
        width, content = seen.shape[1], seen.tobytes()
        rows = [content[start : start + width] for start in range(0, len(content), width)]
        first = {row: number for number, row in reversed(list(enumerate(rows)))}
        number_of = {row: number for number, row in enumerate(sorted(first))}
        self.class_of = np.array([number_of[row] for row in rows], dtype=np.int64)
        self.class_member = self.member[[first[row] for row in sorted(first)]]

    def assign_bits(self, bit_of_column: dict[int, int], words: int) -> None:
        """Spread bits of every id; `marked` lets the many codes without any be passed over at once."""
        self.spread = np.zeros((self.size, words), dtype=np.uint64)
        for column, bit in bit_of_column.items():
            self.spread[self.member[:, column], bit // 64] |= np.uint64(1 << (bit % 64))
        self.marked = (self.spread != 0).any(axis=1)

    def ids_of(self, dictionary: pa.Array) -> np.ndarray:
        """The id of every distinct text of a batch; DROPPED for null and empty ones."""
        found = pc.index_in(dictionary.cast(pa.string()), value_set=self.known)
        missing = np.flatnonzero(found.is_null().to_numpy(zero_copy_only=False))
        ids = (
            self._known_ids[found.fill_null(0).to_numpy()]
            if len(self.known)
            else np.zeros(len(found), np.int32)
        )
        for position in missing:
            ids[position] = self._id_of_text(dictionary[int(position)].as_py())
        return ids

    def _id_of_text(self, text: str | None) -> int:
        code = normal_form(text) if text is not None else ""
        if not code:
            return DROPPED
        if code in self.id_of_code:
            return self.id_of_code[code]
        for rank, prefix in enumerate(self._prefixes):
            if code.startswith(prefix):
                return self.unknown - len(self._prefixes) + rank
        return self.unknown
