"""Rows of a catalogue being built, and cases by combination of codes that fall into them.

A combination is a subcategory, a principal procedure and the set of the other procedures; the real Matcher gives
every combination its row, so that a case of the finished catalogue goes where it was counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from groupers.codes import CodeTables
from groupers.dip.catalogue import (
    POOLED_CLASSES,
    POOLED_OF_CLASS,
    Catalogue,
    CoreRow,
    DipChoices,
    PooledRow,
    dx3_of,
)
from groupers.dip.load import CONSERVATIVE
from groupers.dip.match import Matcher
from groupers.dip.write import row_name
from groupers.scheme import Manifest
from pipeline.calibrate_history import ABSENT
from pipeline.calibrate_places import CodeSpace

NONE = -1
SLICE = 500_000
NO_SUCH_CODE = "?"  # stands for any procedure that no table and no row knows
POOLED_LETTERS = dict(zip(POOLED_CLASSES, "STDM", strict=True))
LOCAL, LIBRARY, POOLED = "local", "library", "pooled"


@dataclass(frozen=True)
class Draft:
    """A core row that may be taken, with where it comes from: `library` or `local`."""

    row: CoreRow
    origin: str

    @property
    def key(self) -> tuple[str, str, int, str]:
        """The order of a built catalogue: disease, procedure, then few related procedures before many."""
        row = self.row
        return row.dx4, row.principal_px, row.related_count, related_text(row)


def related_text(row: CoreRow) -> str:
    """What a row asks of the other procedures, as a catalogue prints it."""
    return "+".join("/".join(sorted(forms)) for forms in row.related)


class Combinations:
    """All combinations of a history, `n` cases each; places as in the code space."""

    def __init__(self, table: pa.Table, space: CodeSpace) -> None:
        self.space = space
        self.diagnosis = table["diagnosis"].to_numpy().astype(np.int64)
        self.procedure = table["procedure"].to_numpy().astype(np.int64)
        self.n = table["cases"].to_numpy().astype(np.int64)
        others = table["others"].combine_chunks()
        content, offsets = _bytes_of(others)
        self.others = np.frombuffer(content, dtype=">u2").astype(np.int64)
        self.offsets = offsets // 2
        self.owner = np.repeat(np.arange(len(self.n)), np.diff(self.offsets))
        names = pa.array([*space.procedures, NO_SUCH_CODE], pa.string())
        self._px = names
        self._dx = pa.array(space.dx4s, pa.string())

    def __len__(self) -> int:
        return len(self.n)

    def batch(self, which: np.ndarray) -> pa.RecordBatch:
        """Some combinations as discharges with dx_codes and px_codes."""
        count = len(which)
        dx = pa.ListArray.from_arrays(
            np.arange(count + 1, dtype=np.int32), _texts(self.diagnosis[which], self._dx)
        )
        leads = self.procedure[which] != ABSENT
        own = np.diff(self.offsets)[which]
        offsets = np.concatenate([[0], np.cumsum(own + leads)])
        ids = np.empty(offsets[-1], dtype=np.int64)
        front = np.zeros(len(ids), dtype=bool)
        front[offsets[:-1][leads]] = True
        principal = self.procedure[which][leads]
        ids[front] = np.where(principal < 0, len(self._px) - 1, principal)
        starts = np.repeat(self.offsets[which] - np.concatenate([[0], np.cumsum(own)[:-1]]), own)
        ids[~front] = self.others[starts + np.arange(own.sum())]
        px = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), _texts(ids, self._px))
        return pa.RecordBatch.from_arrays([dx, px], names=["dx_codes", "px_codes"])


def _bytes_of(column: pa.Array) -> tuple[bytes, np.ndarray]:
    column = column.cast(pa.large_binary())
    if not len(column):
        return b"", np.zeros(1, dtype=np.int64)
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)[
        column.offset : column.offset + len(column) + 1
    ]
    data = column.buffers()[2]
    return (data.to_pybytes()[offsets[0] : offsets[-1]] if data else b""), offsets - offsets[0]


def _texts(ids: np.ndarray, names: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(ids, pa.int32()), names)


@dataclass(frozen=True)
class Assigned:
    """Core rows that stay, the place of every combination's row among them (NONE: no core row), and what was dropped."""

    drafts: tuple[Draft, ...]
    row: np.ndarray
    dropped: tuple[tuple[Draft, int], ...]  # with how many cases it had when it was dropped


