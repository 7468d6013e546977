"""Codes met by prefix: a list of prefixes stands for every code that starts with one of them.

A code's longest matching prefix decides all the shorter ones, so a code is one small integer: its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from groupers.codecolumns import DROPPED
from groupers.codes import normal_form

MOST_REMEMBERED = 500_000


class RememberedIds:
    """Ids of texts by a pure function of the code, remembered between batches."""

    def __init__(self, id_of_code: Callable[[str], int]) -> None:
        self._id_of_code = id_of_code
        self._seen: dict[str | None, int] = {}

    def ids_of(self, dictionary: pa.Array) -> np.ndarray:
        """The id of every distinct text of a batch; DROPPED for null and empty ones."""
        if len(self._seen) > MOST_REMEMBERED:
            self._seen = {}
        seen = self._seen
        texts = dictionary.to_pylist()
        for text in texts:
            if text not in seen:
                code = normal_form(text) if text is not None else ""
                seen[text] = self._id_of_code(code) if code else DROPPED
        return np.array([seen[text] for text in texts], dtype=np.int32)


class PrefixSide(RememberedIds):
    """Lists of prefixes as integers: `member[place, column]` says whether a code of that place is in a list.

    Places: the prefixes in order of text, then `absent` for codes that start with none of them.
    """

    def __init__(self, lists: Mapping[str, frozenset[str]]) -> None:
        self.columns = {name: column for column, name in enumerate(lists)}
        prefixes = sorted(frozenset().union(*lists.values()))
        self._place = {prefix: place for place, prefix in enumerate(prefixes)}
        self._lengths = sorted({len(prefix) for prefix in prefixes}, reverse=True)
        self.absent = len(prefixes)
        self.member = np.zeros((len(prefixes) + 1, len(lists)), dtype=bool)
        for name, column in self.columns.items():
            for place, prefix in enumerate(prefixes):
                self.member[place, column] = prefix.startswith(tuple(lists[name]))
        super().__init__(self._place_of)

    def _place_of(self, code: str) -> int:
        for length in self._lengths:
            place = self._place.get(code[:length])
            if place is not None:
                return place
        return self.absent
