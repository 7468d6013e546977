"""The smallest production path through the money: a pack on disk, cases as rows, SQL tables out.

A pack is written as region.yaml (JSON is YAML), read by `load_region` and resolved by `resolve`; the SQL is
the run's own. Only the grouping is given instead of computed: a case says its group and status.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from groupers.scheme import Manifest
from pipeline.decide import Review
from pipeline.match import EVIDENCE_SCHEMA as MATCHED_SCHEMA
from pipeline.query import engine
from pipeline.region import Region, load_region
from pipeline.schemes import Scheme
from pipeline.score import register_prices, score
from pipeline.settle import settle
from pipeline.tables import DISCHARGE_SCHEMA
from pipeline.terms import resolve
from pipeline.validate import ARRIVALS_SCHEMA
from tests.reference.price_case import NOTHING_PRINTED, Printed

DAY = dt.date(2025, 10, 1)
LAST_DAY = dt.date(2025, 12, 31)
SCHEME = "scheme-under-test"
SOURCE = "测试取值"
KINDS = {
    "AA": "grouped",
    "BB": "grouped",
    "CC": "grouped",
    "DD": "grouped",
    "XQY": "ambiguous",
    "0000": "ungrouped",
    "excluded": "excluded",
}
HOSPITALS = {"H1": "一级", "H2": "二级", "H3": "三级"}
TYPES = {"310": "职工", "390": "居民"}


def dated(**entry: Any) -> dict[str, Any]:
    """A dated entry from the first day on unless said otherwise."""
    return {"from": "2025-01-01", "source": SOURCE, **entry}


def plain_pack(**changes: Any) -> dict[str, Any]:
    """region.yaml as plain data; numbers are text. Rates and coefficients in the size of real ones."""
    return {
        "name": "under-test", "title": "测试地区", "version": "1", "inbox": "none",
        "period_by": "settlement_date", "pricing_by": "discharge_date",
        "insurance_types": dict(TYPES), "place_codes": {"1": "local"}, "levels": ["一级", "二级", "三级"],
        "digits": {"weight": 9, "rate": 4, "coefficient": 8, "source": SOURCE},
        "rounding": {"unit": "fen", "direction": "half_away_from_zero", "source": SOURCE},
        "scheme": [dated(name=SCHEME)], "codes": [dated(default="insurance")],
        "weights": [dated(file="weights.csv", scheme=SCHEME)],
        "rates": [dated(values={"310": {"一级": "6900", "二级": "9575.25", "三级": "11500"},
                                "390": {"一级": "4950", "二级": "6600.01", "三级": "9000"}})],
        "coefficients": [dated(by_level={"一级": "0.9", "二级": "0.92", "三级": "1.0476"}, by_hospital={})],
        "base_groups": [dated(strategy="none", groups=[])],
        "ratio": [dated(reference="with_coefficient",
                        low={"threshold": "0.4", "inclusive": True, "family": "actual"},
                        high=[{"threshold": "3", "inclusive": True, "family": "as_normal"}])],
        "off_path": [dated(ungrouped={"treatment": "fixed_weight", "weight": "0.2"},
                           ambiguous={"treatment": "table_weight"}, groups={})],
        "fund_share": [dated(method="difference", negative="keep")],
        "settlement": [dated(prepay_ratio="0.95", deposit_rate="0.05")],
        **changes,
    }  # fmt: skip


def dip_pack(**changes: Any) -> dict[str, Any]:
    """region.yaml by 分值: residents (390) have another point value and another reference price than employees."""
    rest = {key: value for key, value in plain_pack().items() if key != "rates"}
    return {
        **rest, "method": "dip",
        "digits": {"weight": 4, "rate": 4, "coefficient": 4, "points": 4, "source": SOURCE},
        "weights": [dated(file="catalogue", scheme=SCHEME)],
        "point_values": [dated(values={"310": "10.5", "390": "9.8713"})],
        "reference_prices": [dated(values={"310": "11", "390": "10.25"})],
        "ratio": [dated(reference="without_coefficient",
                        low={"threshold": "0.5", "inclusive": True, "family": "deviation", "by_coefficient": True},
                        high=[{"threshold": "2", "inclusive": False, "family": "deviation_excess", "plus": "one"}])],
        "off_path": [dated(ungrouped={"treatment": "share_of_benchmark", "share": "0.7"},
                           excluded={"treatment": "by_item"}, groups={})],
        **changes,
    }  # fmt: skip


WEIGHTS = {"AA": "0.9258", "BB": "1", "CC": "4.0001", "XQY": "0.7", "DD": "0.000123457"}


@dataclass(frozen=True)
class Case:
    """One discharge after grouping; fees in fen."""

    case_id: str
    drg: str = "AA"
    total_fee_fen: int = 900_000
    pool_fund_fen: int = 540_000
    hospital_id: str = "H2"
    insurance_type: str = "310"
    discharge_date: dt.date = DAY
    settlement_date: dt.date = DAY
    stay_days: int = 7
    reverses: str | None = None
    door: str = "on"  # what validation said: on, refuse or hold
    code: str | None = None
    # By DIP, as `placed` sees it: coefficients of subtypes in ten-thousandths, None for unknown (aux), none met (own).
    aux_e4: int | None = 10_000
    own_e4: int | None = None
    own_unknown: bool = False
    # What scope, special rules and fund shares look at.
    mdc: str | None = "A"
    principal_dx: str = "A00"
    px_codes: tuple[str, ...] = ()
    discharge_way: str | None = None
    care_type: str | None = None
    place: str | None = "local"
    tcm_fee_fen: int | None = None
    new_tech_flag: bool | None = None
    ward_transfers: int | None = None
    separate_items_fen: int | None = None
    ownpay_fee_fen: int = 0
    overlimit_fee_fen: int = 0
    firstpay_fee_fen: int = 0
    deductible_fen: int = 0

    @property
    def status(self) -> str:
        return KINDS.get(self.drg, "grouped")

    def reversed_by(self, case_id: str, **changes: Any) -> Case:
        """The exact negative of this case."""
        turned = replace(
            self, case_id=case_id, total_fee_fen=-self.total_fee_fen,
            pool_fund_fen=-self.pool_fund_fen, reverses=self.case_id,
        )  # fmt: skip
        return replace(turned, **changes)


def write_pack(
    folder: Path,
    pack: Mapping[str, Any],
    weights: Mapping[str, str] = WEIGHTS,
    hospitals: Mapping[str, str] = HOSPITALS,
    amounts: Sequence[str] = (),
    printed: Printed = NOTHING_PRINTED,
) -> Region:
    """The pack on disk with the tables printed for it, read back as a run reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "region.yaml").write_text(json.dumps(pack, ensure_ascii=False), encoding="utf-8")
    rows = [f"{group},{weight},{printed.means.get(group, '')}" for group, weight in weights.items()]
    (folder / "weights.csv").write_text("\n".join(["drg,weight,mean_fee_yuan", *rows, ""]), encoding="utf-8")
    rows = [f"{group},{level},{yuan}" for (group, level), yuan in printed.standards.items()]
    (folder / "standards.csv").write_text(
        "\n".join(["group_code,level,standard_yuan", *rows, ""]), encoding="utf-8"
    )
    for file, key, table in (
        ("by_level.csv", "level", printed.by_group_level), ("by_hospital.csv", "hospital_id", printed.by_group_hospital),
    ):  # fmt: skip
        rows = [f"{group},{name},{coefficient}" for (group, name), coefficient in table.items()]
        (folder / file).write_text("\n".join([f"group_code,{key},coefficient", *rows, ""]), encoding="utf-8")
    rows = [f"{name},医院{name},{level},甲等,449900,2020-01-01," for name, level in hospitals.items()]
    header = "hospital_id,name,level,class,county,from,to"
    (folder / "hospitals.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    if amounts:
        header = "kind,hospital_id,insurance_type,month,amount_yuan,reason,document"
        (folder / "period_amounts.csv").write_text("\n".join([header, *amounts, ""]), encoding="utf-8")
    return load_region(f"{folder}/")


def scheme_of(
    kinds: Mapping[str, str],
    kind: str = "drg",
    scores: Mapping[str, str] | None = None,
    printed: Printed = NOTHING_PRINTED,
) -> Scheme:
    """What pricing needs of a scheme: its groups and their kinds; of a catalogue its scores and what it prints."""
    manifest = Manifest(
        name=SCHEME, kind=kind, title=SCHEME, issuer="", document="", effective_from=DAY, source=SOURCE, files={},
    )  # fmt: skip
    return Scheme(
        manifest, dict(kinds), {name: f"病组{name}" for name in kinds},
        scores={row: Decimal(score) for row, score in (scores or {}).items()},
        coefficients={key: Decimal(text) for key, text in printed.coefficients.items()},
        flags={row: frozenset(flags) for row, flags in printed.flags.items()},
    )  # fmt: skip


def kinds_of(scores: Iterable[str], cases: Sequence[Case]) -> dict[str, str]:
    """The groups of an invented scheme: those of KINDS, of the scores and of the cases."""
    return KINDS | dict.fromkeys(scores, "grouped") | {case.drg: case.status for case in cases}


@dataclass(frozen=True)
class Priced:
    """A connection that holds the run's tables, and the late findings."""

    con: duckdb.DuckDBPyConnection
    region: Region
    folder: Path
    late: list[dict[str, Any]] = field(default_factory=list)

    def rows(self, name: str) -> list[dict[str, Any]]:
        return list(self.con.table(name).to_arrow_table().to_pylist())

    def scored(self) -> dict[str, dict[str, Any]]:
        return {row["case_id"]: row for row in self.rows("scored")}

    def refused(self) -> dict[str, str]:
        """The code by which each late case was refused."""
        return {row["case_id"]: row["code"] for row in self.late}

    def settled(self, period: str = "2025-10") -> dict[tuple[str, str], dict[str, Any]]:
        """hospital_payment by hospital and insurance type, its laws proved."""
        settle(self.con, self.region, period, dt.date(2025, 10, 31), self.folder)
        return {(row["hospital_id"], row["insurance_type"]): row for row in self.rows("hospital_payment")}


@contextmanager
def priced(
    region: Region,
    cases: Sequence[Case],
    folder: Path,
    ungrouped_days: bool = False,
    scores: Mapping[str, str] | None = None,
    printed: Printed = NOTHING_PRINTED,
    review: Review | None = None,
) -> Iterator[Priced]:
    """Price cases with the run's SQL. With `ungrouped_days`, cases before 2025 have no group, as in a run.

    By DIP, `scores` and `printed` are those of the catalogue. `review`: the decisions that the run meets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kind = region.pack.kind
    with engine(folder) as con:
        register_cases(con, cases, ungrouped_days, kind)
        terms = resolve(region, dt.date(2025, 1, 1), LAST_DAY)
        scheme = scheme_of(kinds_of(scores or {}, cases), kind, scores, printed)
        register_prices(con, region, terms, {entry.key: scheme for entry in region.pack.scheme})
        late = score(con, kind, folder, review).to_pylist()
        yield Priced(con, region, folder, late)


def register_cases(
    con: duckdb.DuckDBPyConnection, cases: Sequence[Case], ungrouped_days: bool, kind: str
) -> None:
    """The tables that pricing meets: what validation passed, its groups, and all that arrived."""
    numbered = list(enumerate(cases))
    passed = [(row, case) for row, case in numbered if case.door == "on"]
    schema = pa.schema([("input_row", pa.int64()), *DISCHARGE_SCHEMA, ("stay_days", pa.int32())])
    _keep(con, "validated", pa.Table.from_pylist(
        [{"input_row": row, "admission_date": case.discharge_date, "dx_codes": [case.principal_dx],
          **{name: getattr(case, name) for name in schema.names if hasattr(case, name)}}
         for row, case in passed], schema,
    ))  # fmt: skip
    shown = _matched if kind == "dip" else _grouped
    _keep(con, "grouped", pa.Table.from_pylist(
        [{"input_row": row, "principal_dx": case.principal_dx, "status": case.status, **shown(case)} for row, case in passed
         if case.reverses is None and not (ungrouped_days and case.discharge_date.year < 2025)],
        MATCHED if kind == "dip" else GROUPED,
    ))  # fmt: skip
    _keep(con, "arrivals", pa.Table.from_pylist(
        [{"input_row": row, **{name: getattr(case, name) for name in ARRIVALS_SCHEMA.names if name != "input_row"}}
         for row, case in numbered], ARRIVALS_SCHEMA,
    ))  # fmt: skip


GROUPED = pa.schema(
    [("input_row", pa.int64()), *((name, pa.string()) for name in ("mdc", "drg", "status", "principal_dx"))]
)


# As DuckDB reads it from a run's Parquet: no dictionaries (empty lists over one do not convert).
MATCHED = pa.schema(
    [(one.name, pa.list_(pa.string()) if pa.types.is_list(one.type) else
      pa.string() if pa.types.is_dictionary(one.type) else one.type) for one in MATCHED_SCHEMA]
)  # fmt: skip


def _grouped(case: Case) -> dict[str, Any]:
    return {"mdc": case.mdc, "drg": case.drg}


def _matched(case: Case) -> dict[str, Any]:
    """A row as the matcher leaves it: an excluded case has no disease."""
    return {
        "case_id": case.case_id, "dip_code": None if case.drg == "excluded" else case.drg,
        "aux_coefficient": case.aux_e4, "aux_subtype": None if case.aux_e4 == 10_000 else "aux", "aux_met": [],
        "own_coefficient": case.own_e4, "own_subtype": None if case.own_e4 is None else "own",
        "own_unknown": case.own_unknown,
    }  # fmt: skip


def _keep(con: duckdb.DuckDBPyConnection, name: str, content: pa.Table) -> None:
    con.register(f"{name}_given", content)
    con.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_given")
