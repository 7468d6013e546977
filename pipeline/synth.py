"""Invented discharges of any size for trials, demonstrations and benches: `drgdip synth`.

The same (mix, seed, cases, months, hospitals) gives the same bytes; every chunk has a random stream of its own, so memory
stays small and chunks are made side by side.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import InputError, UsageMistake
from pipeline.synth_arrow import CODED_COLUMNS, WRITTEN, Shape, ids
from pipeline.synth_dip_draw import draw_dip_rows
from pipeline.synth_dip_pool import load_dip_pool
from pipeline.synth_draw import Chunk, Rows, draw_rows
from pipeline.synth_flaws import FLAWS_OF_MIX, Flaws, Planted, flaw_counts
from pipeline.synth_hospitals import Hospitals, make_hospitals
from pipeline.synth_mix import synth_rows
from pipeline.synth_pool import Pool, load_pool
from pipeline.write import appearing

FILE_ROWS, GROUP_ROWS = 1_000_000, 250_000
MOST_CASES = 1_000_000_000  # case numbers beyond this would meet those kept for reversals of no case
MOST_HOSPITALS = 10_000
WORKERS = 2
MIXES = tuple(FLAWS_OF_MIX)
Draw = Callable[[Hospitals, Chunk, np.random.Generator], Rows]
WRITER = {
    "compression": "zstd",
    "compression_level": 1,
    "store_schema": False,
    "use_dictionary": [
        f"{name}.list.element" if name in ("dx_codes", "px_codes") else name for name in CODED_COLUMNS
    ],
}


@dataclass(frozen=True)
class SynthReport:
    """What was written: rows, files, hospitals, months in order, and planted findings by kind (rows)."""

    rows: int
    files: int
    hospitals: int
    months: dict[str, int]
    planted: dict[str, int] = field(default_factory=dict)


def synthesise(
    target: Path,
    cases: int,
    months: Sequence[str],
    seed: int,
    hospitals: int = 12,
    tick: Callable[[int], None] = lambda n: None,
    mix: str = "drg",
) -> SynthReport:
    """Write invented discharges to `target/month=YYYY-MM/part-NNN.parquet`, by month of settlement.

    The mix `drg` makes cases of the groups of CHS-DRG, `dip` of the rows of the national DIP library.
    Beside them `_hospitals.csv` (hospital_id, name, level, class, county, from) and `_expected.csv` (case_id,
    finding: one line for every planted row). Raises UsageMistake for a size or month that cannot be, InputError where
    `target` is in use, SchemeError where the scheme is altered.
    """
    _check(target, cases, months, seed, hospitals)
    if mix not in MIXES:
        raise UsageMistake(f"病例构成应为 {' 或 '.join(MIXES)}，实为 `{mix}`；请更正")
    table = make_hospitals(hospitals)
    pool, draw = _pool_and_draw(mix)
    flaws, counts = Flaws(pool), flaw_counts(cases, FLAWS_OF_MIX[mix])
    shape = Shape(pool, table)
    chunks = list(plan_chunks(cases, months))
    streams = np.random.SeedSequence(seed).spawn(len(chunks))
    make = partial(_make, draw, table, flaws, shape, counts)
    made = _in_order([partial(make, chunk, stream) for chunk, stream in zip(chunks, streams, strict=True)])
    planted: Counter[str] = Counter()
    files = 0
    with appearing(target, folder=True) as beside:
        table.write(beside / "_hospitals.csv")
        with (beside / "_expected.csv").open("w", encoding="utf-8", newline="") as opened:
            expected = csv.writer(opened, lineterminator="\n")
            expected.writerow(("case_id", "finding"))
            for path, part in groupby(
                zip(chunks, made, strict=True), key=lambda pair: _file_of(pair[0], chunks)
            ):
                (beside / path).parent.mkdir(exist_ok=True)
                with pq.ParquetWriter(beside / path, WRITTEN, **WRITER) as writer:
                    for chunk, (rows, found) in part:
                        writer.write_table(rows, row_group_size=GROUP_ROWS)
                        expected.writerows(_expected(found))
                        planted.update(kind for _, kind in found)
                        tick(chunk.rows)
                files += 1
    by_month = Counter(dict.fromkeys(sorted(months), 0))
    for chunk in chunks:
        by_month[chunk.month] += chunk.rows
    return SynthReport(cases, files, hospitals, dict(by_month), dict(sorted(planted.items())))


def plan_chunks(cases: int, months: Sequence[str]) -> Iterator[Chunk]:
    """Split an order into months by season and into row groups; month sizes by largest remainder."""
    volume = {int(row["month"]): float(row["volume"]) for row in synth_rows("months.csv")}
    ordered = sorted(months)
    weight = np.array([volume[int(month[5:])] for month in ordered])
    exact = cases * weight / weight.sum()
    size = np.floor(exact).astype(int)
    for place in np.argsort(size - exact, kind="stable")[: cases - int(size.sum())]:
        size[place] += 1
    start = 0
    for month, rows in zip(ordered, size.tolist(), strict=True):
        for done in range(0, rows, GROUP_ROWS):
            part = min(GROUP_ROWS, rows - done)
            yield Chunk(month, start, part, cases)
            start += part


def _check(target: Path, cases: int, months: Sequence[str], seed: int, hospitals: int) -> None:
    if not 1 <= cases <= MOST_CASES:
        raise UsageMistake(f"病例数应在 1 到 {MOST_CASES} 之间，实为 {cases}；请更正")
    if not 1 <= hospitals <= MOST_HOSPITALS:
        raise UsageMistake(f"医院数应在 1 到 {MOST_HOSPITALS} 之间，实为 {hospitals}；请更正")
    if seed < 0:
        raise UsageMistake(f"随机种子应为非负整数，实为 {seed}；请更正")
    wrong = [month for month in months if not re.fullmatch(r"(19[7-9]\d|2\d{3})-(0[1-9]|1[0-2])", month)]
    if wrong:
        raise UsageMistake(f"月份应写作 2025-10 的形式，实为：`{wrong[0]}`；请更正")
    if not months or len(set(months)) < len(months):
        raise UsageMistake(f"月份应至少一个且不重复，实为：{'、'.join(months) or '（无）'}；请更正")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"输出位置已有内容：{target}；为免误删请另选文件夹或先移走它")


def _pool_and_draw(mix: str) -> tuple[Pool, Draw]:
    """The pool of a mix and how its rows are drawn."""
    if mix == "dip":
        dip_pool = load_dip_pool()
        return dip_pool, partial(draw_dip_rows, dip_pool)
    pool = load_pool()
    return pool, partial(draw_rows, pool)


def _make(
    draw: Draw,
    hospitals: Hospitals,
    flaws: Flaws,
    shape: Shape,
    counts: dict[str, int],
    chunk: Chunk,
    stream: np.random.SeedSequence,
) -> tuple[pa.Table, Planted]:
    rng = np.random.Generator(np.random.PCG64(stream))
    rows = draw(hospitals, chunk, rng)
    planted = flaws.plant(rows, chunk, counts, rng)
    return shape.table(rows), planted


def _in_order(
    works: Sequence[Callable[[], tuple[pa.Table, Planted]]],
) -> Iterator[tuple[pa.Table, Planted]]:
    """Results in order, made by a few threads, few of them in memory."""
    queue = iter(works)
    with ThreadPoolExecutor(WORKERS) as threads:
        waiting: list[Future[tuple[pa.Table, Planted]]] = [
            threads.submit(work) for work in islice(queue, WORKERS)
        ]
        while waiting:
            done = waiting.pop(0).result()
            waiting.extend(threads.submit(work) for work in islice(queue, 1))
            yield done


def _file_of(chunk: Chunk, chunks: Sequence[Chunk]) -> Path:
    first = next(other.start for other in chunks if other.month == chunk.month)
    return Path(f"month={chunk.month}") / f"part-{(chunk.start - first) // FILE_ROWS:03d}.parquet"


def _expected(planted: Planted) -> Iterator[tuple[str, str]]:
    numbers = np.array([number for number, _ in planted], dtype=np.int64)
    texts = ids(numbers, b"4499").to_pylist()
    return ((text, kind) for text, (_, kind) in zip(texts, planted, strict=True))
