"""`regions check` of alliances (医共体): what the month or the annual clearing would miss."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping

from pipeline.alliance_tables import ASSESSMENTS_FILE, BUDGET_SHARE, PACKAGES_FILE, members_in
from pipeline.problem import Problem, some
from pipeline.region import Region, budget_of
from pipeline.terms import in_force

WHOLE = 1_000_000  # budget shares are counted in millionths


def check_alliances(region: Region) -> list[Problem]:
    """Years without package, packages without members or assessment, shares of a budget above one."""
    tables = region.alliance_tables
    years = _years_with_members(region)
    packaged: dict[str, set[int]] = defaultdict(set)
    for one in tables.packages:
        packaged[one.alliance_id].add(one.year)
    assessed = {(one.alliance_id, one.year) for one in tables.assessments}
    problems = []
    for alliance_id in sorted(years):
        if bare := sorted(years[alliance_id] - packaged[alliance_id]):
            problems.append(Problem(
                "warning", PACKAGES_FILE,
                f"医共体 {alliance_id} 有成员而没有打包的年度：{some([str(year) for year in bare])}，只列支出、不算结余；打包的请补一行",
            ))  # fmt: skip
    for alliance_id, found in sorted(packaged.items()):
        for year in sorted(found):
            problems += _of_package(region, alliance_id, year, years, assessed)
    return [*problems, *_budget_shares(region), *_without_budget(region)]


def _years_with_members(region: Region) -> dict[str, set[int]]:
    """By alliance, until the last year that the pack's packages speak of; an open membership has no end of its own."""
    spoken_of = [one.year for one in region.alliance_tables.packages]
    last = max([*spoken_of, *(one.from_.year for one in region.memberships)], default=0)
    first = min(entry.from_.year for entry in region.pack.scheme)  # before it nothing is settled
    years: dict[str, set[int]] = defaultdict(set)
    for one in region.memberships:
        years[one.alliance_id].update(range(max(one.from_.year, first), min(one.to.year, last) + 1))
    return years


def _of_package(
    region: Region, alliance_id: str, year: int, years: Mapping[str, set[int]], assessed: set[tuple[str, int]]
) -> list[Problem]:
    months = [f"{year}-{number:02d}" for number in range(1, 13)]
    if year not in years.get(alliance_id, ()) or not any(
        one.alliance_id == alliance_id for month in months for one in members_in(region.memberships, month)
    ):
        return [Problem(
            "warning", PACKAGES_FILE, f"医共体 {alliance_id} 在 {year} 年没有成员，打包用不上；请核对年度或 alliances.csv",
        )]  # fmt: skip
    problems = []
    if (alliance_id, year) not in assessed:
        problems.append(Problem(
            "warning", ASSESSMENTS_FILE, f"医共体 {alliance_id} 还没有 {year} 年的考核（结余留用比例、分配比），年度清算要用；请补一行",
        ))  # fmt: skip
    if in_force(region.pack.alliance, dt.date(year, 12, 31)) is None:
        problems.append(Problem(
            "warning", "alliance", f"{year} 年有医共体打包，而 region.yaml 没有写 alliance（超支分担、拨付时限），年度清算要用；请补齐",
        ))  # fmt: skip
    return problems


def _budget_shares(region: Region) -> list[Problem]:
    sums: dict[tuple[int, str], int] = defaultdict(int)
    for one in region.alliance_tables.packages:
        sums[one.year, one.insurance_type] += one.budget_share_e6
    return [
        Problem(
            "error", PACKAGES_FILE,
            f"{year} 年险种 {insurance_type} 各医共体的预算比例合计 {found // 10_000}.{found % 10_000:04d}%，超过 100%；请更正",
        )
        for (year, insurance_type), found in sorted(sums.items()) if found > WHOLE
    ]  # fmt: skip


def _without_budget(region: Region) -> list[Problem]:
    """A share of a budget that nobody gave: the month is refused then."""
    return [
        Problem(
            "warning", PACKAGES_FILE,
            f"医共体 {one.alliance_id} 按预算比例打包，而没有 {one.year} 年险种 {one.insurance_type} 的预算，不能结算；请补 budgets.csv",
        )
        for one in region.alliance_tables.packages
        if one.form == BUDGET_SHARE and budget_of(region, one.insurance_type, one.year) is None
    ]  # fmt: skip
