"""Another grouping scheme: the crosswalk is that of two runs, and what the new groups cannot price is told with its weight."""

from __future__ import annotations

import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import simulate_months
from pipeline.errors import ConfigurationError
from pipeline.region import load_region
from pipeline.simulate import simulate
from tests.conftest import ROOT, run_month
from tests.pricing_fixtures import GROUPED, Case, dated, plain_pack
from tests.simulate_fixtures import UNPRICED, bench_of


@pytest.mark.slow
def test_the_crosswalk_is_that_of_two_runs(tmp_path: Path) -> None:
    """`conservative: any` sends cases without a row of their own procedure to another; both ways run from the records."""
    other = tmp_path / "other"
    shutil.copytree(ROOT / "configs" / "regions" / "demo-dip", other)
    text = (other / "region.yaml").read_text(encoding="utf-8")
    changed = text.replace("    severity_scheme:", "    conservative: any\n    severity_scheme:", 1)
    assert changed != text
    (other / "region.yaml").write_text(changed, encoding="utf-8")
    source = ROOT / "data" / "samples" / "demo-dip"
    present = run_month(source, tmp_path / "one", region="demo-dip")
    proposed = run_month(source, tmp_path / "two", region=f"{other}/")
    region = load_region("demo-dip")
    with pytest.raises(ConfigurationError, match="--regroup"):
        simulate(region, [present.folder], [], [("换", other)], tmp_path / "made")
    simulate(region, [present.folder], [], [("换", other)], tmp_path / "made", regroup=True)
    after = {row["input_row"]: row for row in proposed.table("scored").to_pylist()}
    cases: Counter[tuple[str, str]] = Counter()
    money: Counter[tuple[str, str]] = Counter()
    for row in present.table("scored").to_pylist():
        key = row["group_code"], after[row["input_row"]]["group_code"]
        cases[key] += row["case_count"]
        money[key] += after[row["input_row"]]["fund_fen"]
    shown = pq.read_table(tmp_path / "made" / "simulation_crosswalk.parquet").to_pylist()
    assert {(row["group_before"], row["group_after"]): row["cases"] for row in shown} == dict(cases)
    assert {(row["group_before"], row["group_after"]): row["fund_after_fen"] for row in shown} == {
        key: money[key] for key in cases
    }
    assert sum(row["cases"] for row in shown if row["group_before"] != row["group_after"]) > 50


def test_a_new_group_without_a_weight_is_told_and_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_of(monkeypatch, tmp_path, plain_pack())
    month = bench.month([Case("a1"), Case("a2"), Case("b", "BB")])

    def grouping(*_: object) -> object:
        def place(part: pa.Table) -> pa.Table:
            old = {"a1": UNPRICED, "a2": "BB", "b": "BB"}
            rows = [
                {"input_row": row["input_row"], "drg": old[row["case_id"]], "status": "grouped", "principal_dx": "A00", "mdc": "A"}
                for row in part.to_pylist()
            ]  # fmt: skip
            return pa.Table.from_pylist(rows, GROUPED)

        return place

    monkeypatch.setattr(simulate_months, "grouping", grouping)
    other = bench.other(
        "换", scheme=[dated(name="another")], weights=[dated(file="weights.csv", scheme="another")]
    )
    tables = bench.simulated([month], packs=[other], regroup=True)
    told = {
        (row["group_before"], row["group_after"], row["has_price"]): (row["cases"], row["weight_before"], row["weight_after"])
        for row in tables.rows("crosswalk")
    }  # fmt: skip
    # AA weighs 0.9258, BB 1: one AA without a price, one now BB, BB as before.
    assert told == {
        ("AA", UNPRICED, False): (1, Decimal("0.9258"), 0), ("AA", "BB", True): (1, Decimal("0.9258"), 1),
        ("BB", "BB", True): (1, 1, 1),
    }  # fmt: skip
    assert tables.one("class", class_after="unpaid")["cases"] == 1
    sheet = openpyxl.load_workbook(tables.made.folder / "simulation.xlsx")["分组对照"]
    assert [row[6] for row in sheet.iter_rows(values_only=True) if row[5] == "无价"] == [1]
