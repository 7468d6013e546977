"""The page of a simulation opened in a headless browser: its numbers are those of the tables, and its tables sort."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipeline.region import load_region
from pipeline.simulate_page import bars, percent
from pipeline.simulate_report import Report
from tests.pricing_fixtures import WEIGHTS, Case, plain_pack
from tests.simulate_fixtures import bench_of

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
CLICK = "<script>document.querySelectorAll('table[data-way=\"hospital\"] th.sorts')[5].click()</script>"


def opened(page: Path, folder: Path) -> str:
    """The page's document after its scripts have run."""
    assert BROWSER is not None
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND",
             f"--user-data-dir={folder}", "--dump-dom", f"file://{page}"]  # fmt: skip
    return subprocess.run([BROWSER, *words], capture_output=True, timeout=120, check=True).stdout.decode()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_reads_the_numbers_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(monkeypatch, tmp_path, plain_pack())
    cases = [
        Case(f"{group}{name}", group, hospital_id=name)
        for name in ("H1", "H2", "H3")
        for group in ("AA", "BB", "CC")
    ]
    tables = bench.simulated(
        [bench.month(cases)],
        [
            bench.weights("甲", WEIGHTS | {"AA": "1.1"}),
            bench.weights("乙", WEIGHTS | {"CC": "3", "BB": "1.2"}),
        ],
    )
    page = tables.made.folder / "simulation.html"
    dom = opened(page, tmp_path / "browser")
    numbers = json.loads(re.search(r'id="numbers">(.*?)</script>', dom, re.DOTALL)[1])  # type: ignore[index]
    ranks = {(row["proposal"], row["hospital_id"]): row for row in tables.rows("rank")}
    assert {(row["proposal"], row["hospital_id"]): row["fund_after_fen"] for row in numbers["hospitals"]} == {
        key: row["fund_after_fen"] for key, row in ranks.items()
    }
    # The bars, in the browser's document: one per hospital whose money moves, with its change in fen.
    bars_shown = [int(fen) for fen in re.findall(r'<g data-fen="(-?\d+)">', dom)]
    moved = [row["fund_change_fen"] for row in tables.rows("rank") if row["fund_change_fen"]]
    assert sorted(bars_shown) == sorted(moved)
    # A click on the column of 甲's change sorts the hospitals upwards by it.
    clicked = tmp_path / "clicked.html"
    clicked.write_text(
        page.read_text(encoding="utf-8").replace("</body>", CLICK + "</body>"), encoding="utf-8"
    )
    dom = opened(clicked, tmp_path / "browser")
    body = re.search(r'data-way="hospital">.*?<tbody>(.*?)</tbody>', dom, re.DOTALL)[1]  # type: ignore[index]
    order = re.findall(r'<tr data-key="(\w+)">', body)
    changes = [ranks["甲", name]["fund_change_fen"] for name in order]
    assert len(order) == 3 and changes == sorted(changes)


def test_the_longest_bar_fills_its_side_and_losers_hang_to_the_left() -> None:
    ranks = [{"name": "甲院", "hospital_id": "H1", "fund_change_fen": 400}, {"name": None, "hospital_id": "H2", "fund_change_fen": -100},
             {"name": "丙院", "hospital_id": "H3", "fund_change_fen": 0}]  # fmt: skip
    won, lost = bars(ranks)
    # 200 pixels for 400 fen, 50 for 100, ending at the middle (200); who neither wins nor loses has none.
    assert (won.x, won.width, won.told, lost.x, lost.width, lost.label) == (200, 200, "+4.00", 150, 50, "H2")


def test_percentages_by_whole_numbers() -> None:
    # 0.027245 → 2.72 %, 0.012345 → 1.23 %, half away from zero: 0.00005 → 0.01 %; nothing to compare with: a dash
    assert [percent(one) for one in (27_245, -12_345, 50, -50, -49, None)] == [
        "2.72%", "-1.23%", "0.01%", "-0.01%", "0.00%", "—",
    ]  # fmt: skip


def test_keys_are_told_by_name() -> None:
    """demo-rate: 6900 is the rate of 310 at 一级 alone; an MDC's name stands beside its code."""
    report = Report(
        duckdb.connect(),
        load_region("demo-rate"),
        "",
        ["2025-10"],
        [],
        [],
        False,
        {"MDCB": "神经系统疾病及功能障碍"},
    )
    assert report.priced("310", Decimal("6900.000000")) == "310 职工 一级"
    assert report.priced("310", Decimal(1)) == "310 职工"  # nobody's rate: a proposal's own
    assert sorted(("三级", "二级", "一级"), key=lambda key: report.place("level", key)) == [
        "一级",
        "二级",
        "三级",
    ]
    assert [report.label("mdc", key) for key in ("MDCB", "MDCC", "")] == [
        "MDCB 神经系统疾病及功能障碍",
        "MDCC",
        "（无）",
    ]
