"""A demo year through the command line: months run and published, special cases, a rerun, the clearing, all sums tied.

    python tests/bench/demo_year.py [--cases 1000000] [--hospitals 60] [--months 12] [--folder build/demo-year] [--again]

By points (demo-points), its budgets scaled to what the months cost, two alliances, a change of weights in July, thirty
special cases, the reversals of `synth`. Prints what each step took and what it paid, and proves the year's sums.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import resource
import shutil
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

ROOT = Path(__file__).parents[2]
YEAR = "2025"
NAMES = ("张计算", "王复核", "李审批")
SPECIAL = 30


class Year:
    """The folder of one demo year and the commands run in it."""

    def __init__(self, folder: Path, months: int) -> None:
        self.folder, self.out, self.pack = folder, folder / "out", folder / "demo-year"
        self.months = [f"{YEAR}-{number:02d}" for number in range(1, months + 1)]
        self.took: list[tuple[str, float]] = []

    def say(self, *words: str, read: bool = True) -> dict[str, Any]:
        """One command; its JSON. The seconds are kept by the command's name."""
        command = [sys.executable, "-c", "from pipeline.cli import main; main()", *words]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--json"] if read else command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        self.took.append((words[0], time.perf_counter() - start))
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}")
        return dict(json.loads(done.stdout)) if read else {}

    def region(self) -> str:
        return f"{self.pack}/"

    def month(self, period: str) -> dict[str, Any]:
        """Run a month on its own input."""
        place = self.folder / "discharges" / f"month={period}"
        return self.say("run", self.region(), "--period", period, "--input", str(place), "--out", str(self.out),
                        "--by", NAMES[0])  # fmt: skip

    def make_final(self, run: str) -> dict[str, Any]:
        """Recheck and publish."""
        self.say("recheck", self.region(), run, "--by", NAMES[1], "--out", str(self.out), read=False)
        return self.say("publish", self.region(), run, "--approved-by", NAMES[2], "--out", str(self.out))

    @property
    def home(self) -> Path:
        return self.out / "demo-year"


def make_pack(year: Year, budget_yuan: dict[tuple[str, str], int]) -> None:
    """demo-points for the synthetic hospitals, with two alliances and weights that change in July."""
    shutil.copytree(ROOT / "configs" / "regions" / "demo-points", year.pack)
    with (year.folder / "discharges" / "_hospitals.csv").open(encoding="utf-8") as file:
        hospitals = [row | {"to": ""} for row in csv.DictReader(file)]
    _write(year.pack / "hospitals.csv", hospitals)
    counties = sorted({row["county"] for row in hospitals})[-2:]
    members = [
        {"alliance_id": f"A{county}", "alliance_name": f"{county} 县域医共体", "hospital_id": row["hospital_id"],
         "role": "lead" if place == 0 else "member", "from": f"{YEAR}-07-01" if place == 1 else f"{YEAR}-01-01",
         "to": "", "source": "示范取值"}
        for county in counties
        for place, row in enumerate([row for row in hospitals if row["county"] == county])
    ]  # fmt: skip
    _write(year.pack / "alliances.csv", members)
    _write(year.pack / "assessments.csv", [
        {"year": YEAR, "hospital_id": row["hospital_id"], "insurance_type": "",
         "coefficient": f"0.{99 - place % 5}", "deposit_return": f"0.{95 + place % 5}", "source": "示范取值"}
        for place, row in enumerate(hospitals)
    ])  # fmt: skip
    alliances = sorted({row["alliance_id"] for row in members})
    _write(year.pack / "alliance_packages.csv", [
        {"alliance_id": name, "year": YEAR, "insurance_type": "390", "form": "per_capita", "insured": 120_000,
         "per_capita_yuan": 960, "serious_illness_yuan": 90, "risk_reserve": "0.05", "budget_share": "", "counties": name[1:],
         "source": "示范取值"}
        for name in alliances
    ])  # fmt: skip
    _write(year.pack / "alliance_assessments.csv", [
        {"year": YEAR, "alliance_id": name, "retention": "0.9", "county": 6, "township": 3, "village": 1,
         "source": "示范取值"} for name in alliances
    ])  # fmt: skip
    set_budgets(year, budget_yuan)
    text = (
        (year.pack / "region.yaml")
        .read_text(encoding="utf-8")
        .replace("name: demo-points", "name: demo-year", 1)
    )
    text = text.replace("point_scale:", f"{JULY}\npoint_scale:", 1)
    plain = re.sub(
        r"\nclearing:.*?\n\n", "\n", text, flags=re.DOTALL
    )  # the demo region's own way of clearing
    (year.pack / "region.yaml").write_text(plain + CLEARING, encoding="utf-8")
    set_july_weights(year, Decimal("1.05"))


