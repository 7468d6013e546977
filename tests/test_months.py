"""Months follow each other: what one published is the ground of the next, and every fen is paid once.

Small months through the real pipeline; amounts by hand from tests/ledger_fixtures.py: a case of H1 (310) is
93.08 × 0.8 × 10.5 = 781.872 yuan, of which the fund owes 781.872 − (1000 − 700) = 481.87.
Twenty: Σ 9637.40, × 0.95 = 9155.53, deposit 0.05 × 0.95 × 9637.40 = 457.78 (457.7765), due 8697.75.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import in_process
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ledger_fixtures import NAME, Key, Office, case

from pipeline.errors import InputError, UsageMistake
from pipeline.ledger_laws import prove_laws
from pipeline.run import Outcome
from pipeline.tables import DISCHARGE_SCHEMA
from tests.region_pack_slips_dip import put

H1: Key = ("H1", "310")
DUE_OF_20 = 8697_75
LATER_HOSPITAL = "H2,县医院,二级,甲等,449900,{},"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def cases(month: str, number: int = 20, **values: Any) -> list[dict[str, Any]]:
    return [case(f"{month}-{one}", f"{month}-15", **values) for one in range(number)]


def hospital_from(office: Office, day: str) -> None:
    """H2 is in the hospital table from that day on."""
    path = office.folder / "pack" / "hospitals.csv"
    kept = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("H2,")]
    path.write_text("\n".join([*kept, LATER_HOSPITAL.format(day), ""]), encoding="utf-8")


def findings(outcome: Outcome, code: str) -> dict[str, str]:
    """Messages of a kind by case."""
    rows = pq.read_table(outcome.folder / "findings.parquet").to_pylist()
    return {row["case_id"]: row["message"] for row in rows if row["code"] == code}


# --- a case is paid once


def test_a_case_paid_in_another_month_is_refused_with_month_and_run(office: Office) -> None:
    january = office.month("2025-01", cases("2025-01"))
    again = case("2025-01-3", "2025-02-10")
    outcome = office.run("2025-02", [*cases("2025-02"), again])
    row = office.rows_of(outcome)["2025-01-3"]
    assert (row["door"], row["code"]) == ("refused", "already_paid")
    assert f"2025-01 批次 {january.run_id}" in findings(outcome, "already_paid")["2025-01-3"]
    assert office.hospitals(outcome)[H1]["due_fen"] == DUE_OF_20  # twenty, not twenty-one
    assert outcome.manifest["standing"]["published"] == {"2025-01": january.run_id}


@pytest.mark.slow
def test_a_case_refused_before_may_come_again(office: Office) -> None:
    """Only what was paid is refused: a case of an unknown insurance type was not."""
    office.month("2025-01", [*cases("2025-01"), case("x", "2025-01-20", insurance_type="999")])
    outcome = office.run("2025-02", [case("x", "2025-02-20")])
    assert office.rows_of(outcome)["x"]["door"] == "paid"


def test_a_late_discharge_goes_to_the_open_month_and_says_so(office: Office) -> None:
    late = case("late", "2025-01-30")
    before = office.run("2025-02", [*cases("2025-02"), late])
    assert office.rows_of(before)["late"]["code"] == "other_period"  # January is still open
    office.month("2025-01", cases("2025-01"))
    outcome = office.run("2025-02", [*cases("2025-02"), late])
    assert office.rows_of(outcome)["late"]["door"] == "paid"
    assert "2025-01-30" in findings(outcome, "late_discharge")["late"]
    # 21 × 481.87 = 10119.27; 9613.31 (9613.3065) − 480.67 (480.665325)
    assert office.hospitals(outcome)[H1]["due_fen"] == 9613_31 - 480_67
    early = office.run("2025-01", [*cases("2025-01"), case("future", "2025-03-01")])
    assert office.rows_of(early)["future"]["code"] == "other_period"


# --- held rows


def held(office: Office, outcome: Outcome) -> dict[str, str]:
    return {name: row["held_since"] for name, row in office.rows_of(outcome, "held").items()}


def test_a_held_row_is_offered_again_until_it_is_paid(office: Office) -> None:
    """H2 is not yet in force in January and February; in March the table is put right."""
    hospital_from(office, "2025-06-01")
    early = case("early", "2025-01-20", hospital_id="H2")
    january = office.run("2025-01", [*cases("2025-01"), early])
    assert office.rows_of(january)["early"]["code"] == "hospital_not_in_force"
    assert held(office, january) == {"early": "2025-01"}
    office.publish(january.run)
    february = office.run("2025-02", cases("2025-02"))
    assert held(office, february) == {"early": "2025-01"}  # since January, not since February
    assert february.manifest["totals"]["rows_in"] == 21
    office.publish(february.run)
    hospital_from(office, "2020-01-01")
    march = office.run("2025-03", cases("2025-03"))
    row = office.rows_of(march)["early"]
    # 93.08 × 0.9 × 10.5 = 879.606; − 300 = 579.606
    assert (row["door"], row["fund_fen"]) == ("paid", 579_61)
    assert held(office, march) == {}
    office.publish(march.run)
    office.verify()
    april = office.run("2025-04", cases("2025-04"))
    assert "early" not in office.rows_of(april)


def test_a_held_row_that_arrives_anew_gives_way(office: Office) -> None:
    hospital_from(office, "2025-06-01")
    office.month("2025-01", [*cases("2025-01"), case("early", "2025-01-20", hospital_id="H2")])
    hospital_from(office, "2020-01-01")
    mended = case("early", "2025-01-20", hospital_id="H2", total_fee_fen=900_00)
    outcome = office.run("2025-02", [*cases("2025-02"), mended])
    rows = pq.read_table(outcome.folder / "case_payment.parquet").to_pylist()
    (row,) = [row for row in rows if row["case_id"] == "early"]
    # 879.606 − (900 − 700) = 679.606
    assert (row["door"], row["total_fee_fen"], row["fund_fen"]) == ("paid", 900_00, 679_61)


@pytest.mark.slow
def test_held_rows_stand_behind_an_input_whose_folders_name_columns(office: Office, tmp_path: Path) -> None:
    """`hospital_id=H1/`: the file lacks the column, the held rows have it."""
    hospital_from(office, "2025-06-01")
    office.month("2025-01", [*cases("2025-01"), case("early", "2025-01-20", hospital_id="H2")])
    hospital_from(office, "2020-01-01")
    folder = tmp_path / "parts" / "hospital_id=H1"
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist(cases("2025-02"), DISCHARGE_SCHEMA)
    pq.write_table(table.drop_columns(["hospital_id"]), folder / "part.parquet")
    outcome = office.run("2025-02", folder.parent)
    rows = office.rows_of(outcome)
    assert rows["early"]["door"] == "paid" and rows["early"]["hospital_id"] == "H2"
    assert office.hospitals(outcome)[H1]["due_fen"] == DUE_OF_20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["held", "case_payment", "scored"])
def test_nothing_is_taken_from_an_altered_publication(name: str, office: Office) -> None:
    january = office.month("2025-01", cases("2025-01"))
    path = office.home / "2025-01" / january.run_id / f"{name}.parquet"
    pq.write_table(pq.read_table(path).slice(0, 1), path)
    with pytest.raises(InputError, match=rf"已发布的批次被改动：.*{name}.parquet.*请从备份恢复"):
        office.run("2025-02", cases("2025-02"))


@pytest.mark.slow
def test_a_month_computed_again_keeps_the_held_rows_that_it_paid(office: Office) -> None:
    """February paid January's held row; January is published anew, then February: the row is still February's."""
    hospital_from(office, "2025-06-01")
    january = [*cases("2025-01"), case("early", "2025-01-20", hospital_id="H2")]
    first = office.month("2025-01", january)
    hospital_from(office, "2020-01-01")
    february = office.run("2025-02", cases("2025-02"))
    assert office.rows_of(february)["early"]["door"] == "paid"
    office.publish(february.run)
    second = office.month("2025-01", january)
    assert second.version == 2 and second.run_id != first.run_id
    assert second.difference_fen == 0  # the row was February's, and still is
    again = office.run("2025-02", cases("2025-02"))
    assert office.rows_of(again)["early"]["door"] == "paid"
    assert office.publish(again.run).difference_fen == 0
    office.verify()


# --- below nothing


# 93.08 × 0.8 × 10.5 − (1600 − 600) = −218.128; ten: −2181.30, × 0.95 = −2072.24 (−2072.235), no deposit
DEAR = {"total_fee_fen": 1600_00, "pool_fund_fen": 600_00}


def test_a_negative_payable_is_carried_and_settled_by_the_next_month(office: Office) -> None:
    january = office.run("2025-01", cases("2025-01", 10, **DEAR))
    row = office.hospitals(january)[H1]
    assert (row["due_fen"], row["payable_fen"], row["carried_fen"]) == (-2072_24, 0, -2072_24)
    done = office.publish(january.run)
    assert done.paid_fen == 0 and office.payments(done.publication_id) == {}
    february = office.run("2025-02", cases("2025-02"))
    row = office.hospitals(february)[H1]
    assert (row["due_fen"], row["carried_in_fen"]) == (DUE_OF_20, -2072_24)
    assert (row["payable_fen"], row["carried_fen"]) == (6625_51, 0)  # 8697.75 − 2072.24
    done = office.publish(february.run)
    assert office.payments(done.publication_id) == {H1: 6625_51}
    office.verify()


@pytest.mark.slow
def test_a_carry_waits_for_a_month_in_which_the_hospital_has_no_case(office: Office) -> None:
    office.month("2025-01", cases("2025-01", 10, **DEAR))
    february = office.run("2025-02", cases("2025-02", hospital_id="H3"))
    row = office.hospitals(february)[H1]
    assert (row["cases"], row["due_fen"], row["carried_in_fen"], row["carried_fen"]) == (
        0,
        0,
        -2072_24,
        -2072_24,
    )
    office.publish(february.run)
    march = office.month("2025-03", cases("2025-03"))
    assert office.payments(march.publication_id)[H1] == 6625_51


def test_below_the_limit_of_what_may_be_owed_it_is_paid_back_now(office: Office) -> None:
    office.edit(put("deposit_rate: 0.05", "deposit_rate: 0.05, most_owed_yuan: 500"))
    january = office.month("2025-01", cases("2025-01", 10, **DEAR))
    assert office.payments(january.publication_id) == {H1: -1572_24}  # −2072.24 + 500
    february = office.month("2025-02", cases("2025-02"))
    assert office.payments(february.publication_id) == {H1: 8197_75}  # 8697.75 − 500


def test_a_carry_of_a_hospital_struck_from_the_table_is_not_lost(office: Office) -> None:
    """The user's slip: the row is deleted instead of dated. No month may drop what the hospital owes."""
    office.month("2025-01", cases("2025-01", 10, **DEAR))
    path = office.folder / "pack" / "hospitals.csv"
    kept = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("H1,")]
    path.write_text("\n".join([*kept, ""]), encoding="utf-8")
    source = office.folder / "h3.parquet"
    pq.write_table(pa.Table.from_pylist(cases("2025-02", hospital_id="H3"), DISCHARGE_SCHEMA), source)
    said = in_process("run", office.pack, "--period", "2025-02", "--input", source, "--out", office.out)
    assert said.code == 10 and "医院 `H1`" in said.err and "-207224 分没有结清" in said.err, said
    assert "填截止日期，不要删去" in said.err and said.err.count("\n") == 1


