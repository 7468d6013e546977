"""Legal working days (法定工作日) as tables that people extend, and the due dates counted on them.

`data/calendar/<year>.csv` holds what the State Council's notice of the year changes in Monday to Friday; a region
lays its own `calendar.csv` over it. Columns of both: date, kind, name, source. How to extend: docs/calendar.md.
"""

from __future__ import annotations

import calendar as months
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from groupers.scheme import data_root
from pipeline.errors import ConfigurationError
from pipeline.problem import Problem
from pipeline.region_tables import read_csv

COLUMNS = ("date", "kind", "name", "source")
OFF, WORK = "off", "work"
PUBLISHED, PROVISIONAL = "published", "provisional"
PACK_FILE = "calendar.csv"
SHORTEST_SOURCE = 4  # as for every dated value of a pack
SATURDAY = 5


@dataclass(frozen=True)
class Day:
    """A day that differs from Monday to Friday: `off` (放假) or `work` (调休上班), why, and by which document."""

    day: dt.date
    kind: str
    name: str
    source: str


@dataclass(frozen=True)
class CoveredYear:
    """A year that a table covers: `published` by the State Council's notice or `provisional` until it is out."""

    status: str
    file: Path
    source: str


@dataclass(frozen=True)
class Calendar:
    """Which days are working days in the covered years; asking for another year raises ConfigurationError."""

    years: Mapping[int, CoveredYear]
    days: Mapping[dt.date, Day]
    national_folder: Path
    pack_folder: Path | None = None

    def is_workday(self, day: dt.date) -> bool:
        """Whether a day is a legal working day. Raises ConfigurationError where its year is not covered."""
        self._year(day.year)
        return _works(day, self.days.get(day))

    def add_workdays(self, day: dt.date, n: int) -> dt.date:
        """The nth working day after `day`, which itself does not count; n = 0 is `day`.

        Raises ConfigurationError where the count reaches a year that is not covered, ValueError for n < 0.
        """
        if n < 0:
            raise ValueError(f"working days are counted forward, not {n}")
        while n:
            day += dt.timedelta(days=1)
            n -= self.is_workday(day)
        return day

    def status(self, year: int) -> str:
        """`published` or `provisional`. Raises ConfigurationError where the year is not covered."""
        return self._year(year).status

    def _year(self, year: int) -> CoveredYear:
        if year not in self.years:
            raise ConfigurationError(f"{uncovered(self, year)}；{how_to_cover(self, year)}")
        return self.years[year]


def load_calendar(pack_folder: Path | None = None, national_folder: Path | None = None) -> Calendar:
    """The national calendar, with a region's `calendar.csv` laid over it where its folder has one.

    A day in the region's table replaces the nation's. A year row in it (`<year>,published,…`) says that the region
    brings the whole year: nothing of the nation's table of that year holds.
    Raises ConfigurationError naming file, line, what is wrong and what to write.
    """
    folder = national_folder or data_root() / "calendar"
    years: dict[int, CoveredYear] = {}
    days: dict[dt.date, Day] = {}
    for path in sorted(folder.glob("[0-9][0-9][0-9][0-9].csv")):
        brought, found = _read(path, {}, only_year=int(path.stem))
        if not brought:
            raise ConfigurationError(
                f"工作日历有误：{path} 缺年份行；请在表头下写 `{path.stem},{PUBLISHED},全年,通知文号`"
                f"（尚未公布的写 {PROVISIONAL}）"
            )
        years |= brought
        days |= found
    local = pack_folder / PACK_FILE if pack_folder else None
    if local and local.exists():
        brought, found = _read(local, days)
        days = {day: row for day, row in days.items() if day.year not in brought} | found
        years |= brought
    return Calendar(years, days, folder, pack_folder)


def declaration_deadline(period: str, declare_by_day: int) -> dt.date:
    """The last day to declare a period (`2025-10`): the given day of the next month, or that month's last day.

    A deadline on a day off stays where it is: the rule moves only the payment.
    Raises ConfigurationError for a day that no month has.
    """
    if not 1 <= declare_by_day <= 31:
        raise ConfigurationError(f"申报截止日有误：每月 {declare_by_day} 日；须为 1 至 31，请更正地区参数")
    ended = dt.date.fromisoformat(f"{period}-01")
    year, month = divmod(ended.year * 12 + ended.month, 12)  # months counted from 0: this is the next one
    month += 1
    return dt.date(year, month, min(declare_by_day, months.monthrange(year, month)[1]))


def due_date(calendar: Calendar, period: str, declare_by_day: int, due_workdays: int) -> dt.date:
    """The last day to pay a period: `due_workdays` working days, the first one after the declaration deadline.

    Source: 国家医疗保障局办公室关于全面推进医保基金即时结算改革扩面提质的通知 (October 2025): 次月10日前申报，
    申报截止次日起不超过20个工作日拨付; older local rules say 30.
    Raises ConfigurationError where the count reaches a year that is not covered.
    """
    return calendar.add_workdays(declaration_deadline(period, declare_by_day), due_workdays)


