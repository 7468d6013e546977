"""`regions check` of any pack: what a draft still waits for, and all else as always.

What the city has yet to supply is stood in for, so that thresholds, families and numbers can be checked without it;
what depends on it is left out. With `draft` the open items are told; without, each of them is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pipeline.areas import read_drafting
from pipeline.entries import Dated
from pipeline.pack import BLANKS, EMPTY_BY, Pack
from pipeline.pack_paths import OffPathEntry
from pipeline.pack_pricing import (
    BaseGroupsEntry,
    CoefficientsEntry,
    FundShareEntry,
    PointScaleEntry,
    SettlementEntry,
    WeightsEntry,
)
from pipeline.problem import Problem
from pipeline.region import FOREVER, Region
from pipeline.region_check import check_region
from pipeline.schemes import Scheme, schemes_of
from pipeline.terms import resolve

STAND_IN = "待补"
# The entries that a pack can be checked without, by their key: the simplest that the form allows.
SIMPLEST: dict[str, tuple[type[Dated], dict[str, Any]]] = {
    "coefficients": (CoefficientsEntry, {"by_level": {STAND_IN: Decimal(1)}}),
    "base_groups": (BaseGroupsEntry, {"strategy": "none"}),
    "off_path": (OffPathEntry, {"ungrouped": {"treatment": "by_item"}}),
    "fund_share": (FundShareEntry, {"method": "difference"}),
    "settlement": (SettlementEntry, {"prepay_ratio": 0, "deposit_rate": 0}),
}


def review_region(
    region: Region, draft: bool = False, schemes_for: Callable[[Region], dict[str, Scheme]] = schemes_of
) -> tuple[list[Problem], int]:
    """Every problem of a pack, errors first, and how many intervals of dates were checked."""
    open_items = open_items_of(region.pack, draft)
    if not region.hospitals and "hospitals" not in region.pack.to_supply:
        open_items.append(Problem("error", "hospitals.csv", "医院表是空的；请填上本市的医院"))
    lists = {EMPTY_BY.get(item, item) for item in region.pack.to_supply}
    waiting = frozenset(key for key in lists if not getattr(region.pack, key, True))
    if waiting & {EMPTY_BY.get(item, item) for item in BLANKS}:
        # Without ratio, rate or point value there is nothing to check: the blank is the error.
        return _errors_first(open_items), 0
    whole = _stood_in(region, waiting)
    terms = resolve(whole, min(entry.from_ for entry in region.pack.scheme), FOREVER)
    problems = check_region(whole, terms, schemes_for(region), waiting)
    return _errors_first([*open_items, *problems]), len(terms)


def open_items_of(pack: Pack, draft: bool) -> list[Problem]:
    """What the city has to supply or to verify; a blank of the table of areas is an error even in a draft."""
    told = read_drafting() if pack.to_supply else {}
    problems = []
    for item in pack.to_supply:
        if item in BLANKS:
            problems.append(Problem(
                "error", f"to_supply 的 {item}", f"起草所依的表里空白：{told['blanks'][item]}；请照本市文件补上，再从 to_supply 删去",
            ))  # fmt: skip
        else:
            problems.append(Problem(
                "supply" if draft else "error", f"to_supply 的 {item}", f"待补：{told['supply'][item]}；请补齐后从 to_supply 删去",
            ))  # fmt: skip
    for key, entry in pack.unverified:
        problems.append(Problem(
            "unverified" if draft else "error", f"{entry.from_} 起的 {key}",
            f"未核实：{entry.unverified}（出处 {entry.source}）；请与本市文件核对后删去 unverified",
        ))  # fmt: skip
    return problems


def _stood_in(region: Region, waiting: frozenset[str]) -> Region:
    """The pack with the simplest entry in place of each list that waits for the city."""
    pack, tables = region.pack, region.tables
    first = min(entry.from_ for entry in pack.scheme)
    filled: dict[str, Any] = {
        key: [model.model_validate({"from": first, "source": STAND_IN * 2, **values})]
        for key, (model, values) in SIMPLEST.items() if key in waiting
    }  # fmt: skip
    if "weights" in waiting:
        tables = replace(tables, weights={**tables.weights, STAND_IN: {}})
        filled["weights"] = [
            WeightsEntry.model_validate(
                {
                    "from": one.from_,
                    "to": one.to,
                    "source": STAND_IN * 2,
                    "file": STAND_IN,
                    "scheme": one.name,
                }
            )
            for one in pack.scheme
        ]
    if any(entry.scale == 0 for entry in pack.point_scale):
        filled["point_scale"] = [_scaled(pack, entry) for entry in pack.point_scale]
    return replace(region, pack=pack.model_copy(update=filled), tables=tables)


def _scaled(pack: Pack, entry: PointScaleEntry) -> PointScaleEntry:
    """A scale with which a point costs what it pays: x of one is then S of one, whatever the scale will be."""
    held = [values for values in pack.point_values if values.from_ <= entry.from_] or pack.point_values
    return entry.model_copy(update={"scale": 1, "area_mean_cost": dict(held[-1].values) if held else {}})


def _errors_first(problems: list[Problem]) -> list[Problem]:
    order = ("error", "warning", "supply", "unverified")
    return sorted(dict.fromkeys(problems), key=lambda problem: order.index(problem.severity))
