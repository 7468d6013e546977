"""The codes that decided each case of a batch, so that `explain` needs no second run."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from groupers.drg.engine import Decided, Grouper
from groupers.drg.rules import Member, Prefix


def evidence(grouper: Grouper, batch: pa.RecordBatch, decided: Decided) -> pa.Table:
    """Three columns per row of a decided batch.

    decided_by: the codes that met the rule, in the order of its condition; severity_code: the other diagnosis
    that counted at the case's severity, null when none did; excluded_codes: MCC or CC codes that the
    principal diagnosis excluded. Needs code lists without null or empty elements, as validation leaves them.
    """
    dx_texts = _texts(batch.column("dx_codes"))
    px_texts = _texts(batch.column("px_codes"))
    rows = batch.num_rows
    counted, excluded = _severity(grouper, decided, rows)
    positions, owners, sides = _rule_codes(grouper, decided)
    texts = pa.chunked_array([dx_texts.cast(pa.string()), px_texts.cast(pa.string())]).combine_chunks()
    flat = positions + np.where(sides == 1, len(dx_texts), 0)
    severity_code = dx_texts.cast(pa.string()).take(pa.array(counted, mask=counted < 0))
    return pa.table(
        {
            "decided_by": _lists(owners, flat, texts, rows),
            "severity_code": severity_code,
            "excluded_codes": _lists(excluded[1], excluded[0], dx_texts, rows),
        }
    )


def _texts(column: pa.Array) -> pa.Array:
    begin, end = column.offsets[0].as_py(), column.offsets[-1].as_py()
    return column.values.slice(begin, end - begin)


def _severity(
    grouper: Grouper, decided: Decided, rows: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Position of the code that counted (−1: none) and positions with rows of the excluded codes."""
    compiled, dx = grouper.compiled, decided.dx
    own = compiled.rank[dx.ids]
    own[dx.offsets[:-1][dx.lengths > 0]] = 0
    position = np.flatnonzero(own)
    row = np.repeat(np.arange(rows), dx.lengths)[position]
    principal = compiled.principal_table[dx.principal(compiled.dx.absent)]
    out = compiled.own_table[dx.ids[position]] == principal[row]
    counts = ~out & (own[position] == decided.rank[row])
    first = np.full(rows, -1, dtype=np.int64)
    first[row[counts][::-1]] = position[counts][::-1]  # the last write wins: the earliest code
    return first, (position[out], row[out])


def _rule_codes(grouper: Grouper, decided: Decided) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, rows and sides (0 diagnosis, 1 procedure) of the codes that met the rules' conditions."""
    book = grouper.book
    parts: list[tuple[np.ndarray, np.ndarray, int, int]] = []
    order = np.argsort(decided.outcome, kind="stable")
    outcomes, starts = np.unique(decided.outcome[order], return_index=True)
    by_outcome = np.split(order, starts[1:]) if len(order) else []
    for outcome, chosen in zip(outcomes, by_outcome, strict=True):
        if outcome >= len(book.active_rules):
            continue
        condition = book.resolve(book.active_rules[outcome].condition)
        atoms = [lit.atom for clause in condition for lit in clause if not lit.negated]
        for number, atom in enumerate(atoms):
            if isinstance(atom, Member | Prefix):
                at, owner = _first_match(grouper, decided, atom, chosen)
                parts.append((at, owner, int(atom.subject.endswith("_px")), number))
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, empty
    position = np.concatenate([part[0] for part in parts])
    row = np.concatenate([part[1] for part in parts])
    side = np.concatenate([np.full(len(part[0]), part[2]) for part in parts])
    place = np.concatenate([np.full(len(part[0]), part[3]) for part in parts])
    by_row = np.lexsort((place, row))
    return position[by_row], row[by_row], side[by_row]


def _first_match(
    grouper: Grouper, decided: Decided, atom: Member | Prefix, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The first code of each chosen row that meets an atom; rows without one are left out."""
    subject, side_name = atom.subject.rsplit("_", 1)
    side = grouper.compiled.dx if side_name == "dx" else grouper.compiled.px
    codes = decided.dx if side_name == "dx" else decided.px
    name = atom.list_name if isinstance(atom, Member) else f"{atom.prefix}*"
    member = side.member[:, side.sets.index(name)]
    begin, lengths = codes.offsets[chosen], codes.lengths[chosen]
    if subject == "principal":
        filled = lengths > 0
        met = member[codes.ids[begin[filled]]]
        return begin[filled][met], chosen[filled][met]
    row = np.repeat(np.arange(len(chosen)), lengths)
    within = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    position = begin[row] + within
    met = member[codes.ids[position]] & ((within > 0) | (subject == "any"))
    rows_met, first = np.unique(row[met], return_index=True)
    return position[met][first], chosen[rows_met]


def _lists(row: np.ndarray, position: np.ndarray, texts: pa.Array, rows: int) -> pa.ListArray:
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=rows))])
    values = texts.take(pa.array(position)).cast(pa.string())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
