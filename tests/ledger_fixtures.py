"""A small region whose amounts a pocket calculator gives, its months, and runs made up without the pipeline.

The region is the small DIP pack: A15.0 is 93.08 points, a 一级 hospital has coefficient 0.8, a point of 310 is 10.5 yuan,
so a case of H1 is 93.08 × 0.8 × 10.5 = 781.872 yuan, whatever it cost between 511.94 and 2047.76 yuan.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.identity import code_version, sha256_of
from pipeline.ledger import Ledger, now, open_ledger
from pipeline.ledger_commands import recheck_run
from pipeline.ledger_entries import RESULTS, enter_run
from pipeline.publish import Publication, publish
from pipeline.region import Region, load_region
from pipeline.run import Outcome, run_month
from pipeline.standing import clearing_sha, open_of_year, standing
from pipeline.tables import DISCHARGE_SCHEMA
from pipeline.verify import verify_region
from pipeline.year_steps import STEPS, recorded, take_step
from tests.region_pack_slips_dip import Edit, both, put, small_pack

NAME = "small-dip"
SETTLEMENT = "prepay_ratio: 0.95, deposit_rate: 0.05"
PAID_BY = put(SETTLEMENT, f"{SETTLEMENT}, declare_by_day: 10, due_workdays: 20")
Key = tuple[str, str]  # hospital_id, insurance_type


def region_folder(folder: Path, edit: Edit = lambda text: text) -> str:
    """The small pack with a term of payment; `edit` changes region.yaml further."""
    return small_pack(folder, both(PAID_BY, edit))


def case(case_id: str, day: str, **values: Any) -> dict[str, Any]:
    """One discharge of A15.0: seven days in H1, 1000 yuan, 700 of them from the pool; settled on its last day.

    What the patient pays follows from the other two, so that the amounts always add up.
    """
    left = dt.date.fromisoformat(day)
    row: dict[str, Any] = dict.fromkeys(DISCHARGE_SCHEMA.names)
    row |= {name: 0 for name in DISCHARGE_SCHEMA.names if name.endswith("_fen")}
    row |= {
        "case_id": case_id, "hospital_id": "H1", "person_id": f"person-{case_id}", "insurance_type": "310", "sex": "1",
        "age_years": 50, "admission_date": left - dt.timedelta(days=7), "discharge_date": left,
        "settlement_date": left, "discharge_way": "1", "dx_codes": ["A15.000"], "px_codes": [],
        "total_fee_fen": 1000_00, "pool_fund_fen": 700_00, "place": "local",
    }  # fmt: skip
    row |= values
    row["personal_paid_fen"] = row["total_fee_fen"] - row["pool_fund_fen"]
    return row


def write_cases(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Cases as one Parquet file, in a folder of its own where the name ends in none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], DISCHARGE_SCHEMA), path)
    return path


@dataclass
class Office:
    """A settlement office: a region on disk, its outputs, and the people who compute, recheck and approve."""

    folder: Path
    pack: str = ""
    ledger_url: str | None = None
    _inputs: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.pack = self.pack or region_folder(self.folder / "pack")

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def home(self) -> Path:
        return self.out / NAME

    @property
    def file(self) -> Path:
        return self.home / "ledger.sqlite"

    @property
    def region(self) -> Region:
        return load_region(self.pack)

    def edit(self, edit: Edit) -> None:
        """Change region.yaml as it stands."""
        path = self.folder / "pack" / "region.yaml"
        path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")

    def run(self, period: str, rows: Iterable[Mapping[str, Any]] | Path, by: str = "甲") -> Outcome:
        """The real pipeline on a month."""
        source = rows if isinstance(rows, Path) else self._input(rows)
        return run_month(self.region, period, source, self.out, ledger_url=self.ledger_url, computed_by=by)

    def _input(self, rows: Iterable[Mapping[str, Any]]) -> Path:
        self._inputs += 1
        return write_cases(self.folder / f"in-{self._inputs}.parquet", rows)

    def recheck(self, run: str, by: str = "丙") -> None:
        recheck_run(self.pack, run, self.out, by, "", self.ledger_url)

    def publish(self, run: str, by: str = "乙", recheck: bool = True) -> Publication:
        """Recheck a run and make it final."""
        if recheck:
            self.recheck(run)
        return publish(self.region, run, self.out, by, self.ledger_url)

    def month(self, period: str, rows: Iterable[Mapping[str, Any]] | Path) -> Publication:
        """Run a month and publish it; what was published must stand the proof."""
        done = self.publish(self.run(period, rows).run)
        self.verify()
        return done

    def verify(self) -> dict[str, Any]:
        return verify_region(self.pack, self.out, self.ledger_url)

    @contextmanager
    def ledger(self) -> Any:
        with open_ledger(self.home, NAME, code_version(), self.ledger_url) as opened:
            yield opened

    def sql(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the ledger by plain SQL, past the program."""
        con = sqlite3.connect(self.file)
        try:
            return con.execute(text, values).fetchall()
        finally:
            con.close()

    def forge(self, *statements: str) -> None:
        """What a hand with the file could do: the triggers dropped, the rows altered."""
        con = sqlite3.connect(self.file)
        triggers = [name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for statement in ("BEGIN", *(f'DROP TRIGGER "{name}"' for name in triggers), *statements):
            con.execute(statement)
        con.commit()
        con.close()

    def prepare_year(self, year: str, by: str = "丁") -> None:
        """方案制定, 数据准备, 综合考核 of a year whose months are published: what its clearing asks for."""
        for step in STEPS.values():
            take_step(self.region, year, step, self.out, by, ledger_url=self.ledger_url)

    def copy(self, folder: Path) -> Office:
        """The same office elsewhere, its region where it was."""
        shutil.copytree(self.out, folder / "out")
        return Office(folder, self.pack, self.ledger_url)

    def payments(self, publication_id: str) -> dict[Key, int]:
        found = self.sql(
            "SELECT hospital_id, insurance_type, amount_fen FROM payment WHERE publication_id = ?",
            publication_id,
        )
        return {(hospital, kind): fen for hospital, kind, fen in found}

    def rows_of(self, outcome: Outcome, table: str = "case_payment") -> dict[str, dict[str, Any]]:
        """A table of a run folder by case_id."""
        found = pq.read_table(outcome.folder / f"{table}.parquet").to_pylist()
        return {row["case_id"]: row for row in found}

    def hospitals(self, outcome: Outcome) -> dict[Key, dict[str, Any]]:
        found = pq.read_table(outcome.folder / "hospital_payment.parquet").to_pylist()
        return {(row["hospital_id"], row["insurance_type"]): row for row in found}

    # --- runs made up without the pipeline: what the ledger and publishing need of one

    def stub(
        self,
        period: str,
        due: Mapping[Key, int],
        by: str = "甲",
        most_owed: int | None = None,
        mark: str = "",
        cases: Sequence[str] = (),
    ) -> str:
        """A finished run in which each hospital is due so much, with these case ids, entered in the ledger; its id."""
        with self.ledger() as ledger:
            stands = standing(ledger, period, self.out)
            rows = balanced(due, stands.carried, stands.adjustments, most_owed)
            described = stands.described()
            told = json.dumps([period, rows, described, mark, *cases], sort_keys=True)
            run_id = hashlib.sha256(told.encode()).hexdigest()[:12]
            folder = self.home / period / run_id
            if not folder.exists():
                write_stub(folder, run_id, period, rows, described, cases)
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            enter_run(ledger, "month", manifest, folder, now(), by)
        return run_id

    def stub_year(
        self, year: str, cleared: Mapping[Key, int], kept: Mapping[Key, int] | None = None, by: str = "甲"
    ) -> str:
        """A finished clearing that owes each hospital so much, and alliances led by H1 what they keep or bear; its id."""
        with self.ledger() as ledger:
            steps = {step: taken.sha256 for step, taken in recorded(ledger, year).items()}
            adjusted = list(open_of_year(ledger, year)[2])
            stands = {"sha256": clearing_sha(ledger, year), "adjusted": adjusted, "steps": steps}
            rows = [[*key, fen] for key, fen in sorted(cleared.items())]
            held = [[*key, fen] for key, fen in sorted((kept or {}).items())]
            run_id = hashlib.sha256(json.dumps([year, rows, held, stands]).encode()).hexdigest()[:12]
            folder = self.home / year / run_id
            if not folder.exists():
                write_stub_year(folder, run_id, rows, held, stands)
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            enter_run(ledger, "clear", manifest, folder, now(), by)
        return run_id


def balanced(
    due: Mapping[Key, int], carried: Sequence[Any], adjustments: Sequence[Any], most_owed: int | None
) -> list[dict[str, Any]]:
    """hospital_result rows by DESIGN §7, one by one as the law reads."""
    taken = {(one.hospital_id, one.insurance_type): one.amount_fen for one in carried}
    added = {(one.hospital_id, one.insurance_type): one.amount_fen for one in adjustments}
    rows = []
    for key in sorted({*due, *taken, *added}):
        balance = due.get(key, 0) + taken.get(key, 0) + added.get(key, 0)
        payable = max(balance, 0)
        if most_owed is not None and balance < -most_owed:
            payable = balance + most_owed
        given = {
            "hospital_id": key[0], "insurance_type": key[1], "cases": 1, "fund_fen": due.get(key, 0),
            "settled_fen": due.get(key, 0), "due_fen": due.get(key, 0), "carried_in_fen": taken.get(key, 0),
            "adjustment_in_fen": added.get(key, 0), "payable_fen": payable, "carried_fen": balance - payable,
        }  # fmt: skip
        rows.append({"hospital_id": "", "insurance_type": ""} | dict.fromkeys(RESULTS, 0) | given)
    return rows


def write_stub(
    folder: Path, run_id: str, period: str, rows: list[dict[str, Any]], described: Mapping[str, Any],
    cases: Sequence[str] = (),
) -> None:  # fmt: skip
    """The files of a run that a later run or a publication reads."""
    (folder / "hospitals").mkdir(parents=True)
    keys = [(name, pa.string()) for name in ("hospital_id", "insurance_type")]
    schema = pa.schema([*keys, *((name, pa.int64()) for name in RESULTS)])
    pq.write_table(pa.Table.from_pylist(rows, schema), folder / "hospital_payment.parquet")
    for name, ids in (("case_payment", cases), ("scored", ()), ("held", ())):
        doors = ["paid"] * len(ids)
        held = pa.table({"case_id": pa.array(ids, pa.string()), "door": pa.array(doors, pa.string())})
        pq.write_table(held, folder / f"{name}.parquet")
    _finish_stub(folder, run_id, period, described, sum(row["payable_fen"] for row in rows))


def write_stub_year(
    folder: Path, run_id: str, rows: list[list[Any]], kept: list[list[Any]], described: Mapping[str, Any]
) -> None:
    """The files of a clearing that a publication reads: rows and kept are (id, insurance_type, fen)."""
    (folder / "hospitals").mkdir(parents=True)
    zeros = (
        "cases", "total_fee_fen", "pool_fund_fen", "standard_fen", "settled_fen", "revolving_offset_fen", "deposit_fen",
        "fund_from_points_fen",
    )  # fmt: skip
    names = ("hospital_id", "insurance_type", "clearing_fen", *zeros)
    told = [dict(zip(names, [*row, *(0 for _ in zeros)], strict=True)) for row in rows]
    pq.write_table(pa.Table.from_pylist(told), folder / "hospital_clearing.parquet")
    members = {name: pa.array([], pa.string()) for name in ("hospital_id", "insurance_type", "lead_id")}
    pq.write_table(
        pa.table(members | {"clearing_fen": pa.array([], pa.int64())}),
        folder / "alliance_member_clearing.parquet",
    )
    schema = pa.schema([
        ("alliance_id", pa.string()), ("insurance_type", pa.string()), ("lead_id", pa.string()),
        ("retained_fen", pa.int64()), ("borne_fen", pa.int64()),
    ])  # fmt: skip
    alliances = [
        {"alliance_id": name, "insurance_type": kind, "lead_id": "H1", "retained_fen": max(fen, 0),
         "borne_fen": max(-fen, 0)} for name, kind, fen in kept
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(alliances, schema), folder / "alliance_clearing.parquet")
    _finish_stub(folder, run_id, folder.parent.name, described, sum(row[2] for row in rows))


def _finish_stub(
    folder: Path, run_id: str, period: str, described: Mapping[str, Any], payable_fen: int
) -> None:
    (folder / "region.xlsx").write_bytes(b"region")
    (folder / "hospitals" / "H1.xlsx").write_bytes(b"hospital")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    counts = dict.fromkeys(("rows_in", "paid", "refused", "held", "cases", "fund_fen"), 0)
    manifest = {
        "run": run_id, "period": period, "pack_version": "1", "pack_sha256": "0", "code_version": "0", "inputs": [],
        "schemes": [], "standing": dict(described), "totals": counts | {"payable_fen": payable_fen},
        "files": {str(file.relative_to(folder)): sha256_of(file) for file in files},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")


__all__ = ["NAME", "Key", "Ledger", "Office", "balanced", "case", "region_folder", "write_cases"]
