"""Match discharges with a DIP catalogue, batch by batch, without touching a string twice.

The result of a case depends on that case alone: never on its neighbours, its order or its batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from groupers.codecolumns import CodeLists, TextColumn, code_lists
from groupers.dip.catalogue import POOLED_CLASSES, UNGROUPED, Catalogue
from groupers.dip.compile import (
    NONE,
    Candidates,
    Diagnoses,
    Procedures,
    Ranking,
    listed_pairs,
    place_in,
    pooled_table,
)

DIP_KINDS = ("core", "pooled", "excluded", "ungrouped")
CORE, POOLED, EXCLUDED, UNMATCHED = range(4)
STATUS_OF_KIND = ("grouped", "grouped", "excluded", "ungrouped")
MOST_PAIRS = 2_000_000  # cases × candidate rows looked at in one go: bounds the memory whatever the catalogue


@dataclass(frozen=True)
class Decided:
    """A batch as integers: place in DIP_KINDS, number of the core or pooled row, of the core row that came second."""

    kind: np.ndarray
    row: np.ndarray  # NONE where excluded or ungrouped
    runner_up: np.ndarray  # NONE where no other core row was met
    px: CodeLists


class _Pairs(NamedTuple):
    """Cases beside core rows of their disease and procedure, and how many of the row's demands each meets."""

    case: np.ndarray
    row: np.ndarray
    met: np.ndarray

    def where(self, chosen: np.ndarray) -> _Pairs:
        return _Pairs(self.case[chosen], self.row[chosen], self.met[chosen])


