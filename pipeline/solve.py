"""The point value, or the multiplier of the rates, at which the cases of a run use up a given fund (浮动、弹性).

Source: DESIGN §6. With classes frozen: difference (fund + Σ(F − recorded)) , ratio fund ÷ (Σ recorded ÷ Σ F), both less
what is paid independently of the value, over the points. Elastic: points up to a base at a fixed value, the rest of
the sum over the added points.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, UsageMistake
from pipeline.query import engine, parquet_view, rows, statement
from pipeline.region_tables import yuan_to_fen


@dataclass(frozen=True)
class Solved:
    """`value`: yuan per point, or the multiplier of the rates; `points` are 0 by the rate method.

    `standards_fen` is Σ S at that value. `base_share`: the base's part of the points' sum where elastic, else None.
    """

    insurance_type: str
    by_points: bool
    points: Fraction
    standards_fen: Fraction
    value: Fraction
    base_share: Fraction | None = None

    def shown(self) -> dict[str, object]:
        """As plain values: exact fractions beside six digits."""
        return {
            "insurance_type": self.insurance_type, "by_points": self.by_points, "value": _digits(self.value),
            "value_num": self.value.numerator, "value_den": self.value.denominator,
            "points": _digits(self.points), "standards_fen": _digits(self.standards_fen),
            "base_share": None if self.base_share is None else _digits(self.base_share),
        }  # fmt: skip

    def told(self) -> str:
        """One line in Chinese."""
        if not self.by_points:
            return f"险种 {self.insurance_type}：各级费率同乘 {_digits(self.value)} 正好用完"
        head = f"险种 {self.insurance_type}：点数 {_digits(self.points)}，"
        if self.base_share is None:
            return f"{head}点值 {_digits(self.value)} 元正好用完"
        return f"{head}基数部分占 {_digits(self.base_share)}，增量点值 {_digits(self.value)} 元"


def _digits(number: Fraction) -> str:
    """Six digits, half away from zero."""
    sign, millionths = ("-" if number < 0 else ""), int(abs(number) * 2_000_000 + 1) // 2
    return f"{sign}{millionths // 1_000_000}.{millionths % 1_000_000:06d}"


def yuan_of(text: str) -> int:
    """Yuan as written on a command line, in fen. Raises UsageMistake."""
    try:
        return yuan_to_fen(text)
    except ValueError as error:
        raise UsageMistake(f"金额读不懂：`{text[:40]}`；应为元，至多两位小数，如 60000000") from error


def decimal_of(text: str) -> Decimal:
    """A positive decimal as written on a command line. Raises UsageMistake."""
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,6})?", text.strip()) or not Decimal(text):
        raise UsageMistake(f"数读不懂：`{text[:40]}`；应为大于零、至多六位小数的数")
    return Decimal(text)


def solve(
    folder: Path, funds_fen: Mapping[str, int], base: Mapping[str, tuple[Decimal, Decimal]]
) -> list[Solved]:
    """Per pool of `funds_fen`: an insurance type, or `type/budget line`. `base`: pool → (base points,
    fixed yuan per point), for elastic.

    Raises InputError for a folder that is no run, UsageMistake for an insurance type without cases or points.
    """
    if not (folder / "manifest.json").is_file():
        raise InputError(f"不是批次文件夹：{folder}；请给出 out/地区/结算期/批次")
    with tempfile.TemporaryDirectory() as spill, engine(Path(spill)) as con:
        for name in ("scored", "rules_used"):
            parquet_view(con, name, [folder / f"{name}.parquet"])
        found = {
            "/".join(filter(None, (row["insurance_type"], row["budget_line"]))): row
            for row in rows(con, statement("solved"))
        }
    return [_solved(kind, found.get(kind), fund, base.get(kind)) for kind, fund in funds_fen.items()]


def _solved(
    kind: str, row: dict[str, Any] | None, fund_fen: int, base: tuple[Decimal, Decimal] | None
) -> Solved:
    if row is None or not row["units"]:
        raise UsageMistake(
            f"险种 `{kind}` 在这个批次里没有按点值（费率）付的病例，求不出点值；请核对险种代码"
        )
    if row["fund_method"] != row["other_method"] or row["fund_method"] == "policy":
        raise UsageMistake("只有差额法、比例法的批次能反算点值；政策法的基金不随点值等比变化，请另行测算")
    if row["fund_method"] == "difference" and not row["negative_kept"]:
        raise UsageMistake("差额法“负数记零”的批次，基金不随点值等比变化，不能反算点值；请另行测算")
    if row["fund_of"] not in ("", "region"):
        raise UsageMistake("比例法只有按同险种全区口径（of: region）的批次能由总额直接反算点值；请另行测算")
    fund = Fraction(fund_fen) - Fraction(row["separate_fen"])
    if row["fund_method"] == "difference":
        standards = fund + Fraction(row["total_fee_fen"]) - Fraction(row["pool_fund_fen"])
    else:
        standards = fund * Fraction(row["share_fee_fen"]) / Fraction(row["share_fund_fen"])
    rest, units = standards - Fraction(row["apart_fen"]), Fraction(row["units"])
    if not row["by_points"]:
        return Solved(kind, False, Fraction(0), standards, rest / units)
    points = units / 1_000_000
    if base is None:
        return Solved(kind, True, points, standards, rest / 100 / points)
    base_points, fixed = Fraction(base[0]), Fraction(base[1])
    if points <= base_points:
        raise UsageMistake(
            f"险种 `{kind}` 的点数 {_digits(points)} 没有超过基数 {base[0]}，弹性点值没有增量可算"
        )
    base_sum = base_points * fixed
    return Solved(
        kind,
        True,
        points,
        standards,
        (rest / 100 - base_sum) / (points - base_points),
        base_sum / (rest / 100),
    )
