"""Who a clearing pays: hospitals, an alliance's lead for its members, and what the alliance keeps or bears."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipeline.payees import clearing_payments, still_to_pay


def _cleared(folder: Path, with_alliance: bool) -> Path:
    """H1 leads A1; H2 joined during the year: 30 of its 50 are the alliance's; H3 stands alone and owes 7."""
    pl.DataFrame(
        [("H1", "310", 100), ("H2", "310", 50), ("H3", "310", -7)],
        schema=["hospital_id", "insurance_type", "clearing_fen"], orient="row",
    ).write_parquet(folder / "hospital_clearing.parquet")  # fmt: skip
    if with_alliance:
        pl.DataFrame(
            [("H1", "310", 100, "H1"), ("H2", "310", 30, "H1")],
            schema=["hospital_id", "insurance_type", "clearing_fen", "lead_id"], orient="row",
        ).write_parquet(folder / "alliance_member_clearing.parquet")  # fmt: skip
        pl.DataFrame(
            [("A1", "310", "H1", 10, None), ("A1", "390", "H1", None, 4)],
            schema=["alliance_id", "insurance_type", "lead_id", "retained_fen", "borne_fen"], orient="row",
        ).write_parquet(folder / "alliance_clearing.parquet")  # fmt: skip
    return folder


def test_the_lead_is_paid_for_members_and_for_what_the_alliance_keeps(tmp_path: Path) -> None:
    """Σ hospitals 143 stays 143; beside it the alliance keeps 10 and bears 4."""
    assert still_to_pay(clearing_payments(_cleared(tmp_path, True)), {}) == {
        ("A1", "310", "H1"): 10, ("A1", "390", "H1"): -4, ("H1", "310", "H1"): 100,
        ("H2", "310", "H1"): 30, ("H2", "310", "H2"): 20, ("H3", "310", "H3"): -7,
    }  # fmt: skip


def test_without_alliances_everybody_is_paid_his_own(tmp_path: Path) -> None:
    assert clearing_payments(_cleared(tmp_path, False)) == {
        ("H1", "310", "H1"): 100, ("H2", "310", "H2"): 50, ("H3", "310", "H3"): -7,
    }  # fmt: skip


def test_a_later_version_pays_the_difference_and_takes_back_what_is_gone() -> None:
    paid = {("H1", "310", "H1"): 100, ("H2", "310", "H2"): 20, ("H4", "310", "H4"): 5}
    wanted = {("H1", "310", "H1"): 90, ("H2", "310", "H2"): 20, ("H3", "310", "H3"): 8}
    assert still_to_pay(wanted, paid) == {
        ("H1", "310", "H1"): -10, ("H3", "310", "H3"): 8, ("H4", "310", "H4"): -5,
    }  # fmt: skip
