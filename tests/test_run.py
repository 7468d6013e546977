"""The month end to end: every row by one door, the same bytes twice, no order or neighbour changes a payment."""

from __future__ import annotations

import csv
import json
import re
import stat
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import fastexcel
import hostile
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from conftest import PERIOD, ROOT, Finished, bytes_of, in_process, in_subprocess, run_month
from errors.makers import Place, control_agrees

from groupers.codes import load_code_tables
from groupers.drg.rulebook import load_rulebook
from pipeline.findings import ALL, BY_CODE, LONGEST_SHOWN
from pipeline.tables import DISCHARGE_SCHEMA
from pipeline.validate import LONGEST_TEXT

DOOR = {"refuse": "refused", "hold": "held"}
LONGEST_MESSAGE = 200  # the longest text of a finding, 60 shown characters and what surrounds them
SAMPLE = ROOT / "data" / "samples" / "demo-rate"


def findings_of(run: Finished) -> dict[str, dict[str, str]]:
    """case_id → finding → severity."""
    found: dict[str, dict[str, str]] = {}
    for row in run.table("findings").to_pylist():
        found.setdefault(row["case_id"], {})[row["code"]] = row["severity"]
    return found


def doors_of(run: Finished) -> dict[str, list[tuple[str, str | None]]]:
    """case_id → (door, code) of each of its rows, sorted."""
    doors: dict[str, list[tuple[str, str | None]]] = {}
    for row in run.table("case_payment").to_pylist():
        doors.setdefault(row["case_id"], []).append((row["door"], row["code"]))
    return {case: sorted(found, key=str) for case, found in doors.items()}


# --- the hostile month: one row for every finding, and rows that nobody should send


