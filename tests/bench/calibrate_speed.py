"""Speed and memory of `calibrate weights` on grouped cases.

    python tests/bench/calibrate_speed.py [--cases 15000000] [--memory 3GiB] [--folder build/bench] [--keep]

The history is invented with the engine, written once, of three years, every group of the demo region, every hospital;
one case in a thousand is taken back. The figure is of a process of its own that does what the command does: seconds by
the clock and of both cores, and the peak of the process. Goal (issue 6): 15 million in < 2 minutes, < 4 GiB.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.region import load_region

REGION = "demo-rate"
FILES = 12


def history(folder: Path, cases: int) -> Path:
    """Grouped cases as `group` and discharges joined would give them; fees lie around the group's weight."""
    made = folder / f"grouped-{cases}"
    if made.is_dir():
        return made
    beside = made.with_suffix(".part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    region = load_region(REGION)
    weights = region.tables.weights[region.pack.weights[-1].file]
    with duckdb.connect(
        config={"threads": "2", "memory_limit": "2GiB", "temp_directory": str(beside)}
    ) as con:
        con.register("groups", pa.table({"place": range(len(weights)), "drg": list(weights),
                                         "weight": [int(weight * 10_000) for weight in weights.values()]}))  # fmt: skip
        names = [one.hospital_id for one in region.hospitals]
        con.register("hospitals", pa.table({"seat": range(len(names)), "hospital_id": names}))
        for file in range(FILES):
            first, last = cases * file // FILES, cases * (file + 1) // FILES
            con.execute(f"""COPY (
                SELECT (449900000000000000 + i)::VARCHAR AS case_id, hospital_id,
                    DATE '2023-01-01' + (hash(j, 1) % 1096)::INTEGER AS discharge_date,
                    CASE WHEN hash(j, 2) % 3 = 0 THEN '310' ELSE '390' END AS insurance_type, drg,
                    CASE WHEN i <> j THEN -1 ELSE 1 END * (weight * (30 + hash(j, 3) % 120))::BIGINT AS total_fee_fen,
                    CASE WHEN i <> j THEN (449900000000000000 + j)::VARCHAR END AS reverses
                FROM (SELECT range AS i, range - (range % 1000 = 7)::BIGINT AS j FROM range({first}, {last}))
                -- the product of two even draws: many cases in few groups
                JOIN groups ON place = (hash(j, 4) % 1000) * (hash(j, 5) % 1000) * {len(weights)} // 1000000
                JOIN hospitals ON seat = hash(j, 6) % {len(names)}
            ) TO '{beside}/part-{file:02}.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)""")
    beside.rename(made)
    return made


def measured(made: Path, out: Path, memory: str) -> dict[str, object]:
    """The command's work in this process."""
    from pipeline.calibrate_draft import DraftOrder
    from pipeline.calibrate_price_rules import load_price_rules
    from pipeline.calibrate_weights import calibrate_weights, weights_of
    from pipeline.calibrate_weights_files import summary, write_draft
    from pipeline.calibrate_window import ground_of, read_window

    region, rules = load_region(REGION), load_price_rules()
    marks: list[tuple[str, float]] = []
    begun, used = time.perf_counter(), time.process_time()
    ground = ground_of(region)
    window = read_window(
        [str(made)], ground, rules, Path("out"), memory,
        lambda stage, done, total: marks.append((stage, round(time.perf_counter() - begun, 1))),
    )  # fmt: skip
    marks.append(("read", round(time.perf_counter() - begun, 1)))
    found = calibrate_weights(window, ground, weights_of(ground), rules)
    write_draft(found, DraftOrder(out), "bench")
    told = summary(found)
    return {
        "cases": told["cases"], "groups": told["groups"], "residue": told["residue"],
        "seconds": round(time.perf_counter() - begun, 1), "cpu_seconds": round(time.process_time() - used, 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2), "stages": marks,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=15_000_000)
    parser.add_argument("--memory", default="3GiB")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    said = parser.parse_args()
    made, out = history(said.folder, said.cases), said.folder / "calibrated"
    shutil.rmtree(out, ignore_errors=True)
    if said.inside:
        print(json.dumps(measured(made, out, said.memory), ensure_ascii=False))
        return
    subprocess.run([sys.executable, __file__, "--inside", "--cases", str(said.cases), "--memory", said.memory,
                    "--folder", str(said.folder)], check=True)  # fmt: skip
    if not said.keep:
        shutil.rmtree(made)


if __name__ == "__main__":
    main()
