"""A DIP catalogue as arrays: ids of codes, candidate rows by disease and procedure, and the order of ties."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groupers.codecolumns import DROPPED
from groupers.codes import normal_form
from groupers.dip.catalogue import (
    CLASSES,
    POOLED_CLASSES,
    POOLED_OF_CLASS,
    Catalogue,
    CoreRow,
    Requirement,
    TieBreaker,
    dx3_of,
    dx4_of,
)
from groupers.dip.prefixes import RememberedIds

NONE = -1
WORD = 64


def asked(row: CoreRow) -> Requirement:
    """What a row asks of the other procedures, each demand once."""
    return tuple(dict.fromkeys(row.related))


def standing(breaker: TieBreaker, row: CoreRow) -> Any:
    """Where a row stands by a tie-breaker that knows no case; the smaller goes first, no score last."""
    match breaker:
        case "catalogue_order":
            return row.order
        case "core_before_base":
            return "基层病种" in row.flags
        case "more_procedures":  # behind the related ones, whose number comes before any tie-breaker
            return not row.principal_px
        case "higher_score":
            return (row.score is None, -(row.score or 0))
        case "class_priority":
            return CLASSES.index(row.treatment_class) if row.treatment_class in CLASSES else len(CLASSES)
        case "nearest_mean_cost":
            raise AssertionError("the cost of the case decides, see `Ranking`")


class Diagnoses:
    """Principal diagnoses as one integer: subcategory and category as the catalogue knows them.

    `parts` gives back (subcategory or NONE, category or NONE, excluded).
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._dx4 = {dx4: number for number, dx4 in enumerate(dict.fromkeys(r.dx4 for r in catalogue.core))}
        self._dx3 = {dx3: number for number, dx3 in enumerate(dict.fromkeys(r.dx3 for r in catalogue.pooled))}
        self._prefixes = tuple(exclusion.prefix for exclusion in catalogue.exclusions)
        self._remembered = RememberedIds(self._id_of)
        self.absent = 0  # the principal of an empty list: neither in a core row nor in a pooled one

    @property
    def subcategories(self) -> dict[str, int]:
        return self._dx4

    @property
    def categories(self) -> dict[str, int]:
        return self._dx3

    def ids_of(self, dictionary: pa.Array) -> np.ndarray:
        """The id of every distinct text of a batch; DROPPED for null and empty ones."""
        return self._remembered.ids_of(dictionary)

    def _id_of(self, code: str) -> int:
        # Below 2^31 for all subcategories and categories that the form of a code allows (103 and 9.4 thousand).
        dx4, dx3 = self._dx4.get(dx4_of(code), NONE), self._dx3.get(dx3_of(code), NONE)
        return ((dx4 + 1) * (len(self._dx3) + 1) + dx3 + 1) * 2 + code.startswith(self._prefixes)

    def parts(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        dx4, dx3 = np.divmod(ids // 2, len(self._dx3) + 1)
        return dx4 - 1, dx3 - 1, ids % 2 == 1


class Procedures:
    """Procedures as integers: those the catalogue names or gives a class, then `unknown`, then `absent`."""

    def __init__(self, catalogue: Catalogue) -> None:
        named = [row.principal_px for row in catalogue.core]
        named += [code for row in catalogue.core for forms in row.related for code in sorted(forms)]
        codes = [code for code in dict.fromkeys([*named, *catalogue.procedure_classes]) if code]
        self.id_of_code = {code: number for number, code in enumerate(codes)}
        self.unknown, self.absent, self.size = len(codes), len(codes) + 1, len(codes) + 2
        self.texts = pa.array(codes, pa.string())
        classes = [catalogue.procedure_classes.get(code, "") for code in codes]
        self.classed = np.array([*(bool(name) for name in classes), False, False])
        medical = POOLED_CLASSES.index("内科诊疗")
        pooled = [POOLED_CLASSES.index(POOLED_OF_CLASS.get(name, "内科诊疗")) for name in classes]
        self.pooled_class = np.array([*pooled, medical, medical], dtype=np.int64)

    def ids_of(self, dictionary: pa.Array) -> np.ndarray:
        """The id of every distinct text of a batch; DROPPED for null and empty ones."""
        texts = dictionary.cast(pa.string())
        found = pc.index_in(texts, value_set=self.texts)
        ids = found.fill_null(self.unknown).to_numpy(zero_copy_only=False).astype(np.int32)
        for position in np.flatnonzero(ids == self.unknown):
            code = normal_form(texts[int(position)].as_py() or "")
            ids[position] = self.id_of_code.get(code, self.unknown) if code else DROPPED
        return ids


class Candidates:
    """Core rows by disease and principal procedure: `rows[start[g]:start[g + 1]]` belong to group g.

    The distinct demands of a group's rows have a bit each: `bits_of` gives the bits that a procedure brings,
    `need` what a row must have. Conservative rows are the group of a disease without principal procedure.
    """

    def __init__(self, catalogue: Catalogue, dx: Diagnoses, px: Procedures) -> None:
        members: dict[tuple[int, str], list[int]] = defaultdict(list)
        for number, row in enumerate(catalogue.core):
            members[dx.subcategories[row.dx4], row.principal_px].append(number)
        self.px_size = px.size
        self.rows = np.array([row for rows in members.values() for row in rows], dtype=np.int64)
        self.start = np.cumsum([0, *(len(rows) for rows in members.values())])
        self._conservative = np.full(len(dx.subcategories) + 1, NONE, dtype=np.int64)
        self._is_principal = np.zeros(px.size, dtype=bool)
        group_of: dict[int, int] = {}
        for group, (dx4, code) in enumerate(members):
            if code:
                self._is_principal[px.id_of_code[code]] = True
                group_of[dx4 * px.size + px.id_of_code[code]] = group
            else:
                self._conservative[dx4] = group
        self._keys = np.array(sorted(group_of), dtype=np.int64)
        self._groups = np.array([group_of[key] for key in sorted(group_of)], dtype=np.int64)
        demands = [_demands([catalogue.core[row] for row in rows]) for rows in members.values()]
        self.words = max([1, *(-(-len(found) // WORD) for found in demands)])
        self.demanding = np.array([bool(found) for found in demands], dtype=bool)
        self.asked = np.array([len(asked(row)) for row in catalogue.core], dtype=np.int64)
        self.need = np.zeros((len(catalogue.core), self.words), dtype=np.uint64)
        brought: dict[int, int] = defaultdict(int)
        for group, (rows, found) in enumerate(zip(members.values(), demands, strict=True)):
            place = {forms: bit for bit, forms in enumerate(found)}
            for forms, bit in place.items():
                for code in forms - {""}:
                    brought[group * px.size + px.id_of_code[code]] |= 1 << bit
            for number in rows:
                bits = sum(1 << place[forms] for forms in asked(catalogue.core[number]))
                self.need[number] = _words(bits, self.words)
        self._bit_keys = np.array(sorted(brought), dtype=np.int64)
        bits_by_key = [_words(brought[key], self.words) for key in sorted(brought)]
        self._bits = np.array(bits_by_key, dtype=np.uint64).reshape(-1, self.words)

    def conservative(self, dx4: np.ndarray) -> np.ndarray:
        """The group of conservative rows of every subcategory, NONE where there is none."""
        return self._conservative[dx4]

    def surgical(self, dx4: np.ndarray, px: np.ndarray) -> np.ndarray:
        """The group of every (subcategory, principal procedure), NONE where there is none."""
        group = np.full(len(dx4), NONE, dtype=np.int64)
        likely = np.flatnonzero(self._is_principal[px] & (dx4 != NONE))
        place = place_in(self._keys, dx4[likely] * self.px_size + px[likely])
        group[likely] = np.append(self._groups, NONE)[place]
        return group

    def bits_of(self, group: np.ndarray, px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the (group, procedure) pairs that bring any bit, and their bits."""
        place = place_in(self._bit_keys, group * self.px_size + px)
        useful = np.flatnonzero(place != NONE)
        return useful, self._bits[place[useful]]


class Ranking:
    """The order of rows in a tie: `before`, then the cost's distance where a city asks for it, then `after`."""

    def __init__(self, rows: Sequence[CoreRow], breakers: Sequence[TieBreaker]) -> None:
        self.by_cost = "nearest_mean_cost" in breakers
        first = breakers[: breakers.index("nearest_mean_cost")] if self.by_cost else breakers
        rest = [breaker for breaker in breakers[len(first) :] if breaker != "nearest_mean_cost"]
        self.before = _ranks([tuple(standing(breaker, row) for breaker in first) for row in rows])
        self.after = _ranks([(*(standing(breaker, row) for breaker in rest), row.row) for row in rows])
        self.has_mean = np.array([row.mean_cost_fen is not None for row in rows], dtype=bool)
        self.mean = np.array([row.mean_cost_fen or 0 for row in rows], dtype=np.int64)

    def distance(self, row: np.ndarray, fee: np.ndarray, has_fee: np.ndarray) -> np.ndarray:
        """|mean cost − fee| in fen, exact for any two int64; 0 without a fee, the most without a mean."""
        mean = self.mean[row]
        high, low = np.maximum(mean, fee).view(np.uint64), np.minimum(mean, fee).view(np.uint64)
        distance = np.where(self.has_mean[row], high - low, np.uint64(2**64 - 1))
        return np.where(has_fee, distance, np.uint64(0))


def pooled_table(catalogue: Catalogue, dx: Diagnoses) -> np.ndarray:
    """The number of the pooled row by category and pooled class, NONE where there is none."""
    table = np.full((len(dx.categories) + 1, len(POOLED_CLASSES)), NONE, dtype=np.int64)
    for number, row in enumerate(catalogue.pooled):
        if catalogue.pooled_by_key[row.dx3, row.pooled_class] is row:
            table[dx.categories[row.dx3], POOLED_CLASSES.index(row.pooled_class)] = number
    return table


def listed_pairs(catalogue: Catalogue, px: Procedures) -> np.ndarray:
    """Sorted keys `row × px.size + procedure` of all that core rows ask of the other procedures."""
    keys = {
        number * px.size + px.id_of_code[code]
        for number, row in enumerate(catalogue.core)
        for forms in row.related
        for code in forms - {""}
    }
    return np.array(sorted(keys), dtype=np.int64)


def _demands(rows: Sequence[CoreRow]) -> list[frozenset[str]]:
    return list(dict.fromkeys(forms for row in rows for forms in row.related))


def _words(bits: int, words: int) -> list[int]:
    return [bits >> (WORD * word) & (2**WORD - 1) for word in range(words)]


def _ranks(keys: Sequence[tuple[Any, ...]]) -> np.ndarray:
    rank = {key: number for number, key in enumerate(sorted(set(keys)))}
    return np.array([rank[key] for key in keys], dtype=np.int64)


def place_in(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The place of every wanted key among the sorted keys, NONE where it is not there."""
    if not len(keys):
        return np.full(len(wanted), NONE, dtype=np.int64)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, NONE)
