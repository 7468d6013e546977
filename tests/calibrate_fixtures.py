"""Small histories, rules, a region and a library for the tests of `calibrate dip-catalogue`."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from groupers.dip.write import write_catalogue
from pipeline.calibrate_dip import Order, build_catalogue
from pipeline.calibrate_evidence import Built
from pipeline.calibrate_rules import Rules, default_rules_file
from pipeline.region import FOREVER, Hospital, Region, load_region
from pipeline.tables import DISCHARGES

LEVELS = ["一级", "二级", "三级"]
STROKE, LARGE_STROKE, HYPERTENSION, NEWBORN = "I63.900", "I63.902", "I10.x00x002", "Z38.000"
# Classes by the code table: 介入治疗, 诊断性操作, 治疗性操作, 手术, none.
REPAIR, ANGIOGRAM, LYSIS, APPENDIX, NAVIGATION = "39.7201", "88.4101", "99.1005", "47.0100", "00.3101"
COLUMNS = ("case_id", "hospital_id", "discharge_date", "dx_codes", "px_codes", "total_fee_fen", "separate_items_fen",
           "reverses")  # fmt: skip
SCHEMA = pa.schema([(column.name, column.type) for column in DISCHARGES if column.name in COLUMNS])
LAST_DAY = dt.date(2024, 12, 15)
Case = dict[str, Any]

_number = itertools.count()


def stay(dx: str | None = STROKE, *px: str | None, fee: int | None = 100_000, hospital: str = "H3", ago: int = 0,
         **more: Any) -> Case:  # fmt: skip
    """One discharge of `ago` months before the last; H1, H2, H3 are of the first, second and third level."""
    months = LAST_DAY.year * 12 + LAST_DAY.month - 1 - ago
    return {
        "case_id": f"C{next(_number)}",
        "hospital_id": hospital,
        "discharge_date": dt.date(months // 12, months % 12 + 1, 15),
        "dx_codes": [dx],
        "px_codes": list(px),
        "total_fee_fen": fee,
        "separate_items_fen": None,
        "reverses": None,
    } | more


def stays(n: int, *codes: str, **more: Any) -> list[Case]:
    return [stay(*codes, **more) for _ in range(n)]


def year_round() -> list[Case]:
    """A case of hypertension at two hospitals in each of twelve months: history enough, and no more."""
    return [stay(HYPERTENSION, hospital=hospital, ago=ago) for ago in range(12) for hospital in ("H1", "H3")]


def write_history(path: Path, cases: Sequence[Case], files: int = 1) -> Path:
    """The cases as Parquet, dealt out over some files."""
    path.mkdir(parents=True)
    for number in range(files):
        part = [{name: case[name] for name in COLUMNS} for case in cases[number::files]]
        pq.write_table(pa.Table.from_pylist(part, SCHEMA), path / f"part-{number}.parquet")
    return path


def a_region(**hospitals: str) -> Region:
    """The demo region with hospitals of our own: `H1="一级"`."""
    levels = hospitals or {"H1": "一级", "H2": "二级", "H3": "三级"}
    own = tuple(
        Hospital(name, name, level, "", "", dt.date(2000, 1, 1), FOREVER) for name, level in levels.items()
    )
    return replace(load_region("demo-rate"), hospitals=own)


def rules_with(**changes: Any) -> Rules:
    """The national rules with changes; a mapping changes single values of a block."""
    return Rules.model_validate(rules_text(**changes))


def rules_text(**changes: Any) -> dict[str, Any]:
    values = yaml.safe_load(default_rules_file().read_text(encoding="utf-8"))
    for name, change in changes.items():
        values[name] = (
            {**values[name], **change} if isinstance(change, Mapping) and values.get(name) else change
        )
    return dict(values)


def small_library(folder: Path, **dip: Any) -> Path:
    """Six core rows over the codes of these tests, and one exclusion."""
    manifest = {
        "name": "small", "kind": "dip", "title": "小目录", "issuer": "测试", "document": "测试",
        "effective_from": dt.date(2024, 1, 1), "source": "测试取值", "dip": dip,
    }  # fmt: skip
    core = [
        ["L1", "I63.9", "", "", "保守治疗", "", "", "", "脑梗死"],
        ["L2", "I63.9", REPAIR, "", "介入治疗", "", "", "日间", "脑梗死：修补"],
        ["L3", "I63.9", REPAIR, ANGIOGRAM, "介入治疗", "", "", "", "脑梗死：修补＋造影"],
        ["L4", "I63.9", REPAIR, f"{ANGIOGRAM}+{LYSIS}", "介入治疗", "", "", "", "脑梗死：修补＋造影＋溶栓"],
        ["L5", "I10.x", LYSIS, f"{ANGIOGRAM}/{REPAIR}", "治疗性操作", "", "", "", "高血压：溶栓"],
        ["L6", "I10.x", NAVIGATION, "", "手术", "", "", "", "高血压：导航"],
    ]
    write_catalogue(folder, manifest, {"core.csv": core, "exclusions.csv": [["Z38", "新生儿登记"]]})
    return folder


def built_from(
    folder: Path,
    cases: Sequence[Case],
    rules: Rules,
    region: Region | None = None,
    library: Path | None = None,
    previous: Path | None = None,
    files: int = 1,
) -> Built:
    """Build into `folder`/out from the cases; from nothing unless a library is given."""  # fmt: skip
    history = write_history(folder / "history", cases, files)
    order = Order(
        "built", folder / "out", str(library) if library else None, str(previous) if previous else None
    )
    return build_catalogue(history, region or a_region(), rules, order)


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_row(folder: Path, name: str) -> dict[str, dict[str, str]]:
    return {row["row"]: row for row in table(folder, name)}
