"""Match discharges with a DIP catalogue: a file for `group`, or the rows of a run with what decided them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groupers.dip.match import Matcher
from groupers.dip.subtypes import Subtypes
from pipeline.errors import ConfigurationError
from pipeline.schemes import Scheme
from pipeline.terms import Terms

TEXT = pa.dictionary(pa.int32(), pa.string())
MATCHED_COLUMNS = ("dip_code", "dip_kind", "treatment_class", "runner_up", "status")
MATCHED_CODED = pa.schema(
    [
        ("case_id", pa.string()),
        *((name, TEXT) for name in MATCHED_COLUMNS[:3]),
        ("matched_procedures", pa.list_(pa.string())),
        *((name, TEXT) for name in MATCHED_COLUMNS[3:]),
    ]
)
# In a run the auxiliary subtypes stand beside the disease: the highest that multiplies, the highest of the row's own.
EVIDENCE_SCHEMA = pa.schema(
    [
        ("input_row", pa.int64()),
        *MATCHED_CODED,
        ("principal_dx", TEXT),
        ("aux_coefficient", pa.int64()),
        ("aux_subtype", TEXT),
        ("aux_met", pa.list_(TEXT)),
        ("own_coefficient", pa.int64()),
        ("own_subtype", TEXT),
        ("own_unknown", pa.bool_()),
        ("own_met", pa.list_(TEXT)),
    ]
)


def match_batch(matcher: Matcher, batch: pa.RecordBatch) -> pa.Table:
    """MATCHED_CODED columns of one batch, in row order."""
    matched = matcher.match(batch)
    columns = [
        batch.column("case_id") if name == "case_id" else matched.column(name) for name in MATCHED_CODED.names
    ]
    return pa.table(columns, names=MATCHED_CODED.names).cast(MATCHED_CODED)


@dataclass(frozen=True)
class Interval:
    """The days on which one set of terms holds: catalogue and subtypes ready to use, each hospital's level."""

    first: dt.date
    last: dt.date
    matcher: Matcher
    subtypes: Subtypes
    levels: Mapping[str, str]  # hospital_id → level

    @property
    def columns(self) -> set[str]:
        """What it needs of a discharge beside codes and hospital."""
        return {*self.matcher.columns, *self.subtypes.columns}


def intervals_of(terms: Sequence[Terms], schemes: Mapping[str, Scheme]) -> list[Interval]:
    """What matches the cases of every interval of a region's terms; each catalogue is made ready once."""
    ready: dict[str, tuple[Matcher, Subtypes]] = {}
    intervals = []
    for one in terms:
        scheme, key = schemes[one.scheme.key], one.scheme.key
        if key not in ready:
            ready[key] = _ready(one, scheme)
        levels = {name: hospital.level for name, hospital in one.hospitals.items()}
        intervals.append(Interval(one.valid_from, one.valid_to, *ready[key], levels))
    return intervals


def _ready(terms: Terms, scheme: Scheme) -> tuple[Matcher, Subtypes]:
    catalogue = scheme.catalogue
    assert catalogue is not None  # schemes_of has proved the kind
    if scheme.asks_severity and scheme.severity_book is None:
        raise ConfigurationError(
            f"辅助分型缺合并症名单：{terms.valid_from} 起的 scheme `{terms.scheme.name}` 有按合并症（severity）的辅助分型，"
            "但没有写 severity_scheme；请写明用哪个 DRG 方案的 MCC、CC 名单，如 chs-drg-2.0"
        )
    return Matcher(catalogue), Subtypes(
        catalogue.auxiliary.subtypes, catalogue.auxiliary.lists, scheme.severity_book
    )


def match_with_evidence(intervals: Sequence[Interval], pricing_by: str, passed: pa.Table) -> pa.Table:
    """EVIDENCE_SCHEMA rows of the validated rows that are no reversals, in row order.

    Each case meets the catalogue of its pricing date and the level that its hospital had on it.
    """
    passed = passed.combine_chunks()
    original = passed.column("reverses").is_null().to_numpy(zero_copy_only=False)
    day = passed.column(pricing_by).cast(pa.int32()).to_numpy()
    parts = [EVIDENCE_SCHEMA.empty_table()]
    for one in intervals:
        mine = original & (day >= _day_number(one.first)) & (day <= _day_number(one.last))
        if not mine.any():
            continue
        needed = passed.select(
            dict.fromkeys(
                ["input_row", "case_id", "hospital_id", "dx_codes", "px_codes", *sorted(one.columns)]
            )
        )
        parts += [_with_evidence(one, batch) for batch in needed.filter(pa.array(mine)).to_batches()]
    matched = pa.concat_tables(parts)
    return matched.sort_by("input_row") if len(parts) > 2 else matched


def _with_evidence(one: Interval, batch: pa.RecordBatch) -> pa.Table:
    matched = match_batch(one.matcher, batch)
    met = one.subtypes.evaluate(batch, matched.column("dip_code"), _levels(one, batch.column("hospital_id")))
    columns = {name: matched.column(name) for name in matched.column_names}
    columns |= {name: met.column(name) for name in met.column_names}
    columns["input_row"] = batch.column("input_row")
    columns["principal_dx"] = pc.list_element(batch.column("dx_codes"), 0)  # validation leaves none without
    table = pa.table([columns[name] for name in EVIDENCE_SCHEMA.names], names=EVIDENCE_SCHEMA.names)
    return table.cast(EVIDENCE_SCHEMA)


def _levels(one: Interval, hospital_ids: pa.Array) -> pa.Array:
    """The level of every row's hospital; null where it is in no hospital table on that day."""
    texts = hospital_ids if pa.types.is_dictionary(hospital_ids.type) else hospital_ids.dictionary_encode()
    levels = pa.array([one.levels.get(name) for name in texts.dictionary.to_pylist()], pa.string())
    return levels.take(texts.indices)


def _day_number(day: dt.date) -> int:
    return np.datetime64(day, "D").astype(int)
