"""Speed and memory of pricing alone: `score()` on the validated and grouped Parquet of a finished month.

    python tests/bench/price_speed.py [--cases 5000000] [--runs 3] [--memory 2GiB] [--folder build/bench]

The month is made, validated and grouped once and kept; each figure is of a process of its own: seconds of `score()`
as a rerun after a change of weights would spend them, those of both cores together (cpu), and the peak of the whole
process. Goal: 5 million < 12 s, < 3 GiB.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from groupers.codes import load_code_tables
from pipeline.arrivals import find_repeats, register_input
from pipeline.decide import Review
from pipeline.finish import Month
from pipeline.identity import Identity
from pipeline.query import engine, parquet_view
from pipeline.read import open_source
from pipeline.region import load_region
from pipeline.run import _stream, terms_and_schemes
from pipeline.score import register_prices, score
from pipeline.standing import Standing
from pipeline.synth import synthesise
from pipeline.writers import RunWriters
from pipeline.yardstick import yardstick

PERIOD = "2025-10"


def grouped_month(folder: Path, region_name: str, cases: int) -> Path:
    """validated, grouped and arrivals of a synthetic month, made once."""
    made = folder / f"grouped-{region_name}-{cases}"
    if made.is_dir():
        return made
    source = folder / f"synth-{cases}"
    if not source.is_dir():
        synthesise(source, cases, [PERIOD], seed=11)
    draft = made.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    region, opened = load_region(region_name), open_source(source)
    terms, schemes = terms_and_schemes(region)
    with engine(draft) as con, RunWriters(draft, region.pack.kind) as writers:
        register_input(con, opened)
        repeats = find_repeats(con, opened)
        measure = yardstick(
            region, list(schemes.values()), load_code_tables(), PERIOD, repeats.repeated, repeats.conflicting
        )
        identity, stands = Identity("", PERIOD, (), (), "", ""), Standing(PERIOD, 0)
        month = Month(region, schemes, PERIOD, identity, stands, lambda *_: None, Review())
        _stream(month, terms, opened, measure, writers)
        writers.tables()
    draft.rename(made)
    return made


def timed(made: Path, region_name: str, memory: str) -> None:
    """Price the month and print one line."""
    region = load_region(region_name)
    terms, schemes = terms_and_schemes(region)
    out = made.with_suffix(".scored")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    with engine(out, memory) as con:
        for name in ("validated", "grouped", "arrivals"):
            parquet_view(con, name, [made / f"{name}.parquet"])
        start, busy = time.perf_counter(), time.process_time()
        register_prices(con, region, terms, schemes)
        ready = time.perf_counter() - start
        late = score(con, region.pack.kind, out)
        seconds, cpu = time.perf_counter() - start, time.process_time() - busy
        (priced,) = con.execute("SELECT count(*) FROM scored").fetchone() or (0,)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"score {region_name:<12}{priced:>12,} priced {late.num_rows:>9,} late {seconds:7.2f} s (cpu {cpu:.1f})"
          f" {priced / seconds:12,.0f} /s  tables {ready:.2f} s  peak {peak:.2f} GiB", flush=True)  # fmt: skip


def main() -> None:
    """Parse the options, make the month once, and price it in processes of their own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--region", default="demo-rate")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--work", type=Path, help="price this grouped month in this process")
    options = parser.parse_args()
    if options.work:
        timed(options.work, options.region, options.memory)
        return
    made = grouped_month(options.folder, options.region, options.cases)
    for _ in range(options.runs):
        command = [sys.executable, __file__, *sys.argv[1:], "--work", str(made)]
        subprocess.run(command, check=True, env=os.environ)


if __name__ == "__main__":
    main()
