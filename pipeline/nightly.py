"""Cron's command: price provisionally what stands in the inbox, say it in one line, and keep a log. It never publishes."""

from __future__ import annotations

import datetime as dt
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from pipeline import ledger_tables as tables
from pipeline.ending import ending
from pipeline.errors import InputError
from pipeline.identity import code_version
from pipeline.ledger import FILE, Ledger, now, open_ledger
from pipeline.pack import PERIOD
from pipeline.read import open_source, stream
from pipeline.region import Region, load_region
from pipeline.run import inbox, run_month
from pipeline.runfolder import CURRENT
from pipeline.standing import current_publications
from pipeline.tables import DISCHARGES
from pipeline.words import yuan_text
from pipeline.write import disk_errors

LOG = "nightly.log"
LOG_BYTES = 1_000_000  # one line is some 300 bytes: about ten years of nights in all
LOG_FILES = 5  # older files, nightly.log.1 to .5
STRAY = 100  # a month with under a hundredth of the rows of the fullest one is a few slips of the pen
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Night:
    """What one night did. `fresh` is false where the same input stood there already.

    `previous`: the run that counted for the period before, None where there was none. `new_rows`, `new_fund_fen`:
    settled rows and fund beyond it. Seconds are of the clock on the wall and stand in no file but the log.
    """

    region: str
    period: str
    run: str
    fresh: bool
    totals: dict[str, Any]
    previous: str | None
    new_rows: int
    new_fund_fen: int
    seconds: int

    def line(self) -> str:
        """The one summary line."""
        totals = self.totals
        if self.previous == self.run:
            news = "收件箱与上次相同，没有新的"
        elif self.previous is None:
            news = "本期第一次"
        else:
            news = f"比上次 {self.new_rows:+,} 例 {'+' if self.new_fund_fen > 0 else ''}{yuan_text(self.new_fund_fen)} 元"
        return (
            f"{self.region} {self.period} 批次 {self.run}（预结算）：收到 {totals['rows_in']:,} 行，"
            f"结算 {totals['paid']:,}，退回 {totals['refused']:,}，暂挂 {totals['held']:,}，"
            f"核定统筹基金 {yuan_text(totals['fund_fen'])} 元；{news}；用时 {self.seconds} 秒"
        )


def run_night(
    region: Region, out: Path, period: str | None = None, input_path: Path | None = None,
    memory_limit: str = "2GiB", ledger_url: str | None = None, computed_by: str | None = None,
) -> Night:  # fmt: skip
    """Run the open month provisionally. Raises the errors of `run_month`, InputError for an empty inbox."""
    began = time.monotonic()
    home = out / region.pack.name
    chosen = period or _open_month(region, home, input_path, ledger_url)
    pointer = home / chosen / CURRENT
    previous = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else None
    outcome = run_month(
        region, chosen, input_path or inbox(region, chosen), out,
        memory_limit=memory_limit, ledger_url=ledger_url, computed_by=computed_by,
    )  # fmt: skip
    totals = outcome.manifest["totals"]
    before = None
    with _ledger(home, region.pack.name, ledger_url) as ledger:
        if previous is not None and ledger is not None:
            table = tables.run
            before = next(iter(ledger.rows(sa.select(table).where(table.c.run_id == previous))), None)
    return Night(
        region.pack.name, chosen, outcome.run, outcome.fresh, totals, before["run_id"] if before else None,
        totals["paid"] - before["paid_rows"] if before else totals["paid"],
        totals["fund_fen"] - before["fund_fen"] if before else totals["fund_fen"],
        int(time.monotonic() - began),
    )  # fmt: skip


