"""A region and a history of three groups for negotiations: facts/payment W01, laid out as a pack and a finished run."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.region import config_root

# W01's A, B and C under real codes: present weight, cases, and fees in yuan that take turns.
GROUPS = {
    "AA19": ("1.20", 1000, (12_000, 14_000)),  # mean 13,000, σ 1,000: CV 0.0769
    "BB11": ("0.80", 3000, (7_500,)),
    "BB21": ("2.50", 200, (27_500,)),
}
SCORED = pa.schema(
    [
        ("case_id", pa.string()),
        ("group_code", pa.string()),
        ("total_fee_fen", pa.int64()),
        ("reverses", pa.string()),
    ]
)
HEADER_ROW = 4  # of a panel's sheet: the title and two lines stand above it
NAMES = ("group_code", "name", "cases", "mean", "cv", "present", "implied", "proposed", "reason", "lock")
COLUMNS = dict(zip(NAMES, "ABCDEFGHIJ", strict=True))
Edit = Callable[[openpyxl.Workbook], object]


def region_of(folder: Path) -> Path:
    """A copy of the demo pack in which the three groups weigh what W01 says."""
    target = Path(shutil.copytree(config_root() / "regions" / "demo-rate", folder / "pack"))
    path = target / "weights-2025.csv"
    text = path.read_text(encoding="utf-8")
    for code, (weight, _, _) in GROUPS.items():
        text, changed = re.subn(rf"^{code},.*$", f"{code},{weight}", text, flags=re.MULTILINE)
        assert changed == 1, code
    path.write_text(text, encoding="utf-8")
    return target


def run_of(folder: Path, period: str, rows: list[dict[str, Any]], region: str = "demo-rate") -> Path:
    """A finished run as far as a history reads it."""
    target = folder / f"run-{period}"
    target.mkdir(parents=True)
    pq.write_table(
        pa.Table.from_pylist([{"reverses": None, **row} for row in rows], SCORED), target / "scored.parquet"
    )
    digest = hashlib.sha256((target / "scored.parquet").read_bytes()).hexdigest()
    manifest = {"run": f"r{period}", "region": region, "period": period, "files": {"scored.parquet": digest}}
    (target / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return target


def w01_rows() -> list[dict[str, Any]]:
    """The cases of W01."""
    return [
        {"case_id": f"{code}-{number}", "group_code": code, "total_fee_fen": fees[number % len(fees)] * 100}
        for code, (_, cases, fees) in GROUPS.items()
        for number in range(cases)
    ]


def filled(template: Path, target: Path, edit: Edit) -> Path:
    """A copy of the template that somebody has written into."""
    book = openpyxl.load_workbook(template)
    edit(book)
    book.save(target)
    return target


def row_of(book: openpyxl.Workbook, code: str) -> tuple[Any, int]:
    """The sheet and the row of a group."""
    for sheet in book.worksheets:
        for row in range(HEADER_ROW + 1, sheet.max_row + 1):
            if sheet.title not in ("说明", "核对") and sheet.cell(row, 1).value == code:
                return sheet, row
    raise AssertionError(code)


def propose(wanted: Mapping[str, Mapping[str, object]]) -> Edit:
    """Group → column → what is written into it."""

    def edit(book: openpyxl.Workbook) -> None:
        for code, cells in wanted.items():
            sheet, row = row_of(book, code)
            for name, value in cells.items():
                sheet[f"{COLUMNS[name]}{row}"] = value

    return edit


W01_PROPOSAL = {
    "AA19": {"proposed": 1.30, "reason": "器官短缺，费用上涨"},
    "BB11": {"proposed": "0.78"},
    "BB21": {"proposed": 2.6},
}
