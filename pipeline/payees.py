"""Who is paid what by a clearing: hospitals their own, an alliance's lead for its members and what the alliance keeps.

A hospital that joined an alliance during the year is paid its earlier months itself (see docs/alliance.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

Key = tuple[str, str, str]  # hospital or alliance, insurance type, payee


def clearing_payments(folder: Path) -> dict[Key, int]:
    """Fen by hospital (or alliance, for what it keeps or bears), insurance type and payee, from a clearing's tables."""
    found: dict[Key, int] = {}
    own: dict[tuple[str, str], int] = {}
    for row in pl.read_parquet(folder / "hospital_clearing.parquet").iter_rows(named=True):
        own[row["hospital_id"], row["insurance_type"]] = row["clearing_fen"]
    if (folder / "alliance_member_clearing.parquet").is_file():
        for row in pl.read_parquet(folder / "alliance_member_clearing.parquet").iter_rows(named=True):
            key = (row["hospital_id"], row["insurance_type"])
            own[key] = own.get(key, 0) - row["clearing_fen"]
            _add(found, (*key, row["lead_id"]), row["clearing_fen"])
        for row in pl.read_parquet(folder / "alliance_clearing.parquet").iter_rows(named=True):
            kept = (row["retained_fen"] or 0) - (row["borne_fen"] or 0)
            _add(found, (row["alliance_id"], row["insurance_type"], row["lead_id"]), kept)
    for (hospital_id, insurance_type), fen in own.items():
        _add(found, (hospital_id, insurance_type, hospital_id), fen)
    return found


def still_to_pay(wanted: Mapping[Key, int], paid: Mapping[Key, int]) -> dict[Key, int]:
    """What is wanted less what earlier versions paid, without zeros, in order."""
    return {
        key: wanted.get(key, 0) - paid.get(key, 0)
        for key in sorted(wanted.keys() | paid.keys())
        if wanted.get(key, 0) != paid.get(key, 0)
    }


def _add(found: dict[Key, int], key: Key, fen: int) -> None:
    found[key] = found.get(key, 0) + fen