def assign(
    combinations: Combinations,
    drafts: Iterable[Draft],
    choices: DipChoices,
    threshold: int,
    progress: Callable[[int], None] = lambda rounds: None,
) -> Assigned:
    """Give every combination its core row; rows below the threshold go, those of most related procedures first.

    A case whose row went is matched again with the rows that stay, until no row is thin.
    """  # fmt: skip
    ordered = sorted(drafts, key=lambda draft: draft.key)
    asks = np.array([draft.row.related_count for draft in ordered], dtype=np.int64)
    alive = np.ones(len(ordered), dtype=bool)
    row = np.full(len(combinations), NONE, dtype=np.int64)
    again = np.arange(len(combinations))
    dropped: list[tuple[Draft, int]] = []
    while True:
        _match(combinations, again, ordered, np.flatnonzero(alive), choices, row)
        counts = cases_of(combinations, row, len(ordered))
        thin = np.flatnonzero(alive & (counts < threshold))
        progress(len(thin))
        if not len(thin):
            break
        # A thin row gives its cases to the rows that ask less, which may thereby reach the threshold.
        thin = thin[asks[thin] == asks[thin].max()]
        dropped += [(ordered[place], int(counts[place])) for place in thin]
        alive[thin] = False
        again = np.flatnonzero((row != NONE) & ~np.append(alive, True)[row])
    stay = np.flatnonzero(alive)
    number = np.full(len(ordered) + 1, NONE, dtype=np.int64)
    number[stay] = np.arange(len(stay))
    return Assigned(tuple(ordered[place] for place in stay), number[row], tuple(dropped))


def cases_of(combinations: Combinations, row: np.ndarray, rows: int) -> np.ndarray:
    """Cases per row; NONE is not counted."""
    counts = np.zeros(rows + 1, dtype=np.int64)
    np.add.at(counts, row, combinations.n)
    return counts[:rows]


def _match(
    combinations: Combinations,
    which: np.ndarray,
    ordered: Sequence[Draft],
    alive: np.ndarray,
    choices: DipChoices,
    row: np.ndarray,
) -> None:
    """Write the rows of some combinations, as places among all drafts."""  # fmt: skip
    core = tuple(replace(ordered[place].row, order=order) for order, place in enumerate(alive))
    matcher = Matcher(catalogue_of(core, (), choices, combinations.space))
    place_of = np.append(alive, NONE)  # NONE indexes the last
    for first in range(0, len(which), SLICE):
        part = which[first : first + SLICE]
        row[part] = place_of[matcher.decide(combinations.batch(part)).row]


def catalogue_of(
    core: tuple[CoreRow, ...], pooled: tuple[PooledRow, ...], choices: DipChoices, space: CodeSpace
) -> Catalogue:
    """A catalogue in memory, only to match with."""
    manifest = Manifest.model_construct(name="draft", kind="dip")
    classes = {code: of for code, of in zip(space.procedures, space.class_names, strict=False) if of}
    return Catalogue(manifest, choices, core, pooled, (), procedure_classes=classes)


class RowCodes:
    """Codes of rows: the library's own, else made from the row's key, so that no number depends on its neighbours."""

    def __init__(self, library: Catalogue | None) -> None:
        core, pooled = (library.core, library.pooled) if library else ((), ())
        self._taken = {row.row for row in core} | {row.row for row in pooled}

    def of(self, code: str) -> str:
        """The code, marked where a library row of another key has it."""
        while code in self._taken:
            code += "'"
        return code

    def core(self, dx4: str, principal: str, related: Sequence[str]) -> str:
        """`A02.0C`, `I63.9:39.7201`, `I63.9:39.7201+88.4101`."""
        if not principal:
            return self.of(f"{dx4}C")
        return self.of(f"{dx4}:{'+'.join([principal, *related])}")

    def pooled(self, dx3: str, pooled_class: str) -> str:
        """`I63S` 相关手术, `I63T` 治疗性操作, `I63D` 诊断性操作, `I63M` 内科诊疗."""
        return self.of(dx3 + POOLED_LETTERS[pooled_class])


