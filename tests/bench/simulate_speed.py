"""Speed and memory of a simulation: three proposals against the present on stored months.

    python tests/bench/simulate_speed.py [--cases 5000000] [--months 1] [--memory 2GiB] [--folder build/bench]

With --months 5 --cases 1000000 the same month stands for five: 5 million cases as a window of months. The month is
made, validated, grouped and priced once and kept (as by price_speed.py); the figure is of a process of its own that
simulates: seconds by the clock and of both cores, and the peak of the whole process. Goal: 5 million, three
proposals < 60 s.
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
import time
from decimal import Decimal
from pathlib import Path

from pipeline.identity import sha256_of
from pipeline.query import engine, parquet_view, store
from pipeline.region import Region, load_region
from pipeline.run import terms_and_schemes
from pipeline.runfolder import ground_sha
from pipeline.score import register_prices, score
from pipeline.simulate import simulate

TABLES = ("validated", "grouped", "case_payment", "scored")
FACTORS = ("0.8", "0.9", "1", "1.1", "1.25")


def stored_month(folder: Path, region: Region, cases: int) -> Path:
    """A run folder with what a simulation reads of one, made once."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from price_speed import PERIOD, grouped_month

    name = region.pack.name
    made = folder / "simulated" / name / PERIOD / f"stored-{cases}"
    if (made / "manifest.json").is_file():
        return made
    grouped = grouped_month(folder, name, cases)
    terms, schemes = terms_and_schemes(region)
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    for table in ("validated", "grouped"):
        os.link(grouped / f"{table}.parquet", made / f"{table}.parquet")
    with engine(made) as con:
        for table in ("validated", "grouped", "arrivals"):
            parquet_view(con, table, [grouped / f"{table}.parquet"])
        register_prices(con, region, terms, schemes)
        score(con, region.pack.kind, made)
        store(con, "case_payment", made / "case_payment.parquet")
    manifest = {
        "run": made.name, "region": name, "period": PERIOD, "pack_sha256": region.sha256, "standing": {"published": {}},
        "ground": ground_sha(region),
        "files": {f"{table}.parquet": sha256_of(made / f"{table}.parquet") for table in TABLES},
    }  # fmt: skip
    (made / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return made


def as_months(made: Path, count: int) -> list[Path]:
    """The stored month under as many periods as asked for, its files shared."""
    found = [made]
    manifest = json.loads((made / "manifest.json").read_text(encoding="utf-8"))
    for month in range(1, count):
        other = made.parent.parent / f"2025-{month:02}" / made.name
        shutil.rmtree(other, ignore_errors=True)
        other.mkdir(parents=True)
        for table in TABLES:
            os.link(made / f"{table}.parquet", other / f"{table}.parquet")
        again = manifest | {"period": f"2025-{month:02}", "run": f"{made.name}-{month}"}
        (other / "manifest.json").write_text(json.dumps(again), encoding="utf-8")
        found.append(other)
    return found


def proposals(folder: Path, region: Region) -> list[tuple[str, Path]]:
    """Three tables of weights: every group times one of FACTORS, in turn from another start."""
    source = region.folder / region.pack.weights[-1].file
    found = []
    for start in range(3):
        target = folder / f"proposal-{region.pack.name}-{start}.csv"
        with (
            source.open(encoding="utf-8-sig", newline="") as read,
            target.open("w", encoding="utf-8") as write,
        ):
            write.write("drg,weight\n")
            for place, row in enumerate(csv.DictReader(read)):
                weight = Decimal(row["weight"]) * Decimal(FACTORS[(place * 7 + start) % len(FACTORS)])
                write.write(f"{row['drg']},{max(weight.quantize(Decimal('0.0001')), Decimal('0.0001'))}\n")
        found.append((f"方案{start + 1}", target))
    return found


def main() -> None:
    """Make what is needed, then simulate in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=5_000_000)
    parser.add_argument("--months", type=int, default=1)
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--region", default="demo-rate")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--work", type=Path, help="simulate on this stored month in this process")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    region = load_region(options.region)
    if not options.work:
        made = stored_month(options.folder, region, options.cases)
        subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--work", str(made)], check=True, env=os.environ
        )
        return
    months = as_months(options.work, options.months)
    out = options.folder / "simulation-out"
    shutil.rmtree(out, ignore_errors=True)
    start, busy = time.perf_counter(), time.process_time()
    done = simulate(region, months, proposals(options.folder, region), [], out, options.memory)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    cases = done.manifest["totals"][0]["cases_before"]
    print(f"simulate {options.region:<12}{cases:>12,} cases × {len(done.manifest['totals'])} proposals {seconds:7.2f} s"
          f"  cores {busy:.2f} s  peak {peak:.2f} GiB", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
