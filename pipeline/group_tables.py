"""The tables of a region pack by group: weights, local mean fees, printed standards, coefficients."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pipeline.entries import MOST_WEIGHT
from pipeline.errors import ConfigurationError
from pipeline.region_tables import read_csv
from pipeline.tables import MOST_FEN

YUAN = re.compile(r"[0-9]{1,10}(\.[0-9]{1,2})?")


@dataclass(frozen=True)
class GroupTables:
    """By file: group → weight; group → mean fee in fen; (group, level) → standard in fen; (group, key) → coefficient."""

    weights: dict[str, dict[str, Decimal]]
    means: dict[str, dict[str, int]]
    standards: dict[str, dict[tuple[str, str], int]]
    coefficients: dict[str, dict[tuple[str, str], Decimal]]


def read_group_tables(
    folder: Path, weight_digits: int, coefficient_digits: int, weights: Sequence[str], standards: Sequence[str],
    coefficients: Sequence[str | None], most_weight: Decimal = MOST_WEIGHT,
) -> GroupTables:  # fmt: skip
    """Read the files that the pack names. Raises ConfigurationError naming file and group.

    `most_weight`: what a weight may be at most; a score (分值) is a weight too, and larger.
    """
    weight_rows = {file: read_csv(folder / file, ("drg", "weight"), unique="drg") for file in weights}
    return GroupTables(
        {
            file: {row["drg"]: weight_of(folder / file, row["drg"], row["weight"], weight_digits, most=most_weight)
                   for row in rows}
            for file, rows in weight_rows.items()
        },
        {
            file: {
                row["drg"]: fen_of(folder / file, row["drg"], row["mean_fee_yuan"])
                for row in rows if row.get("mean_fee_yuan")
            }
            for file, rows in weight_rows.items()
        },
        {file: dict(_standards(folder / file)) for file in standards},
        {file: dict(_coefficients(folder / file, coefficient_digits)) for file in coefficients if file},
    )  # fmt: skip


def _standards(path: Path) -> Iterator[tuple[tuple[str, str], int]]:
    seen = set()
    for row in read_csv(path, ("group_code", "level", "standard_yuan")):
        key = row["group_code"], row["level"]
        if key in seen:
            raise ConfigurationError(f"表中重复：{path} 的 `{key[0]}` `{key[1]}` 已出现过；请删去一行")
        seen.add(key)
        yield key, fen_of(path, "、".join(key), row["standard_yuan"])


def _coefficients(path: Path, digits: int) -> Iterator[tuple[tuple[str, str], Decimal]]:
    """(group, level | hospital) → coefficient; a blank is unknown and left out."""
    rows = read_csv(path, ("group_code",))
    key = next((name for name in ("level", "hospital_id") if rows and name in rows[0]), None)
    if rows and (key is None or "coefficient" not in rows[0]):
        raise ConfigurationError(
            f"表头不符：{path} 应为 group_code,level,coefficient 或 group_code,hospital_id,coefficient；请更正"
        )
    seen = set()
    for row in rows:
        name = row["group_code"], row[key or ""]
        if name in seen:
            raise ConfigurationError(f"表中重复：{path} 的 `{name[0]}` `{name[1]}` 已出现过；请删去一行")
        seen.add(name)
        if row["coefficient"].strip():
            number = weight_of(path, "、".join(name), row["coefficient"].strip(), digits, "系数")
            if number > 10:
                raise ConfigurationError(
                    f"系数超出可精确计算的上限 10：{path} 的 `{'、'.join(name)}` 为 {number}；请核对"
                )
            yield name, number


def fen_of(path: Path, item: str, text: str) -> int:
    """Yuan as printed, in fen; a comma is refused, since `1,234` could be a decimal. Raises ConfigurationError."""
    if not YUAN.fullmatch(text) or not 0 < (fen := int(Decimal(text) * 100)) <= MOST_FEN:
        raise ConfigurationError(
            f"金额读不懂：{path} 的 `{item}` 为 `{text[:40]}`；应为大于零、至多两位小数的元，不带千分位逗号，请更正"
        )
    return fen


def weight_of(
    path: Path, item: str, text: str, digits: int, what: str = "权重", most: Decimal = MOST_WEIGHT
) -> Decimal:
    """A weight or coefficient as printed. Raises ConfigurationError for what is no positive number of these digits."""
    try:
        number = Decimal(text)  # a comma is refused: `0,9258` must not become 9258
    except ArithmeticError as error:
        raise ConfigurationError(f"不是数：{path} 的 `{item}` 为 `{text[:40]}`；请填写十进制数") from error
    if not number.is_finite() or -int(number.as_tuple().exponent) > digits:
        raise ConfigurationError(
            f"小数位数超出公布位数：{path} 的 `{item}` 为 {text}，应至多 {digits} 位；请核对"
        )
    if number <= 0:
        raise ConfigurationError(
            f"{what}须大于零：{path} 的 `{item}` 为 {text}；没有{what}的请删去该行或留空"
        )
    if number > most:
        raise ConfigurationError(f"{what}超出可精确计算的上限 {most}：{path} 的 `{item}` 为 {text}；请核对")
    return number
