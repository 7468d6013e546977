"""Texts of a history as places: codes among those that count, hospitals with their level at a date."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from groupers.codes import CodeTables
from groupers.dip.catalogue import Catalogue, dx4_of
from pipeline.region import FOREVER, Region

EPOCH = dt.date(1970, 1, 1)
MOST_PLACES = 1 << 16  # a place is two bytes in the working tables


class CodeSpace:
    """Codes as places: subcategories of the code table, and procedures that have a class or that a row asks for."""

    def __init__(self, tables: CodeTables, library: Catalogue | None, exclusions: tuple[str, ...]) -> None:
        self.dx4s = sorted({dx4_of(code) for code in tables.diagnosis_names})
        named = {row.principal_px for row in library.core} if library else set()
        named |= (
            {code for row in library.core for forms in row.related for code in forms} if library else set()
        )
        classes = {code: of for code, of in tables.procedure_classes.items() if of}
        self.procedures = sorted((named - {""}) | classes.keys())
        assert len(self.procedures) < MOST_PLACES
        # The last two places answer for UNKNOWN and ABSENT, which index from the end.
        self.class_names = [*(classes.get(code, "") for code in self.procedures), "", ""]
        self.classed = np.array([bool(of) for of in self.class_names], dtype=bool)
        self.place_of_px = {code: place for place, code in enumerate(self.procedures)}
        self.place_of_dx4 = {dx4: place for place, dx4 in enumerate(self.dx4s)}
        # Excluded diagnoses are told apart from the others by their sign: −2 − place.
        self.principal = {
            code: self._signed(self.place_of_dx4[dx4_of(code)], code.startswith(exclusions))
            for code in tables.diagnosis_names
        }

    @staticmethod
    def _signed(place: int, excluded: bool) -> int:
        return -2 - place if excluded else place


class Hospitals:
    """Level of a hospital at a date, and whether it then writes 国临版 codes."""

    def __init__(self, region: Region) -> None:
        dated = sorted(region.hospitals, key=lambda one: (one.hospital_id, one.from_))
        self.ids = sorted({one.hospital_id for one in dated})
        place = {hospital_id: number for number, hospital_id in enumerate(self.ids)}
        levels = {level: number for number, level in enumerate(region.pack.levels)}
        self._texts = pa.array(self.ids, pa.string())
        self._keys = np.array(
            [_key(place[one.hospital_id], _days(one.from_)) for one in dated], dtype=np.int64
        )
        self._until = np.array([_days(one.to) for one in dated], dtype=np.int64)
        self._owner = np.array([place[one.hospital_id] for one in dated], dtype=np.int64)
        self._level = np.array([levels.get(one.level, -1) for one in dated], dtype=np.int64)
        self._clinical = self._declared(region, place)

    def _declared(self, region: Region, place: dict[str, int]) -> list[tuple[int, int, np.ndarray]]:
        """Intervals with the hospitals that write 国临版. What the pack says first holds for the years before too."""
        found = []
        entries = region.pack.codes
        for number, entry in enumerate(entries):
            begins = _days(entry.from_) if number else -(1 << 40)
            ends = _days(entry.to or FOREVER)
            if number + 1 < len(entries):
                ends = min(ends, _days(entries[number + 1].from_) - 1)
            named = entry.clinical if entry.default == "insurance" else set(place) - set(entry.insurance)
            declared = np.zeros(len(place) + 1, dtype=bool)
            declared[[place[one] for one in named if one in place]] = True
            found.append((begins, ends, declared))
        return found

    def places(self, column: pa.Array) -> np.ndarray:
        """The place of every hospital, −1 for one that the region does not know."""
        encoded = column.dictionary_encode()
        known = {text: place for place, text in enumerate(self.ids)}
        places = np.array(
            [known.get(text, -1) for text in encoded.dictionary.to_pylist()] + [-1], dtype=np.int64
        )
        return places[encoded.indices.fill_null(len(places) - 1).to_numpy()]

    def levels(self, hospital: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(whether the hospital is in the table at that day, its level or −1)."""
        if not len(self._keys):
            return np.zeros(len(day), dtype=bool), np.full(len(day), -1)
        at = np.searchsorted(self._keys, _key(hospital, day), side="right") - 1
        held = (at >= 0) & (hospital >= 0) & (self._owner[at] == hospital) & (day <= self._until[at])
        return held, np.where(held, self._level[at], -1)

    def clinical(self, hospital: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Whether the codes of a row are 国临版."""
        found = np.zeros(len(day), dtype=bool)
        for begins, ends, declared in self._clinical:
            found |= (day >= begins) & (day <= ends) & declared[hospital]
        return found


def _days(day: dt.date) -> int:
    return (day - EPOCH).days


def _key(hospital: np.ndarray | int, day: np.ndarray | int) -> np.ndarray | int:
    return hospital * (1 << 24) + day + (1 << 22)
