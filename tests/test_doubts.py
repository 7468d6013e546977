"""`group` refuses no row; what a run would refuse of it stands beside the result (DESIGN §10)."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from conftest import in_process

from groupers.scheme import data_root
from pipeline.doubts import Doubts

CODES = ["missing_principal", "unknown_principal", "unknown_sex", "newborn_without_days"]
KNOWN = Doubts(frozenset({"I10.x00", "A09.900"}))


def found(dx: list[list[str | None] | None], **columns: list[object]) -> list[tuple[int, str, str]]:
    """(row, finding, value) of rows drawn in the test."""
    batch = pa.record_batch(
        {
            "case_id": [str(row) for row in range(len(dx))],
            "dx_codes": pa.array(dx, pa.list_(pa.string())),
            **columns,
        }
    )
    return [(row["input_row"], row["code"], row["value"]) for row in KNOWN.find(batch, 100).to_pylist()]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["I10.x00"], []),
        ([" i10.Ｘ00"], []),  # the normal form of a known code
        ([], [(100, "missing_principal", "")]),
        (None, [(100, "missing_principal", "")]),
        (["", "I10.x00"], [(100, "missing_principal", "")]),  # no later code moves up
        ([None, "I10.x00"], [(100, "missing_principal", "")]),
        (["　"], [(100, "missing_principal", "")]),
        (["K99.9", "I10.x00"], [(100, "unknown_principal", "K99.9")]),
        (["I10.x00", "K99.9"], []),
    ],
)
def test_principal(codes: list[str | None] | None, expected: list[tuple[int, str, str]]) -> None:
    assert found([codes]) == expected


def test_sex_and_newborn() -> None:
    rows = found(
        [["I10.x00"]] * 5,
        sex=["1", "2", "9", None, "2"],
        age_years=pa.array([0, 0, 1, 30, None], pa.int32()),
        age_days=pa.array([None, 3, None, None, None], pa.int32()),
    )
    assert rows == [(100, "newborn_without_days", ""), (102, "unknown_sex", "9"), (103, "unknown_sex", "")]


def test_a_slice_of_a_batch_keeps_its_own_rows() -> None:
    batch = pa.record_batch({"case_id": ["a", "b", "c"], "dx_codes": [["I10.x00"], [], ["K99.9"]]})
    assert [row["case_id"] for row in KNOWN.find(batch.slice(1), 1).to_pylist()] == ["b", "c"]
    assert KNOWN.find(batch.slice(2), 2).column("input_row").to_pylist() == [2]


def test_group_says_what_validation_refuses(tmp_path: Path) -> None:
    """On the embedded sample month, in which every kind of flaw is planted."""
    sample = data_root() / "samples" / "demo-rate"
    said = in_process("group", sample, "--scheme", "chs-drg-2.0", "--out", tmp_path / "grouped.parquet")
    assert said.code == 0 and "grouped.findings.csv" in said.out, said.err
    checked = in_process("validate", "demo-rate", "--period", "2025-10", "--out", tmp_path / "checked.csv")
    assert checked.code == 0, checked.err
    told = pl.read_csv(tmp_path / "grouped.findings.csv", infer_schema=False)
    run = pl.read_csv(tmp_path / "checked.csv", infer_schema=False).filter(pl.col("code").is_in(CODES))
    key = ["input_row", "case_id", "code", "message"]
    assert sorted(told.select(key).rows()) == sorted(run.select(key).rows())
    assert set(told["code"]) == set(CODES)