# --- computed again


# 93.08 × 0.8 × 11 = 819.104, − 300 = 519.10; twenty: 10382.00, 9862.90 − 493.15 (493.145)
DUE_AT_11 = 9369_75
# 93.08 × 0.8 × 10 = 744.64, − 300 = 444.64; twenty: 8892.80, 8448.16 − 422.41 (422.408)
DUE_AT_10 = 8025_75


def point_value(office: Office, old: str, new: str) -> None:
    office.edit(put(f'"310": {old}, "390": 10', f'"310": {new}, "390": 10'))


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """January and February at 10.5; January anew at 11 (v2) and at 10 (v3); March; then February anew; April."""
    office = Office(tmp_path_factory.mktemp("year"))
    told: dict[str, Any] = {"office": office}
    for month in ("2025-01", "2025-02"):
        told[month] = office.month(month, cases(month))
    point_value(office, "10.5", "11")
    told["v2"] = office.month("2025-01", cases("2025-01"))
    point_value(office, "11", "10")
    told["v3"] = office.month("2025-01", cases("2025-01"))
    told["2025-03"] = office.month("2025-03", cases("2025-03"))
    told["feb v2"] = office.month("2025-02", cases("2025-02"))
    told["2025-04"] = office.month("2025-04", cases("2025-04"))
    yield told


