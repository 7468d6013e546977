"""A weight negotiation played through by the command line: sheets out, filled with mistakes, mended, rescaled in three ways,
simulated, one accepted, nine published months computed again and published, and all of it undone; every sum tied.

    python tests/bench/meeting.py [--cases 1000000] [--hospitals 60] [--months 9] [--folder build/meeting]

Prints what each step took and its largest memory. Every process is a command of its own; nothing is told to it but files.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl

ROOT = Path(__file__).parents[2]
YEAR = "2025"
CALCULATED, RECHECKED, APPROVED = "张计算", "王复核", "李审批"
PANELS = 12
MOST_MOVE = Decimal("0.10")  # of the present weight, so that rescaling stays within the pack's 30 %
FIRST_ROW = 5  # of a panel's sheet: title, two lines, header
OLD_TABLE = "weights-2025.csv"
Command = Callable[[Sequence[str], Path], tuple[int, str, str]]
Sums = dict[tuple[str, str, str], int]  # period, hospital, insurance type → fen


@dataclass
class Step:
    """One command: its name, seconds by the clock, the largest memory of its process in GiB."""

    name: str
    seconds: float
    gib: float


def in_a_process(words: Sequence[str], folder: Path) -> tuple[int, str, str, float]:
    """Exit code, what was said on both channels, and the peak of the process in GiB."""
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *words]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = subprocess.Popen(
            command, stdout=out, stderr=err, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return started.returncode, out.read().decode(), err.read().decode(), used.ru_maxrss / 2**20


@dataclass
class Meeting:
    """The folder of one meeting, its region, and the commands given in it."""

    folder: Path
    months: list[str]
    command: Command | None = None  # in this process, for the test
    steps: list[Step] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def pack(self) -> Path:
        return self.folder / "demo-meeting"

    @property
    def region(self) -> str:
        return f"{self.pack}/"

    @property
    def window(self) -> str:
        return f"{self.months[0]}..{self.months[-1]}"

    def say(self, *words: object, code: int = 0, read: bool = True, name: str = "") -> Any:
        """One command; its JSON, or its text without `read`. It must end with `code`."""
        given = [*map(str, words), *(["--json"] if read else [])]
        start = time.perf_counter()
        if self.command is None:
            found, out, err, gib = in_a_process(given, self.folder)
        else:
            found, out, err = self.command(given, self.folder)
            gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        two = f"{words[0]} {words[1]}" if words[0] == "negotiate" else str(words[0])
        self.steps.append(Step(name or two, time.perf_counter() - start, gib))
        if found != code:
            raise SystemExit(f"{' '.join(given)}: exit {found}\n{out}\n{err}")
        return json.loads(out) if read else out

    def publish(self, run: str) -> None:
        """Recheck a run and make it final."""
        self.say("recheck", self.region, run, "--by", RECHECKED, "--out", self.out, read=False)
        self.say("publish", self.region, run, "--approved-by", APPROVED, "--out", self.out)


def make_pack(meeting: Meeting) -> None:
    """demo-rate under a name of its own, for the invented hospitals."""
    shutil.copytree(ROOT / "configs" / "regions" / "demo-rate", meeting.pack)
    with (meeting.folder / "discharges" / "_hospitals.csv").open(encoding="utf-8") as file:
        hospitals = [row | {"to": ""} for row in csv.DictReader(file)]
    with (meeting.pack / "hospitals.csv").open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, list(hospitals[0]))
        writer.writeheader()
        writer.writerows(hospitals)
    (meeting.pack / "accounts.csv").unlink()  # of the demo region's own hospitals
    path = meeting.pack / "region.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("name: demo-rate", "name: demo-meeting", 1), encoding="utf-8")


def publish_months(meeting: Meeting) -> dict[str, Path]:
    """Every month run and made final; the run folders by month."""
    folders = {}
    for period in meeting.months:
        place = meeting.folder / "discharges" / f"month={period}"
        made = meeting.say("run", meeting.region, "--period", period, "--input", place, "--out", meeting.out,
                           "--by", CALCULATED)  # fmt: skip
        meeting.publish(made["run"])
        folders[period] = Path(made["folder"])
    return folders


def fill(template: Path, target: Path, slips: bool) -> dict[tuple[str, str], str]:
    """The sheet as twelve panels return it: the largest groups moved towards their cost, by at most a tenth.

    With `slips` the panels also make mistakes; returns where and which complaint each must raise.
    """
    book = openpyxl.load_workbook(template)
    sheets = sorted(
        (sheet for sheet in book.worksheets if len(sheet.title) == 4 and sheet.title.startswith("MDC")),
        key=lambda sheet: (-sum(row["cases"] for row in _rows(sheet)), sheet.title),
    )[:PANELS]
    for sheet in sheets:
        moved = [row for row in _rows(sheet) if row["implied"] is not None and row["cases"]]
        for row in sorted(moved, key=lambda row: (-row["cases"], row["number"]))[:10]:
            present, implied = Decimal(str(row["present"])), Decimal(str(row["implied"]))
            room = present * MOST_MOVE
            wanted = min(max(implied, present - room), present + room).quantize(Decimal("0.0001"))
            sheet[f"H{row['number']}"] = float(wanted)
            sheet[f"I{row['number']}"] = "按例均费用调整"
        last = _rows(sheet)[-1]
        sheet[f"J{last['number']}"] = "是"
    expected = _slip(sheets) if slips else {}
    book.save(target)
    return expected


def _rows(sheet: Any) -> list[dict[str, Any]]:
    """The groups of a sheet: number of the row, code, cases, present and implied weight."""
    found = []
    for number in range(FIRST_ROW, sheet.max_row + 1):
        code, cases, present, implied = (sheet.cell(number, column).value for column in (1, 3, 6, 7))
        if code not in (None, "合计"):
            found.append(
                {"number": number, "code": code, "cases": cases, "present": present, "implied": implied}
            )
    return found


def _slip(sheets: Sequence[Any]) -> dict[tuple[str, str], str]:
    """One mistake a panel, as meetings bring them; (sheet, cell) → the complaint."""
    expected: dict[tuple[str, str], str] = {}

    def slip(place: int, row: int, cells: dict[str, object], at: str, code: str) -> None:
        sheet, number = sheets[place], _rows(sheets[place])[row]["number"]
        for column, value in cells.items():
            sheet[f"{column}{number}"] = value
        expected[sheet.title, f"{at}{number}" if at else ""] = code

    def half_more(place: int, row: int) -> Decimal:
        return Decimal(str(_rows(sheets[place])[row]["present"])) * 3 / 2

    slip(0, 0, {"H": "一点二", "I": "费用上涨"}, "H", "not_a_number")
    slip(1, 0, {"A": "XX99"}, "A", "unknown_group")
    expected[sheets[1].title, ""] = "missing_group"  # whose code was changed
    tenth = (Decimal(str(_rows(sheets[2])[0]["present"])) * Decimal("1.1")).quantize(Decimal("0.0001"))
    slip(2, 0, {"H": float(tenth), "I": None}, "I", "no_reason")
    slip(3, 0, {"H": 900, "I": "多写了三个零"}, "H", "limits")
    slip(4, 0, {"H": -1, "I": "笔误"}, "H", "limits")
    slip(5, 0, {"H": "1.23456", "I": "费用上涨"}, "H", "digits")
    slip(6, 0, {"F": float(half_more(6, 0))}, "F", "changed")
    slip(7, 0, {"C": 999_999}, "C", "changed")
    slip(8, 0, {"J": "锁"}, "J", "lock")
    slip(9, 0, {"H": "=F5*1.02", "I": "公式"}, "H", "formula")
    slip(10, 0, {"H": float(half_more(10, 0).quantize(Decimal("0.0001"))), "I": "费用上涨"}, "H", "limits")
    other = _rows(sheets[0])[1]  # the first panel's group once more on the last panel's sheet
    number = _rows(sheets[11])[-1]["number"] + 1
    sheets[11].insert_rows(number)
    for column in range(1, 11):
        sheets[11].cell(number, column).value = sheets[0].cell(other["number"], column).value
    expected[sheets[11].title, f"A{number}"] = "two_panels"
    return expected


def negotiate(meeting: Meeting) -> dict[str, dict[str, Any]]:
    """Sheets out, back with mistakes, mended; rescaled in three ways: variant → its proofs."""
    folder = meeting.folder
    history = ("--history", meeting.window, "--runs", meeting.out)
    meeting.say("negotiate", "template", meeting.region, *history, "--out", folder / "panels.xlsx")
    expected = fill(folder / "panels.xlsx", folder / "returned.xlsx", slips=True)
    checked = meeting.say("negotiate", "check", folder / "returned.xlsx", "--region", meeting.region, code=11)
    found = {(one["sheet"], one["cell"]): one["code"] for one in checked["complaints"]}
    assert {place: found.get(place) for place in expected} == expected, (expected, found)
    assert set(found) <= set(expected) | {(sheet, cell) for sheet, cell in found if cell[:1] in "BCDEFG"}
    print(f"check: {len(found)} complaints, as planted: {'、'.join(sorted(set(expected.values())))}")
    fill(folder / "panels.xlsx", folder / "mended.xlsx", slips=False)
    clean = meeting.say("negotiate", "check", folder / "mended.xlsx", "--region", meeting.region, *history)
    print(
        f"mended: {clean['changed']} of {clean['groups']} groups, total {clean['before']} → {clean['proposed']}"
    )
    variants = {"all": (), "mdc": ("--scope", "mdc"), "placed": ("--place-residue",)}
    proofs = {}
    for name, words in variants.items():
        proofs[name] = meeting.say(
            "negotiate", "rescale", folder / "mended.xlsx", "--region", meeting.region, *history, *words,
            "--out", folder / f"{name}.csv", "--report", folder / f"{name}.xlsx",
        )  # fmt: skip
    (placed,) = proofs["placed"]["proofs"]
    assert Decimal(placed["placed"]) == Decimal(placed["before"]), placed
    print(
        f"placed: f {placed['factor_8']}, residue {placed['residue']}, left {placed['left']}, {placed['steps']}"
    )
    return proofs


def simulate(meeting: Meeting, folders: dict[str, Path]) -> dict[str, Any]:
    """The three variants against the present weights on all months."""
    words = [word for folder in folders.values() for word in ("--history", folder)]
    for name, title in (("all", "统一缩放"), ("mdc", "分类缩放"), ("placed", "余数归位")):
        words += ["--proposal", f"{title}={meeting.folder / f'{name}.csv'}"]
    shutil.rmtree(meeting.folder / "simulation", ignore_errors=True)
    found = meeting.say(
        "negotiate", "simulate", meeting.region, *words, "--out", meeting.folder / "simulation"
    )
    for row in found["totals"]:
        print(f"simulate {row['proposal']}: fund {row['fund_change_fen']:+,} fen, {row['won']} gain, "
              f"{row['lost']} lose, {row['crossed']} cases cross")  # fmt: skip
    return dict(found)


def due_of(folder: Path) -> dict[tuple[str, str], int]:
    """hospital, insurance type → what a run says is due for the month, from its Parquet alone."""
    frame = pl.read_parquet(folder / "hospital_payment.parquet")
    return {
        (row["hospital_id"], row["insurance_type"]): row["due_fen"] for row in frame.iter_rows(named=True)
    }


def rerun(meeting: Meeting, folders: dict[str, Path], name: str) -> tuple[dict[str, Path], Sums]:
    """Every month computed again and made final; the new run folders, and new − old by Parquet."""
    done = meeting.say(
        "rerun", meeting.region, "--from", meeting.months[0], "--to", meeting.months[-1], "--by", CALCULATED,
        "--rechecked-by", RECHECKED, "--approved-by", APPROVED, "--out", meeting.out, name=name,
    )  # fmt: skip
    made = {one["period"]: folders[one["period"]].parent / one["run"] for one in done["months"]}
    assert list(made) == meeting.months
    moved: Sums = {}
    for period, folder in made.items():
        old, new = due_of(folders[period]), due_of(folder)
        for key in sorted(old.keys() | new.keys()):
            moved[(period, *key)] = new.get(key, 0) - old.get(key, 0)
    return made, {key: fen for key, fen in moved.items() if fen}


def adjustments(meeting: Meeting, version: int) -> Sums:
    """period, hospital, insurance type → difference, as the ledger has it for one version."""
    import sqlite3

    with sqlite3.connect(meeting.out / "demo-meeting" / "ledger.sqlite") as con:
        rows = con.execute(
            "SELECT a.period, a.hospital_id, a.insurance_type, a.difference_fen FROM adjustment a "
            "JOIN publication p USING (publication_id) WHERE p.version = ?", (version,),
        ).fetchall()  # fmt: skip
    return {(period, hospital, kind): fen for period, hospital, kind, fen in rows if fen}


def weight_moved(meeting: Meeting, table: Path, folders: dict[str, Path]) -> Decimal:
    """Σ (new − old weight) × cases of the history, reversals counted −1, from the tables and the Parquet alone."""
    frame = pl.concat([
        pl.scan_parquet(folder / "scored.parquet").select("group_code", "case_count") for folder in folders.values()
    ])  # fmt: skip
    cases = dict(frame.group_by("group_code").agg(pl.col("case_count").sum()).collect().iter_rows())
    old, new = weights_of(meeting.pack / OLD_TABLE), weights_of(table)
    return sum(((new[group] - old[group]) * n for group, n in cases.items() if group in old), Decimal(0))


def weights_of(path: Path) -> dict[str, Decimal]:
    """Group → weight of a table."""
    with path.open(encoding="utf-8") as file:
        return {row["drg"]: Decimal(row["weight"]) for row in csv.DictReader(file)}


def play(meeting: Meeting) -> dict[str, Any]:
    """The whole meeting; what the test looks at."""
    folders = publish_months(meeting)
    negotiate(meeting)
    simulated = simulate(meeting, folders)
    accepted = meeting.say(
        "negotiate", "apply", meeting.folder / "placed.csv", "--region", meeting.region, "--from", f"{YEAR}-01-01",
        "--replaces", OLD_TABLE, "--minutes", "示医保谈〔2025〕3号", "--held", f"{YEAR}-10-20", "--by", CALCULATED,
        "--panel", "内科组", "--panel", "外科组", "--history", meeting.window, "--out", meeting.out,
    )  # fmt: skip
    assert accepted["fresh"] and accepted["months"] == meeting.months, accepted
    assert Decimal(accepted["total"]["before"]) == Decimal(accepted["total"]["after"])
    assert weight_moved(meeting, meeting.pack / accepted["file"], folders) == 0
    print(f"apply: {accepted['file']}, {accepted['changed']} groups, total {accepted['total']['after']} kept")
    later, moved = rerun(meeting, folders, "rerun")
    assert adjustments(meeting, 2) == moved and moved
    tell(moved)
    first = meeting.months[0]
    found = meeting.say("diff", meeting.region, folders[first].name, later[first].name, "--out", meeting.out)
    # A row held then and paid by a later month since changes its door and no money.
    reasons = {row["reason"] for row in found["reasons"] if row["fund_fen"]}
    assert reasons == {"weight"}, found["reasons"]
    print(f"diff {first}: {found['changed']:,} cases, {found['reasons'][0]['reason']} first")
    undone = meeting.say(
        "negotiate", "undo", accepted["file"], "--region", meeting.region, "--minutes", "示医保谈〔2025〕4号",
        "--held", f"{YEAR}-10-25", "--by", CALCULATED, "--out", meeting.out,
    )  # fmt: skip
    assert (meeting.pack / undone["file"]).read_bytes() == (meeting.pack / OLD_TABLE).read_bytes()
    _, back = rerun(meeting, later, "rerun (undone)")
    assert adjustments(meeting, 3) == back == {key: -fen for key, fen in moved.items()}
    print(
        f"undone: {sum(moved.values()):+,} and {sum(back.values()):+,} fen: every hospital and month is as it was"
    )
    meeting.say("verify", meeting.region, "--out", meeting.out)
    return {"simulated": simulated, "accepted": accepted, "moved": moved, "back": back, "undone": undone}


def tell(moved: Sums) -> None:
    """The adjustments by month, tied to the two publications of each."""
    for period in sorted({period for period, _, _ in moved}):
        rows = [fen for (month, _, _), fen in moved.items() if month == period]
        print(f"rerun {period}: {sum(rows):+,} fen over {len(rows)} hospitals and types; "
              f"paid {sum(fen for fen in rows if fen > 0):+,}, taken {sum(fen for fen in rows if fen < 0):+,}")  # fmt: skip
    print(f"Σ adjustments = Σ (new − old publication) = {sum(moved.values()):+,} fen, row by row")


def prepare(meeting: Meeting, cases: int, hospitals: int) -> None:
    """The records, made once, and the region anew."""
    for place in (meeting.out, meeting.pack):
        shutil.rmtree(place, ignore_errors=True)
    meeting.folder.mkdir(parents=True, exist_ok=True)
    if not (meeting.folder / "discharges").is_dir():
        meeting.say("synth", meeting.folder / "discharges", "--cases", cases, "--hospitals", hospitals,
                    "--months", meeting.window, "--seed", 31)  # fmt: skip
    make_pack(meeting)


def main() -> None:
    """Play the meeting and print the times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--hospitals", type=int, default=60)
    parser.add_argument("--months", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=Path("build/meeting"))
    options = parser.parse_args()
    months = [f"{YEAR}-{number:02d}" for number in range(1, options.months + 1)]
    meeting = Meeting(options.folder.resolve(), months)
    prepare(meeting, options.cases, options.hospitals)
    play(meeting)
    names = list(dict.fromkeys(step.name for step in meeting.steps))
    print(f"{'step':<22} {'n':>3} {'median s':>9} {'sum s':>9} {'GiB':>6}")
    for name in names:
        own = [step for step in meeting.steps if step.name == name]
        seconds = sorted(step.seconds for step in own)
        print(f"{name:<22} {len(own):>3} {seconds[len(own) // 2]:>9.2f} {sum(seconds):>9.2f} "
              f"{max(step.gib for step in own):>6.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
