"""The yearly assessment (综合考核) of the hospitals: a table of the region pack, and as an SQL table for the clearing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.region_tables import Hospital, read_csv

COLUMNS = ("year", "hospital_id", "insurance_type", "coefficient", "deposit_return", "source")
MOST_COEFFICIENT = 2
E4 = 10_000


@dataclass(frozen=True)
class Assessment:
    """A row of assessments.csv: the coefficient of a hospital's year, and the share of its deposit that it gets back.

    `insurance_type` None: of all that have no row of their own. Both numbers in ten-thousandths.
    """

    year: int
    hospital_id: str
    insurance_type: str | None
    coefficient_e4: int
    deposit_return_e4: int
    source: str


def read_assessments(
    path: Path, hospitals: Sequence[Hospital], insurance_types: Sequence[str]
) -> tuple[Assessment, ...]:
    """assessments.csv, or nothing where there is none. Raises ConfigurationError naming file and line."""
    if not path.is_file():
        return ()
    known = {hospital.hospital_id for hospital in hospitals}
    found: dict[tuple[int, str, str | None], Assessment] = {}
    for number, row in enumerate(read_csv(path, COLUMNS), start=2):
        where = f"考核表有误：{path} 第 {number} 行"
        if not re.fullmatch(r"[1-9][0-9]{3}", row["year"]):
            raise ConfigurationError(f"{where}的年份为 `{row['year'][:20]}`；请写四位数字")
        if row["hospital_id"] not in known:
            raise ConfigurationError(
                f"{where}的医院 `{row['hospital_id'][:40]}` 不在 hospitals.csv 中；请核对"
            )
        kind = row["insurance_type"] or None
        if kind is not None and kind not in insurance_types:
            raise ConfigurationError(f"{where}的险种 `{kind[:20]}` 不认识；请写险种代码，各险种相同就空着")
        if len(row["source"]) < 4:
            raise ConfigurationError(f"{where}没有出处；请在 source 写文件名或文号")
        one = Assessment(
            int(row["year"]), row["hospital_id"], kind,
            _e4(where, "coefficient", row["coefficient"], MOST_COEFFICIENT),
            _e4(where, "deposit_return", row["deposit_return"], 1), row["source"],
        )  # fmt: skip
        key = (one.year, one.hospital_id, kind)
        if key in found:
            raise ConfigurationError(
                f"{where}与前面一行的年份、医院、险种相同：`{one.hospital_id}`；请删去一行"
            )
        found[key] = one
    return tuple(found.values())


def _e4(where: str, column: str, text: str, most: int) -> int:
    """A number from 0 to `most` with at most four digits, in ten-thousandths."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", text) or Decimal(text) > most:
        raise ConfigurationError(
            f"{where}的 {column} 为 `{text[:20]}`；请写 0 至 {most} 的数，至多四位小数，如 0.98"
        )
    return int(Decimal(text) * E4)