class Hostile:
    """The hostile month, run as one file and again shuffled over several files of a partitioned folder."""

    def __init__(self, folder: Path, rows: pa.Table, spoilt: set[str]) -> None:
        tables, book = load_code_tables(), load_rulebook("chs-drg-2.0")
        neutral = [code for code in sorted(tables.restricted_dx) if not tables.sex_limit(code)]
        codes = {
            "RESTRICTED": neutral[0],
            "ASIDE_DX": min(set(book.dx_not_for_grouping) - tables.restricted_dx),
            "ASIDE_PX": min(set(book.px_not_for_grouping) & set(tables.procedure_names)),
            "CLINICAL": min(code for code, to in tables.clinical_dx.items() if to in tables.diagnosis_names),
        }
        made, self.case_of = hostile.make(hostile.clean_rows(rows, spoilt), codes)
        self.table = pa.Table.from_pylist(made, DISCHARGE_SCHEMA)
        self.region = hostile.region(folder / "region")
        pq.write_table(self.table, folder / "one.parquet")
        self.run = run_month(folder / "one.parquet", folder / "out", region=self.region)
        self.shuffled = run_month(self._shuffled(folder / "many"), folder / "out2", region=self.region)

    def _shuffled(self, target: Path) -> Path:
        """Backwards, in two partitions of three files, row groups of seven rows."""
        turned = self.table.take(pa.array(range(self.table.num_rows - 1, -1, -1)))
        for number in range(3):
            part = target / f"batch={number % 2}" / f"part-{number}.parquet"
            part.parent.mkdir(parents=True, exist_ok=True)
            step = -(-turned.num_rows // 3)
            pq.write_table(turned.slice(number * step, step), part, row_group_size=7)
        return target


EARLIER_MONTHS = {"already_paid", "late_discharge"}  # need months published before: test_months
DIP_ALONE = {
    "no_coefficient",
    "no_reference",
    "no_amount",
    "no_fee",
    "separate_over_total",
    "out_of_scope",
    "case_review",
    "review_over_quota",
}


@pytest.fixture(scope="module")
def month_of_flaws(tmp_path_factory: pytest.TempPathFactory, rows: pa.Table, finished: Finished) -> Hostile:
    spoilt = set(findings_of(finished)) | set(pc.drop_null(rows["reverses"]).to_pylist())
    return Hostile(tmp_path_factory.mktemp("hostile"), rows, spoilt)


def test_every_finding_has_a_row_that_provokes_it() -> None:
    late = {"duplicate_case_id", "repeated_row", "second_reversal", "reversal_of_refused", "reversal_unlike",
            "reversal_without_original"}  # fmt: skip
    assert {finding.code for finding in ALL} == set(hostile.CHANGES) | late | DIP_ALONE | EARLIER_MONTHS


@pytest.mark.parametrize(
    "code", [finding.code for finding in ALL if finding.code not in DIP_ALONE | EARLIER_MONTHS]
)
def test_finding_is_found_and_yields_its_door(code: str, month_of_flaws: Hostile) -> None:
    case = month_of_flaws.case_of[code]
    severity = BY_CODE[code].door
    assert findings_of(month_of_flaws.run)[case].get(code) == severity
    doors = doors_of(month_of_flaws.run)[case]
    if code == "repeated_row":  # identical copies count once
        assert doors == [("paid", None), ("refused", code)]
    elif code == "duplicate_case_id":  # differing rows are refused, all of them
        assert doors == [("refused", code)] * 2
    elif severity == "warn":
        assert doors == [("paid", None)]
    else:
        assert doors == [(DOOR[severity], code)]


@pytest.mark.parametrize("name", hostile.HOSTILE)
def test_hostile_row_leaves_by_one_door(name: str, month_of_flaws: Hostile) -> None:
    _, door, code = hostile.HOSTILE[name]
    case = month_of_flaws.case_of[name][:LONGEST_TEXT]
    assert doors_of(month_of_flaws.run)[case] == [(door, code)]


def test_flaws_touch_no_neighbour(month_of_flaws: Hostile, finished: Finished) -> None:
    """A clean case among hostile rows gets the same group and fund as in the clean month."""
    names = ("group_code", "standard_fen", "fund_fen")
    before, after = (
        {row["case_id"]: [row[name] for name in names] for row in run.table("scored").to_pylist()}
        for run in (finished, month_of_flaws.run)
    )
    shared = {case for case in before if case in after and before[case][0] != hostile.GROUP_WITHOUT_WEIGHT}
    assert len(shared) > 150
    assert {case: before[case] for case in shared} == {case: after[case] for case in shared}


def test_messages_stay_short_and_name_no_person(month_of_flaws: Hostile) -> None:
    findings = month_of_flaws.run.table("findings").to_pylist()
    assert max(len(row["message"]) for row in findings) <= LONGEST_MESSAGE
    assert max(len(row["value"] or "") for row in findings) <= LONGEST_SHOWN
    persons = [person for person in month_of_flaws.table["person_id"].to_pylist() if len(person) < 100]
    told = "\n".join(row["message"] + (row["value"] or "") for row in findings)
    assert not any(person in told for person in persons)
    largest = max(len(content) for content in bytes_of(month_of_flaws.run.folder).values())
    assert largest < 3_000_000  # the ten megabytes stayed outside


def test_code_is_read_in_normal_form(month_of_flaws: Hostile) -> None:
    """`i10.X00X002 ` is I10.x00x002 (DESIGN §3); plain upper-casing would give I10.X00X002, which is no code."""
    validated = {row["case_id"]: row for row in month_of_flaws.run.table("validated").to_pylist()}
    findings = findings_of(month_of_flaws.run)
    for name in ("code_form", "full-width code"):
        case = month_of_flaws.case_of[name]
        assert validated[case]["dx_codes"] == ["I10.x00x002"]
        assert findings[case]["code_form"] == "warn"
        assert "unknown_principal" not in findings[case]


def test_files_for_people_open_whatever_stands_in_them(month_of_flaws: Hostile) -> None:
    for workbook in sorted(month_of_flaws.run.folder.rglob("*.xlsx")):
        book = fastexcel.read_excel(workbook)
        assert all(book.load_sheet(name).width for name in book.sheet_names)
    folder = month_of_flaws.run.folder / "hospitals"
    assert {path.parent for path in month_of_flaws.run.folder.rglob("*.csv")} == {folder}
    for path in folder.glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
        assert len({len(line) for line in lines}) == 1
        assert not any(re.match(r"[=+@]", cell) for line in lines for cell in line)


def test_sum_of_absurd_amounts_is_exact(month_of_flaws: Hostile) -> None:
    """Two of the largest amounts overflow 64 bits; the workbooks add them exactly and show them as text."""
    hospital = hostile.LARGEST["hospital_id"]
    funds = [row["pool_fund_fen"] for row in month_of_flaws.run.table("case_payment").to_pylist()
             if (row["hospital_id"], row["code"]) == (hospital, "absurd_amount")]  # fmt: skip
    assert sum(funds) > 2**63
    book = fastexcel.read_excel(month_of_flaws.run.folder / "region.xlsx")
    sheet = book.load_sheet("退回汇总", header_row=None, dtypes="string").to_polars()
    assert any(yuan(sum(funds)) in row for row in sheet.rows())
    balance = book.load_sheet("收支核对", header_row=None, dtypes="string").to_polars()
    (line,) = [row for row in balance.rows() if row[0] == hospital]
    assert line[-1] == "平"


def test_order_of_files_and_rows_changes_no_door_and_no_fen(month_of_flaws: Hostile) -> None:
    one, many = month_of_flaws.run, month_of_flaws.shuffled
    assert doors_of(one) == doors_of(many)
    assert findings_of(one) == findings_of(many)
    price = ("case_id", "group_code", "price_class", "standard_fen", "fund_fen")
    first, second = (
        sorted(tuple(row[name] for name in price) for row in run.table("scored").to_pylist())
        for run in (one, many)
    )
    assert first == second
    paid = [run.table("hospital_payment").to_pylist() for run in (one, many)]
    assert paid[0] == paid[1]


def test_group_without_weight_is_refused_by_name(month_of_flaws: Hostile) -> None:
    case = month_of_flaws.case_of["no_weight"]
    (row,) = [row for row in month_of_flaws.run.table("findings").to_pylist()
              if row["case_id"] == case and row["code"] == "no_weight"]  # fmt: skip
    assert row["value"] == hostile.GROUP_WITHOUT_WEIGHT and hostile.GROUP_WITHOUT_WEIGHT in row["message"]
    hospital = month_of_flaws.run.folder / "hospitals" / f"{row['hospital_id']}.returned.csv"
    assert case in hospital.read_text(encoding="utf-8-sig")


# --- the month as it should be


def test_counts_and_money_add_up(sample: Finished) -> None:
    payment = sample.table("case_payment").to_pylist()
    source = pq.read_table(SAMPLE / f"month={PERIOD}" / "part-000.parquet")
    assert [row["input_row"] for row in payment] == list(range(source.num_rows))
    assert sum(row["total_fee_fen"] or 0 for row in payment) == pc.sum(source["total_fee_fen"]).as_py()
    doors = Counter(row["door"] for row in payment)
    totals = json.loads((sample.folder / "manifest.json").read_text())["totals"]
    assert [doors[name] for name in ("paid", "refused", "held")] == [
        totals[name] for name in ("paid", "refused", "held")
    ]
    scored = sample.table("scored").to_pylist()
    assert {row["input_row"] for row in scored} == {
        row["input_row"] for row in payment if row["door"] == "paid"
    }
    hospitals = sample.table("hospital_payment").to_pylist()
    assert sum(row["fund_fen"] for row in hospitals) == sum(row["fund_fen"] for row in scored)
    assert sum(row["payable_fen"] for row in hospitals) == totals["payable_fen"]


def test_every_planted_flaw_is_found(sample: Finished) -> None:
    """`_expected.csv` was written by the maker of the data; only `reversal` is no flaw but a reversal that holds."""
    found, doors = findings_of(sample), doors_of(sample)
    with (SAMPLE / "_expected.csv").open(encoding="utf-8") as file:
        planted = [(row["case_id"], row["finding"]) for row in csv.DictReader(file)]
    assert len({kind for _, kind in planted}) >= 24
    for case, kind in planted:
        if kind == "reversal":
            assert doors[case] == [("paid", None)]
            continue
        assert kind in found[case], (case, kind)
        severity = BY_CODE[kind].door
        expected = "paid" if severity == "warn" or kind == "repeated_row" else DOOR[severity]
        assert expected in {door for door, _ in doors[case]}, (case, kind)


def test_two_runs_give_the_same_bytes(month: Path, finished: Finished, tmp_path: Path) -> None:
    """Workbooks, CSV, Parquet and manifest; in another process, with another seed of hashes."""
    said = in_subprocess("run", "demo-rate", "--period", PERIOD, "--input", month, "--out", tmp_path / "out",
                         PYTHONHASHSEED="77")  # fmt: skip
    assert said.code == 0, said.err
    first, second = bytes_of(finished.out), bytes_of(tmp_path / "out")
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []
    assert {Path(name).suffix for name in first} == {".parquet", ".xlsx", ".csv", ".json", ""}


def test_rerun_into_the_same_place_does_nothing_and_says_so(finished: Finished) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")}
    words = ("run", "demo-rate", "--period", PERIOD, "--input", finished.source, "--out", finished.out)
    said = in_process(*words)
    assert said.code == 0 and "同样的输入已有成果" in said.out
    assert {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")} == before


@pytest.mark.slow
def test_split_input_gives_the_same_payments(rows: pa.Table, finished: Finished, tmp_path: Path) -> None:
    """Files, partitions and row groups are no part of the law; order of rows is kept here, so tables are equal."""
    for number in range(4):
        part = tmp_path / "in" / f"part={number}" / "x.parquet"
        part.parent.mkdir(parents=True)
        pq.write_table(rows.slice(number * 75, 75), part, row_group_size=10)
    split = run_month(tmp_path / "in", tmp_path / "out")
    for name in ("case_payment", "scored", "hospital_payment", "grouped", "validated", "findings"):
        assert split.table(name).equals(finished.table(name)), name


def test_files_are_private(finished: Finished) -> None:
    home = finished.out / "demo-rate"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [home, *home.rglob("*")]}
    assert [path for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)] == []


