"""Every law of a cleared year holds of a good one and names both numbers when a table is tampered with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.errors import AuditBroken
from pipeline.query import audit, audit_names, statement
from tests.clearing_fixtures import Result, cleared, law, tables_of
from tests.reference.clear_case import Month, Year, YearCase

# One hospital-type: fund 1,000 fen over a and b (2 points each; o is taken back by r): 500 each; month funds 600, 300.
YEAR = Year(
    [
        YearCase("a", "H1", "310", 0, 600, 0, 0, "2"), YearCase("b", "H1", "310", 0, 300, 0, 0, "2"),
        YearCase("o", "H1", "310", 0, 70, 0, 0, "1"), YearCase("r", "H1", "310", 0, -70, 0, 0, "-1", reverses="o"),
    ],
    [Month("H1", "310", 800, 50, 40, 700)], {("H1", "310"): (100, 20)}, {("H1", "310"): 10}, {"310": 1000},
    {("H1", None): ("1", "0.5")},
)  # fmt: skip
# entitlement 990; settled 800; still out 100 − 20 − 50 = 30; deposit back 20; due 710 − cash 700 = 10 unpaid
CLEARING = 990 - 800 - 30 + 20 + 10
CASES, HOSPITALS, POOLS = "case_clearing", "hospital_clearing", "pool_clearing"
SET = "SELECT * REPLACE ({what} AS {column}) FROM true_table"


def changed(column: str, what: str) -> str:
    return SET.format(column=column, what=what)


# law → (table, tampered, subject, expected, found)
BREAKS = {
    "cases_equal_hospital": [
        (CASES, changed("fund_from_points_fen", "fund_from_points_fen + (case_id = 'a')::INT"), "H1、310 的清算基金", 1000, 1001),
    ],
    "cash_of_the_year": [
        (HOSPITALS, changed("clearing_fen", "clearing_fen + 1"), "H1、310 全年的现金", 970, 971),
        ("year_cash", changed("cash_fen", "cash_fen + 3"), "H1、310 全年的现金", 970, 973),
        ("year_advances", changed("returned_fen", "returned_fen + 3"), "H1、310 全年的现金", 970, 967),
    ],
    "every_case_cleared_once": [
        (CASES, "SELECT * FROM true_table WHERE case_id <> 'b'", "H1、310 的例数或月度核定基金", 4, 3),
        (CASES, changed("fund_fen", "fund_fen + 1"), "H1、310 的例数或月度核定基金", 900, 904),
    ],
    "hospitals_equal_pool": [
        (POOLS, changed("fund_from_points_fen", "fund_from_points_fen - 1"), "310 的清算基金", 1000, 999),
    ],
    "pools_equal_hospital": [
        (HOSPITALS, changed("fund_from_points_fen", "fund_from_points_fen - 1"), "H1、310 各单列的清算基金", 999, 1000),
        (POOLS, "SELECT * FROM true_table WHERE false", "H1、310 各单列的清算基金", 1000, 0),
    ],
    "cases_equal_pool": [
        (CASES, changed("fund_from_points_fen", "fund_from_points_fen + (case_id = 'a')::INT"), "H1、310 的病例", 1000, 1001),
        (CASES, changed("budget_line", "CASE WHEN case_id = 'a' THEN '异地' ELSE '' END"), "H1、310 的病例", 1000, 500),
    ],
    "months_equal_cases": [
        ("year_paid", "SELECT * FROM true_table WHERE fund_fen <> 300", "H1、310 全年的月度核定基金", 600, 900),
    ],
    "no_case_twice": [
        (CASES, "SELECT * FROM true_table UNION ALL SELECT * FROM true_table WHERE case_id = 'a'", "H1 的重复结算ID个数", 0, 1),
    ],
    "no_money_lost": [
        ("year_audits", changed("audit_fen", "audit_fen + 1"), "审核扣款", 11, 10),
        ("year_paid", changed("deposit_fen", "deposit_fen + (settled_fen > 0)::INT"), "保证金", 41, 40),
        ("year_cash", changed("cash_fen", "cash_fen - 1"), "月度实付", 699, 700),
        (HOSPITALS, "SELECT * FROM true_table UNION ALL SELECT * REPLACE (0 AS settled_fen, 0 AS due_fen, 0 AS cash_fen, "
         "0 AS deposit_fen, 0 AS revolving_offset_fen, 0 AS advanced_fen, 0 AS returned_fen, 0 AS audit_fen) FROM true_table",
         "清算表的行数", 1, 2),
    ],
    "reversal_and_original_are_nothing": [
        (CASES, changed("fund_from_points_fen", "CASE WHEN case_id = 'r' THEN -249 ELSE fund_from_points_fen END"),
         "o 与其冲销", 0, 1),
    ],
    "steps_add_up": [
        (HOSPITALS, changed("clearing_fen", "clearing_fen - 1"), "H1、310 的清算额", CLEARING, CLEARING - 1),
        (HOSPITALS, changed("still_out_fen", "31"), "H1、310 的未收回预付", 30, 31),
        (HOSPITALS, changed("unpaid_fen", "9"), "H1、310 的应付未付", 10, 9),
        (HOSPITALS, changed("entitlement_fen", "991"), "H1、310 的应得总额", 990, 991),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    with cleared(YEAR, law(), tmp_path_factory.mktemp("laws")) as year:
        for name, content in tables_of(
            YEAR
        ).items():  # a temporary view could not stand before a registered table
            year.con.unregister(name)
            year.con.from_arrow(content).create(name)
        yield year


def test_every_law_has_its_break_and_a_good_year_proves_all(good: Result) -> None:
    assert sorted(f"audit_clear/{name}" for name in BREAKS) == audit_names("audit_clear")
    assert good.laws == [
        statement(name).splitlines()[0].removeprefix("-- ") for name in audit_names("audit_clear")
    ]
    assert good.cases() == {"a": 500, "b": 500, "o": 250, "r": -250}
    assert good.hospitals()["H1", "310"]["clearing_fen"] == CLEARING


@pytest.mark.parametrize(
    ("name", "number"), [(law, n) for law, found in BREAKS.items() for n in range(len(found))]
)
def test_a_broken_law_names_both_numbers(good: Result, name: str, number: int) -> None:
    table, tampered, subject, expected, found = BREAKS[name][number]
    con = good.con
    con.execute(f"CREATE OR REPLACE TEMP TABLE true_table AS SELECT * FROM {table}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE tampered AS {tampered}")
    con.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS SELECT * FROM tampered")
    try:
        with pytest.raises(AuditBroken) as caught:
            audit(con, [f"audit_clear/{name}"])
    finally:
        con.execute(f"DROP VIEW temp.{table}")
    assert f"；{subject} 应为 {expected}，实为 {found}，相差 {found - expected}；" in str(caught.value)
    assert audit(con, [f"audit_clear/{name}"])
