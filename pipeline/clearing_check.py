"""What `regions check` says of the yearly clearing: values that cannot float, and bands whose amount jumps at an edge."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from pipeline.pack_clearing import ClearingEntry
from pipeline.problem import Problem
from pipeline.region import FOREVER, Region, budget_lines

MILLION = Decimal(100)  # in units of ten thousand yuan


def check_clearing(region: Region) -> Iterator[Problem]:
    """Every problem of the clearing entries of a pack."""
    for entry in region.pack.clearing:
        where = f"{entry.from_} 起的年度清算"
        yield from _value(region, entry, where)
        yield from _lines(region, entry, where)
        yield from check_reclassify(region, entry, where)
        for below, above in pairwise(entry.bands):
            before, after = below.multiple_at(above.lo), above.multiple_at(above.lo)
            if before != after:
                yield Problem(
                    "warning", where,
                    f"F/S 到 {_plain(above.lo)} 时由 {_plain(before)} 倍跳到 {_plain(after)} 倍："
                    f"S 为 100 万元的医院差 {_plain(abs(after - before) * MILLION)} 万元",
                )  # fmt: skip


def _value(region: Region, entry: ClearingEntry, where: str) -> Iterator[Problem]:
    pack = region.pack
    if entry.value == "fixed":
        return
    if pack.method == "published":
        yield Problem("error", where, "支付标准由本市公布，没有点值、费率可以浮动；value 请写 fixed")
    if entry.value == "elastic":
        if not pack.by_points:
            yield Problem("error", where, "弹性清算要有点数，费率法不能用；value 请写 fixed 或 floating")
        lacking = [kind for kind in pack.insurance_types if kind not in entry.base_points]
        if lacking:
            yield Problem("error", where, f"base_points、fixed_values 缺险种 {'、'.join(lacking)}；请补齐")
    strange = [kind for kind in entry.base_points if kind not in pack.insurance_types]
    if strange:
        yield Problem(
            "error", where, f"base_points 的险种 {'、'.join(strange)} 不在 insurance_types 中；请更正"
        )
    for share in pack.fund_share:
        meets = share.from_ <= (entry.to or FOREVER) and entry.from_ <= (share.to or FOREVER)
        if meets and (share.method == "policy" or (share.method, share.negative) == ("difference", "zero")):
            yield Problem(
                "error", where,
                f"{share.from_} 起的 fund_share 为{'政策法' if share.method == 'policy' else '差额法、负数记零'}，"
                "基金不随点值（费率）等比变化；value 请写 fixed",
            )  # fmt: skip


def _lines(region: Region, entry: ClearingEntry, where: str) -> Iterator[Problem]:
    """Lines that no scope names, and lines paid by item, which no value could use up."""
    latest = max((one.year for one in region.budgets), default=entry.from_.year)
    years = range(entry.from_.year, max(entry.from_.year, latest if entry.to is None else entry.to.year) + 1)
    named: dict[str, bool] = {}
    for year in years:
        for line, by_item in budget_lines(region, year).items():
            named[line] = named.get(line, True) and by_item
    if strange := [line for line in entry.lines_as_priced if line not in named]:
        yield Problem(
            "error",
            where,
            f"lines_as_priced 的预算单列 {'、'.join(strange)} 在 scope 里没有（budget_line）；请更正或删去",
        )
    fixed = [line for line, by_item in named.items() if by_item and line not in entry.lines_as_priced]
    if fixed and entry.value != "fixed":
        yield Problem(
            "error", where,
            f"预算单列 {'、'.join(fixed)} 的病例按项目付，没有点值（费率）可以浮动；请写进 lines_as_priced，其预算只作对照",
        )  # fmt: skip


def check_reclassify(region: Region, entry: ClearingEntry, where: str) -> Iterator[Problem]:
    """Classes that the cleared value does not touch cannot be decided by it."""
    if entry.reclassify != "once":
        return
    if region.pack.method != "rate":
        yield Problem(
            "error", where,
            "reclassify: once 只用于费率法：点数、分值的倍率按参照点值判，不随清算点值变；请写 never",
        )  # fmt: skip
    for ratio in region.pack.ratio:
        meets = ratio.from_ <= (entry.to or FOREVER) and entry.from_ <= (ratio.to or FOREVER)
        if meets and ratio.reference == "group_mean":
            yield Problem(
                "error", where,
                f"{ratio.from_} 起的 ratio 以病组例均费用（group_mean）为参照，倍率不随费率变，reclassify: once 没有用；请写 never",
            )  # fmt: skip


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