def test_a_rerun_is_a_new_version_that_pays_nothing_itself(year: Mapping[str, Any]) -> None:
    office, v2, v3 = (year[name] for name in ("office", "v2", "v3"))
    assert (v2.version, v2.paid_fen, v2.difference_fen) == (2, 0, DUE_AT_11 - DUE_OF_20)  # +672.00
    assert (v3.version, v3.paid_fen, v3.difference_fen) == (3, 0, DUE_AT_10 - DUE_AT_11)  # −1344.00
    assert office.payments(v2.publication_id) == office.payments(v3.publication_id) == {}


def test_the_next_month_pays_the_differences_once(year: Mapping[str, Any]) -> None:
    """March: 8025.75 of its own + 672.00 − 1344.00; April: only February's difference."""
    office = year["office"]
    assert office.payments(year["2025-03"].publication_id) == {H1: DUE_AT_10 + 672_00 - 1344_00}
    assert year["feb v2"].difference_fen == DUE_AT_10 - DUE_OF_20  # −672.00
    assert office.payments(year["2025-04"].publication_id) == {H1: DUE_AT_10 - 672_00}


def test_cash_is_what_the_current_versions_owe(year: Mapping[str, Any]) -> None:
    (cash,) = year["office"].sql("SELECT sum(amount_fen) FROM payment")[0]
    assert cash == 4 * DUE_AT_10  # January to April, all at 10 in the end


