"""docs/ledger.md names every table and column, and its queries give what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ledger_fixtures import Office

from pipeline import ledger_tables as tables
from pipeline.year_steps import PLAN, take_step

PAGE = (Path(__file__).parent.parent / "docs" / "ledger.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("name", tables.metadata.tables)
def test_every_column_is_told_under_its_table(name: str) -> None:
    section = PAGE.split(f"### `{name}`：", 1)[1].split("\n##", 1)[0]
    told = re.findall(
        r"`(\w+)`", "\n".join(line.split("|")[1] for line in section.splitlines() if "|" in line)
    )
    assert told == list(tables.metadata.tables[name].columns.keys())


def test_no_table_is_told_that_is_not_there() -> None:
    assert set(re.findall(r"^### `(\w+)`：", PAGE, re.MULTILINE)) == set(tables.metadata.tables)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """January 1000, anew 900; February −300 with −100 of January's: all carried."""
    office = Office(tmp_path_factory.mktemp("docs"))
    office.publish(office.stub("2025-01", {("H1", "310"): 1000_00}))
    office.publish(office.stub("2025-01", {("H1", "310"): 900_00}))
    office.publish(office.stub("2025-02", {("H1", "310"): -300_00}))
    office.publish(office.stub("2025-02", {("H1", "310"): -250_00}))
    office.edit(lambda text: text + "\nclearing: [{from: 2025-01-01, source: 测试取值, value: fixed}]\n")
    take_step(office.region, "2025", PLAN, office.out, "丁")
    return office


def test_the_queries_give_what_they_say(office: Office) -> None:
    versions, received, differences, carried, steps, fixed = (office.sql(query) for query in QUERIES)
    assert [row[:4] for row in versions] == [("2025-01", 2, "甲", "乙"), ("2025-02", 2, "甲", "乙")]
    assert [row[:3] for row in received] == [("2025-01", "310", 1000.0)]
    assert differences == [
        ("2025-01", "H1", "310", -100.0, "small-dip/2025-02/v1"), ("2025-02", "H1", "310", 50.0, None),
    ]  # fmt: skip
    assert carried == [("H1", "310", -400.0)]
    assert [row[1] for row in steps] == ["复核", "发布"] * 4
    budgets = [
        ("预算 310", "第 1 版 1000000.00 元"),
        ("预算 390", "第 1 版 1000000.00 元"),
    ]  # of the small pack
    assert {row[:3] for row in fixed} == {("2025", "方案制定", "丁")}
    assert [row[4:] for row in fixed if "预算" in row[4]] == budgets
