"""The Charlson comorbidity index (CCI) of a discharge.

Source: Quan H et al., Coding algorithms for defining comorbidities in ICD-9-CM and ICD-10 administrative data,
Med Care 2005;43(11):1130-9, table 1 (ICD-10); weights of Charlson ME et al., J Chronic Dis 1987;40(5):373-83.
The prefixes are those of WHO ICD-10 as published; a code of 医保版 is met by prefix. Comorbidities are the
*other* diagnoses: the principal one is what the row of the catalogue pays for and never counts. 医保版 writes
dagger and asterisk as one code (`K70.301+I98.2*`); in WHO ICD-10 these are two, so both parts are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from groupers.codecolumns import CodeLists
from groupers.codes import odd_codes
from groupers.scheme import Manifest, SchemeError, data_root, load_manifest, read_table, sealed_files

MOST_CATEGORIES = 20  # one bit each of an index into the table of scores


@dataclass(frozen=True)
class Category:
    """A comorbidity: it does not count where the one that supersedes it is met too."""

    category: str
    weight: int
    superseded_by: str
    name: str


@dataclass(frozen=True)
class Charlson:
    """Categories and, for each, its prefixes of ICD-10."""

    categories: tuple[Category, ...]
    prefixes: dict[str, frozenset[str]]

    def bits_of(self, code: str) -> int:
        """The set of categories that a code means; bit i stands for category i."""
        parts = code.split("+")
        return sum(
            1 << bit
            for bit, category in enumerate(self.categories)
            if any(part.startswith(tuple(self.prefixes[category.category])) for part in parts)
        )

    def index_of(self, dx: CodeLists) -> np.ndarray:
        """The index of every row over its other diagnoses; the ids are `bits_of` the codes."""
        counts = dx.ids > 0
        counts[dx.offsets[:-1][dx.lengths > 0]] = False
        position = np.flatnonzero(counts)
        bits = np.zeros(len(dx.lengths), dtype=np.int64)
        np.bitwise_or.at(
            bits, np.searchsorted(dx.offsets, position, side="right") - 1, dx.ids[position].astype(np.int64)
        )
        return self.score_of_bits[bits]

    @cached_property
    def score_of_bits(self) -> np.ndarray:
        """The index of every set of categories; bit i stands for category i."""
        sets = np.arange(1 << len(self.categories))
        place = {category.category: bit for bit, category in enumerate(self.categories)}
        score = np.zeros(len(sets), dtype=np.int64)
        for bit, category in enumerate(self.categories):
            counts = (sets >> bit) & 1
            if category.superseded_by:
                counts &= ~(sets >> place[category.superseded_by]) & 1
            score += counts * category.weight
        return score


@cache
def load_charlson(root: Path | None = None) -> Charlson:
    """Read the sealed tables `data/codes/charlson`. Raises SchemeError."""
    _, files = sealed_files((root or data_root()) / "codes" / "charlson", "codes.yaml")
    return charlson_of(files)


def charlson_manifest(root: Path | None = None) -> Manifest:
    """What the sealed tables must hash to, for the name of a run. Raises SchemeError."""
    return load_manifest((root or data_root()) / "codes" / "charlson", "codes.yaml")


def charlson_of(files: dict[str, bytes]) -> Charlson:
    """`categories.csv` and `prefixes.csv` as categories. Raises SchemeError naming the row that is wrong."""
    table = read_table(files, "categories.csv", ("category", "weight", "superseded_by", "name"))
    known = [row[0] for row in table]
    if len(set(known)) < len(known) or len(known) > MOST_CATEGORIES:
        raise SchemeError(
            f"表 `categories.csv` 的类别应各不相同且不多于 {MOST_CATEGORIES} 个，实有 {len(known)} 行；请更正"
        )
    for category, weight, superseded_by, _ in table:
        if not (weight.isascii() and weight.isdigit()):
            raise SchemeError(f"表 `categories.csv` 的 `{category}`：权重应为整数，实为 `{weight}`；请更正")
        if superseded_by and superseded_by not in known:
            raise SchemeError(
                f"表 `categories.csv` 的 `{category}`：取代它的类别 `{superseded_by}` 不存在；请更正"
            )
    prefixes: dict[str, set[str]] = defaultdict(set)
    rows = read_table(files, "prefixes.csv", ("category", "prefix"))
    for code in odd_codes([prefix for _, prefix in rows]):
        raise SchemeError(f"表 `prefixes.csv` 的前缀 `{code}` 不是规范形式，永远无编码与之相符；请更正")
    for category, prefix in rows:
        if category not in known:
            raise SchemeError(f"表 `prefixes.csv` 的类别 `{category}` 不在 `categories.csv` 里；请更正")
        prefixes[category].add(prefix)
    return Charlson(
        categories=tuple(Category(row[0], int(row[1]), row[2], row[3]) for row in table),
        prefixes={category: frozenset(prefixes[category]) for category in known},
    )
