"""A month of five cases whose amounts a pocket calculator gives, and runs of it for comparing and for the night.

The small DIP pack: A15.0 without a procedure is C1 (93.08 points), with 33.2403 it is C2 (85.69 points, of the base
list: coefficient 0.85). Coefficients 0.8 (H1) and 1.1 (H3), a point of 310 is 10.5 yuan, of 390 it is 10 yuan. Every case
costs 1000 yuan, 700 of them from the pool, so the fund pays S − 300 (difference method).

| case | S | fund |
|---|---|---|
| A: H1 310 C1 | 93.08 × 0.8 × 10.5 = 781.872 | 481.87 |
| B: H3 390 C1 | 93.08 × 1.1 × 10 = 1023.88 | 723.88 |
| C: H3 310 C1 | 93.08 × 1.1 × 10.5 = 1075.074 | 775.07 |
| D: H1 310 C2 | 85.69 × 0.85 × 10.5 = 764.78325 | 464.78 |
| E: H1 390 C1 | 93.08 × 0.8 × 10 = 744.64 | 444.64 |
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import in_process

from pipeline.tables import DISCHARGE_SCHEMA
from tests.region_pack_slips_dip import TABLES, Edit, small_pack

PERIOD = "2025-10"
Tables = dict[str, list[tuple[str, ...]]]
FUND = {"A": 481_87, "B": 723_88, "C": 775_07, "D": 464_78, "E": 444_64}
STANDARD = {"A": 781_87, "B": 1023_88, "C": 1075_07, "D": 764_78, "E": 744_64}


def case(case_id: str, **values: Any) -> dict[str, Any]:
    """One discharge of A15.0 in H1, settled on 10 October; what the patient pays follows from fee and pool."""
    row: dict[str, Any] = dict.fromkeys(DISCHARGE_SCHEMA.names)
    row |= {name: 0 for name in DISCHARGE_SCHEMA.names if name.endswith("_fen")}
    row |= {
        "case_id": case_id, "hospital_id": "H1", "person_id": f"person-{case_id}", "insurance_type": "310", "sex": "1",
        "age_years": 50, "admission_date": dt.date(2025, 10, 3), "discharge_date": dt.date(2025, 10, 10),
        "settlement_date": dt.date(2025, 10, 10), "discharge_way": "1", "dx_codes": ["A15.000"], "px_codes": [],
        "total_fee_fen": 1000_00, "pool_fund_fen": 700_00, "place": "local",
    }  # fmt: skip
    row |= values
    row["personal_paid_fen"] = row["total_fee_fen"] - row["pool_fund_fen"]
    return row


def month(**changes: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The five cases; `A={"sex": "9"}` changes one, `A=None` leaves it out."""
    told: dict[str, dict[str, Any]] = {
        "A": {}, "B": {"hospital_id": "H3", "insurance_type": "390"}, "C": {"hospital_id": "H3"},
        "D": {"px_codes": ["33.2403"]}, "E": {"insurance_type": "390"},
    }  # fmt: skip
    for case_id, change in changes.items():
        if change is None:
            told.pop(case_id)
        else:
            told[case_id] = told.get(case_id, {}) | change
    return [case(case_id, **values) for case_id, values in told.items()]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Cases as one Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), DISCHARGE_SCHEMA), path)
    return path


class Office:
    """A region on disk and its runs, by the real commands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.pack = small_pack(folder / "pack")

    @property
    def home(self) -> Path:
        return self.out / "small-dip"

    def set_up(self, edit: Edit = lambda text: text, tables: Tables | None = None) -> None:
        """The pack anew, edited."""
        shutil.rmtree(self.folder / "pack")
        (self.folder / "pack").mkdir()
        self.pack = small_pack(self.folder / "pack", edit, tables)

    def run(self, rows: Sequence[dict[str, Any]], period: str = PERIOD) -> str:
        """Run a month on these rows; the run's id."""
        source = write(self.folder / "in.parquet", rows)
        said = in_process(
            "run", self.pack, "--period", period, "--input", source, "--out", self.out, "--json"
        )
        assert said.code == 0, said.err
        return str(json.loads(said.out)["run"])

    def diff(self, first: str, second: str, *words: object) -> dict[str, Any]:
        """What `diff --json` says of two runs."""
        said = in_process("diff", self.pack, first, second, "--out", self.out, "--json", *words)
        assert said.code == 0, said.err
        return dict(json.loads(said.out))


def core(**scores: str) -> Tables:
    """The catalogue's core with other scores of rows."""
    return {"core.csv": [(*row[:5], scores.get(row[0], row[5]), *row[6:]) for row in TABLES["core.csv"]]}
