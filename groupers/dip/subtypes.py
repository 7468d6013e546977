"""Which auxiliary subtypes a batch of grouped discharges meets, and the coefficients that count.

The result of a case depends on that case alone: never on its neighbours, its order or its batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from groupers.codecolumns import CodeLists, code_lists
from groupers.dip.auxiliary import COEFFICIENT_DIGITS, WORDS, Subtype
from groupers.dip.catalogue import UNGROUPED
from groupers.dip.charlson import Charlson, load_charlson
from groupers.dip.prefixes import PrefixSide, RememberedIds
from groupers.drg.engine import Grouper
from groupers.drg.rulebook import SEVERITIES, RuleBook
from groupers.drg.rules import COMPARISONS, Atom, Compare, Condition, Member, Prefix
from groupers.scheme import SchemeError

ONE = 10**COEFFICIENT_DIGITS
HOURS_PER_DAY = 24
UNKNOWN = 10**9  # above every coefficient, so that an unknown one is never passed over
NO_ROW, NO_OWN = -2, -1  # a case without a catalogue row; a row without subtypes of its own

TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("aux_coefficient", pa.int64()), ("aux_subtype", TEXT), ("aux_met", pa.list_(TEXT)),
        ("own_coefficient", pa.int64()), ("own_subtype", TEXT), ("own_unknown", pa.bool_()),
        ("own_met", pa.list_(TEXT)),
    ]
)  # fmt: skip


class Subtypes:
    """Auxiliary subtypes made ready for batches. Safe to share between threads.

    `severity_book` is the DRG scheme whose MCC and CC count; asked for only where a condition names severity.
    """

    def __init__(
        self,
        subtypes: Sequence[Subtype],
        lists: Mapping[str, frozenset[str]],
        severity_book: RuleBook | None = None,
        charlson: Charlson | None = None,
    ) -> None:
        self.subtypes = tuple(subtypes)
        atoms = [atom for subtype in self.subtypes for atom in subtype.atoms]
        asked = {atom.column for atom in atoms if isinstance(atom, Compare)}
        self._severity = self._severity_of(severity_book) if "severity" in asked else None
        self._charlson = (charlson or load_charlson()) if "cci" in asked else None
        self._comorbid = RememberedIds(self._charlson.bits_of) if self._charlson is not None else None
        self._side = PrefixSide(_prefix_lists(atoms, lists))
        self._code_columns = {f"{a.subject[-2:]}_codes" for a in atoms if isinstance(a, Member | Prefix)}
        wanted = {"icu_hours" if column == "icu_days" else column for column in asked - {"severity", "cci"}}
        wanted |= {"dx_codes"} if asked & {"severity", "cci"} else set()
        self.columns = tuple(sorted(wanted | self._code_columns))
        self._own_rows = sorted({subtype.row for subtype in self.subtypes if subtype.row})
        self._triggers = self._by_condition()
        self._levels = sorted({level for subtype in self.subtypes for level in subtype.coefficients})
        self._coefficient = np.array(
            [[_or_unknown(subtype.coefficient_at(level)) for level in (*self._levels, None)]
             for subtype in self.subtypes], dtype=np.int64,
        ).reshape(len(self.subtypes), len(self._levels) + 1)  # fmt: skip
        self._replacing = np.array([subtype.replacing for subtype in self.subtypes], dtype=bool)
        self._codes = pa.array([subtype.subtype for subtype in self.subtypes], pa.string())

    @staticmethod
    def _severity_of(book: RuleBook | None) -> Grouper:
        if book is None:
            raise SchemeError(
                "辅助分型用到合并症分级（severity），但没有指明 DRG 方案；请指明，如 `chs-drg-2.0`"
            )
        return Grouper(book)

    def _by_condition(self) -> list[tuple[Condition, int, np.ndarray | None]]:
        """Each distinct condition with the subtype of every row (-1 for none) and those of single rows.

        A city may print a severity suffix for thousands of rows: the condition is evaluated once for all.
        """
        place = {row: number for number, row in enumerate(self._own_rows)}
        general: dict[Condition, int] = {}
        own: dict[Condition, np.ndarray] = {}
        for number, subtype in enumerate(self.subtypes):
            general.setdefault(subtype.condition, -1)
            if not subtype.row:
                general[subtype.condition] = number
                continue
            table = own.setdefault(subtype.condition, np.full(len(place), -1, dtype=np.int64))
            table[place[subtype.row]] = number
        return [(condition, number, own.get(condition)) for condition, number in general.items()]

    def evaluate(
        self,
        table: pa.Table | pa.RecordBatch,
        row_codes: pa.Array | pa.ChunkedArray,
        levels: pa.Array | pa.ChunkedArray | None = None,
    ) -> pa.Table:
        """The columns of SCHEMA for every case, in row order.

        `table` has the `columns`; `row_codes` is each case's catalogue row, `levels` its hospital's level. The
        coefficients are in ten-thousandths. Of the multiplying subtypes: aux_coefficient is the highest that is
        met, 10000 where none is, null where one that is met has no known coefficient (aux_subtype then names
        it). Of the replacing ones: own_coefficient is the highest that is met, null where none is or where
        own_unknown says that one that is met has no coefficient for the level (own_subtype then names it).
        aux_met and own_met list all that are met, in table order. A case without a row (null or ungrouped) has
        no score to multiply and meets none.
        """
        batches = table.to_batches() if isinstance(table, pa.Table) else [table]
        results, start = [SCHEMA.empty_table()], 0
        for batch in batches:
            part = slice(start, start + batch.num_rows)
            results.append(
                self._evaluate(
                    batch, _texts(row_codes[part]), None if levels is None else _texts(levels[part])
                )
            )
            start += batch.num_rows
        return pa.concat_tables(results)

    def _evaluate(
        self, batch: pa.RecordBatch, rows: pa.DictionaryArray, levels: pa.DictionaryArray | None
    ) -> pa.Table:
        row = _positions(rows, self._own_rows, NO_OWN, NO_ROW)
        columns = self._columns_of(batch)
        keys = [np.zeros(0, dtype=np.int64)]
        for condition, general, own in self._triggers:
            met = np.flatnonzero(columns.condition(condition) & (row != NO_ROW))
            if general >= 0:
                keys.append(met * len(self.subtypes) + general)
            if own is not None:
                number = np.where(row[met] >= 0, own[row[met]], -1)
                keys.append((met * len(self.subtypes) + number)[number >= 0])
        pairs = np.sort(np.concatenate(keys), kind="stable")  # merges: every part ascends already
        case, subtype = np.divmod(pairs, max(len(self.subtypes), 1))
        if levels is None:
            level = np.full(batch.num_rows, len(self._levels))
        else:
            level = _positions(levels, self._levels, len(self._levels), len(self._levels))
        value = self._coefficient[subtype, level[case]]
        replaces = self._replacing[subtype]
        replacing = self._highest(batch.num_rows, case[replaces], subtype[replaces], value[replaces])
        if replaces.any():
            case, subtype, value = case[~replaces], subtype[~replaces], value[~replaces]
        multiplying = self._highest(batch.num_rows, case, subtype, value)
        factor = np.where(multiplying.met_any, multiplying.value, ONE)
        unknown = replacing.value == UNKNOWN
        found = {
            "aux_coefficient": pa.array(factor, mask=factor == UNKNOWN),
            "aux_subtype": multiplying.chosen,
            "aux_met": multiplying.met,
            "own_coefficient": pa.array(replacing.value, mask=~replacing.met_any | unknown),
            "own_subtype": replacing.chosen,
            "own_unknown": pa.array(unknown),
            "own_met": replacing.met,
        }
        return pa.table(found, schema=SCHEMA)

    def _highest(self, cases: int, case: np.ndarray, subtype: np.ndarray, value: np.ndarray) -> Highest:
        """The highest coefficient of every case; of equal ones the first in the table. `case` ascends."""
        counts = np.bincount(case, minlength=cases)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        some = np.flatnonzero(counts)
        highest = np.zeros(cases, dtype=np.int64)
        chosen = np.full(cases, -1, dtype=np.int32)
        if len(some):
            width = len(self.subtypes)
            best = np.maximum.reduceat(value * width + (width - 1 - subtype), offsets[:-1][some])
            highest[some] = best // width
            chosen[some] = width - 1 - best % width
        met = pa.DictionaryArray.from_arrays(pa.array(subtype, pa.int32()), self._codes)
        return Highest(
            counts > 0,
            highest,
            pa.DictionaryArray.from_arrays(pa.array(chosen, mask=chosen < 0), self._codes),
            pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), met),
        )

    def _columns_of(self, batch: pa.RecordBatch) -> Columns:
        codes = {name[:2]: code_lists(batch.column(name), self._side) for name in self._code_columns}
        numbers: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        texts: dict[str, pa.DictionaryArray] = {}
        for name in self.columns:
            if name in WORDS.texts:
                texts[name] = _texts(batch.column(name))
            elif name in WORDS.numbers:
                column = batch.column(name)
                numbers[name] = (
                    column.fill_null(0).to_numpy(zero_copy_only=False),
                    column.is_valid().to_numpy(zero_copy_only=False),
                )
        if "icu_hours" in numbers:
            hours, known = numbers["icu_hours"]
            numbers["icu_days"] = (hours // HOURS_PER_DAY, known)
        everywhere = np.ones(batch.num_rows, dtype=bool)
        if self._severity is not None:
            rank = self._severity.severity(batch.column("dx_codes")).astype(np.int32)
            texts["severity"] = pa.DictionaryArray.from_arrays(pa.array(rank), list(SEVERITIES))
        if self._charlson is not None and self._comorbid is not None:
            comorbid = code_lists(batch.column("dx_codes"), self._comorbid)
            numbers["cci"] = (self._charlson.index_of(comorbid), everywhere)
        return Columns(batch.num_rows, self._side, codes, numbers, texts)


class Highest(NamedTuple):
    """What counts of one kind of subtype, case by case; `value` is 0 where none is met."""

    met_any: np.ndarray
    value: np.ndarray
    chosen: pa.DictionaryArray
    met: pa.ListArray


class Columns:
    """One batch as conditions see it; every atom is evaluated once."""

    def __init__(
        self,
        cases: int,
        side: PrefixSide,
        codes: dict[str, CodeLists],
        numbers: dict[str, tuple[np.ndarray, np.ndarray]],
        texts: dict[str, pa.DictionaryArray],
    ) -> None:
        self._cases = cases
        self._side = side
        self._codes = codes
        self._numbers = numbers
        self._texts = texts
        self._known: dict[Atom, np.ndarray] = {}

    def condition(self, condition: Condition) -> np.ndarray:
        """Which cases meet a condition: all clauses, each by any of its atoms."""
        met = np.ones(self._cases, dtype=bool)
        for clause in condition:
            any_of = np.zeros(self._cases, dtype=bool)
            for literal in clause:
                any_of |= self._atom(literal.atom) ^ literal.negated
            met &= any_of
        return met

    def _atom(self, atom: Atom) -> np.ndarray:
        if atom not in self._known:
            self._known[atom] = self._truth(atom)
        return self._known[atom]

    def _truth(self, atom: Atom) -> np.ndarray:
        truth = np.ones(self._cases, dtype=bool)
        if isinstance(atom, Member | Prefix):
            which, side = atom.subject.split("_")
            codes = self._codes[side]
            wanted = self._side.member[:, self._side.columns[_key(atom)]]
            if which == "principal":
                return wanted[codes.principal(self._side.absent)]
            truth[:] = False
            truth[_rows_with(codes, which, wanted)] = True
        elif isinstance(atom, Compare) and atom.column in self._numbers:
            numbers, known = self._numbers[atom.column]
            truth = COMPARISONS[atom.comparison](numbers, atom.value) & known
        elif isinstance(atom, Compare):
            column = self._texts[atom.column]
            compare = COMPARISONS[atom.comparison]
            by_text = [
                text is not None and compare(text, atom.value) for text in column.dictionary.to_pylist()
            ]
            places = column.indices.cast(pa.int32()).fill_null(len(by_text)).to_numpy()
            truth = np.array([*by_text, False], dtype=bool)[places]
        return truth


def _prefix_lists(atoms: Sequence[Atom], lists: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Every list of prefixes that the atoms name, by `_key`."""
    wanted = {_key(atom): lists[atom.list_name] for atom in atoms if isinstance(atom, Member)}
    return wanted | {_key(atom): frozenset([atom.prefix]) for atom in atoms if isinstance(atom, Prefix)}


