"""Small histories of grouped cases, rules and a region of three hospitals, for calibrating weights, rates, coefficients."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pipeline.calibrate_price_rules import PriceRules, default_price_rules_file
from pipeline.calibrate_weights import Weights, calibrate_weights, weights_of
from pipeline.calibrate_window import Ground, Window, ground_of, read_window
from pipeline.region import FOREVER, Hospital, load_region
from pipeline.schemes import Scheme
from pipeline.terms import resolve

LEVELS = {"H1": "一级", "H2": "二级", "H3": "三级"}
WEIGHTS = {"AA19": "1.20", "BR11": "0.80", "BR13": "2.50", "BR21": "0.6609"}
UNWEIGHED, BY_ITEM = "BR15", "UQY"  # of ADRG BR1 without a weight in force; paid by item in the demo pack
DAY = dt.date(2025, 10, 1)
SCHEMA = pa.schema(
    [
        ("case_id", pa.string()), ("hospital_id", pa.string()), ("discharge_date", pa.date32()),
        ("insurance_type", pa.string()), ("drg", pa.string()), ("total_fee_fen", pa.int64()),
        ("pool_fund_fen", pa.int64()), ("separate_items_fen", pa.int64()), ("reverses", pa.string()),
    ]
)  # fmt: skip
Row = dict[str, Any]
_number = itertools.count()


def case(group: str | None, yuan: float | None, year: int = 2025, **more: Any) -> Row:
    """One grouped case of a December; the fee in yuan, two thirds of it recorded as fund."""
    fen = None if yuan is None else round(yuan * 100)
    return {
        "case_id": f"C{next(_number)}", "hospital_id": "H3", "discharge_date": dt.date(year, 12, 5),
        "insurance_type": "310", "drg": group, "total_fee_fen": fen,
        "pool_fund_fen": None if fen is None else fen * 2 // 3, "separate_items_fen": 0, "reverses": None,
    } | more  # fmt: skip


def cases(group: str, *yuan: float, year: int = 2025, **more: Any) -> list[Row]:
    """A case for every fee."""
    return [case(group, one, year, **more) for one in yuan]


@cache
def demo_ground(name: str = "demo-rate") -> Ground:
    """The demo region on DAY with hospitals and weights of our own; its scheme is loaded once."""
    region = load_region(name)
    hospitals = tuple(
        Hospital(code, f"医院{code}", level, "", "", dt.date(2000, 1, 1), FOREVER)
        for code, level in LEVELS.items()
    )
    file = region.pack.weights[-1].file
    weights = {file: {group: Decimal(weight) for group, weight in WEIGHTS.items()}}
    region = replace(region, hospitals=hospitals, tables=replace(region.tables, weights=weights))
    (terms,) = resolve(region, DAY, DAY)
    return Ground(region, DAY, terms, scheme())


@cache
def scheme() -> Scheme:
    """The scheme that all demo regions of the kind share, loaded once."""
    return ground_of(load_region("demo-rate"), DAY).scheme


def rules_text(**changes: Any) -> dict[str, Any]:
    """The package's rules for histories of one December and few cases, with changes; a mapping changes single values."""
    values = yaml.safe_load(default_price_rules_file().read_text(encoding="utf-8"))
    small = {"shortest_history_months": 1, "fewest_cases": 1, "year_weights": [1], "rate": {"fewest_cases": 1},
             "coefficients": {"fewest_cases": 1}, "trim": {"method": "none", "low": None, "high": None}}  # fmt: skip
    for part in (small, changes):
        for name, value in part.items():
            values[name] = {**values[name], **value} if isinstance(value, Mapping) else value
    return dict(values)


def rules_with(**changes: Any) -> PriceRules:
    return PriceRules.model_validate(rules_text(**changes))


def write_rules(path: Path, **changes: Any) -> Path:
    path.write_text(yaml.safe_dump(rules_text(**changes), allow_unicode=True), encoding="utf-8")
    return path


def write_history(folder: Path, rows: Sequence[Row], files: int = 1, without: Sequence[str] = ()) -> Path:
    """The rows as Parquet, dealt out over some files."""
    folder.mkdir(parents=True)
    schema = pa.schema([field for field in SCHEMA if field.name not in without])
    for number in range(files):
        part = [{name: row[name] for name in schema.names} for row in rows[number::files]]
        pq.write_table(pa.Table.from_pylist(part, schema), folder / f"part-{number}.parquet")
    return folder


def window_of(
    folder: Path, rows: Sequence[Row], rules: PriceRules, ground: Ground | None = None, **more: Any
) -> Window:
    """The rows written and read."""
    return read_window([str(write_history(folder, rows))], ground or demo_ground(), rules, folder, **more)


def weighed(folder: Path, rows: Sequence[Row], rules: PriceRules, place_residue: bool = False) -> Weights:
    """Weights of the rows."""
    ground = demo_ground()
    return calibrate_weights(window_of(folder, rows, rules), ground, weights_of(ground), rules, place_residue)