class Matcher:
    """A catalogue made ready to match. It keeps nothing of any case, so threads may share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.dx = Diagnoses(catalogue)
        self.px = Procedures(catalogue)
        self.candidates = Candidates(catalogue, self.dx, self.px)
        self.ranking = Ranking(catalogue.core, catalogue.choices.tie_breakers)
        self._pooled = pooled_table(catalogue, self.dx)
        self._listed = listed_pairs(catalogue, self.px)
        self._names_principal = np.array([bool(row.principal_px) for row in catalogue.core], dtype=bool)
        # One numbering for all outcomes: core rows, pooled rows, excluded (which has no row), ungrouped.
        core, pooled = catalogue.core, catalogue.pooled
        classes = [*(row.treatment_class for row in core), *(row.pooled_class for row in pooled)]
        self._codes = TextColumn([*(row.row for row in core), *(row.row for row in pooled), None, UNGROUPED])
        self._classes = TextColumn([*classes, None, None])
        self._runners_up = TextColumn([*(row.row for row in core), None])

    @property
    def columns(self) -> tuple[str, ...]:
        """The scalar columns that `match` asks for beside dx_codes and px_codes."""
        return ("total_fee_fen",) if self.ranking.by_cost else ()

    def match(self, table: pa.Table | pa.RecordBatch) -> pa.Table:
        """dip_code, dip_kind, treatment_class, matched_procedures, runner_up, status of every row, in row order.

        Needs dx_codes and px_codes (lists of text, best dictionary-encoded) and the scalar `columns`. An excluded
        case has no dip_code. matched_procedures: the principal one where it counted, then the related ones.
        """
        batches = table.to_batches() if isinstance(table, pa.Table) else [table]
        return pa.concat_tables(
            [self.as_table(self.decide(b)) for b in batches] or [self.as_table(_nothing())]
        )

    def decide(self, batch: pa.RecordBatch) -> Decided:
        """Kind, row and runner-up of every row of one batch, as integers."""
        dx = code_lists(batch.column("dx_codes"), self.dx)
        px = code_lists(batch.column("px_codes"), self.px)
        dx4, dx3, excluded = self.dx.parts(dx.principal(self.dx.absent))
        principal = px.principal(self.px.absent)
        core, runner_up = np.full((2, batch.num_rows), NONE, dtype=np.int64)
        fee = self._fees(batch)
        for pairs in self._candidate_pairs(np.where(excluded, NONE, dx4), principal, px):
            in_full = pairs.where(pairs.met == self.candidates.asked[pairs.row])
            self._choose(in_full, fee, core, runner_up)
            if self.catalogue.choices.related == "best_partial":
                open_still = (core[pairs.case] == NONE) & (pairs.met > 0) & self._names_principal[pairs.row]
                self._choose(pairs.where(open_still), fee, core, runner_up)
        pooled = self._pooled[dx3, self.px.pooled_class[principal]]
        kind = np.select(
            [excluded, core != NONE, pooled != NONE], [EXCLUDED, CORE, POOLED], default=UNMATCHED
        )
        row = np.select([kind == CORE, kind == POOLED], [core, pooled], default=NONE)
        return Decided(kind, row, runner_up, px)

    def _fees(self, batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray] | None:
        """Total fee in fen and whether it is known, where the cost breaks ties."""
        if not self.ranking.by_cost:
            return None
        fee = batch.column("total_fee_fen")
        known = fee.is_valid().to_numpy(zero_copy_only=False)
        return fee.cast(pa.int64()).fill_null(0).to_numpy(), known

    def _candidate_pairs(self, dx4: np.ndarray, principal: np.ndarray, px: CodeLists) -> Iterator[_Pairs]:
        """Every case beside the core rows of its disease and principal procedure, all rows of a case together."""
        candidates = self.candidates
        surgical, conservative = candidates.surgical(dx4, principal), candidates.conservative(dx4)
        if self.catalogue.choices.conservative != "any":
            conservative[self._has_class(px)] = NONE
        size = np.append(np.diff(candidates.start), 0)
        total = np.cumsum(size[surgical] + size[conservative])
        most = max(1, MOST_PAIRS // candidates.words)
        first = 0
        while first < len(total):
            before = total[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(total, before + most, side="right")))
            sides = [self._pairs_of(group, first, last, px) for group in (surgical, conservative)]
            yield _Pairs(*(np.concatenate(both) for both in zip(*sides, strict=True)))
            first = last

    def _has_class(self, px: CodeLists) -> np.ndarray:
        """Whether any procedure of a case has a class."""
        seen = np.concatenate([[0], np.cumsum(self.px.classed[px.ids])])
        return np.diff(seen[px.offsets]) > 0

    def _pairs_of(self, group: np.ndarray, first: int, last: int, px: CodeLists) -> _Pairs:
        candidates = self.candidates
        case = first + np.flatnonzero(group[first:last] != NONE)
        own = group[case]
        owner, place = _spans(candidates.start[own], candidates.start[own + 1])
        row = candidates.rows[place]
        met = np.zeros(len(row), dtype=np.int64)
        demanding = np.flatnonzero(candidates.demanding[own])
        if len(demanding):
            bits = np.zeros((len(case), candidates.words), dtype=np.uint64)
            which, position = _others(px, case[demanding])
            holder = demanding[which]
            useful, brought = candidates.bits_of(own[holder], px.ids[position])
            np.bitwise_or.at(bits, holder[useful], brought)
            asking = np.flatnonzero(candidates.asked[row])
            meets = bits[owner[asking]] & candidates.need[row[asking]]
            met[asking] = np.bitwise_count(meets).sum(axis=1, dtype=np.int64)
        return _Pairs(case[owner], row, met)

    def _choose(
        self,
        pairs: _Pairs,
        fee: tuple[np.ndarray, np.ndarray] | None,
        core: np.ndarray,
        runner_up: np.ndarray,
    ) -> None:
        """Write the best and the second best row of every case among the pairs."""
        rivals = np.bincount(pairs.case, minlength=len(core))[pairs.case]
        alone = rivals == 1
        core[pairs.case[alone]] = pairs.row[alone]
        case, row, met = pairs.where(~alone)
        ranking = self.ranking
        keys = [ranking.after[row], ranking.before[row], -met, case]
        if fee is not None:
            keys.insert(1, ranking.distance(row, fee[0][case], fee[1][case]))
        order = np.lexsort(keys)
        case, row = case[order], row[order]
        first = np.flatnonzero(np.diff(case, prepend=NONE))
        core[case[first]] = row[first]
        runner_up[case[first]] = row[first + 1]

    def as_table(self, decided: Decided) -> pa.Table:
        """The result columns of a decided batch; texts dictionary-encoded but for the lists."""
        core_rows, pooled_rows = len(self.catalogue.core), len(self.catalogue.pooled)
        beyond = core_rows + pooled_rows - EXCLUDED
        outcome = np.select(
            [decided.kind == CORE, decided.kind == POOLED],
            [decided.row, decided.row + core_rows],
            default=decided.kind + beyond,
        )
        return pa.table(
            {
                "dip_code": self._codes(outcome),
                "dip_kind": TextColumn(DIP_KINDS)(decided.kind),
                "treatment_class": self._classes(outcome),
                "matched_procedures": self._matched_procedures(decided),
                "runner_up": self._runners_up(decided.runner_up),
                "status": TextColumn(STATUS_OF_KIND)(decided.kind),
            }
        )

    def _matched_procedures(self, decided: Decided) -> pa.ListArray:
        principal = decided.px.principal(self.px.absent)
        medical = self.px.pooled_class[principal] == POOLED_CLASSES.index("内科诊疗")
        core = decided.kind == CORE
        leads = (decided.kind == POOLED) & ~medical
        leads[core] = self._names_principal[decided.row[core]]
        asking = np.flatnonzero(core)
        asking = asking[self.candidates.asked[decided.row[asking]] > 0]
        which, position = _others(decided.px, asking)
        case, code = asking[which], decided.px.ids[position]
        listed = place_in(self._listed, decided.row[case] * self.px.size + code) != NONE
        # Each once, in the case's order: `case` ascends, so the first places do.
        _, once = np.unique(case[listed] * self.px.size + code[listed], return_index=True)
        once.sort()
        case, code = case[listed][once], code[listed][once]
        length = leads + np.bincount(case, minlength=len(core))
        offsets = np.concatenate([[0], np.cumsum(length)])
        ids = np.empty(offsets[-1], dtype=np.int64)
        at_front = np.zeros(len(ids), dtype=bool)
        at_front[offsets[:-1][leads]] = True
        ids[at_front], ids[~at_front] = principal[leads], code
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), self.px.texts.take(pa.array(ids)))


def _nothing() -> Decided:
    none = np.zeros(0, dtype=np.int64)
    return Decided(none, none, none, CodeLists(np.zeros(1, dtype=np.int64), none))


def _others(codes: CodeLists, case: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places in `case` and positions in `codes` of all codes of these cases but the first."""
    end = codes.offsets[case + 1]
    return _spans(np.minimum(codes.offsets[case] + 1, end), end)


def _spans(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All integers of many ranges in a row, and the number of the range that each belongs to."""
    length = end - start
    owner = np.repeat(np.arange(len(start)), length)
    return owner, np.arange(len(owner)) + np.repeat(start - (np.cumsum(length) - length), length)
