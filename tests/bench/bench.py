"""Speed and memory of whole commands, as medians, with the bare read-and-write beside grouping in one run.

    python tests/bench/bench.py [--cases 10000000] [--runs 3] [--folder build/bench]

Every figure is of a whole process, start-up included: wall seconds and the largest resident set that the
kernel saw. Input is made once by `drgdip synth` and kept in the folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
DRGDIP = str(Path(sys.executable).with_name("drgdip"))


@dataclass(frozen=True)
class Figure:
    """Wall seconds and peak memory (GiB) of one finished process."""

    seconds: float
    peak_gib: float


def measure(command: list[str]) -> Figure:
    """Run a command to its end; stops the benchmark where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"failed with status {status}: {' '.join(command)}")
    return Figure(seconds, usage.ru_maxrss / 2**20)


def made(folder: Path, cases: int) -> Path:
    """A synthetic month of so many cases, made once."""
    target = folder / f"synth-{cases}"
    if not target.is_dir():
        figure = measure(
            [DRGDIP, "synth", str(target), "--cases", str(cases), "--months", "2025-10", "--seed", "11"]
        )
        report("synth", cases, [figure])
    return target


def report(work: str, cases: int, figures: list[Figure]) -> float:
    """Print one line; returns the median seconds."""
    seconds = statistics.median(figure.seconds for figure in figures)
    peak = max(figure.peak_gib for figure in figures)
    print(f"{work:<26}{cases:>12,} cases {seconds:8.2f} s {cases / seconds:12,.0f} /s  peak {peak:5.2f} GiB"
          f"  (n={len(figures)})", flush=True)  # fmt: skip
    return seconds


def grouping(folder: Path, cases: int, runs: int) -> None:
    """`drgdip group` and the bare read-and-write in turn."""
    source = str(made(folder, cases))
    bare_command = [sys.executable, str(HERE / "bare.py"), source, str(folder / "bare.parquet")]
    out = str(folder / "grouped.parquet")
    group, bare, ratios = [], [], []
    measure(bare_command)  # not counted: it fetches the input from the disk for all that follow
    for _ in range(runs):
        bare.append(measure(bare_command))
        group.append(measure([DRGDIP, "group", source, "--scheme", "chs-drg-2.0", "--out", out]))
        ratios.append(group[-1].seconds / bare[-1].seconds)
    report("bare read and write", cases, bare)
    report("group", cases, group)
    print(
        f"{'group / bare':<26}{statistics.median(ratios):>12.2f}  (each: {', '.join(f'{r:.2f}' for r in ratios)})"
    )


def whole(folder: Path, cases: int, runs: int) -> None:
    """`drgdip run`, each time into an empty place; then `explain` of one of its cases."""
    source, out = str(made(folder, cases)), folder / "out"
    figures = []
    for _ in range(runs):
        shutil.rmtree(out, ignore_errors=True)
        figures.append(
            measure([DRGDIP, "run", "demo-rate", "--period", "2025-10", "--input", source, "--out", str(out)])
        )
    report("run", cases, figures)
    import pyarrow.parquet as pq

    scored = next(out.glob("demo-rate/2025-10/*/scored.parquet"))
    case_id = pq.ParquetFile(scored).read_row_group(0, columns=["case_id"])["case_id"][cases // 100].as_py()
    report(
        "explain",
        cases,
        [measure([DRGDIP, "explain", case_id, "--out", str(out)]) for _ in range(max(3, runs))],
    )


def main() -> None:
    """Parse the options and run every benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=10_000_000)
    parser.add_argument("--whole", type=int, nargs="*", default=[1_000_000, 5_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    grouping(options.folder, options.cases, options.runs)
    for cases in options.whole:
        source = str(made(options.folder, cases))
        command = [DRGDIP, "validate", "demo-rate", "--period", "2025-10", "--input", source]
        report("validate", cases, [measure(command) for _ in range(options.runs)])
        whole(options.folder, cases, options.runs)


if __name__ == "__main__":
    main()
