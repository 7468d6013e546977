"""The history that a negotiation rests on: cases and cost of every group, from finished runs of a region.

Nothing is trimmed: these are the cases that the weights will be applied to. Source: DESIGN §8.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import duckdb

from pipeline.calibrate_cost import square_root
from pipeline.errors import InputError, UsageMistake
from pipeline.identity import sha256_of
from pipeline.query import engine, parquet_view, rows, statement
from pipeline.review import current_run, manifest_of
from pipeline.yardstick import months_of

SCORED = "scored.parquet"
PERIODS = re.compile(r"\d{4}-\d{2}([.,].*)?")


@dataclass(frozen=True)
class Seen:
    """A group in the window: cases, cost in fen, squares of the costs in fen²."""

    cases: int = 0
    fee_fen: int = 0
    squares: int = 0

    @property
    def mean_fen(self) -> Fraction | None:
        """Plain mean cost in fen; None without cases."""
        return Fraction(self.fee_fen, self.cases) if self.cases else None

    @property
    def cv(self) -> Decimal | None:
        """Population standard deviation ÷ mean, four digits: √(n·Σx² − (Σx)²) ÷ Σx; None without cost."""
        if self.fee_fen <= 0:
            return None
        return square_root(Fraction(self.cases * self.squares - self.fee_fen**2, self.fee_fen**2))


NEVER_SEEN = Seen()


@dataclass(frozen=True)
class History:
    """The window: its periods and runs in order, what was seen of every group, reversals of cases before it."""

    periods: tuple[str, ...]
    runs: tuple[str, ...]
    groups: dict[str, Seen] = field(repr=False)
    orphans: int = 0

    @property
    def window(self) -> str:
        """The periods as one text."""
        return "、".join(self.periods)

    def of(self, group: str) -> Seen:
        """What was seen of a group; nothing where it had no case."""
        return self.groups.get(group, NEVER_SEEN)


def window_folders(given: Sequence[str], region: str, runs: Path) -> list[Path]:
    """The run folders of a window: folders as they are given, of periods (2025-01..2025-10) the current runs.

    Raises UsageMistake for a period without one.
    """
    folders = []
    for text in given:
        if PERIODS.fullmatch(text):
            folders += [current_run(runs, region, period) for period in months_of(text)]
        else:
            folders.append(Path(text))
    return folders


def read_history(folders: Sequence[Path], region: str, memory: str = "2GiB") -> History:
    """Cases and costs of every group over finished runs of one region, one a period.

    Raises UsageMistake for a folder that is no run of this region or a period given twice, InputError for a run whose
    scored.parquet was altered or cannot be read.
    """
    files: dict[str, tuple[str, Path]] = {}
    for folder in folders:
        manifest = manifest_of(folder)
        if manifest["region"] != region:
            raise UsageMistake(
                f"批次与地区不符：{folder} 属于 `{manifest['region']}`，给出的地区是 `{region}`；请更正 --history"
            )
        period = str(manifest["period"])
        if period in files:
            raise UsageMistake(
                f"同一结算期给了两次：{period}（批次 {files[period][0]}、{manifest['run']}）；一期只能用一个批次，请更正 --history"
            )
        _prove(folder, manifest["files"].get(SCORED))
        files[period] = str(manifest["run"]), folder / SCORED
    periods = sorted(files)
    with tempfile.TemporaryDirectory(prefix="drgdip-") as spill, engine(Path(spill), memory) as con:
        parquet_view(con, "window_cases", [files[period][1] for period in periods])
        try:
            found = rows(con, statement("negotiate/group_history"))
            (orphans,) = rows(con, statement("negotiate/orphan_reversals"))
        except duckdb.BinderException as error:
            raise InputError("批次缺少谈判要用的列（scored.parquet）；请用现在的程序重新运行各期") from error
    return History(
        tuple(periods), tuple(files[period][0] for period in periods),
        {row["group_code"]: Seen(row["cases"], row["fee_fen"], row["squares"]) for row in found},
        orphans["orphans"],
    )  # fmt: skip


def _prove(folder: Path, digest: str | None) -> None:
    path = folder / SCORED
    found = sha256_of(path) if path.is_file() else "（不存在）"
    if found != digest:
        raise InputError(
            f"已有成果被改动：{path}，应为 sha256 {(digest or '（未登记）')[:12]}，实为 {found[:12]}；请重新运行该期"
        )
