"""Speed and memory of DIP matching: records a second on synthetic discharges, the bare read beside it.

    python tests/bench/dip_speed.py [--cases 2000000] [--scheme dip-2.0] [--folder build/bench]

Every figure is of a process of its own, start-up included. Rows that the national library has no pooled rows
for are given invented ones, so that all four ends of the order are walked.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.compute as pc

from groupers.dip.catalogue import POOLED_CLASSES, Catalogue, PooledRow
from groupers.dip.load import load_catalogue
from groupers.dip.match import Matcher
from pipeline.read import open_source, stream
from pipeline.synth import synthesise
from pipeline.tables import DISCHARGES


def with_pooled(catalogue: Catalogue) -> Catalogue:
    """The catalogue, with a pooled row for every category and class where it has none."""
    if catalogue.pooled:
        return catalogue
    categories = sorted({row.dx4[:3] for row in catalogue.core})
    pooled = tuple(
        PooledRow(f"{dx3}-{number}", dx3, kind, None, None, frozenset(), "")
        for dx3 in categories
        for number, kind in enumerate(POOLED_CLASSES)
    )
    return dataclasses.replace(catalogue, pooled=pooled)


def measured(work: str, folder: Path, scheme: str, by_cost: bool) -> None:
    """Read all, or read and match all, and print one line."""
    wanted = {"dx_codes", "px_codes", "total_fee_fen"}
    source = open_source(folder, tuple(column for column in DISCHARGES if column.name in wanted))
    kinds: Counter[str] = Counter()
    start = time.perf_counter()
    rows = ready = 0.0
    if work == "match":
        catalogue = with_pooled(load_catalogue(scheme))
        if by_cost:
            choices = dataclasses.replace(
                catalogue.choices, conservative="any", tie_breakers=("nearest_mean_cost",)
            )
            catalogue = dataclasses.replace(catalogue, choices=choices)
        matcher = Matcher(catalogue)
        ready = time.perf_counter() - start
        for matched in stream(source, lambda piece, batch: matcher.match(batch)):
            rows += matched.num_rows
            for count in pc.value_counts(matched.column("dip_kind").combine_chunks()).to_pylist():
                kinds[count["values"]] += count["counts"]
            kinds["runner_up"] += matched.num_rows - matched.column("runner_up").null_count
    else:
        rows = sum(stream(source, lambda piece, batch: batch.num_rows))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{work + (' by cost' if by_cost else ''):<16}{int(rows):>12,} cases {seconds:7.2f} s {rows / seconds:12,.0f} /s"
        f"  ready after {ready:.2f} s  peak {peak:.2f} GiB  {dict(kinds) or ''}",
        flush=True,
    )


def main() -> None:
    """Parse the options, make the input once, and measure each work in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=2_000_000)
    parser.add_argument("--scheme", default="dip-2.0")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--work", choices=("read", "match"))
    parser.add_argument("--by-cost", action="store_true")
    options = parser.parse_args()
    source = options.folder / f"dip-{options.cases}"
    if options.work:
        measured(options.work, source, options.scheme, options.by_cost)
        return
    if not source.is_dir():
        options.folder.mkdir(parents=True, exist_ok=True)
        synthesise(source, options.cases, ["2025-10"], seed=11)
    for words in (["--work", "read"], ["--work", "match"], ["--work", "match", "--by-cost"]):
        subprocess.run([sys.executable, __file__, *sys.argv[1:], *words], check=True, env=os.environ)


if __name__ == "__main__":
    main()