def test_nothing_half_made_is_left(finished: Finished) -> None:
    assert list(finished.out.rglob(".*")) == []


def test_no_person_in_files_for_people(sample: Finished, month_of_flaws: Hostile) -> None:
    """Workbooks are zipped: their texts are read from the shared strings and the sheets."""
    for run, table in ((sample, pq.read_table(SAMPLE / f"month={PERIOD}" / "part-000.parquet")),
                       (month_of_flaws.run, month_of_flaws.table)):  # fmt: skip
        persons = [person for person in set(table["person_id"].to_pylist()) if len(person) < 100]
        pattern = re.compile("|".join(map(re.escape, persons)))
        assert pattern.search(f"x {persons[0]} y")
        for path in [*run.folder.rglob("*.xlsx"), *run.folder.rglob("*.csv"), *run.folder.rglob("*.json")]:
            if path.suffix == ".xlsx":
                with zipfile.ZipFile(path) as book:
                    texts = [book.read(name).decode() for name in book.namelist()]
            else:
                texts = [path.read_text(encoding="utf-8")]
            assert not any(pattern.search(text) for text in texts), path


def test_control_totals_that_agree_pass(rows: pa.Table, finished: Finished, tmp_path: Path) -> None:
    place = Place(tmp_path, rows, finished.out, finished.source)
    control_agrees(place)
    checked = run_month(place.input, place.out, "--control-totals", tmp_path / "control.csv")
    assert checked.table("hospital_payment").equals(finished.table("hospital_payment"))