def test_every_version_stands_with_its_lists(year: Mapping[str, Any]) -> None:
    office = year["office"]
    names = sorted(path.name for path in (office.home / "published").iterdir())
    assert names == [
        "2025-01-v1",
        "2025-01-v2",
        "2025-01-v3",
        "2025-02-v1",
        "2025-02-v2",
        "2025-03-v1",
        "2025-04-v1",
    ]
    frame = pq.read_table(office.home / "published" / "2025-01-v3" / "differences.parquet").to_pylist()
    assert [(row["hospital_id"], row["published_fen"], row["recomputed_fen"], row["difference_fen"]) for row in frame] == [
        ("H1", DUE_AT_11, DUE_AT_10, -1344_00)
    ]  # fmt: skip


@pytest.mark.slow
def test_the_first_version_of_a_month_is_not_published_again_by_its_rerun(office: Office) -> None:
    """The same input under the same pack after later months is another run, and no difference."""
    office.month("2025-01", cases("2025-01"))
    office.month("2025-02", cases("2025-02"))
    again = office.publish(office.run("2025-01", cases("2025-01")).run)
    assert (again.version, again.difference_fen, again.paid_fen) == (2, 0, 0)
    office.verify()


@pytest.mark.slow
def test_a_case_dropped_from_a_rerun_may_be_paid_later(office: Office) -> None:
    """January v2 no longer pays case 0: its money comes back, and February may pay it."""
    office.month("2025-01", cases("2025-01"))
    office.month("2025-01", cases("2025-01")[1:])
    february = office.run("2025-02", [*cases("2025-02"), case("2025-01-0", "2025-01-15")])
    assert office.rows_of(february)["2025-01-0"]["door"] == "paid"
    done = office.publish(february.run)
    # 19: 9155.53, 8697.75 (8697.7535) − 434.89 (434.887675) = 8262.86, so −434.89; 21 in February: 9132.64
    assert office.payments(done.publication_id) == {H1: 9132_64 - 434_89}
    office.verify()


# --- any sequence of months


HOSPITALS: tuple[Key, ...] = (("H1", "310"), ("H1", "390"), ("H3", "310"))
DUES = st.dictionaries(st.sampled_from(HOSPITALS), st.integers(-500_00, 1000_00), max_size=3)


