"""A folder that another system partitioned: columns that stand only in the folder names are read from there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from groupers.codes import load_code_tables
from groupers.dip.charlson import charlson_manifest
from pipeline.errors import InputError
from pipeline.identity import identify
from pipeline.read import open_source, stream
from pipeline.region import load_region
from pipeline.schemes import schemes_of
from pipeline.synth import synthesise
from pipeline.tables import DISCHARGE_SCHEMA


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """300 synthetic discharges, one file."""
    folder = tmp_path_factory.mktemp("month") / "synth"
    synthesise(folder, 300, ["2025-10"], 3)
    return pl.read_parquet(folder / "*/*.parquet", hive_partitioning=False)


def read(path: Path) -> pl.DataFrame:
    batches = [
        pa.Table.from_batches([batch]) for batch in stream(open_source(path), lambda piece, batch: batch)
    ]
    return pl.concat([pl.DataFrame(batch).cast(pl.Schema(month_types())) for batch in batches])


def month_types() -> dict[str, pl.DataType]:
    return {
        field.name: pl.List(pl.String) if pa.types.is_list(field.type) else dtype
        for field, dtype in zip(
            DISCHARGE_SCHEMA, pl.DataFrame(DISCHARGE_SCHEMA.empty_table()).dtypes, strict=True
        )
    }


@pytest.mark.parametrize("columns", [["hospital_id"], ["settlement_date", "sex"], ["insurance_type"]])
def test_columns_in_folder_names_are_read_as_if_in_the_file(
    month: pl.DataFrame, tmp_path: Path, columns: list[str]
) -> None:
    for values, part in month.group_by(columns, maintain_order=True):
        folder = tmp_path
        for name, value in zip(columns, values, strict=True):
            folder /= f"{name}={'__HIVE_DEFAULT_PARTITION__' if value is None else value}"
        folder.mkdir(parents=True)
        part.drop(columns).write_parquet(folder / "part.parquet")
    found = read(tmp_path)
    assert found.sort("case_id", "total_fee_fen").equals(
        month.select(found.columns).sort("case_id", "total_fee_fen")
    )


def test_a_folder_name_that_is_no_date_is_one_sentence(month: pl.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "settlement_date=十月"
    folder.mkdir()
    month.drop("settlement_date").write_parquet(folder / "part.parquet")
    with pytest.raises(InputError, match=r"分区文件夹的名称读不懂：.*`settlement_date`.*`十月`"):
        read(tmp_path)


def test_a_renamed_folder_is_another_input(month: pl.DataFrame, tmp_path: Path) -> None:
    """The hospital stands in the folder's name alone: the same bytes are another hospital's, thus another run."""
    region = load_region("demo-rate")
    schemes = schemes_of(region)
    runs = set()
    for hospital in ("H44990100001", "H44990100002"):
        folder = tmp_path / hospital / f"hospital_id={hospital}"
        folder.mkdir(parents=True)
        month.drop("hospital_id").write_parquet(folder / "part.parquet")
        source = open_source(tmp_path / hospital)
        runs.add(identify(source, region, schemes, "2025-10", None).run)
    assert len(runs) == 2


def test_another_edition_of_the_code_tables_is_another_run(
    month: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables map 国临版 codes, so they decide groups: a correction must not meet the old result."""
    month.write_parquet(tmp_path / "part.parquet")
    region = load_region("demo-rate")
    schemes = schemes_of(region)
    source = open_source(tmp_path)
    before = identify(source, region, schemes, "2025-10", None).run
    corrected = replace(load_code_tables(), sha256="0" * 64)
    monkeypatch.setattr("pipeline.identity.load_code_tables", lambda: corrected)
    assert identify(source, region, schemes, "2025-10", None).run != before
    assert len(load_code_tables().sha256) == 64


def test_another_comorbidity_index_is_another_run(
    month: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Charlson table decides auxiliary subtypes and so points: a correction must not meet the old result."""
    month.write_parquet(tmp_path / "part.parquet")
    region, source = load_region("demo-dip"), open_source(tmp_path)
    schemes = schemes_of(region)
    before = identify(source, region, schemes, "2025-10", None).run
    corrected = charlson_manifest().model_copy(update={"files": {"prefixes.csv": "0" * 64}})
    monkeypatch.setattr("pipeline.identity.charlson_manifest", lambda: corrected)
    assert identify(source, region, schemes, "2025-10", None).run != before
