"""DIP at the command line: import a city's catalogue, lint it, group discharges by it."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import in_process

from groupers.dip.load import load_catalogue
from groupers.dip.match import Matcher
from pipeline.tables import DISCHARGE_SCHEMA

# Two rows of one disease, one with a procedure, and a row whose code is in no table.
CITY = """\
病种编码,诊断编码,手术编码,治疗方式,分值
A09.9C,A09.9,,保守治疗,21.86
A09.9D002,A09.9,44.1300x001,诊断性操作,57.36
Q1,ZZZ,,保守治疗,1
"""


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """The catalogue imported by the command."""
    (tmp_path / "city.csv").write_text(CITY, encoding="utf-8")
    said = in_process(
        "schemes", "import", tmp_path / "city.csv", "--as", "city", "--out", tmp_path / "city", "--json"
    )
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert (told["rows"], told["taken"], told["refused"]) == (3, 2, 1)  # counted in CITY above
    return tmp_path / "city"


def test_imported_catalogue_lints_and_groups_in_input_order(city: Path, tmp_path: Path) -> None:
    assert in_process("schemes", "lint", city).code == 0
    cases = [
        ("b", ["A09.900"], []),
        ("a", ["A09.901"], ["44.1300x001"]),
        ("c", ["I10.x00"], []),
        ("d", None, None),
    ]
    table = pa.table(
        {
            "case_id": pa.array([case[0] for case in cases]),
            "dx_codes": pa.array([case[1] for case in cases], DISCHARGE_SCHEMA.field("dx_codes").type),
            "px_codes": pa.array([case[2] for case in cases], DISCHARGE_SCHEMA.field("px_codes").type),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    said = in_process("group", tmp_path / "in.parquet", "--scheme", city, "--out", tmp_path / "out.parquet")
    assert said.code == 0, said.err
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found.columns == [
        "case_id", "dip_code", "dip_kind", "treatment_class", "matched_procedures", "runner_up", "status",
    ]  # fmt: skip
    assert found.select("case_id", "dip_code", "status").rows() == [
        ("b", "A09.9C", "grouped"),
        ("a", "A09.9D002", "grouped"),
        ("c", "0000", "ungrouped"),
        ("d", "0000", "ungrouped"),
    ]
    assert (
        Matcher(load_catalogue(str(city))).match(table).column("dip_code").to_pylist()
        == found["dip_code"].to_list()
    )


def test_mistyped_mapping_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "city.csv").write_text(CITY, encoding="utf-8")
    said = in_process(
        "schemes", "import", tmp_path / "city.csv", "--as", "x", "--out", tmp_path / "x", "--map", "dx4"
    )
    assert (said.code, said.err.strip()) == (
        2,
        "用法：列对应写法不对：`dx4`；应为 字段=表头，如 dx4=诊断编码",
    )
