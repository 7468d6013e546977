"""The tables of a region pack: hospitals, alliances, weights; each row checked, each mistake one sentence."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from pipeline.errors import ConfigurationError

MOST_IN_A_CELL = 2**63 - 1
FOREVER = dt.date(9999, 12, 31)
LEAD, MEMBER = "lead", "member"
TITLES = {"hospitals.csv": "医院表", "alliances.csv": "医共体表"}


@dataclass(frozen=True)
class Hospital:
    """A dated row of hospitals.csv."""

    hospital_id: str
    name: str
    level: str
    grade: str
    county: str
    from_: dt.date
    to: dt.date


@dataclass(frozen=True)
class Membership:
    """A dated row of alliances.csv: a hospital in an alliance (医共体), as its lead or as a member."""

    alliance_id: str
    alliance_name: str
    hospital_id: str
    role: str
    from_: dt.date
    to: dt.date


def numbered_csv(
    path: Path, columns: Sequence[str], closed: bool = False
) -> list[tuple[int, dict[str, str]]]:
    """Rows with their line, of a table whose header starts with these columns; `closed`: has these and no others.

    Raises ConfigurationError naming file and line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or [])
            if header[: len(columns)] != list(columns) or (closed and len(header) > len(columns)):
                form = f"应为 {','.join(columns)}" if closed else f"应以 {','.join(columns)} 开头"
                raise ConfigurationError(f"表头不符：{path} {form}，实为 {','.join(header)}；请更正")
            rows = []
            for row in reader:
                if any(row[column] is None for column in columns):
                    raise ConfigurationError(
                        f"表中缺列：{path} 第 {reader.line_num} 行不足 {len(columns)} 列；请补齐"
                    )
                if closed and len(row) > len(columns):
                    raise ConfigurationError(
                        f"表中多列：{path} 第 {reader.line_num} 行多于 {len(columns)} 列；带逗号的金额请加引号"
                    )
                rows.append((reader.line_num, row))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"地区参数的表读不出来：{path}（{type(error).__name__}）；请检查文件"
        ) from error
    return rows


def read_csv(path: Path, columns: Sequence[str], unique: str | None = None) -> list[dict[str, str]]:
    """Rows of a table whose header starts with these columns. Raises ConfigurationError naming file and line."""
    rows = [row for _, row in numbered_csv(path, columns)]
    if unique:
        seen: set[str] = set()
        for number, row in enumerate(rows, start=2):
            if row[unique] in seen:
                raise ConfigurationError(
                    f"表中重复：{path} 第 {number} 行的 `{row[unique]}` 已出现过；请删去一行"
                )
            seen.add(row[unique])
    return rows


def read_hospitals(path: Path) -> tuple[Hospital, ...]:
    """hospitals.csv, intervals of one hospital apart. Raises ConfigurationError."""
    rows = read_csv(path, ("hospital_id", "name", "level", "class", "county", "from", "to"))
    hospitals = [
        Hospital(
            row["hospital_id"], row["name"], row["level"], row["class"], row["county"],
            _day_of(path, row, "from"), _day_of(path, row, "to") if row["to"] else FOREVER,
        )
        for row in rows
    ]  # fmt: skip
    for hospital in hospitals:
        if not hospital.hospital_id or hospital.to < hospital.from_:
            raise ConfigurationError(
                f"医院表有误：{path}，`{hospital.hospital_id}` 自 {hospital.from_} 至 {hospital.to}；"
                "编号不得为空，截止日期不得早于起始日期，请更正"
            )
    for before, after in _pairs(
        sorted(hospitals, key=lambda h: (h.hospital_id, h.from_)), lambda h: h.hospital_id
    ):
        if after.from_ <= before.to:
            raise ConfigurationError(
                f"医院表日期重叠：{path}，`{after.hospital_id}` 在 {after.from_} 有两行；请给前一行填截止日期"
            )
    return tuple(hospitals)


def read_memberships(path: Path, hospitals: Sequence[Hospital]) -> tuple[Membership, ...]:
    """alliances.csv, or nothing where there is none. Raises ConfigurationError.

    On no day does a hospital belong to two alliances or an alliance have two leads; every alliance has a lead on
    every day on which it has members.
    """
    if not path.is_file():
        return ()
    columns = ("alliance_id", "alliance_name", "hospital_id", "role", "from", "to", "source")
    known = {hospital.hospital_id for hospital in hospitals}
    members = []
    for row in read_csv(path, columns):
        if row["hospital_id"] not in known or row["role"] not in (LEAD, MEMBER) or not row["alliance_id"]:
            raise ConfigurationError(
                f"医共体表有误：{path}，`{row['alliance_id']}` 的 `{row['hospital_id']}`（{row['role'][:20]}）；"
                f"医院须在 hospitals.csv 中，role 须为 {LEAD} 或 {MEMBER}，请更正"
            )
        members.append(Membership(
            row["alliance_id"], row["alliance_name"], row["hospital_id"], row["role"], _day_of(path, row, "from"),
            _day_of(path, row, "to") if row["to"] else FOREVER,
        ))  # fmt: skip
    _apart(path, members, lambda one: one.hospital_id, "在同一天属于两个医共体")
    _apart(
        path,
        [one for one in members if one.role == LEAD],
        lambda one: one.alliance_id,
        "在同一天有两家牵头医院",
    )
    for one in members:
        leads = [lead for lead in members if lead.role == LEAD and lead.alliance_id == one.alliance_id]
        if not _covered(one, leads):
            raise ConfigurationError(
                f"医共体表有误：{path}，`{one.alliance_id}` 在 `{one.hospital_id}` 加入的某些日子没有牵头医院；请补 lead 行"
            )
    return tuple(members)


def _apart(path: Path, members: Sequence[Membership], key: Callable[[Membership], str], what: str) -> None:
    for before, after in _pairs(sorted(members, key=lambda one: (key(one), one.from_)), key):
        if after.from_ <= before.to:
            raise ConfigurationError(
                f"医共体表日期重叠：{path}，`{key(after)}` {what}（{after.from_} 起）；请给前一行填截止日期"
            )


def _covered(one: Membership, leads: Sequence[Membership]) -> bool:
    """Whether a lead stands on every day of a membership."""
    day = one.from_
    for lead in sorted(leads, key=lambda lead: lead.from_):
        if lead.from_ <= day <= lead.to:
            if lead.to >= one.to:
                return True
            day = lead.to + dt.timedelta(days=1)
    return False


def _day_of(path: Path, row: dict[str, str], column: str) -> dt.date:
    try:
        return dt.date.fromisoformat(row[column])
    except ValueError as error:
        title = TITLES.get(path.name, path.name)
        raise ConfigurationError(
            f"{title}日期有误：{path}，`{row['hospital_id']}` 的 {column} 为 `{row[column][:20]}`；"
            "请写作 2025-01-01"
        ) from error


Row = TypeVar("Row")


def _pairs(rows: Sequence[Row], key: Callable[[Row], str]) -> list[tuple[Row, Row]]:
    return [(one, two) for one, two in pairwise(rows) if key(one) == key(two)]


def yuan_to_fen(text: str) -> int:
    """`1,234.50` as 123450. Raises ValueError where it is no amount, has a third decimal or fits no cell."""
    try:
        fen = Decimal(text.replace(",", "").strip()) * 100
    except InvalidOperation as error:
        raise ValueError(text) from error
    if not fen.is_finite() or fen != fen.to_integral_value() or abs(fen) > MOST_IN_A_CELL:
        raise ValueError(text)
    return int(fen)
