"""The mistakes of the error museum: one function per kind, named in the `make` of its case.yaml."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hostile
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.region_pack_slips_dip import SEVERE, STRATEGY, put, small_pack

ROOT = Path(__file__).parent.parent.parent
PERIOD = "2025-10"


@dataclass
class Place:
    """Where a mistake is made: `input` and `out` go into the command; `rows` is a clean month, `run` a finished one."""

    folder: Path
    rows: pa.Table
    run_out: Path
    source: Path
    input: Path = field(init=False)
    out: Path = field(init=False)
    run: str = ""  # a run of the ledger, for the command
    undo: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.input, self.out = self.folder / "in.parquet", self.folder / "out"

    def write(self, table: pa.Table) -> None:
        pq.write_table(table, self.input)

    def replace(self, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
        return self.rows.set_column(self.rows.schema.get_field_index(name), name, values)


def nothing(place: Place) -> None:
    """The mistake is in the command alone."""


def month(place: Place) -> None:
    """A good input; the mistake is in the command."""
    place.write(place.rows)


# --- files


def text_file(place: Place) -> None:
    place.input.write_bytes(b"case_id,hospital_id\n1,H1\n")  # 25 bytes


def empty_file(place: Place) -> None:
    place.input.write_bytes(b"")


def no_rows(place: Place) -> None:
    place.write(place.rows.slice(0, 0))


def empty_folder(place: Place) -> None:
    place.input.mkdir()


def without_sex(place: Place) -> None:
    place.write(place.rows.drop_columns(["sex"]))


def fee_as_text(place: Place) -> None:
    place.write(place.replace("total_fee_fen", place.rows["total_fee_fen"].cast(pa.string())))


def age_too_wide(place: Place) -> None:
    ages = [2**40, *place.rows["age_years"].to_pylist()[1:]]
    place.write(place.replace("age_years", pa.array(ages, pa.int64())))


def two_sexes(place: Place) -> None:
    place.write(place.rows.append_column("sex", place.rows["sex"]))


def two_spellings(place: Place) -> None:
    """`SEX` before `sex`: SQL would read the first, Arrow the second."""
    place.write(place.rows.add_column(0, "SEX", place.rows["sex"]))


def foreign_file(place: Place) -> None:
    place.input.mkdir()
    pq.write_table(place.rows, place.input / "part.parquet")
    (place.input / "notes.xlsx").write_bytes(b"PK")


def forged_rows(place: Place) -> None:
    """Twenty million equal numbers in a few kilobytes."""
    pq.write_table(pa.table({"x": pa.nulls(20_000_000, pa.int8())}), place.input, row_group_size=20_000_000)
    assert place.input.stat().st_size < 100_000


def corrupt_pages(place: Place) -> None:
    """A good footer over pages whose bytes were turned over."""
    place.write(place.rows)
    column = pq.read_metadata(place.input).row_group(0).column(0)
    content = bytearray(place.input.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    for at in range(start + 40, start + column.total_compressed_size):
        content[at] ^= 0x5A
    place.input.write_bytes(content)


def corrupt_unread_by_sql(place: Place) -> None:
    """Damage in a column that only the reader of batches meets, in the second of two files."""
    place.input.mkdir()
    pq.write_table(place.rows.slice(0, 100), place.input / "a.parquet")
    second = place.input / "b.parquet"
    pq.write_table(place.rows.slice(100), second)
    names = place.rows.schema.names
    column = pq.read_metadata(second).row_group(0).column(names.index("department"))
    content = bytearray(second.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    for at in range(start, start + 12):
        content[at] ^= 0xFF
    second.write_bytes(content)


# --- rows: the month is run all the same, each bad row is told


def _rows(place: Place, *changes: Any) -> None:
    """The clean month; each change is made to a row of its own."""
    made = place.rows.to_pylist()
    free = (row for row in made if row["case_id"] not in _reversed(made) and row["reverses"] is None)
    for change in changes:
        row = next(free)
        row.update(change(row) if callable(change) else change)
    place.write(pa.Table.from_pylist(made, place.rows.schema))


def _reversed(made: list[hostile.Row]) -> set[str]:
    return {row["reverses"] for row in made if row["reverses"] is not None}


def _hostile(*names: str) -> list[Any]:
    """Changes of the hostile month by what they do."""
    return [hostile.HOSTILE[name][0] for name in names]


def cell_of_ten_megabytes(place: Place) -> None:
    """In a text, a person, a case, a secondary diagnosis and a principal one."""
    codes = _hostile(*(f"ten megabytes of {what}" for what in ("person", "case", "code", "principal")))
    _rows(place, hostile.CHANGES["oversized_text"], *codes)


def ten_thousand_diagnoses(place: Place) -> None:
    _rows(place, hostile.CHANGES["too_many_codes"])


def null_bytes(place: Place) -> None:
    """In a hospital, a case, a secondary diagnosis and a principal one."""
    names = (f"null byte in {what}" for what in ("case_id", "a diagnosis", "the principal"))
    _rows(place, hostile.CHANGES["bad_character"], *_hostile(*names))


def code_spelling(place: Place) -> None:
    _rows(place, *({"dx_codes": [written]} for written in hostile.SPELLINGS.values()))


def negative_amount(place: Place) -> None:
    _rows(place, hostile.CHANGES["negative_money"], *_hostile("smallest amount there is"))


def absurd_amount(place: Place) -> None:
    largest = _hostile("largest amount there is", "largest amount once more")
    _rows(place, hostile.CHANGES["absurd_amount"], *largest)


def missing_principal(place: Place) -> None:
    """An empty list and no list."""
    _rows(place, hostile.CHANGES["missing_principal"], *_hostile("no diagnoses at all"))


def unknown_sex(place: Place) -> None:
    _rows(place, hostile.CHANGES["unknown_sex"])


def _sent_again(place: Place, more_fen: int) -> None:
    """A second file holds one row of the first once more, its total larger by `more_fen`."""
    made = place.rows.to_pylist()
    again = next(row for row in made if row["reverses"] is None and row["case_id"] not in _reversed(made))
    place.input.mkdir()
    pq.write_table(place.rows, place.input / "a.parquet")
    again["total_fee_fen"] += more_fen
    pq.write_table(pa.Table.from_pylist([again], place.rows.schema), place.input / "b.parquet")


def case_id_twice_differing(place: Place) -> None:
    _sent_again(place, 1)


def case_id_twice_alike(place: Place) -> None:
    _sent_again(place, 0)


# --- control totals


def _control(place: Place, header: str, change: int = 0, fee: Callable[[int], str] | None = None) -> None:
    """Totals of the month by hospital and insurance type; the first line's count is changed."""
    month(place)
    keys = ["hospital_id", "insurance_type"]
    sums = place.rows.group_by(keys).aggregate(
        [("case_id", "count"), ("total_fee_fen", "sum"), ("pool_fund_fen", "sum")]
    )
    lines = [header]
    for row in sums.sort_by([(key, "ascending") for key in keys]).to_pylist():
        yuan = [f"{row[f'{name}_sum'] / 100:.2f}" for name in ("total_fee_fen", "pool_fund_fen")]
        yuan[0] = fee(row["total_fee_fen_sum"]) if fee else yuan[0]
        cases = row["case_id_count"] + (change if len(lines) == 1 else 0)
        lines.append(",".join([row["hospital_id"], row["insurance_type"], str(cases), *yuan]))
    (place.folder / "control.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


CONTROL_HEADER = "hospital_id,insurance_type,cases,total_fee_yuan,pool_fund_yuan"


def control_agrees(place: Place) -> None:
    _control(place, CONTROL_HEADER)


def control_one_more(place: Place) -> None:
    _control(place, CONTROL_HEADER, change=1)


def control_header(place: Place) -> None:
    _control(place, CONTROL_HEADER.replace("total_fee_yuan", "fee"))


def control_three_decimals(place: Place) -> None:
    _control(place, CONTROL_HEADER, fee=lambda fen: f"{fen / 1000:.3f}")


def control_too_large(place: Place) -> None:
    """An amount that no 64-bit cell holds."""
    _control(place, CONTROL_HEADER, fee=lambda fen: "9" * 25)


# --- regions and schemes


def _region(place: Place, name: str, before: str, after: str) -> None:
    month(place)
    target = place.folder / "region"
    shutil.copytree(ROOT / "configs" / "regions" / "demo-rate", target)
    text = (target / name).read_text(encoding="utf-8")
    assert text.count(before) >= 1, f"{name} no longer holds {before!r}"
    (target / name).write_text(text.replace(before, after, 1), encoding="utf-8")


def region_gap(place: Place) -> None:
    """The first coefficients end in May, the next begin in July."""
    _region(place, "region.yaml", "coefficients:\n  - from: 2025-01-01",
            "coefficients:\n  - from: 2025-01-01\n    to: 2025-05-31")  # fmt: skip


def deposit_above_limit(place: Place) -> None:
    """按病种付费经办管理规程（2025 年版）第二十六条: at most 5 %."""
    _region(place, "region.yaml", "deposit_rate: 0.05", "deposit_rate: 0.06")


def region_overlap(place: Place) -> None:
    _region(place, "region.yaml", "coefficients:\n  - from: 2025-01-01",
            "coefficients:\n  - from: 2025-01-01\n    to: 2025-08-31")  # fmt: skip


def region_unknown_key(place: Place) -> None:
    _region(place, "region.yaml", "prepay_ratio: 0.95", "prepay_ratio: 0.95\n    prepay_rato: 1")


def region_key_twice(place: Place) -> None:
    _region(place, "region.yaml", "pricing_by:", "pricing_by: settlement_date\npricing_by:")


def region_no_such_day(place: Place) -> None:
    _region(place, "region.yaml", "from: 2025-07-01", "from: 2025-06-31")


def region_weight_not_a_number(place: Place) -> None:
    _region(place, "weights-2025.csv", "AA29,1\n", "AA29,一\n")


def region_without_a_weight(place: Place) -> None:
    _region(place, "weights-2025.csv", "AA29,1\n", "")


def dip_rate_strategy(place: Place) -> None:
    """Base groups by the lowest level's rate, where nothing has a rate."""
    month(place)
    small_pack(place.folder / "region", put(STRATEGY, "strategy: lowest_level_rate"))


def dip_severity_unnamed(place: Place) -> None:
    """A subtype by MCC, and no DRG scheme that says what an MCC is."""
    month(place)
    small_pack(place.folder / "region", tables=SEVERE)


def dip_no_point_value(place: Place) -> None:
    """Residents are insured, and no point of theirs has a value."""
    month(place)
    small_pack(place.folder / "region", put(', "390": 10}}]\nreference', "}}]\nreference"))


def _scheme(place: Place, name: str, before: bytes, after: bytes) -> None:
    month(place)
    target = place.folder / "scheme"
    shutil.copytree(ROOT / "data" / "schemes" / "chs-drg-2.0", target)
    content = (target / name).read_bytes()
    assert before in content
    (target / name).write_bytes(content.replace(before, after, 1))


def scheme_altered(place: Place) -> None:
    """One more blank at the end of a table."""
    _scheme(place, "drg.csv", b"\n", b" \n")


def scheme_key_unknown(place: Place) -> None:
    _scheme(place, "scheme.yaml", b"issuer:", b"isuer: x\nissuer:")


def scheme_file_gone(place: Place) -> None:
    _scheme(place, "drg.csv", b"\n", b"\n")
    (place.folder / "scheme" / "drg.csv").unlink()


# --- the place to write to


def disk_full(place: Place) -> None:
    """Not even the ledger fits."""
    small_disk(place, 60)


def disk_full_later(place: Place) -> None:
    """The ledger fits, the run does not."""
    small_disk(place, 300)


def small_disk(place: Place, kilobytes: int) -> None:
    """A file system of that size: a real ENOSPC."""
    month(place)
    small = place.folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(small)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    place.undo.callback(subprocess.run, ["umount", "-l", str(small)], check=True)
    place.out = small / "out"


def file_for_folder(place: Place) -> None:
    month(place)
    place.out.write_text("mine")


def folder_forbidden(place: Place) -> None:
    month(place)
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    place.out.mkdir(mode=0o500)


def not_a_real_folder(place: Place) -> None:
    """Even root makes no folder there."""
    month(place)
    place.out = Path("/proc/drgdip")


def taken(place: Place) -> None:
    place.out.mkdir()
    (place.out / "mine.txt").write_text("mine")


def held_lock(place: Place) -> None:
    """Another process holds the region."""
    month(place)
    program = (
        "import sys; from pathlib import Path; from pipeline.runfolder import occupied\n"
        "with occupied(Path(sys.argv[1]), 'demo-rate'): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(place.out / "demo-rate")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    place.undo.callback(holder.communicate)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"


# --- finished runs


def _finished(place: Place) -> Path:
    """A copy of a finished run whose own input is given again."""
    place.input = place.source
    shutil.copytree(place.run_out, place.out)
    (manifest,) = place.out.glob(f"*/{PERIOD}/*/manifest.json")
    return manifest.parent


def altered_payment(place: Place) -> None:
    path = _finished(place) / "hospital_payment.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lost_workbook(place: Place) -> None:
    (_finished(place) / "region.xlsx").unlink()


def broken_manifest(place: Place) -> None:
    path = _finished(place) / "manifest.json"
    path.write_bytes(path.read_bytes()[:200])


def finished_run(place: Place) -> None:
    _finished(place)


# --- the platform's own tables


def _platform(place: Place) -> None:
    from test_platform import one_case, write_tables

    place.input = place.folder / "platform"
    write_tables(place.input, one_case())


def platform_without_fee(place: Place) -> None:
    from test_platform import settlement, write_csv

    _platform(place)
    row = settlement("S1")
    del row["medfee_sumamt"]
    write_csv(place.input / "settlement.csv", [row])


def platform_without_diagnoses(place: Place) -> None:
    _platform(place)
    (place.input / "diagnosis.csv").unlink()


def platform_workbook(place: Place) -> None:
    _platform(place)
    (place.input / "diagnosis.csv").write_bytes(b"PK\x03\x04\x14\x00\x06\x00\xff\xfe\x80")


# --- building a catalogue from history


def year_of(place: Place, hospitals: pa.Array | None = None) -> None:
    """The month's rows spread over twelve months of discharge."""
    days = [dt.date(2024, 1 + number % 12, 5) for number in range(place.rows.num_rows)]
    table = place.replace("discharge_date", pa.array(days, pa.date32()))
    if hospitals is not None:
        table = table.set_column(table.schema.get_field_index("hospital_id"), "hospital_id", hospitals)
    place.write(table)


def year_of_one_hospital(place: Place) -> None:
    year_of(place, pa.array([place.rows["hospital_id"][0].as_py()] * place.rows.num_rows))


def year_of_unknown_hospitals(place: Place) -> None:
    year_of(place, pa.array(["H00000000000"] * place.rows.num_rows))


def rules_key_unknown(place: Place) -> None:
    """A city's rules with a mistyped key."""
    year_of(place)
    _rules(place, "threshold:", "treshold:")


def benchmark_absent(place: Place) -> None:
    year_of(place)
    _rules(place, "method: mean", "method: benchmark")
    _rules(place, "benchmark_row: null", "benchmark_row: I63.9C-no-such-row")


def year_and_taken(place: Place) -> None:
    year_of(place)
    taken(place)


def _rules(place: Place, before: str, after: str) -> None:
    own = place.folder / "rules.yaml"
    file = own if own.is_file() else ROOT / "data" / "calibration" / "dip-catalogue.yaml"
    text = file.read_text(encoding="utf-8")
    assert before in text
    own.write_text(text.replace(before, after, 1), encoding="utf-8")


# --- the ledger


def small_office(place: Place) -> Any:
    """The small region with January published, in `{out}`; its pack is `{here}/pack/`."""
    from ledger_fixtures import Office

    office = Office(place.folder)
    office.publish(office.stub("2025-01", {("H1", "310"): 100_00}))
    return office


def _february(place: Place, **more: Any) -> Any:
    """A run of February whose id begins with nothing else's: `{here}/pack/`, run named by its period in the command."""
    office = small_office(place)
    place.run = office.stub("2025-02", {("H1", "310"): 200_00}, **more)
    return office


def not_rechecked(place: Place) -> None:
    _february(place)


def rechecked(place: Place) -> None:
    _february(place).recheck(place.run)


def objected_since(place: Place) -> None:
    from pipeline.ledger_commands import confirm_run

    office = _february(place)
    office.recheck(place.run)
    confirm_run(office.pack, place.run, office.out, "院方", ["H1"], "例数不符", None)


def stale_run(place: Place) -> None:
    """February was computed; then January was published anew."""
    office = _february(place)
    office.recheck(place.run)
    office.publish(office.stub("2025-01", {("H1", "310"): 150_00}))


def no_term_of_payment(place: Place) -> None:
    office = _february(place)
    office.recheck(place.run)
    office.edit(put(", due_workdays: 20", ""))


def account_of_nobody(place: Place) -> None:
    office = _february(place)
    office.recheck(place.run)
    header = "holder,account_name,bank,account_number,from,to,source"
    (place.folder / "pack" / "accounts.csv").write_text(
        f"{header}\nH9,户名,银行,1,2020-01-01,,测试\n", "utf-8"
    )


def ledger_truncated(place: Place) -> None:
    office = small_office(place)
    office.file.write_bytes(office.file.read_bytes()[:5000])


def ledger_gone(place: Place) -> None:
    """Deleted while its publications stand."""
    _february(place).file.unlink()


def ledger_newer(place: Place) -> None:
    import sqlite3

    con = sqlite3.connect(small_office(place).file)
    con.execute("INSERT INTO ledger_schema VALUES (99, '2030-01-01', '9')")
    con.commit()
    con.close()


def ledger_forged(place: Place) -> None:
    small_office(place).forge("UPDATE payment SET amount_fen = amount_fen + 100")


def publication_altered(place: Place) -> None:
    (path,) = small_office(place).home.glob("published/*/payments.csv")
    path.write_bytes(path.read_bytes() + b"x")


def published_run_gone(place: Place) -> None:
    """The folder of January's run was tidied away; February would start from it."""
    from ledger_fixtures import case, write_cases

    office = small_office(place)
    write_cases(place.input, [case("a", "2025-02-15")])
    shutil.rmtree(office.home / "2025-01")


def clock_back(place: Place) -> None:
    """The ledger's last entry is of next year."""
    office = _february(place)
    office.recheck(place.run)
    office.forge("UPDATE publication SET published_at = '2999-01-01T00:00:00.000+00:00'")


# --- special cases


def decision_list_with_slips(place: Place) -> None:
    """A finished month, and a decision list whose second row has no reason and a rank twice."""
    shutil.copytree(place.run_out, place.out)
    first, second = place.rows["case_id"].to_pylist()[:2]
    (place.folder / "list.csv").write_text(
        "结算ID,决定,调整后支付标准（元）,排名,评议人,评议日期,评议理由,文书号\n"
        f"{first},按项目,,1,王某,2025-11-05,长期住院,\n{second},按项目,,1,王某,2025-11-05,,\n",
        encoding="utf-8",
    )
