"""A year given as plain rows, cleared by the pipeline's own stage: tables in, rows out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.clear import clear_year
from pipeline.pack_clearing import ClearingEntry
from pipeline.query import engine
from tests.reference.clear_case import Year, YearCase

YEAR = 2025
TEXT, FEN = pa.string(), pa.int64()
SCORED = pa.schema([
    ("case_id", TEXT), ("hospital_id", TEXT), ("insurance_type", TEXT), ("period", TEXT), ("group_code", TEXT),
    ("case_count", pa.int32()), ("rule_id", TEXT), ("points", pa.decimal128(18, 6)), ("apart_fen", FEN),
    ("standard_fen", FEN), ("separate_fen", FEN), ("share_fund_fen", FEN), ("share_fee_fen", FEN), ("fund_fen", FEN),
    ("total_fee_fen", FEN), ("pool_fund_fen", FEN), ("reverses", TEXT), ("budget_line", TEXT),
])  # fmt: skip
RULES = pa.schema(
    [("rule_id", TEXT), ("fund_method", TEXT), ("fund_of", TEXT), ("negative_kept", pa.bool_())]
)
PAID = (
    "fund_fen",
    "prepay_fen",
    "audit_deduction_fen",
    "settled_fen",
    "revolving_offset_fen",
    "deposit_fen",
    "due_fen",
)
B01 = [
    {"lo": "0", "hi": "0.8", "base": "0", "share": "1"}, {"lo": "0.8", "hi": "1", "base": "1", "share": "0"},
    {"lo": "1", "hi": "1.1", "base": "1", "share": "0.7"}, {"lo": "1.1", "hi": None, "base": "1.07", "share": "0"},
]  # fmt: skip


def law(**keys: Any) -> dict[str, Any]:
    """A clearing entry as the pack writes it."""
    return {
        "from": "2025-01-01",
        "source": "测试取值",
        "value": "floating",
        "without_assessment": "one",
        **keys,
    }


def rule_of(case: YearCase) -> str:
    return f"{case.method}/{case.of}/{case.negative_kept}"


def scored_row(case: YearCase) -> dict[str, Any]:
    share = case.share or (None, None)
    return {
        "case_id": case.case_id, "hospital_id": case.hospital, "insurance_type": case.kind, "period": case.period,
        "group_code": case.group, "case_count": -1 if case.reverses else 1, "rule_id": rule_of(case),
        "points": None if case.points is None else Decimal(case.points).quantize(Decimal("0.000001")),
        "apart_fen": case.apart_fen, "standard_fen": case.standard_fen, "separate_fen": case.separate_fen,
        "share_fund_fen": share[0], "share_fee_fen": share[1], "fund_fen": case.fund_fen,
        "total_fee_fen": case.fee_fen, "pool_fund_fen": case.pool_fen, "reverses": case.reverses, "budget_line": case.line,
    }  # fmt: skip


def tables_of(year: Year) -> dict[str, pa.Table]:
    """The tables that the stage reads. Months without cases and cases without a month have their rows too."""
    rules = {
        rule_of(case): {"rule_id": rule_of(case), "fund_method": case.method, "fund_of": case.of,
                        "negative_kept": case.negative_kept} for case in year.cases
    }  # fmt: skip
    paid = [
        {"hospital_id": case.hospital, "insurance_type": case.kind, "period": case.period, "fund_fen": case.fund_fen}
        for case in year.cases
    ] + [
        {"hospital_id": one.hospital, "insurance_type": one.kind, "period": one.period, "settled_fen": one.settled_fen,
         "revolving_offset_fen": one.revolving_fen, "deposit_fen": one.deposit_fen, "due_fen": one.due_fen}
        for one in year.months
    ]  # fmt: skip
    by_key = [("hospital_id", TEXT), ("insurance_type", TEXT)]

    def of(found: Sequence[Mapping[str, Any]], *columns: Any) -> pa.Table:
        names = [(one, FEN) if isinstance(one, str) else one for one in columns]
        return pa.Table.from_pylist([dict(row) for row in found], pa.schema(names))

    def keyed(found: Mapping[Any, Any], *names: str) -> pa.Table:
        rows = [
            dict(zip(("hospital_id", "insurance_type", *names), (*key, *values), strict=True))
            for key, values in found.items()
        ]
        return of(rows, *by_key, *names)

    names = {case.hospital for case in year.cases} | {one.hospital for one in year.months}
    names |= {key[0] for key in (*year.advances, *year.audits)}
    return {
        "year_scored": pa.Table.from_pylist([scored_row(case) for case in year.cases], SCORED),
        "year_rules": pa.Table.from_pylist(list(rules.values()), RULES),
        "year_paid": of([{**dict.fromkeys(PAID, 0), **row} for row in paid], *by_key, ("period", TEXT), *PAID),
        "year_cash": of([{"hospital_id": one.hospital, "insurance_type": one.kind, "cash_fen": one.cash_fen}
                         for one in year.months], *by_key, "cash_fen"),
        "year_advances": keyed(year.advances, "advanced_fen", "returned_fen"),
        "year_audits": keyed({key: (fen,) for key, fen in year.audits.items()}, "audit_fen"),
        "budgets": of([{"insurance_type": kind, "budget_line": line, "fund_fen": fen, "version": 1}
                       for (kind, line), fen in (*(((kind, ""), fen) for kind, fen in year.budgets.items()),
                                                 *year.line_budgets.items())],
                      ("insurance_type", TEXT), ("budget_line", TEXT), "fund_fen", ("version", FEN)),
        "assessments": keyed({key: [int(Decimal(text) * 10_000) for text in judged]
                              for key, judged in year.assessments.items()}, "coefficient_e4", "deposit_return_e4"),
        "hospitals": of([{"hospital_id": name, "name": f"医院{name}", "level": "二级"} for name in sorted(names)],
                        ("hospital_id", TEXT), ("name", TEXT), ("level", TEXT)),
    }  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A cleared year: its connection, its folder, the laws it proved."""

    con: duckdb.DuckDBPyConnection
    folder: Path
    laws: list[str]

    def rows(self, name: str) -> list[dict[str, Any]]:
        return list(pq.read_table(self.folder / f"{name}.parquet").to_pylist())

    def cases(self) -> dict[str, int]:
        return {row["case_id"]: row["fund_from_points_fen"] for row in self.rows("case_clearing")}

    def hospitals(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(row["hospital_id"], row["insurance_type"]): row for row in self.rows("hospital_clearing")}

    def pools(self) -> tuple[dict[tuple[str, str, str], int], dict[tuple[str, str], dict[str, Any]]]:
        """Fen by hospital and pool, and the balance of every pool; both empty where the year has no budget line."""
        if not (self.folder / "pool_clearing.parquet").exists():
            return {}, {}
        return {
            (row["hospital_id"], row["insurance_type"], row["budget_line"]): row["fund_from_points_fen"]
            for row in self.rows("pool_clearing")
        }, {(row["insurance_type"], row["budget_line"]): row for row in self.rows("pool_balance")}

    def insurance(self) -> dict[str, dict[str, Any]]:
        return {row["insurance_type"]: row for row in self.rows("insurance_clearing")}


@contextmanager
def cleared(
    year: Year, entry: Mapping[str, Any], folder: Path, changed: Mapping[str, pa.Table] | None = None
) -> Iterator[Result]:
    """The year cleared by an entry. `changed`: tables in place of those of the year."""
    folder.mkdir(parents=True, exist_ok=True)
    with engine(folder) as con:
        for name, content in (tables_of(year) | dict(changed or {})).items():
            con.register(name, content)
        laws = clear_year(con, ClearingEntry.model_validate(entry), YEAR, folder)
        yield Result(con, folder, laws)


def columns_of(sheet: Any) -> dict[str, dict[str, Any]]:
    """The statement's columns by their header, each by the line's title."""
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    (head,) = [row for row in rows if row[0] == "栏次"]
    lines = [row for row in rows if isinstance(row[0], int)]
    return {name: {row[1]: row[place] for row in lines} for place, name in enumerate(head) if place > 2}
