"""The hospitals of the invented city: twelve named in data/synth/hospitals.csv, further ones made as asked."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.synth_mix import synth_rows

COLUMNS = ("hospital_id", "name", "level", "class", "county", "from")
LEVELS = ("三级", "二级", "一级")
# How willingly a level takes light, middle and heavy cases (reference weight under 0.6, under 1.5, above); invented.
TAKES = {"三级": (0.75, 1.05, 1.9), "二级": (1.15, 1.05, 0.55), "一级": (1.9, 0.7, 0.02)}
HEAVY = (0.6, 1.5)


@dataclass(frozen=True)
class Hospitals:
    """Hospital table with what drawing needs, one element per hospital; `rows` as in hospitals.csv."""

    rows: tuple[dict[str, str], ...]
    level: np.ndarray  # position in LEVELS
    fee_factor: np.ndarray
    tcm: np.ndarray  # 中医院
    cumulative: np.ndarray  # (3, hospitals): class of weight → cumulative shares

    @property
    def counties(self) -> list[str]:
        return [row["county"] for row in self.rows]

    @property
    def ids(self) -> list[str]:
        return [row["hospital_id"] for row in self.rows]

    def draw(self, weight: np.ndarray, luck: np.ndarray) -> np.ndarray:
        """A hospital for every case, by its reference weight and a number in [0, 1)."""
        kind = np.digitize(weight, HEAVY)
        flat = (self.cumulative + np.arange(len(self.cumulative))[:, None]).reshape(-1)
        found = np.searchsorted(flat, luck.astype(np.float64) + kind, side="right")
        return np.minimum(found - kind * len(self.rows), len(self.rows) - 1).astype(np.int16)

    def write(self, path: Path) -> None:
        """The table as CSV with COLUMNS."""
        with path.open("w", encoding="utf-8", newline="") as opened:
            writer = csv.DictWriter(opened, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)


def make_hospitals(count: int) -> Hospitals:
    """The first `count` hospitals; beyond the table small ones of the counties are added."""
    named, sizes = synth_rows("hospitals.csv"), synth_rows("hospital_sizes.csv")
    size_of = {row["hospital_id"]: row for row in sizes}
    rows = [*named, *(_further(number, named) for number in range(len(named) + 1, count + 1))][:count]
    weight = np.array(
        [float(size_of.get(row["hospital_id"], {"cases_per_mille": "20"})["cases_per_mille"]) for row in rows]
    )
    factor = [float(size_of.get(row["hospital_id"], {"fee_factor": "1"})["fee_factor"]) for row in rows]
    takes = np.array([TAKES[row["level"]] for row in rows]).T * weight
    return Hospitals(
        tuple(rows),
        np.array([LEVELS.index(row["level"]) for row in rows], dtype=np.int8),
        np.array(factor),
        np.array(["中医" in row["name"] for row in rows]),
        np.cumsum(takes / takes.sum(axis=1, keepdims=True), axis=1),
    )


def _further(number: int, named: list[dict[str, str]]) -> dict[str, str]:
    county = named[number % len(named)]["county"]
    level = LEVELS[1] if number % 3 == 0 else LEVELS[2]
    return {
        "hospital_id": f"H{county}{number:05d}",
        "name": f"示范市第{number}医院",
        "level": level,
        "class": "乙等" if level == LEVELS[1] else "未定等",
        "county": county,
        "from": "2020-01-01",
    }
