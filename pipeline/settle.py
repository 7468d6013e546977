"""Settle a month: from priced cases to what each hospital is paid, and the proof that it adds up."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.errors import ConfigurationError
from pipeline.indicate import indicate
from pipeline.pack_pricing import SettlementEntry
from pipeline.period_amounts import MONTH_KINDS
from pipeline.query import audit, keep, store
from pipeline.region import Region
from pipeline.terms import RULE_UNIT, in_force, scaled

FEN = 100  # per yuan

NOTHING_OPEN = pa.table({
    "hospital_id": pa.array([], pa.string()), "insurance_type": pa.array([], pa.string()),
    "amount_fen": pa.array([], pa.int64()),
})  # fmt: skip


def settle(
    con: duckdb.DuckDBPyConnection, region: Region, period: str, last_day: dt.date, folder: Path,
    carried: pa.Table = NOTHING_OPEN, adjustments: pa.Table = NOTHING_OPEN,
) -> list[str]:  # fmt: skip
    """Write case_payment, hospital_payment and the indicators, prove every law; returns the laws proved.

    `carried` and `adjustments`: hospital_id, insurance_type, amount_fen that earlier months left to this one.
    Raises ConfigurationError where the period has no settlement terms, AuditBroken where a law does not hold.
    """
    entry = settlement_on(region, last_day)
    con.register("hospitals", hospitals_on(region, last_day))
    con.register("alliances", _alliances(region, last_day))
    con.register("period_amounts", _period_amounts(region, period))
    _stop_without_holder(region, carried, adjustments)
    con.register("carried_in", carried)
    con.register("adjustments_in", adjustments)
    store(con, "case_payment", folder / "case_payment.parquet")
    store(
        con, "hospital_payment", folder / "hospital_payment.parquet",
        prepay_ratio_e4=scaled(entry.prepay_ratio, RULE_UNIT), deposit_rate_e4=scaled(entry.deposit_rate, RULE_UNIT),
        most_owed_fen=None if entry.most_owed_yuan is None else scaled(entry.most_owed_yuan, FEN),
    )  # fmt: skip
    for name in ("group_summary", "balance", "totals"):
        keep(con, name)
    indicate(con, region, period, last_day, folder)
    return audit(con)


def _stop_without_holder(region: Region, *opened: pa.Table) -> None:
    """What a hospital still owes or is owed is not dropped with its row. Raises ConfigurationError."""
    known = {hospital.hospital_id for hospital in region.hospitals}
    for row in (row for table in opened for row in table.to_pylist()):
        if row["hospital_id"] not in known or row["insurance_type"] not in region.pack.insurance_types:
            raise ConfigurationError(
                f"{region.folder} 里没有医院 `{row['hospital_id']}` 或险种 `{row['insurance_type']}`，"
                f"而前面的月份还有 {row['amount_fen']} 分没有结清；医院停办请在 hospitals.csv 填截止日期，不要删去"
            )


def settlement_on(region: Region, last_day: dt.date) -> SettlementEntry:
    """How a period that ends on this day is settled. Raises ConfigurationError where the pack does not say."""
    entry = in_force(region.pack.settlement, last_day)
    if entry is None:
        raise ConfigurationError(
            f"结算参数不覆盖 {last_day}：{region.folder / 'region.yaml'}；请补 settlement"
        )
    return entry


def hospitals_on(region: Region, day: dt.date) -> pa.Table:
    """Name and level of every hospital on a day; one not in force keeps its last row."""
    rows = {}
    for hospital in sorted(region.hospitals, key=lambda hospital: hospital.from_):
        if hospital.from_ <= day or hospital.hospital_id not in rows:
            rows[hospital.hospital_id] = hospital
    return pa.table(
        {
            "hospital_id": pa.array(list(rows), pa.string()),
            "name": pa.array([hospital.name for hospital in rows.values()], pa.string()),
            "level": pa.array([hospital.level for hospital in rows.values()], pa.string()),
        }
    )


def _alliances(region: Region, day: dt.date) -> pa.Table:
    """The alliances (医共体) of a day: alliance_id, alliance_name, hospital_id, role."""
    held = [one for one in region.memberships if one.from_ <= day <= one.to]
    names = ("alliance_id", "alliance_name", "hospital_id", "role")
    return pa.table({name: pa.array([getattr(one, name) for one in held], pa.string()) for name in names})


def _period_amounts(region: Region, period: str) -> pa.Table:
    """The amounts that a month's payment takes: kind, hospital_id, insurance_type, amount_fen."""
    found = [one for one in region.period_amounts if one.month == period and one.kind in MONTH_KINDS]
    kinds = [
        ("kind", pa.string()),
        ("hospital_id", pa.string()),
        ("insurance_type", pa.string()),
        ("amount_fen", pa.int64()),
    ]
    names = [name for name, _ in kinds]
    return pa.Table.from_pylist(
        [{name: getattr(one, name) for name in names} for one in found], pa.schema(kinds)
    )