def _key(atom: Member | Prefix) -> str:
    return f"in {atom.list_name}" if isinstance(atom, Member) else f"startswith {atom.prefix}"


def _rows_with(codes: CodeLists, which: str, wanted: np.ndarray) -> np.ndarray:
    """The rows that have a code of the subject (other | any) whose place is wanted."""
    mark = wanted[codes.ids]
    if which == "other":
        mark[codes.offsets[:-1][codes.lengths > 0]] = False
    return np.searchsorted(codes.offsets, np.flatnonzero(mark), side="right") - 1


def _texts(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """A text column as one dictionary-encoded array."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks else pa.array([], column.type)
    if isinstance(column, pa.ChunkedArray):  # dictionaries that differ between chunks stay apart
        column = column.unify_dictionaries().combine_chunks()
    return column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()


def _positions(column: pa.DictionaryArray, known: Sequence[str], other: int, absent: int) -> np.ndarray:
    """The place of every text in `known`: `other` for texts that are not, `absent` for null and ungrouped."""
    place = {text: number for number, text in enumerate(known)} | {None: absent, UNGROUPED: absent}
    of_text = [place.get(text, other) for text in column.dictionary.to_pylist()]
    indices = column.indices.cast(pa.int32()).fill_null(len(of_text)).to_numpy()
    return np.array([*of_text, absent], dtype=np.int64)[indices]


def _or_unknown(coefficient: int | None) -> int:
    return UNKNOWN if coefficient is None else coefficient