JULY = f"""  - from: {YEAR}-07-01
    file: weights-july.csv
    scheme: chs-drg-2.0
    source: 示范取值：年中权重调整
"""
CLEARING = f"""
clearing:
  - from: {YEAR}-01-01
    value: floating
    lines_as_priced: [跨省异地]
    bands_measure: fund
    bands:
      - {{lo: 0, hi: 0.8, base: 0, share: 1}}
      - {{lo: 0.8, hi: 1.0, base: 1, share: 0}}
      - {{lo: 1.0, hi: 1.1, base: 1, share: 0.7}}
      - {{lo: 1.1, hi: null, base: 1.07, share: 0}}
    source: 示范取值（B01 的分段）

alliance:
  - from: {YEAR}-01-01
    overspend_share: 0.5
    lead_due_workdays: 20
    member_due_workdays: 10
    source: 示范取值
"""


def set_july_weights(year: Year, factor: Decimal) -> None:
    """The weights from July on: every tenth group times a factor, to four digits."""
    with (year.pack / "weights-2025.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows[::10]:
        row["weight"] = str((Decimal(row["weight"]) * factor).quantize(Decimal("0.0001")))
    _write(year.pack / "weights-july.csv", rows)


def set_budgets(year: Year, budget_yuan: dict[tuple[str, str], int]) -> None:
    """The first version of the year's budget by pool: insurance type and budget line."""
    _write(year.pack / "budgets.csv", [
        {"insurance_type": kind, "budget_line": line, "year": YEAR, "fund": yuan, "version": 1, "reason": "", "source": "示范取值"}
        for (kind, line), yuan in budget_yuan.items()
    ])  # fmt: skip


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def decide(year: Year, run: Path, period: str, count: int) -> None:
    """Export candidates of a month and decide on the first few: a third each by item, adjusted, rejected."""
    listed = year.folder / f"candidates-{period}.xlsx"
    year.say("review", "export", str(run), "--region", year.region(), "--out", str(listed), read=False)
    candidates = pl.read_parquet(run / "scored.parquet").filter(
        (pl.col("total_fee_fen") > 2 * pl.col("standard_fen")) & pl.col("reverses").is_null() & (pl.col("standard_fen") > 0)
    ).sort("total_fee_fen", "case_id", descending=[True, False]).head(count)  # fmt: skip
    header = ("结算ID", "决定", "调整后支付标准", "排名", "评议人", "评议日期", "理由", "文书号")
    path = year.folder / f"decisions-{period}.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for place, row in enumerate(candidates.iter_rows(named=True)):
            decision = ("按项目", "调整", "不予")[place % 3]
            adjusted = Decimal(row["standard_fen"] * 3 // 2).scaleb(-2) if decision == "调整" else ""
            writer.writerow(
                (
                    row["case_id"],
                    decision,
                    adjusted,
                    place + 1,
                    "专家组",
                    f"{period}-28",
                    "费用极高",
                    f"单议{place}",
                )
            )
    year.say(
        "review", "import", year.region(), str(path), "--by", NAMES[1], "--runs", str(year.out), read=False
    )


def tie(year: Year, cleared: dict[str, Any]) -> None:
    """The year's law once more, from the ledger file and the Parquet alone."""
    import sqlite3

    with sqlite3.connect(year.home / "ledger.sqlite") as con:
        (months,) = con.execute("SELECT sum(amount_fen) FROM payment p JOIN publication q USING (publication_id) "
                                "WHERE q.kind = 'month'").fetchone()  # fmt: skip
        (clearing,) = con.execute("SELECT sum(amount_fen) FROM payment p JOIN publication q USING (publication_id) "
                                  "WHERE q.kind = 'clear' AND p.hospital_id LIKE 'H%'").fetchone()  # fmt: skip
    frame = pl.read_parquet(Path(cleared["folder"]) / "hospital_clearing.parquet")
    entitled, kept = (
        int(frame["entitlement_fen"].sum()),
        int((frame["deposit_fen"] - frame["deposit_returned_fen"]).sum()),
    )
    assert months + clearing == entitled - kept, (months, clearing, entitled, kept)
    budgets = pl.read_parquet(Path(cleared["folder"]) / "pool_balance.parquet").filter(
        pl.col("value").is_not_null()
    )
    assert budgets["budget_fen"].to_list() == budgets["fund_from_points_fen"].to_list()
    print(f"months {months:,} + clearing {clearing:,} = entitlement {entitled:,} − deposit kept {kept:,} (fen); "
          f"budget used to the fen: {budgets['fund_from_points_fen'].to_list()}")  # fmt: skip


def main() -> None:
    """Make the data once, then live the year."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--hospitals", type=int, default=60)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--folder", type=Path, default=Path("build/demo-year"))
    options = parser.parse_args()
    folder = options.folder.resolve()
    shutil.rmtree(folder / "out", ignore_errors=True)
    shutil.rmtree(folder / "demo-year", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    year = Year(folder, options.months)
    if not (folder / "discharges").is_dir():
        span = f"{year.months[0]}..{year.months[-1]}"
        year.say("synth", str(folder / "discharges"), "--cases", str(options.cases), "--hospitals",
                 str(options.hospitals), "--months", span, "--seed", "25")  # fmt: skip
    make_pack(year, {(kind, line): 1_000_000_000 for kind in ("310", "390") for line in ("", "跨省异地")})
    funds: dict[tuple[str, str], int] = {}
    for place, period in enumerate(year.months):
        made = year.month(period)
        if place in (2, 5, 8):
            decide(year, Path(made["folder"]), period, SPECIAL // 3)
            made = year.month(period)
        done = year.make_final(made["run"])
        totals = made["totals"]
        scored = pl.scan_parquet(Path(made["folder"]) / "scored.parquet").group_by(
            "insurance_type", "budget_line"
        )
        for kind, line, fen in scored.agg(pl.col("fund_fen").sum()).collect().iter_rows():
            funds[kind, line] = funds.get((kind, line), 0) + fen
        print(f"{period} {made['run']}: in {totals['rows_in']:,} paid {totals['paid']:,} refused {totals['refused']:,} "
              f"held {totals['held']:,}; paid {done['paid_fen']:,} fen, due {done['due_on']}", flush=True)  # fmt: skip
    set_july_weights(year, Decimal("1.03"))  # another meeting: less than was agreed in July
    found = year.say("rerun", year.region(), "--from", f"{YEAR}-07", "--to", year.months[-1], "--by", NAMES[0],
                     "--rechecked-by", NAMES[1], "--approved-by", NAMES[2], "--out", str(year.out))  # fmt: skip
    for one in found["months"]:
        print(f"rerun {one['period']}: {one['recomputed_fen'] - one['published_fen']:+,} fen, "
              f"{one['hospitals_changed']} hospitals, version {one['version']}")  # fmt: skip
    set_budgets(year, {pool: fen // 100 * 98 // 100 for pool, fen in sorted(funds.items())})
    for step in ("plan", "data", "assessment"):
        year.say(
            "year", year.region(), "--year", YEAR, "--step", step, "--by", NAMES[1], "--out", str(year.out)
        )
    cleared = year.say("clear", year.region(), "--year", YEAR, "--by", NAMES[0], "--out", str(year.out))
    print(f"clear {cleared['run']}: {cleared['totals']}")
    done = year.make_final(cleared["run"])
    print(f"published {done['publication_id']}: {done['paid_fen']:,} fen")
    year.say("verify", year.region(), "--out", str(year.out))
    tie(year, cleared)
    by_name: dict[str, list[float]] = {}
    for name, seconds in year.took:
        by_name.setdefault(name, []).append(seconds)
    for name, seconds in by_name.items():
        print(
            f"{name:<10} {len(seconds):>3} × median {sorted(seconds)[len(seconds) // 2]:7.2f} s, sum {sum(seconds):8.2f} s"
        )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"largest process {peak:.2f} GiB")


if __name__ == "__main__":
    main()