class Sequences(RuleBasedStateMachine):
    """Months computed, published and computed again in any order; a plain model keeps the books beside the ledger."""

    folder: Path
    count = 0

    @initialize(most_owed=st.one_of(st.none(), st.integers(0, 300_00)))
    def begin(self, most_owed: int | None) -> None:
        Sequences.count += 1
        self.office = Office(self.folder / str(Sequences.count))
        self.most_owed = most_owed
        self.current: dict[str, Mapping[Key, int]] = {}  # what each month owes now
        self.waiting: dict[str, tuple[str, Mapping[Key, int]]] = {}  # run by month, not published

    @property
    def next_month(self) -> str:
        return f"2025-{len(self.current) + 1:02}"

    @precondition(lambda self: len(self.current) < 12)
    @rule(due=DUES)
    def compute_the_next(self, due: Mapping[Key, int]) -> None:
        run_id = self.office.stub(self.next_month, due, most_owed=self.most_owed)
        self.waiting[self.next_month] = (run_id, due)

    @precondition(lambda self: self.current)
    @rule(due=DUES, data=st.data())
    def compute_again(self, due: Mapping[Key, int], data: st.DataObject) -> None:
        month = data.draw(st.sampled_from(sorted(self.current)))
        self.waiting[month] = (self.office.stub(month, due, most_owed=self.most_owed), due)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def publish_one(self, data: st.DataObject) -> None:
        """What was computed before another publication is stale; computed again it can be published."""
        month = data.draw(st.sampled_from(sorted(self.waiting)))
        _, due = self.waiting.pop(month)
        run_id = self.office.stub(month, due, most_owed=self.most_owed)
        fresh = self.office.publish(run_id).fresh
        assert self.office.publish(run_id, recheck=False).fresh is False
        if fresh:
            self.current[month] = due

    @invariant()
    def the_books_agree(self) -> None:
        if not hasattr(self, "office") or not self.office.file.exists():
            return
        with self.office.ledger() as ledger:
            prove_laws(NAME, ledger.rows)
        cash: dict[Key, int] = {}
        for hospital, kind, fen in self.office.sql(
            "SELECT hospital_id, insurance_type, amount_fen FROM payment"
        ):
            cash[hospital, kind] = cash.get((hospital, kind), 0) + fen
        owed = {key: sum(due.get(key, 0) for due in self.current.values()) for key in HOSPITALS}
        left = self.left_open()
        assert {key: cash.get(key, 0) + left[key] for key in HOSPITALS} == owed

    def left_open(self) -> dict[Key, int]:
        """What the last first version carried and the differences that no month has paid yet, by plain SQL."""
        found = self.office.sql(
            "SELECT hospital_id, insurance_type, carried_fen FROM hospital_result WHERE run_id = (SELECT run_id FROM "
            "publication WHERE version = 1 ORDER BY period DESC LIMIT 1) UNION ALL SELECT hospital_id, insurance_type, "
            "difference_fen FROM adjustment WHERE publication_id NOT IN (SELECT adjusted_publication_id FROM adjustment_paid)"
        )
        return {
            key: sum(fen for hospital, kind, fen in found if (hospital, kind) == key) for key in HOSPITALS
        }

    def teardown(self) -> None:
        if hasattr(self, "office"):
            shutil.rmtree(self.office.folder)


def _sequences(tmp_path: Path, examples: int, steps: int) -> None:
    Sequences.folder = tmp_path
    run_state_machine_as_test(
        Sequences, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    )


def test_any_sequence_of_months_pays_what_it_owes(tmp_path: Path) -> None:
    _sequences(tmp_path, 4, 8)


@pytest.mark.slow
def test_many_sequences_of_months_pay_what_they_owe(tmp_path: Path) -> None:
    _sequences(tmp_path, 40, 20)


# --- the year


@pytest.mark.slow
def test_twelve_months_and_their_clearing_stand_the_proof(office: Office) -> None:
    """The months' own prices, one negative month, one computed again: cash of the year = what all cases are worth.

    November at −2072.24 is carried into December; the clearing pays what 95 % and the deposit left: twelve months less
    November of 9637.40 and November's −2181.30.
    """
    office.edit(
        lambda text: (
            text
            + "\nclearing: [{from: 2025-01-01, source: 测试取值, value: fixed, without_assessment: one}]\n"
        )
    )
    for number in range(1, 13):
        month = f"2025-{number:02}"
        office.month(month, cases(month, 10, **DEAR) if number == 11 else cases(month))
    again = office.publish(office.run("2025-03", cases("2025-03")[1:]).run)
    assert (
        again.difference_fen == -434_89
    )  # one case of H1, as in test_a_case_dropped_from_a_rerun_may_be_paid_later
    assert (
        in_process("clear", office.pack, "--year", "2025", "--out", office.out).code == 2
    )  # nothing is fixed yet
    said = in_process("clear", office.pack, "--year", "2025", "--trial", "--out", office.out)
    assert said.code == 0 and "试算，不作拨付依据" in said.out and not (office.home / "2025").exists()
    office.prepare_year("2025")
    said = in_process("clear", office.pack, "--year", "2025", "--by", "甲", "--out", office.out)
    assert said.code == 0, said
    run_id = (office.home / "2025" / "current").read_text().strip()
    office.publish(run_id)
    office.verify()
    (cash,) = office.sql("SELECT sum(amount_fen) FROM payment")[0]
    assert cash == 11 * 9637_40 - 2181_30 - 481_87  # the rerun dropped one case
    assert office.publish(run_id, recheck=False).fresh is False
    late = office.run("2025-03", cases("2025-03")[2:]).run
    with pytest.raises(UsageMistake, match="2025 年的清算已经发布，2025-03 不能再发布"):
        office.publish(late)
