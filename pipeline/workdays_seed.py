"""`python -m pipeline.workdays_seed YEAR --source 文号 > data/calendar/YEAR.csv`: a first table of a published year.

The days come from the package chinese-calendar, a tool of developers that no run needs; a person then compares the
table with the State Council's notice, which alone counts.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from pipeline.errors import UsageMistake, UserError
from pipeline.workdays import COLUMNS, OFF, PUBLISHED, WORK

# The package names holidays in English.
NAMES = {
    "New Year's Day": "元旦", "Spring Festival": "春节", "Tomb-sweeping Day": "清明节", "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节", "Mid-autumn Festival": "中秋节", "National Day": "国庆节",
}  # fmt: skip


def seed(year: int, source: str) -> str:
    """The table of a published year as CSV: date, kind, name, source; a year row, then the days in order.

    Raises UsageMistake where the package is missing or does not know the year.
    """
    try:
        known: Any = import_module("chinese_calendar.constants")
    except ImportError as error:
        raise UsageMistake("没有安装 chinese-calendar；请先 `pip install -U chinese-calendar`") from error
    days = [(day, OFF, name) for day, name in known.holidays.items() if day.year == year]
    if not days:
        raise UsageMistake(
            f"chinese-calendar 不知道 {year} 年；请先升级它，或照国务院办公厅通知手写，写法见 docs/calendar.md"
        )
    days += [(day, WORK, name) for day, name in known.workdays.items() if day.year == year]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerow((year, PUBLISHED, "全年", source))
    writer.writerows((day, kind, NAMES.get(name, name), source) for day, kind, name in sorted(days))
    return text.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of a year. Returns the exit code: 0 done, 2 usage."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.workdays_seed", description="由 chinese-calendar 起草一年的工作日历。"
    )
    parser.add_argument("year", type=int, help="年份")
    parser.add_argument("--source", required=True, help="国务院办公厅通知的文号")
    given = parser.parse_args(arguments)
    try:
        print(seed(given.year, given.source), end="")
    except UserError as error:
        print(f"{error.kind}：{error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
