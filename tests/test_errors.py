"""The error museum: every folder of tests/errors is one mistake, made for real and met by the real command line.

A mistake ends in one Chinese line with its exit code, leaves what was published untouched and publishes nothing.
Bad rows (exit code 0) end no run: each is told in findings.parquet and leaves by the door of its finding.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import Finished, Said, bytes_of, in_process, in_subprocess
from errors import makers

from pipeline import ledger_tables
from pipeline.findings import BY_CODE

TABLES = sorted(set(ledger_tables.metadata.tables) - {"ledger_schema"})
MUSEUM = Path(__file__).parent / "errors"
KEYS = {"title", "make", "command", "exit_code", "next"}
RUN = ["run", "demo-rate", "--period", "2025-10", "--input", "{input}", "--out", "{out}"]
# Exit codes of DESIGN §10; 1 is never the answer to a mistake, 0 only to bad rows.
EXIT_CODES = {2: "用法", 10: "配置", 11: "输入", 12: "方案", 13: "核对", 14: "占用"}
IN_A_PROCESS = ("not_parquet", "unknown_command", "control_totals_differ", "tampered_run")


def cases() -> dict[str, dict[str, Any]]:
    return {
        path.parent.name: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(MUSEUM.glob("*/case.yaml"))
    }


CASES = cases()
MISTAKES = [code for code, case in CASES.items() if case["exit_code"] != 0]
BAD_ROWS = [code for code, case in CASES.items() if case["exit_code"] == 0]


@pytest.fixture
def place(tmp_path: Path, rows: pa.Table, finished: Finished) -> Iterator[makers.Place]:
    made = makers.Place(tmp_path, rows, finished.out, finished.source)
    with made.undo:
        yield made


def words(case: dict[str, Any], place: makers.Place) -> list[str]:
    known = {"input": str(place.input), "out": str(place.out), "here": str(place.folder), "run": place.run}
    return [str(word).format(**known) for word in case["command"]]


def one_clear_line(said: Said, case: dict[str, Any], rows: pa.Table) -> None:
    """The exit code, one line that matches, and neither a traceback nor a person's number in anything said."""
    line, other = (said.out, said.err) if case.get("stream") == "stdout" else (said.err, said.out)
    assert said.code == case["exit_code"], said
    assert re.search(case["message"], line, re.MULTILINE), line
    if case.get("stream") != "stdout":
        assert line.count("\n") == 1 and line.endswith("\n"), line
        assert line.startswith(f"{EXIT_CODES[said.code]}："), line
        assert len(line) < 1500
    assert "Traceback" not in line + other
    assert not any(person in line + other for person in rows["person_id"].to_pylist())


def ledgers(out: Path) -> list[list[object]]:
    """What stands in every ledger below a folder, its schema aside; one that cannot be read as its bytes."""
    found: list[list[object]] = []
    for file in sorted(out.rglob("ledger.sqlite")) if out.is_dir() else []:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as con:
            try:
                found.append([row for name in TABLES for row in con.execute(f'SELECT * FROM "{name}"')])
            except sqlite3.DatabaseError:
                found.append([file.read_bytes()])
    return found


@pytest.mark.parametrize("code", MISTAKES)
def test_mistake_is_met_by_one_clear_line(code: str, place: makers.Place) -> None:
    case = CASES[code]
    getattr(makers, case["make"])(place)
    before, entered = (bytes_of(place.out), ledgers(place.out)) if place.out.is_dir() else ({}, [])
    said = in_process(*words(case, place))
    one_clear_line(said, case, place.rows)
    after = bytes_of(place.out) if place.out.is_dir() else {}
    assert after == before  # nothing published, nothing altered, nothing half made
    # A ledger may have been begun, but nothing was entered in one that stood, nor in the new one.
    assert [rows for rows in ledgers(place.out) if any(rows)] == [rows for rows in entered if any(rows)]


def told(folder: Path) -> tuple[Counter[str], Counter[str]]:
    """(findings by code, rows by door) of a finished run."""
    findings, payments = (pq.read_table(folder / f"{name}.parquet") for name in ("findings", "case_payment"))
    return Counter(findings["code"].to_pylist()), Counter(payments["door"].to_pylist())


@pytest.mark.parametrize("code", BAD_ROWS)
def test_bad_rows_are_told_and_the_month_is_run(code: str, place: makers.Place, finished: Finished) -> None:
    """Exactly the findings and doors of the case.yaml beyond the clean month's; a row of no named door is paid."""
    case = CASES[code]
    getattr(makers, case["make"])(place)
    said = in_process(*words(case, place))
    assert said.code == 0, said
    assert "Traceback" not in said.out + said.err
    assert not any(person in said.out + said.err for person in place.rows["person_id"].to_pylist())
    (pointer,) = place.out.glob("*/2025-10/current")
    findings, doors = told(pointer.parent / pointer.read_text().strip())
    clean_findings, clean_doors = told(finished.folder)
    findings.subtract(clean_findings)
    assert {name: number for name, number in findings.items() if number} == case["findings"]
    assert doors.total() == pds.dataset(place.input).count_rows()
    doors.subtract(clean_doors)
    assert {name: n for name, n in doors.items() if n and name != "paid"} == case.get("doors", {})


@pytest.mark.parametrize("code", IN_A_PROCESS)
def test_mistake_in_a_process_of_its_own(code: str, place: makers.Place) -> None:
    getattr(makers, CASES[code]["make"])(place)
    one_clear_line(in_subprocess(*words(CASES[code], place)), CASES[code], place.rows)


def test_every_example_is_whole() -> None:
    assert {path.name for path in MUSEUM.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(
        CASES
    )
    for code, case in CASES.items():
        if code in BAD_ROWS:
            assert KEYS | {"findings"} <= set(case) <= KEYS | {"findings", "doors"}, code
            assert case["findings"] and set(case["findings"]) <= set(BY_CODE), code
            assert case["command"] == RUN, code
        else:
            assert KEYS | {"message"} <= set(case) <= KEYS | {"message", "stream"}, code
            assert case["exit_code"] in EXIT_CODES, code
        assert callable(getattr(makers, case["make"], None)), code
        assert re.search("[一-鿿]", case["title"]) and re.search("[一-鿿]", case["next"]), code


def test_every_exit_code_has_an_example() -> None:
    assert {case["exit_code"] for case in CASES.values()} == {0, *EXIT_CODES}


def test_debug_shows_where_a_defect_stands(place: makers.Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error is one line too, exit 1; DRGDIP_DEBUG lets the developer see it."""
    makers.month(place)

    def defect(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("pipeline.run.open_source", defect)
    command = ("run", "demo-rate", "--period", "2025-10", "--input", place.input, "--out", place.out)
    said = in_process(*command)
    assert said.code == 1 and said.err.count("\n") == 1 and "DRGDIP_DEBUG=1" in said.err
    monkeypatch.setenv("DRGDIP_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        in_process(*command)