# --- explain


def explained(run: Finished, case: str) -> str:
    said = in_process("explain", case, "--out", run.out)
    assert said.code == 0, said.err
    return said.out


def yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def test_explain_tells_the_month_that_paid_the_case(finished: Finished, tmp_path: Path) -> None:
    """Run again for the next month on the same input, the case is held there as another month's: not its story."""
    paid = finished.table("scored")["case_id"][0].as_py()
    for period in ("2025-10", "2025-11"):
        words = ("run", "demo-rate", "--period", period, "--input", finished.source, "--out", tmp_path)
        assert in_process(*words).code == 0
    said = in_process("explain", paid, "--out", tmp_path, "--json")
    assert json.loads(said.out)["run"] == finished.folder.name
    assert json.loads(said.out)["door"] == "paid"


@pytest.mark.parametrize("kind", ["low", "normal", "high", "ungrouped", "ambiguous", "reversal"])
def test_explain_tells_rule_codes_and_price(kind: str, sample: Finished) -> None:
    row = next(row for row in sample.table("scored").to_pylist() if row["price_class"] == kind)
    case = {one["case_id"]: one for one in sample.table("validated").to_pylist()}[row["case_id"]]
    told = explained(sample, row["case_id"])
    assert sample.folder.name in told and row["case_id"] in told
    assert yuan(row["standard_fen"]) in told and yuan(row["fund_fen"]) in told
    assert yuan(case["total_fee_fen"]) in told
    if kind == "reversal":
        assert row["reverses"] in told
        return
    assert all(code in told for code in [*case["dx_codes"], *(case["px_codes"] or [])])
    assert row["group_code"] in told and row["terms_id"] in told
    grouped = {one["case_id"]: one for one in sample.table("grouped").to_pylist()}[row["case_id"]]
    if grouped["rule"] is not None:
        assert re.search(rf"(?<!\d){grouped['rule']}(?!\d)", told)


@pytest.mark.parametrize("door", ["refused", "held"])
def test_explain_tells_why_a_case_is_not_paid(door: str, sample: Finished) -> None:
    row: dict[str, Any] = next(
        row for row in sample.table("case_payment").to_pylist() if row["door"] == door and row["case_id"]
    )
    told = explained(sample, row["case_id"])
    assert row["code"] in told and {"refused": "退回", "held": "暂挂"}[door] in told
    assert case_person(row["input_row"]) not in told


def case_person(input_row: int) -> str:
    source = pq.read_table(SAMPLE / f"month={PERIOD}" / "part-000.parquet", columns=["person_id"])
    return str(source["person_id"][input_row].as_py())