def _open_month(region: Region, home: Path, input_path: Path | None, ledger_url: str | None) -> str:
    """The month after the one published last; where none is, the newest month of the inbox up to today's.

    A few wrong dates must not name the month of a whole region, so months with hardly any row do not count.
    """
    with _ledger(home, region.pack.name, ledger_url) as ledger:
        published = current_publications(ledger) if ledger is not None else []
    if published:
        year, month = map(int, published[-1].period.split("-"))
        return f"{year + month // 12}-{month % 12 + 1:02d}"
    this_month = f"{now():%Y-%m}"
    named = region.pack.inbox
    if input_path is None and PERIOD in named:
        found = _months_by_name(inbox(region))
        what = f"没有名称为某个月份的文件夹或文件：{inbox(region)}"
    else:
        path = input_path or inbox(region)
        found = _months_by_date(path, region.pack.period_by)
        what = f"没有日期在 {this_month} 以前的记录：{path} 的 `{region.pack.period_by}`"
    past = [month for month in found if month <= this_month]
    if not past:
        raise InputError(f"收件箱里{what}；请检查数据，或用 --period 指明结算期")
    return max(past)


def _months_by_name(pattern: Path) -> list[str]:
    """The months for which `{period}` of the pattern leads to something that is there."""
    parts = pattern.parts
    first = next(place for place, part in enumerate(parts) if PERIOD in part)
    before, after = parts[first].split(PERIOD)[0], parts[first].split(PERIOD)[-1]
    wanted = re.compile(rf"{re.escape(before)}(\d{{4}}-(?:0[1-9]|1[0-2])).*{re.escape(after)}")
    root = Path(*parts[:first])
    months = {
        found[1]
        for entry in (root.iterdir() if root.is_dir() else ())
        if (found := wanted.fullmatch(entry.name))
    }
    return [month for month in months if Path(str(pattern).replace(PERIOD, month)).exists()]


def _months_by_date(path: Path, name: str) -> list[str]:
    """The months of a date column up to today that are no stray dates. Raises InputError as `run` does."""
    source = open_source(path, [column for column in DISCHARGES if column.name == name])
    today = (now().date() - _EPOCH).days
    rows: Counter[str] = Counter()
    for found in stream(source, lambda _, batch: pc.value_counts(batch.column(name).cast(pa.int32()))):
        for day, count in zip(
            found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True
        ):
            if day is not None and 0 <= day <= today:
                rows[f"{_EPOCH + dt.timedelta(days=day):%Y-%m}"] += count
    return [month for month, count in rows.items() if count * STRAY >= max(rows.values())]


@contextmanager
def _ledger(home: Path, name: str, url: str | None) -> Iterator[Ledger | None]:
    """The ledger where there is one; nothing is begun before the run begins it."""
    if url is None and not (home / FILE).is_file():
        yield None
        return
    with open_ledger(home, name, code_version(), url) as ledger:
        yield ledger


class _Log(RotatingFileHandler):
    """A log file private to its owner, whose failures are raised instead of printed as a traceback."""

    def _open(self) -> TextIOWrapper:
        number = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return os.fdopen(number, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's own name
        raise


def log(home: Path, level: int, text: str) -> None:
    """One line in `nightly.log`, rotated; opened for the line alone, since two nights may meet. Raises InputError."""
    path = home / LOG
    with disk_errors(path):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = _Log(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
        try:
            moment = dt.datetime.now().astimezone().isoformat(timespec="seconds")
            line = f"{moment} {logging.getLevelName(level)} {os.getpid()} {' '.join(text.split())}"
            handler.handle(logging.LogRecord("nightly", level, "", 0, line, None, None))
        finally:
            handler.close()


def night(name: str, out: Path, work: Callable[[Region], Night]) -> Night:
    """Do the night's work on a region with its beginning and its end in the region's log.

    A pack that cannot be read has no name: its mistake goes to the log of the folder's name, where there is one.
    """
    try:
        region = load_region(name)
    except Exception as error:
        if (out / Path(name).name).is_dir():
            _log_ending(out / Path(name).name, error)
        raise
    home = out / region.pack.name
    log(home, logging.INFO, f"{region.pack.name} 开始")
    try:
        done = work(region)
    except BaseException as error:  # an interruption too: the log says how every night ended
        _log_ending(home, error)
        raise
    log(home, logging.INFO, done.line())
    return done


def _log_ending(home: Path, error: BaseException) -> None:
    kind, message, code = ending(error)
    with suppress(Exception):  # the error itself matters more than a log that cannot be written
        log(home, logging.ERROR, f"{kind}：{message}（退出码 {code}）")
