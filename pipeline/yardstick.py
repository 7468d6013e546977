"""What a batch is measured against: a region's hospitals, codes and period, resolved for validation."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl

from groupers.codes import CodeTables
from pipeline.codelists import (
    KNOWN,
    MEN_ONLY,
    NOT_FOR_GROUPING,
    RESTRICTED,
    WOMEN_ONLY,
    Vocabulary,
)
from pipeline.errors import UsageMistake
from pipeline.region import FOREVER, Region
from pipeline.schemes import Scheme
from pipeline.validate import Interval, Yardstick


def period_days(period: str) -> tuple[dt.date, dt.date]:
    """First and last day of a period `2025-10`. Raises UsageMistake."""
    found = re.fullmatch(r"(\d{4})-(\d{2})", period)
    if not found or not 1 <= int(found[2]) <= 12 or int(found[1]) < 1990:
        raise UsageMistake(f"结算期写法不对：`{period}`；应为年-月，如 2025-10")
    year, month = int(found[1]), int(found[2])
    return dt.date(year, month, 1), dt.date(year, month, calendar.monthrange(year, month)[1])


def months_of(text: str) -> list[str]:
    """Months of `2025-09,2025-10` or `2022-01..2024-12`, in order. Raises UsageMistake."""
    months: list[str] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("..")
        begin, end = period_days(first)[0], period_days(last or first)[0]
        while begin <= end:
            months.append(begin.strftime("%Y-%m"))
            begin = (begin + dt.timedelta(days=31)).replace(day=1)
    return months


NOT_PAID = np.empty(0, np.int64)


def yardstick(
    region: Region,
    schemes: list[Scheme],
    tables: CodeTables,
    period: str,
    repeated: np.ndarray,
    conflicting: np.ndarray,
    closed_months: Sequence[str] = (),
    paid: tuple[np.ndarray, tuple[str, ...]] = (NOT_PAID, ()),
) -> Yardstick:
    """Resolve a region for one period. Code lists count as known where any scheme in use knows them.

    `closed_months`: published ones before the period; `paid`: rows paid in another month, sorted, and where.
    """
    first, last = period_days(period)
    return Yardstick(
        dx=Vocabulary(
            "dx_codes", tables.clinical_dx, partial(_dx_traits, _known_dx(schemes, tables), tables)
        ),
        px=Vocabulary("px_codes", tables.clinical_px, _known_px(schemes, tables).traits),
        hospitals=_in_force(region),
        out_of_force=_out_of_force(region),
        clinical=_clinical(region),
        insurance_types=tuple(region.pack.insurance_types),
        period_column=region.pack.period_by,
        period_first=first,
        period_last=last,
        repeated=repeated,
        conflicting=conflicting,
        closed=tuple(period_days(month) for month in closed_months),
        paid_rows=paid[0],
        paid_where=paid[1],
    )


def _sex_trait(tables: CodeTables, code: str) -> int:
    sex = tables.sex_limit(code)
    return 0 if sex is None else (MEN_ONLY if sex == "1" else WOMEN_ONLY)


def _dx_traits(known: _Known, tables: CodeTables, code: str) -> int:
    """Traits of a diagnosis; one that nobody knows may still be limited to one sex by its prefix."""
    restricted = RESTRICTED if code in tables.restricted_dx else 0
    return known.traits(code) | restricted | _sex_trait(tables, code)


@dataclass(frozen=True)
class _Known:
    """The codes that any list knows, asked only for those that a batch holds."""

    lists: tuple[Container[str], ...]
    aside: frozenset[str]

    def traits(self, code: str) -> int:
        if code in self.aside:
            return KNOWN | NOT_FOR_GROUPING
        return KNOWN if any(code in one for one in self.lists) else 0


def _known_dx(schemes: list[Scheme], tables: CodeTables) -> _Known:
    aside = frozenset().union(*(scheme.dx_not_for_grouping for scheme in schemes))
    return _Known((tables.diagnosis_names, *(scheme.known_dx for scheme in schemes)), aside)


def _known_px(schemes: list[Scheme], tables: CodeTables) -> _Known:
    aside = frozenset().union(*(scheme.px_not_for_grouping for scheme in schemes))
    return _Known((tables.procedure_names, *(scheme.known_px for scheme in schemes)), aside)


def _in_force(region: Region) -> pl.DataFrame:
    """From the first to the last day of every hospital, whatever its level; for gaps see `_out_of_force`."""
    rows: dict[str, tuple[dt.date, dt.date]] = {}
    for hospital in region.hospitals:
        before = rows.get(hospital.hospital_id, (hospital.from_, hospital.to))
        rows[hospital.hospital_id] = (min(before[0], hospital.from_), max(before[1], hospital.to))
    return pl.DataFrame(
        [(hospital_id, first, last) for hospital_id, (first, last) in rows.items()],
        schema={"hospital_id": pl.String, "in_force_from": pl.Date, "in_force_to": pl.Date},
        orient="row",
    )


def _out_of_force(region: Region) -> tuple[Interval, ...]:
    """The intervals between a hospital's leaving and its return."""
    in_order = sorted(region.hospitals, key=lambda hospital: (hospital.hospital_id, hospital.from_))
    return tuple(
        (before.to + dt.timedelta(days=1), after.from_ - dt.timedelta(days=1), (before.hospital_id,))
        for before, after in pairwise(in_order)
        if before.hospital_id == after.hospital_id and before.to + dt.timedelta(days=1) < after.from_
    )


def _clinical(region: Region) -> tuple[Interval, ...]:
    """Which hospitals declare 国临版 in which interval; what is not declared is not mapped."""
    entries = region.pack.codes
    everyone = {hospital.hospital_id for hospital in region.hospitals}
    intervals = []
    for entry, later in zip(entries, [*entries[1:], None], strict=True):
        end = entry.to or (later.from_ - dt.timedelta(days=1) if later else FOREVER)
        declared = set(entry.clinical) if entry.default == "insurance" else everyone - set(entry.insurance)
        intervals.append((entry.from_, end, tuple(sorted(declared))))
    return tuple(intervals)
