"""Group discharges with a compiled rule book, batch by batch, without touching a string twice.

The result of a case depends on that case alone: never on its neighbours, its order or its batch.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from groupers.codecolumns import CodeLists, code_lists, text_column
from groupers.drg.codeside import CodeSide
from groupers.drg.compile import Cells, CompiledBook
from groupers.drg.rulebook import SEVERITIES, RuleBook
from groupers.drg.rules import COMPARISONS, NUMBERS, Compare


@dataclass(frozen=True)
class Decided:
    """What the engine knows of a batch: outcome and severity rank per row, and the codes as integers."""

    outcome: np.ndarray
    rank: np.ndarray
    dx: CodeLists
    px: CodeLists


class Grouper:
    """A rule book made ready to group. Safe to share between threads."""

    def __init__(self, book: RuleBook) -> None:
        self.book = book
        self.compiled = CompiledBook(book)
        self._cells_per_slot = len(self.compiled.dx.class_member) * len(self.compiled.px.class_member)
        self._lock = threading.Lock()
        self._slots: dict[int, int] = {}
        # Place 0 stands for "not met yet": a zeroed table costs no memory until a page of it is used.
        self._place = np.zeros((0, self._cells_per_slot), dtype=np.int32)
        words = self.compiled.words
        self._cells = Cells(np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64), None)
        self._outcome = np.zeros(1, dtype=np.int32)
        self._need = np.zeros((1, words), dtype=np.uint64)

    @property
    def columns(self) -> tuple[str, ...]:
        """The scalar columns that `group` asks for beside dx_codes and px_codes."""
        return self.book.columns

    def group(self, table: pa.Table | pa.RecordBatch) -> pa.Table:
        """mdc, adrg, drg, status, severity, rule of every row, in row order.

        Needs dx_codes and px_codes (lists of text, best dictionary-encoded) and the scalar `columns`.
        """
        batches = table.to_batches() if isinstance(table, pa.Table) else [table]
        return pa.concat_tables(
            [self.as_table(self.decide(batch)) for batch in batches] or [self.as_table(None)]
        )

    def decide(self, batch: pa.RecordBatch) -> Decided:
        """Outcome and severity of every row of one batch, as integers."""
        compiled = self.compiled
        dx = code_lists(batch.column("dx_codes"), compiled.dx)
        px = code_lists(batch.column("px_codes"), compiled.px)
        principal_dx, principal_px = dx.principal(compiled.dx.absent), px.principal(compiled.px.absent)
        bits = np.zeros((batch.num_rows, compiled.words), dtype=np.uint64)
        rank = self._scan_dx(dx, principal_dx, bits)
        self._scan_px(px, bits)
        scalars = self._scalars(batch)
        cell = compiled.dx.class_of[principal_dx]
        cell *= len(compiled.px.class_member)
        cell += compiled.px.class_of[principal_px]
        place = self._places(cell, scalars)
        outcome = self._outcome[place]
        moved = bits & self._need[place]
        slow = np.flatnonzero(moved.any(axis=1) if compiled.words > 1 else moved[:, 0])
        if len(slow):
            outcome[slow] = self._exact(place[slow], moved[slow])
        return Decided(outcome, rank, dx, px)

    def severity(self, dx_codes: pa.Array) -> np.ndarray:
        """The severity rank of every row and nothing else: what `decide` gives, for schemes without groups."""
        dx = code_lists(dx_codes, self.compiled.dx)
        position, row = _others(dx, self.compiled.rank > 0)
        return self._ranks(dx.ids[position], row, dx.principal(self.compiled.dx.absent))

    def _scan_dx(self, dx: CodeLists, principal: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """Spread bits of the other diagnoses into `bits`; returns each row's severity rank."""
        compiled = self.compiled
        position, row = _others(dx, compiled.dx.marked | (compiled.rank > 0))
        ids = dx.ids[position]
        self._spread(compiled.dx, ids, row, bits)
        return self._ranks(ids, row, principal)

    def _ranks(self, ids: np.ndarray, row: np.ndarray, principal: np.ndarray) -> np.ndarray:
        """Severity rank per row from its other diagnoses: what shares the principal's exclusion table is out."""
        compiled = self.compiled
        rank = np.zeros(len(principal), dtype=np.int8)
        own_rank = compiled.rank[ids]
        counts = (own_rank > 0) & (compiled.own_table[ids] != compiled.principal_table[principal[row]])
        for level in (1, 2):
            rank[row[counts & (own_rank == level)]] = level
        return rank

    def _scan_px(self, px: CodeLists, bits: np.ndarray) -> None:
        marked = self.compiled.px.marked
        position, row = _others(px, marked)
        self._spread(self.compiled.px, px.ids[position], row, bits)

    @staticmethod
    def _spread(side: CodeSide, ids: np.ndarray, row: np.ndarray, bits: np.ndarray) -> None:
        chosen = np.flatnonzero(side.marked[ids])
        for word in range(bits.shape[1]):
            np.bitwise_or.at(bits[:, word], row[chosen], side.spread[ids[chosen], word])

    def _scalars(self, batch: pa.RecordBatch) -> np.ndarray:
        truth = np.zeros(batch.num_rows, dtype=np.int64)
        for column in dict.fromkeys(atom.column for atom in self.compiled.scalars):
            atoms = [(bit, atom) for bit, atom in enumerate(self.compiled.scalars) if atom.column == column]
            truth |= _truth_bits(batch.column(column), atoms)
        return truth

    def _places(self, cell: np.ndarray, scalars: np.ndarray) -> np.ndarray:
        """The place of every cell in the outcome arrays; cells met for the first time are decided here."""
        distinct, slot = _distinct(scalars, len(self.compiled.scalars))
        with self._lock:
            for value in distinct:
                self._slots.setdefault(int(value), len(self._slots))
            if len(self._slots) > len(self._place):
                grown = np.zeros((2 * len(self._slots) + 6, self._cells_per_slot), dtype=np.int32)
                grown[: len(self._place)] = self._place
                self._place = grown
            table = self._place.reshape(-1)
            own_slot = np.array([self._slots[int(value)] for value in distinct], dtype=np.int64)
        where = own_slot[slot] * self._cells_per_slot + cell
        place = table[where]
        if (place == 0).any():
            with self._lock:
                self._fill(np.unique(where[place == 0]))
                place = self._place.reshape(-1)[where]
        return place

    def _fill(self, where: np.ndarray) -> None:
        table = self._place.reshape(-1)
        where = where[table[where] == 0]
        slots = np.array(list(self._slots), dtype=np.int64)
        cell = where % self._cells_per_slot
        px_classes = len(self.compiled.px.class_member)
        fresh = Cells(cell // px_classes, cell % px_classes, slots[where // self._cells_per_slot], None)
        none = np.zeros((len(where), self.compiled.words), dtype=np.uint64)
        outcome, _ = self.compiled.walk(Cells(fresh.dx_class, fresh.px_class, fresh.scalars, none))
        _, need = self.compiled.walk(fresh)
        start = len(self._outcome)
        self._cells = Cells(
            np.concatenate([self._cells.dx_class, fresh.dx_class]),
            np.concatenate([self._cells.px_class, fresh.px_class]),
            np.concatenate([self._cells.scalars, fresh.scalars]),
            None,
        )
        self._outcome = np.concatenate([self._outcome, outcome])
        self._need = np.concatenate([self._need, need])
        table[where] = np.arange(start, start + len(where), dtype=np.int32)

    def _exact(self, place: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """Outcomes of cases whose other codes matter, each distinct (cell, bits) decided once."""
        keys = np.column_stack([place.astype(np.uint64), bits])
        rows = (
            np.ascontiguousarray(keys)
            .view(np.dtype((np.void, keys.dtype.itemsize * keys.shape[1])))
            .reshape(-1)
        )
        _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
        cells = self._cells
        chosen = place[first]
        outcome, _ = self.compiled.walk(
            Cells(cells.dx_class[chosen], cells.px_class[chosen], cells.scalars[chosen], bits[first])
        )
        return outcome[inverse.reshape(-1)]

    def as_table(self, decided: Decided | None) -> pa.Table:
        """The result columns of a decided batch, as dictionary-encoded Arrow columns."""
        rows = self.compiled.outcome_rows
        if decided is None:
            result = severity = np.zeros(0, dtype=np.int32)
        else:
            severity = decided.rank.astype(np.int32)
            result = decided.outcome * len(SEVERITIES) + severity
        columns = {
            "mdc": text_column([row[0] for row in rows], result),
            "adrg": text_column([row[1] for row in rows], result),
            "drg": text_column([row[2] for row in rows], result),
            "status": text_column([row[3] for row in rows], result),
        }
        columns["severity"] = text_column(list(SEVERITIES), severity)
        seq = np.array([-1 if row[4] is None else row[4] for row in rows], dtype=np.int32)[result]
        columns["rule"] = pa.array(seq, mask=seq < 0)
        return pa.table(columns)


def _others(codes: CodeLists, marked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the marked codes that are not the principal one, and their rows."""
    mark = marked[codes.ids]
    lengths = codes.lengths
    mark[codes.offsets[:-1][lengths > 0]] = False
    position = np.flatnonzero(mark)
    row = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)[position]
    return position, row


def _truth_bits(column: pa.Array, atoms: list[tuple[int, Compare]]) -> np.ndarray:
    """One bit per comparison and row; a missing value makes every comparison false."""
    if atoms[0][1].column in NUMBERS:
        valid = None if column.null_count == 0 else column.is_valid().to_numpy(zero_copy_only=False)
        numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
        truth = np.zeros(len(numbers), dtype=np.int64)
        for bit, atom in atoms:
            truth |= COMPARISONS[atom.comparison](numbers, atom.value).astype(np.int64) << bit
        return truth if valid is None else truth * valid
    encoded = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    by_text = np.zeros(len(texts) + 1, dtype=np.int64)
    for place, text in enumerate(texts):
        for bit, atom in atoms:
            if text is not None and COMPARISONS[atom.comparison](text, atom.value):
                by_text[place] |= 1 << bit
    return by_text[encoded.indices.cast(pa.int32()).fill_null(len(texts)).to_numpy()]


def _distinct(scalars: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values and each row's position among them, without a sort where the range is small."""
    if width > 20:
        distinct, inverse = np.unique(scalars, return_inverse=True)
        return distinct, inverse.reshape(-1)
    distinct = np.flatnonzero(np.bincount(scalars, minlength=1))
    position = np.zeros(1 << width, dtype=np.int64)
    position[distinct] = np.arange(len(distinct))
    return distinct, position[scalars]
