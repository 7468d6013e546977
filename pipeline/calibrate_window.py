"""What a history of grouped cases shows: months, windows, and the cost of every group, hospital and year in integers.

Nothing depends on the order or the partitioning of the input. Source: DESIGN §8; docs/calibration.md.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.calibrate_history import YEAR_MONTHS
from pipeline.calibrate_price_rules import PriceRules, TrimRules
from pipeline.calibrate_rules import SHARE_DIGITS
from pipeline.calibrate_sources import find_history, stage_sources
from pipeline.errors import ConfigurationError, InputError
from pipeline.problem import some
from pipeline.query import engine, keep, rows, statement
from pipeline.region import Region
from pipeline.schemes import Scheme, schemes_of
from pipeline.tables import MOST_FEN
from pipeline.terms import Terms, resolve

# Why a row of the history is left out, in the order of the report.
REASONS = {
    "no_case_id": "没有结算ID",
    "repeated_differing": "结算ID重复而内容不同（各行都不用）",
    "repeated_alike": "结算ID重复且内容相同（只用一行）",
    "reversal": "冲销记录",
    "reversed": "已被冲销的原记录",
    "no_date": "没有出院日期",
    "unknown_hospital": "医院在出院之日不在地区的医院表里",
    "unknown_insurance": "险种不在地区参数里",
    "no_group": "没有病组",
    "no_fee": "费用为空、为零或为负",
    "absurd_fee": "费用超过一亿元",
    "too_old": "早于最早一个年度窗口",
}


@dataclass(frozen=True)
class Cell:
    """Cases of a group in one year: all of them, and those within the bounds (fen, inclusive; None: not trimmed)."""

    cases: int = 0
    fee_fen: int = 0
    squares: int = 0
    kept: int = 0
    kept_fen: int = 0
    kept_squares: int = 0
    lowest: int | None = None
    highest: int | None = None

    def __add__(self, other: Cell) -> Cell:
        return Cell(
            self.cases + other.cases, self.fee_fen + other.fee_fen, self.squares + other.squares,
            self.kept + other.kept, self.kept_fen + other.kept_fen, self.kept_squares + other.kept_squares,
        )  # fmt: skip


@dataclass(frozen=True)
class Mix:
    """Cases of a group in one year, at one hospital, level and insurance type; auxiliary coefficients summed, × 10,000."""

    group: str
    year: int
    hospital: str
    level: str
    insurance: str
    cases: int
    aux_e4: int
    fee_fen: int
    pool_fund_fen: int
    separate_fen: int
    kept: int
    kept_aux_e4: int
    kept_fen: int


@dataclass(frozen=True)
class Month:
    """Cases that count in a month of the date by which the region counts; `month` counts from the year 0."""

    month: int
    cases: int
    fee_fen: int

    @property
    def text(self) -> str:
        return month_text(self.month)


def month_text(month: int) -> str:
    """`2025-10` of a count of months."""
    return f"{month // YEAR_MONTHS:04d}-{month % YEAR_MONTHS + 1:02d}"


@dataclass(frozen=True)
class Window:
    """A history read for calibration. `windows`: months with cases of every year, oldest first; `day`: what is in force."""

    told: tuple[str, ...]
    day: dt.date
    left_out: dict[str, tuple[int, int]]
    orphans: int
    months: tuple[Month, ...]
    windows: tuple[tuple[Month, ...], ...]
    cells: dict[str, dict[int, Cell]] = field(repr=False)
    mix: tuple[Mix, ...] = field(repr=False)

    @property
    def cases(self) -> int:
        """Cases of the windows."""
        return sum(cell.cases for years in self.cells.values() for cell in years.values())

    @property
    def last_day(self) -> dt.date:
        """The last day of the last window: what a workbook is dated by."""
        month = self.months[-1].month + 1
        return dt.date(month // YEAR_MONTHS, month % YEAR_MONTHS + 1, 1) - dt.timedelta(days=1)

    @property
    def span(self) -> str:
        """First and last month of the windows that has cases."""
        used = [month for window in self.windows for month in window]
        return f"{used[0].text} 至 {used[-1].text}"


@dataclass(frozen=True)
class Ground:
    """A region on the day whose parameters are compared with: its terms and scheme."""

    region: Region
    day: dt.date
    terms: Terms
    scheme: Scheme


def ground_of(region: Region, at: dt.date | None = None) -> Ground:
    """The parameters in force on a day, by default the newest of the pack.

    Raises ConfigurationError where the pack has no parameters on the day, or prints standards instead of weights."""
    if region.pack.method == "published":
        raise ConfigurationError(
            f"没有可测算的权重、费率、系数：{region.folder / 'region.yaml'} 的 method 为 `published`，支付标准逐组公布；请核对地区"
        )
    day = at or max(entry.from_ for entries in region.pack.dated.values() for entry in entries)
    found = resolve(region, day, day)
    if not found:
        raise ConfigurationError(
            f"没有当日的参数：{region.folder / 'region.yaml'} 不含 {day}；请补参数，或用 --at 另选日期"
        )
    return Ground(region, day, found[0], schemes_of(region)[found[0].scheme.key])


def read_window(
    given: Sequence[str], ground: Ground, rules: PriceRules, runs: Path, memory: str = "4GiB",
    tick: Callable[[str, int, int], None] = lambda stage, done, total: None, separately: bool = False,
) -> Window:  # fmt: skip
    """Read a history of the region, grouped by the ground's scheme.

    `separately`: the separately paid items are needed where the pack pays them apart. Raises UsageMistake, InputError,
    ConfigurationError, each one sentence.
    """
    scheme = ground.terms.scheme.name
    parts = find_history(given, ground.region, runs, scheme)
    less = rules.fee == "total_less_separate"
    apart = separately and ground.terms.separate_items is not None
    work = Path(tempfile.mkdtemp(prefix="drgdip-"))
    try:
        with engine(work, memory) as con:
            stage_sources(con, parts, scheme, work, (less, less or apart), ground.region.pack.period_by, tick)
            tick("读历史", 0, 0)
            try:
                return _read(con, ground, rules, parts.told, tick)
            except (
                duckdb.BinderException,
                duckdb.ConversionException,
                duckdb.InvalidInputException,
            ) as error:
                raise InputError(
                    f"历史读不出来：{'、'.join(parts.told[:3])} 缺列或内容损坏；批次请用现在的程序重新运行，表请重新导出"
                ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _read(
    con: duckdb.DuckDBPyConnection, ground: Ground, rules: PriceRules, told: tuple[str, ...],
    tick: Callable[[str, int, int], None],
) -> Window:  # fmt: skip
    hospitals, insurances, groups = _dimensions(con, ground)
    _stop_on_strange_groups(con, ground)
    for name in ("suspects", "repeated", "reversals"):
        keep(con, f"history/{name}")
    (orphans,) = rows(con, statement("history/orphan_reversals"))
    keep(con, "history/judged", most_fen=MOST_FEN)
    months = tuple(Month(**row) for row in rows(con, statement("history/months")))
    years = len(rules.year_weights)
    if not months:
        raise InputError(f"历史里没有一例可用：{'、'.join(told[:3])}；请核对医院表、险种与费用")
    span = {"last_month": months[-1].month, "months": years * YEAR_MONTHS}
    left = {
        row["reason"]: (int(row["row_count"]), int(row["fee_fen"]))
        for row in rows(con, statement("history/left_out"), **span)
    }
    windows = _windows(months, rules, left)
    tick("测算", 0, 0)
    # A view takes no parameters, and 15 million narrow rows are soon written.
    keep(con, "history/used", **span)
    con.execute("DROP TABLE judged")
    keep(con, "history/bounds", **_trim_parameters(rules.trim))
    cells: dict[str, dict[int, Cell]] = {}
    for row in rows(con, statement("history/cells")):
        place, year = row.pop("place"), row.pop("year")
        cells.setdefault(groups[place], {})[year] = Cell(**row)
    mix = tuple(
        Mix(groups[place], year, hospitals[hospital], ground.region.pack.levels[level], insurances[insurance], *sums)
        for place, year, hospital, level, insurance, *sums in con.sql(statement("history/mix")).fetchall()
    )  # fmt: skip
    return Window(told, ground.day, left, orphans["orphans"], months, windows, cells, mix)


def _trim_parameters(trim: TrimRules) -> dict[str, str | int]:
    scaled = {
        name: 0 if value is None else int(value.scaleb(SHARE_DIGITS))
        for name, value in (("low", trim.low), ("high", trim.high), ("k", trim.k))
    }
    return {"method": trim.method, "least": trim.least, **scaled}


def _dimensions(con: duckdb.DuckDBPyConnection, ground: Ground) -> tuple[list[str], list[str], list[str]]:
    """Register what a row is matched with; hospitals, insurance types and groups by their numbers."""
    pack = ground.region.pack
    hospitals = sorted({one.hospital_id for one in ground.region.hospitals})
    insurances, groups = list(pack.insurance_types), sorted(ground.scheme.kinds)
    number = {name: place for place, name in enumerate(hospitals)}
    dated = [one for one in ground.region.hospitals if one.level in pack.levels]
    con.register(
        "dated_hospitals",
        pa.table(
            {
                "hospital_id": pa.array([one.hospital_id for one in dated], pa.string()),
                "hospital": pa.array([number[one.hospital_id] for one in dated], pa.int32()),
                "level": pa.array([pack.levels.index(one.level) for one in dated], pa.int32()),
                "first_day": pa.array([one.from_ for one in dated], pa.date32()),
                "last_day": pa.array([one.to for one in dated], pa.date32()),
            }
        ),
    )
    con.register("insurances", _numbered("insurance_type", "insurance", insurances))
    con.register("known_groups", _numbered("group_code", "place", groups))
    listed = ", ".join(f"'{reason}'" for reason in REASONS)
    con.execute(f"CREATE TYPE reason AS ENUM ({listed})")
    return hospitals, insurances, groups


def _numbered(text: str, number: str, values: Sequence[str]) -> pa.Table:
    return pa.table({text: pa.array(values, pa.string()), number: pa.array(range(len(values)), pa.int32())})


def _stop_on_strange_groups(con: duckdb.DuckDBPyConnection, ground: Ground) -> None:
    strange = rows(con, statement("history/strange_groups"))
    if strange:
        cases = sum(row["cases"] for row in strange)
        raise InputError(
            f"历史用的是另一版分组方案：{len(strange)} 个病组（{cases:,} 例）不属于 `{ground.terms.scheme.name}`："
            f"{some([row['group_code'] for row in strange])}；请按它重新分组（给出出院记录即可），或用 --at 另选日期"
        )


def _windows(
    months: Sequence[Month], rules: PriceRules, left: Mapping[str, tuple[int, int]]
) -> tuple[tuple[Month, ...], ...]:
    """Months with cases of every twelve-month window. Raises InputError for a short history or a year without data."""
    last, years = months[-1].month, len(rules.year_weights)
    windows = []
    for year in range(years):
        end = last - YEAR_MONTHS * (years - 1 - year)
        window = tuple(one for one in months if end - YEAR_MONTHS < one.month <= end)
        if not window:
            raise InputError(
                f"历史缺年：{month_text(end - YEAR_MONTHS + 1)} 至 {month_text(end)} 没有可用的病例，规则的 year_weights 要 {years} 年"
                f"（{'∶'.join(map(str, rules.year_weights))}）{_told_left(left)}；请补这一年的历史，或把 year_weights 改短"
            )
        windows.append(window)
    used = sum(map(len, windows))
    if used < rules.shortest_history_months:
        raise InputError(
            f"历史太短：年度窗口里有病例的只有 {used} 个月，规则要 {rules.shortest_history_months} 个月{_told_left(left)}；"
            "请补历史或改规则"
        )
    return tuple(windows)


def _told_left(left: Mapping[str, tuple[int, int]]) -> str:
    """What a short history may be short of: how many rows were not used, and why most of them were not."""
    if not left:
        return ""
    most = max(left, key=lambda reason: left[reason][0])
    count = sum(row_count for row_count, _ in left.values())
    return f"，另有 {count:,} 行不用，最多的是{REASONS[most]} {left[most][0]:,} 行"
