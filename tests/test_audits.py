"""Every law of `pipeline/sql/audit/` breaks when its tables are tampered with, and names both numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import query
from pipeline.errors import AuditBroken
from pipeline.query import audit, audit_names, statement
from tests.pricing_fixtures import Case, Priced, plain_pack, priced, write_pack

SQL = Path(query.__file__).parent / "sql"
HIGH = Case("paid", "AA", 900_000, 540_000)
CASES = [
    HIGH, HIGH.reversed_by("turned"), Case("low", "AA", 150_000, 100_000), Case("kept", "BB", 900_000, 500_000, "H1"),
    Case("refused", "AA", 70, 50, door="refuse", code="unknown_sex"),
    Case("held", "AA", 30, 20, door="hold", code="other_period"), Case("bare", "DD", 11, 7),
]  # fmt: skip
# S of `paid` and `turned` is ±8155.59, its fund ±4555.59; `kept` is 1 × 6900 × 0.9 = 6210.00, fund 2210.00.
PREPAY_H1, DEPOSIT_H1 = 209_950, 10_498  # 2210.00 × 0.95 = 2099.50; × 0.05 = 104.975 → 104.98
PAYABLE_H1 = PREPAY_H1 - DEPOSIT_H1

# law → how it is broken, one row each: table, what replaces it (over `true`), subject, expected, found.
BREAKS: dict[str, list[tuple[str, str, str, int, int]]] = {
    "actual_is_the_fee": [
        ("scored", "SELECT * REPLACE (standard_fen + (case_id = 'low')::INT AS standard_fen) FROM true_table",
         "low", 150_000, 150_001),
    ],
    "approvals_within_quota": [
        # `paid` is turned back, so only `low` counts; nothing was to be approved, and no rule of review is in force
        ("scored", "SELECT * REPLACE (CASE WHEN case_id IN ('low', 'paid', 'turned') THEN 'special_by_item' ELSE family END "
         "AS family) FROM true_table", "2025 年、（无规则）", 0, 1),
    ],
    "balance_closes": [
        ("balance", "SELECT * REPLACE (rows - (door = 'held')::INT AS rows) FROM true_table", "全部", 7, 6),
    ],
    "cases_equal_hospitals": [
        ("hospital_payment", "SELECT * REPLACE (fund_fen + 7 * (hospital_id = 'H1')::INT AS fund_fen) FROM true_table",
         "H1、310", 221_000, 221_007),
        ("hospital_payment", "SELECT * FROM true_table WHERE hospital_id <> 'H1'", "H1、310", 221_000, 0),
    ],
    "every_row_one_door": [
        ("case_payment", "SELECT * REPLACE (nullif(door, 'held') AS door) FROM true_table", "H2", 6, 5),
        ("case_payment", "SELECT * REPLACE (CASE WHEN case_id = 'low' THEN 0 ELSE input_row END AS input_row) "
         "FROM true_table", "输入第 1 行", 1, 2),
    ],
    "fee_in_equals_fee_out": [
        ("scored", "SELECT * REPLACE (total_fee_fen + (case_id = 'kept')::INT AS total_fee_fen) FROM true_table",
         "H1", 900_000, 900_001),
        ("case_payment", "SELECT * REPLACE (total_fee_fen - 30 * (door = 'held')::INT AS total_fee_fen) "
         "FROM true_table", "H2", 150_111, 150_081),
    ],
    "fund_follows_standard": [
        ("scored", "SELECT * REPLACE (fund_fen - 2 * (case_id = 'paid')::INT AS fund_fen) FROM true_table",
         "paid", 455_559, 455_557),
        ("scored", "SELECT * REPLACE (CASE WHEN case_id = 'low' THEN 0 ELSE fund_fen END AS fund_fen) FROM true_table",
         "low", 100_000, 0),
    ],
    "fund_in_equals_fund_out": [
        ("scored", "SELECT * REPLACE (pool_fund_fen - 3 * (case_id = 'kept')::INT AS pool_fund_fen) FROM true_table",
         "H1", 500_000, 499_997),
        ("arrivals", "SELECT * REPLACE (pool_fund_fen + (case_id = 'bare')::INT AS pool_fund_fen) FROM true_table",
         "H2", 100_078, 100_077),
    ],
    "fund_within_standard": [
        # As if the pack had paid by ratio: 4555.59 of 8155.59 is within it, 8155.61 is two fen above; one is rounding.
        ("scored", "SELECT * REPLACE (CASE case_id WHEN 'paid' THEN 815561 WHEN 'kept' THEN 621001 ELSE fund_fen END "
         "AS fund_fen) FROM true_table", "paid", 815_559, 815_561),
    ],
    "indicators_tie": [
        ("indicators", "SELECT * REPLACE (cases + 1 AS cases) FROM true_table WHERE hospital_id = 'H1'", "H1、310 的病例数", 1, 2),
        ("indicators", "SELECT * FROM true_table WHERE hospital_id <> 'H1'", "H1、310 的医疗费", 900_000, 0),
        # the region's fund so far is not its hospitals'
        ("budget_pace", "SELECT '' AS hospital_id, '310' AS insurance_type, 5 AS fund_so_far_fen "
         "UNION ALL SELECT 'H1', '310', 4", "全区、310 的基金", 4, 5),
    ],
    "no_negative_standard": [
        ("scored", "SELECT * REPLACE (CASE WHEN case_id = 'kept' THEN -5 ELSE standard_fen END AS standard_fen) "
         "FROM true_table", "kept", 0, -5),
    ],
    "paid_rows_have_amounts": [
        ("scored", "SELECT * REPLACE (CASE WHEN case_id <> 'kept' THEN fund_fen END AS fund_fen) FROM true_table",
         "kept", 2, 1),
        ("scored", "SELECT * REPLACE (CASE WHEN case_id <> 'low' THEN standard_fen END AS standard_fen) FROM true_table",
         "low", 2, 1),
    ],
    "priced_once": [
        ("scored", "SELECT * FROM true_table UNION ALL SELECT * FROM true_table WHERE case_id = 'kept'", "kept", 1, 2),
    ],
    "reversal_mirrors_original": [
        # gaps that would cancel in a plain sum
        ("scored", "SELECT * REPLACE (fund_fen + 4 * (case_id = 'turned')::INT AS fund_fen, "
         "standard_fen - 4 * (case_id = 'turned')::INT AS standard_fen) FROM true_table", "turned", 0, 8),
        ("scored", "SELECT * REPLACE (1 AS case_count) FROM true_table", "turned", 0, 2),
    ],
    "statement_adds_up": [
        ("hospital_payment", "SELECT * REPLACE (payable_fen + 1 AS payable_fen) FROM true_table WHERE hospital_id = 'H1'",
         "H1、310 的应付", PAYABLE_H1, PAYABLE_H1 + 1),
        # the sum still adds up, but a fen is both owed and carried
        ("hospital_payment", "SELECT * REPLACE (payable_fen + 1 AS payable_fen, carried_fen - 1 AS carried_fen) "
         "FROM true_table WHERE hospital_id = 'H1'", "H1、310 的结转", 0, -1),
        ("hospital_payment", "SELECT * REPLACE (carried_fen - 9 AS carried_fen) FROM true_table WHERE hospital_id = 'H1'",
         "H1、310 的应付", PAYABLE_H1 + 9, PAYABLE_H1),
        ("hospital_payment", "SELECT * REPLACE (due_fen + 2 AS due_fen, payable_fen + 2 AS payable_fen) FROM true_table "
         "WHERE hospital_id = 'H1'", "H1、310 的本期净额", PAYABLE_H1, PAYABLE_H1 + 2),
    ],
}  # fmt: skip


# A law that holds of packs which pay the fund otherwise than this month's does.
OTHER_TERMS = {"fund_within_standard": "SELECT * REPLACE ('ratio' AS fund_method) FROM true_terms"}


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Priced]:
    """A settled month whose laws all hold."""
    folder = tmp_path_factory.mktemp("audits")
    weights = {"AA": "0.9258", "BB": "1"}
    with priced(write_pack(folder / "pack", plain_pack(), weights), CASES, folder / "run") as run:
        run.settled()
        yield run


def test_every_law_has_its_break() -> None:
    assert sorted(f"audit/{law}" for law in BREAKS) == audit_names()
    assert audit_names() == sorted(f"audit/{path.stem}" for path in (SQL / "audit").iterdir())


@pytest.mark.parametrize(
    ("law", "number"), [(law, number) for law, found in BREAKS.items() for number in range(len(found))]
)
def test_a_broken_law_names_both_numbers(
    month: Priced, monkeypatch: pytest.MonkeyPatch, law: str, number: int
) -> None:
    table, tampered, subject, expected, found = BREAKS[law][number]
    monkeypatch.setattr(query, "audit_names", lambda: [f"audit/{law}"])
    title = statement(f"audit/{law}").splitlines()[0].removeprefix("-- ")
    assert audit(month.con) == [title]
    con = month.con
    if law in OTHER_TERMS:
        con.execute("CREATE OR REPLACE TEMP TABLE true_terms AS SELECT * FROM terms")
        con.execute(f"CREATE OR REPLACE TEMP VIEW terms AS {OTHER_TERMS[law]}")
        assert audit(con) == [title]
    con.execute(f"CREATE OR REPLACE TEMP TABLE true_table AS SELECT * FROM {table}")
    # a temporary view comes before the table of the same name
    con.execute(f"CREATE OR REPLACE TEMP TABLE tampered AS {tampered}")
    con.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS SELECT * FROM tampered")
    try:
        with pytest.raises(AuditBroken) as caught:
            audit(con)
    finally:
        con.execute(f"DROP VIEW temp.{table}")
        if law in OTHER_TERMS:
            con.execute("CREATE OR REPLACE TEMP VIEW terms AS SELECT * FROM true_terms")
    message = str(caught.value)
    assert f"{title}；{subject} 应为 {expected}，实为 {found}，相差 {found - expected}；" in message
    assert message.endswith("请把本消息交给开发者")
    assert caught.value.exit_code == 13
    assert audit(con) == [title]


def sql_files() -> list[Path]:
    return sorted(SQL.rglob("*.sql"))


def code_of(path: Path) -> str:
    """The statement without comments and quoted text."""
    text = re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8"))
    return re.sub(r"'(?:[^']|'')*'", "''", text)


@pytest.mark.parametrize("path", sql_files(), ids=lambda path: path.stem)
def test_no_float_touches_a_payment(path: Path) -> None:
    """DOUBLE, FLOAT, REAL, avg and bare `/` yield floats (pinned in test_rounding); only integer `//` is exact."""
    code = code_of(path)
    assert not re.search(r"\b(double|float4?|float8|real|avg|mean|median|stddev\w*)\b", code, re.IGNORECASE)
    assert not re.search(r"(?<!/)/(?!/)", code)


@pytest.mark.parametrize("path", sql_files(), ids=lambda path: path.stem)
def test_one_statement_a_file_whose_first_line_says_what(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    law = path.parent.name == "ledger" or path.parent.name.startswith("audit") or path.stem == "gaps"
    if law:
        assert re.match(r"-- [\u4e00-\u9fff]", first), "a law has its title in Chinese"
    else:
        assert first.startswith(f"-- {path.stem}: ")
    code = code_of(path)
    assert re.match(r"\s*(SELECT|WITH|FROM)\b", code)
    assert ";" not in code