class LocalRows:
    """Makes rows from keys: code, class and name come from the code tables."""

    def __init__(self, tables: CodeTables, dx_names: dict[str, str], codes: RowCodes) -> None:
        self._tables, self._dx_names, self._codes = tables, dx_names, codes
        # The tables have no names of categories: the whole or the unspecified subcategory speaks for its category.
        first = {dx3_of(dx4): name for dx4, name in sorted(dx_names.items(), reverse=True)}
        general = {dx3_of(dx4): name for dx4, name in dx_names.items() if dx4[3:] in (".9", ".x")}
        self._dx3_names = first | general

    def core(self, dx4: str, principal: str, related: Sequence[str]) -> Draft:
        """A local core row; `related` are all asked for."""
        names = [self._tables.procedure_names[code] for code in (principal, *related) if code]
        return Draft(
            CoreRow(
                row=self._codes.core(dx4, principal, related),
                order=0,
                dx4=dx4,
                principal_px=principal,
                related=tuple(frozenset([code]) for code in related),
                treatment_class=self._tables.procedure_classes[principal] if principal else CONSERVATIVE,
                score=None,
                mean_cost_fen=None,
                flags=frozenset(),
                name=row_name(self._dx_names[dx4], names),
            ),
            LOCAL,
        )

    def pooled(self, dx3: str, pooled_class: str) -> PooledRow:
        """A pooled row, named after its category."""
        return PooledRow(
            row=self._codes.pooled(dx3, pooled_class),
            dx3=dx3,
            pooled_class=pooled_class,
            score=None,
            mean_cost_fen=None,
            flags=frozenset(),
            name=f"{self._dx3_names[dx3]}等（{dx3}）：{pooled_class}",
        )


@dataclass(frozen=True)
class Pooled:
    """Pooled rows, the place of every combination's row among them (NONE: ungrouped), and keys that stay below."""

    rows: tuple[PooledRow, ...]
    row: np.ndarray
    dropped: tuple[tuple[PooledRow, int], ...]


def pool(
    combinations: Combinations,
    open_still: np.ndarray,
    library: Catalogue | None,
    local: LocalRows,
    threshold: int,
) -> Pooled:
    """Pool what no core row took at category and class of the principal procedure (DESIGN §5)."""
    space = combinations.space
    medical = POOLED_CLASSES.index("内科诊疗")
    class_of = np.array(
        [POOLED_CLASSES.index(POOLED_OF_CLASS.get(of, "")) if of else medical for of in space.class_names]
    )
    dx3s = sorted({dx3_of(dx4) for dx4 in space.dx4s})
    place = {dx3: number for number, dx3 in enumerate(dx3s)}
    dx3 = np.array([place[dx3_of(dx4)] for dx4 in space.dx4s], dtype=np.int64)[combinations.diagnosis]
    key = dx3 * len(POOLED_CLASSES) + class_of[combinations.procedure]
    cases = np.zeros(len(dx3s) * len(POOLED_CLASSES), dtype=np.int64)
    np.add.at(cases, key[open_still], combinations.n[open_still])
    known = library.pooled_by_key if library else {}

    def row_of(number: int) -> PooledRow:
        category, of_class = dx3s[number // len(POOLED_CLASSES)], POOLED_CLASSES[number % len(POOLED_CLASSES)]
        return known.get((category, of_class)) or local.pooled(category, of_class)

    taken = np.flatnonzero(cases >= threshold)
    below = np.flatnonzero((cases > 0) & (cases < threshold))
    number = np.full(len(cases), NONE, dtype=np.int64)
    number[taken] = np.arange(len(taken))
    return Pooled(
        tuple(row_of(int(one)) for one in taken),
        np.where(open_still, number[key], NONE),
        tuple((row_of(int(one)), int(cases[one])) for one in below),
    )
