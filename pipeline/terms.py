"""A region's parameters resolved for one interval of dates in which none of them changes.

Each case meets the terms of its pricing date. What reaches the SQL of them are flat tables: see `price_tables.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from pipeline.entries import Dated
from pipeline.errors import ConfigurationError
from pipeline.pack import OPTIONAL, SchemeEntry
from pipeline.pack_paths import BedDayEntry, OffPathEntry, ScopeEntry, SeparateItemsEntry, SpecialRulesEntry
from pipeline.pack_pricing import (
    CATALOGUE,
    BaseGroupsEntry,
    CoefficientsEntry,
    FundShareEntry,
    PointScaleEntry,
    PointValuesEntry,
    RatesEntry,
    RatioEntry,
    ReferencePricesEntry,
    SettlementEntry,
)
from pipeline.region import FOREVER, Hospital, Region

RULE_UNIT = 10_000  # of shares, and of the factors and thresholds of a rule


@dataclass(frozen=True)
class Terms:
    """All parameters of one interval; nothing in it changes between `valid_from` and `valid_to`.

    `weights` is None where the scheme's own catalogue carries the scores. `means`: local mean fee of groups in fen;
    `standards`: printed standards in fen by (group, level); the tables of coefficients by (group, level | hospital).
    """

    terms_id: str
    valid_from: dt.date
    valid_to: dt.date
    scheme: SchemeEntry
    weights: dict[str, Decimal] | None
    means: dict[str, int]
    standards: dict[tuple[str, str], int]
    level_coefficients: dict[tuple[str, str], Decimal]
    hospital_coefficients: dict[tuple[str, str], Decimal]
    rates: RatesEntry | None
    point_scale: PointScaleEntry | None
    point_values: PointValuesEntry | None
    reference_prices: ReferencePricesEntry | None
    coefficients: CoefficientsEntry | None
    base_groups: BaseGroupsEntry
    ratio: RatioEntry
    off_path: OffPathEntry
    scope: ScopeEntry | None
    special_rules: SpecialRulesEntry | None
    bed_day: BedDayEntry | None
    separate_items: SeparateItemsEntry | None
    fund_share: FundShareEntry
    settlement: SettlementEntry
    hospitals: dict[str, Hospital]


Entry = TypeVar("Entry", bound=Dated)


def in_force(entries: Sequence[Entry], day: dt.date) -> Entry | None:
    """The entry that holds on a day, or None."""
    held = [entry for entry in entries if entry.from_ <= day <= (entry.to or FOREVER)]
    return held[-1] if held else None


def resolve(region: Region, first: dt.date, last: dt.date) -> tuple[Terms, ...]:
    """Terms of every interval between two days. Raises ConfigurationError where a day has no parameters."""
    dated = [entries for key, entries in region.pack.dated.items() if key != "codes"]
    starts = {entry.from_ for entries in dated for entry in entries}
    starts |= {entry.to + dt.timedelta(days=1) for entries in dated for entry in entries if entry.to}
    starts |= {hospital.from_ for hospital in region.hospitals}
    starts |= {hospital.to + dt.timedelta(days=1) for hospital in region.hospitals if hospital.to < FOREVER}
    begins = sorted({first} | {day for day in starts if first < day <= last})
    ends = [day - dt.timedelta(days=1) for day in begins[1:]] + [last]
    return tuple(
        terms for begin, end in zip(begins, ends, strict=True) if (terms := _resolve_day(region, begin, end))
    )


def _resolve_day(region: Region, begin: dt.date, end: dt.date) -> Terms | None:
    """None where the pack does not cover the day: cases priced on it are refused, not guessed."""
    pack = region.pack
    needed = [entries for key, entries in pack.dated.items() if key != "codes" and key not in OPTIONAL]
    if any(in_force(entries, begin) is None for entries in needed):
        return None

    def held(entries: Sequence[Entry]) -> Entry:
        found = in_force(entries, begin)
        assert found is not None  # proved above for every list of the method
        return found

    scheme, coefficients = held(pack.scheme), in_force(pack.coefficients, begin)
    weights, standards = in_force(pack.standing_weights, begin), in_force(pack.standards, begin)
    for entry in (weights, standards):
        if entry is not None and entry.scheme != scheme.name:
            raise ConfigurationError(
                f"权重表与分组方案不符：{region.folder.name} 自 {begin} 起方案为 `{scheme.name}`，"
                f"权重表 {entry.file} 属于 `{entry.scheme}`；请更换权重表"
            )
    by_catalogue = weights is not None and weights.file == CATALOGUE
    return Terms(
        f"{pack.name}@{begin}", begin, end, scheme,
        None if by_catalogue else {} if weights is None else region.tables.weights[weights.file],
        {} if weights is None else region.tables.means.get(weights.file, {}),
        {} if standards is None else region.tables.standards[standards.file],
        _by_group(region, coefficients.by_group_level if coefficients else None),
        _by_group(region, coefficients.by_group_hospital if coefficients else None),
        in_force(pack.rates, begin), in_force(pack.point_scale, begin), in_force(pack.point_values, begin),
        in_force(pack.reference_prices, begin), coefficients, held(pack.base_groups), held(pack.ratio),
        held(pack.off_path), in_force(pack.scope, begin), in_force(pack.special_rules, begin),
        in_force(pack.bed_day, begin), in_force(pack.separate_items, begin), held(pack.fund_share),
        held(pack.settlement), {h.hospital_id: h for h in region.hospitals if h.from_ <= begin <= h.to},
    )  # fmt: skip


def _by_group(region: Region, file: str | None) -> dict[tuple[str, str], Decimal]:
    """A table of coefficients; those of a catalogue belong to its scheme."""
    return {} if file in (None, CATALOGUE) else region.tables.coefficients[str(file)]


def scaled(number: Decimal, unit: int) -> int:
    """An exact integer multiple. Raises ConfigurationError where digits would be lost."""
    exact = number * unit
    if exact != exact.to_integral_value():
        raise ConfigurationError(f"参数 {number} 的小数位数超出可精确表示的范围；请按公布位数填写")
    return int(exact)