def check_calendar(calendar: Calendar, first_year: int, last_year: int) -> list[Problem]:
    """One problem a year: a warning where it is provisional, an error where it is not covered.

    A December is paid in the next year: `last_year` is the year of the last due date, not of the last period.
    """
    problems = []
    for year in range(first_year, last_year + 1):
        covered = calendar.years.get(year)
        if covered is None:
            where = str(_national_file(calendar, year))
            problems.append(
                Problem("error", where, f"{uncovered(calendar, year)}；{how_to_cover(calendar, year)}")
            )
        elif covered.status == PROVISIONAL:
            problems.append(Problem(
                "warning", str(covered.file),
                f"工作日历的 {year} 年是暂定的，放假调休以国务院办公厅通知为准；通知公布后请改写此文件，"
                f"年份行改为 {PUBLISHED}，写法见 docs/calendar.md",
            ))  # fmt: skip
    return problems


def uncovered(calendar: Calendar, year: int) -> str:
    """What is missing, as half a sentence."""
    known = "、".join(str(one) for one in sorted(calendar.years)) or "（无）"
    return f"工作日历没有 {year} 年，算不出到期日；现有：{known}"


def how_to_cover(calendar: Calendar, year: int) -> str:
    """Which file to extend and what to write in it, as half a sentence."""
    pack = f" {calendar.pack_folder / PACK_FILE}" if calendar.pack_folder else f"地区文件夹的 {PACK_FILE}"
    return (
        f"请新建 {_national_file(calendar, year)}，或在{pack} 中补写：表头 {','.join(COLUMNS)}，"
        f"一行 `{year},{PUBLISHED},全年,通知文号`，再逐日写放假（{OFF}）与调休上班（{WORK}），写法见 docs/calendar.md"
    )


def _national_file(calendar: Calendar, year: int) -> Path:
    return calendar.national_folder / f"{year}.csv"


def _works(day: dt.date, row: Day | None) -> bool:
    return day.weekday() < SATURDAY if row is None else row.kind == WORK


def _read(
    path: Path, below: Mapping[dt.date, Day], only_year: int | None = None
) -> tuple[dict[int, CoveredYear], dict[dt.date, Day]]:
    """The year rows and the day rows of one table, which lies over the days `below`."""
    years: dict[int, CoveredYear] = {}
    days: dict[dt.date, Day] = {}
    lines: dict[dt.date, int] = {}
    for number, row in enumerate(read_csv(path, COLUMNS, unique="date"), start=2):
        if not row["name"].strip() or len(row["source"].strip()) < SHORTEST_SOURCE:
            raise _mistake(
                path, number, f"name 不得为空，source 至少 {SHORTEST_SOURCE} 个字；请补上节日名称与出处"
            )
        found = _row(path, number, row)
        year = found if isinstance(found, int) else found.day.year
        if only_year is not None and year != only_year:
            raise _mistake(
                path, number, f"`{row['date']}` 不是 {only_year} 年；一个文件只写一年，请移到 {year}.csv"
            )
        if isinstance(found, int):
            years[year] = CoveredYear(row["kind"], path, row["source"])
        else:
            days[found.day], lines[found.day] = found, number
    for day, one in days.items():
        if one.kind == WORK and _works(day, None if day.year in years else below.get(day)):
            raise _mistake(path, lines[day], f"{day} 本来就是工作日，不用写 {WORK}；请核对日期，或删去该行")
    return years, days


def _row(path: Path, number: int, row: Mapping[str, str]) -> int | Day:
    """A year row as its year, a day row as its day."""
    text, kind = row["date"], row["kind"]
    year_row = re.fullmatch(r"[0-9]{4}", text) is not None
    kinds = (PUBLISHED, PROVISIONAL) if year_row else (OFF, WORK)
    if not year_row and not _is_day(text):
        raise _mistake(
            path, number, f"date 为 `{text[:20]}`；须为日历上有的日期，写作 2025-01-01，或四位年份，请更正"
        )
    if kind not in kinds:
        what = "年份行" if year_row else "日期行"
        raise _mistake(path, number, f"{what}的 kind 为 `{kind[:20]}`；须为 {' 或 '.join(kinds)}，请更正")
    return int(text) if year_row else Day(dt.date.fromisoformat(text), kind, row["name"], row["source"])


def _is_day(text: str) -> bool:
    """Whether a text is a day as 2025-01-01; fromisoformat alone also takes 20250101 and week dates."""
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _mistake(path: Path, number: int, what: str) -> ConfigurationError:
    return ConfigurationError(f"工作日历有误：{path} 第 {number} 行，{what}")
