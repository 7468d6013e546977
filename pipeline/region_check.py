"""`regions check`: what is wrong or doubtful in a region pack, before it prices anything."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from groupers.dip.ties import undecided, undecided_count
from pipeline.alliance_check import check_alliances
from pipeline.budgets import BUDGETS_FILE
from pipeline.catalogue_check import check_catalogue, rows_without_score
from pipeline.clearing_check import check_clearing
from pipeline.errors import ConfigurationError
from pipeline.hospital_budgets import HOSPITAL_BUDGETS_FILE
from pipeline.path_check import check_paths
from pipeline.price_bounds import MOST_HUGEINT, largest_product, largest_result_fits, stored_numbers
from pipeline.price_tables import price_of_group, price_of_hospital, units_of
from pipeline.problem import Problem, some
from pipeline.ratio_check import check_ratio
from pipeline.region import Region, budget_lines, budget_of, budgets_of
from pipeline.schemes import Scheme
from pipeline.terms import Terms
from pipeline.words import yuan_text
from pipeline.workdays import check_calendar, load_calendar

MOST_DEPOSIT = Decimal("0.05")  # 按病种付费经办管理规程（2025 年版）第二十六条
# Of the cases discharged: 5 % where cases are paid by DRG, 5 ‰ by DIP. 医保发〔2025〕18号第二十条, 医保办发〔2024〕9号
MOST_REVIEWED = {"drg": Decimal("0.05"), "dip": Decimal("0.005")}


def check_region(
    region: Region,
    terms: tuple[Terms, ...],
    schemes: Mapping[str, Scheme],
    waiting: frozenset[str] = frozenset(),
) -> list[Problem]:
    """Every problem of a pack on every interval of dates, errors first.

    `waiting`: what a draft does not have yet; the checks that need it are left out.
    """
    problems: list[Problem] = [*check_clearing(region)]
    for one in terms:
        scheme = schemes[one.scheme.key]
        if not waiting & {"weights", "off_path"}:
            problems += _groups(region, one, scheme)
        if "coefficients" not in waiting:
            problems += _hospitals(region, one)
        problems += [
            *check_ratio(one, region.pack.levels, scheme),
            *check_paths(one, region.pack, scheme),
            *_limits(one),
            *check_catalogue(one, scheme),
        ]
        problems += _ties(one, scheme)
        if not waiting:
            problems += _digits(region, one, scheme)
    problems += [
        *_reviews(region),
        *_budgets(region),
        *_hospital_budgets(region),
        *check_alliances(region),
        *_due_days(region),
    ]
    unique = list(dict.fromkeys(problems))
    return sorted(unique, key=lambda problem: problem.severity != "error")


def _due_days(region: Region) -> list[Problem]:
    """Whether due dates can be counted in the pack's latest year, whose December is paid in the next."""
    dated = [entry for entries in region.pack.dated.values() for entry in entries]
    if not dated or all(entry.declare_by_day is None for entry in region.pack.settlement):
        return []
    latest = max(entry.from_ for entry in dated).year
    return check_calendar(load_calendar(region.folder), latest, latest + 1)


def stop_on_draft(region: Region) -> None:
    """Refuse a pack that waits for what the city supplies or verifies. Raises ConfigurationError."""
    pack = region.pack
    if pack.to_supply or pack.unverified:
        raise ConfigurationError(
            f"地区参数还是草稿，不能结算：{region.folder}，待补 {len(pack.to_supply)} 项，未核实 {len(pack.unverified)} 项；"
            "请补齐、核对后再运行，清单见 `drgdip regions check 文件夹 --draft`"
        )


def stop_on_errors(region: Region, terms: tuple[Terms, ...], schemes: Mapping[str, Scheme]) -> None:
    """Refuse to run on a pack with errors that no single case could answer for. Raises ConfigurationError."""
    errors = [
        one
        for one in check_region(region, terms, schemes)
        if one.severity == "error" and not one.refuses_cases
    ]
    if errors:
        more = f"（共 {len(errors)} 处，其余见 `drgdip regions check`）" if len(errors) > 1 else ""
        raise ConfigurationError(
            f"地区参数有错误：{region.folder}，{errors[0].where}：{errors[0].message}{more}"
        )


def _groups(region: Region, terms: Terms, scheme: Scheme) -> list[Problem]:
    kinds, units = scheme.kinds, units_of(region.pack)
    problems = []
    blank = set(rows_without_score(terms, scheme))  # told by the catalogue's own check
    bare = [
        group for group in kinds if group not in blank and price_of_group(terms, scheme, group, units) is None
    ]
    if bare:
        problems.append(Problem(
            "error", f"{terms.valid_from} 起的权重",
            f"方案能产生的 {len(kinds)} 个组中有 {len(bare)} 个没有价格：{some(bare)}；请补权重或在 off_path 中另定",
            refuses_cases=True,
        ))  # fmt: skip
    strange = [group for group in terms.weights or () if group not in kinds]
    if strange:
        problems.append(Problem(
            "error", f"{terms.valid_from} 起的权重", f"有 {len(strange)} 个组不属于方案 {terms.scheme.name}：{some(strange)}；请核对版本",
        ))  # fmt: skip
    off, base = terms.off_path, terms.base_groups
    rules = terms.special_rules.rules if terms.special_rules else []
    lists = [
        base.groups,
        base.amounts,
        off.groups,
        *(one.groups for one in off.sets),
        *(r.groups or () for r in rules),
    ]
    named = list(dict.fromkeys(group for names in lists for group in names if group not in kinds))
    if named:
        problems.append(Problem(
            "error", f"{terms.valid_from} 起的基础病组与单列病组", f"不属于方案 {terms.scheme.name} 的组：{some(named)}；请更正",
        ))  # fmt: skip
    return problems


def _hospitals(region: Region, terms: Terms) -> list[Problem]:
    problems = []
    levels = region.pack.levels
    for hospital in terms.hospitals.values():
        if hospital.level not in levels:
            problems.append(Problem(
                "error", "hospitals.csv", f"{hospital.hospital_id} 的级别 `{hospital.level}` 不在 levels（{'、'.join(levels)}）中；请更正",
                refuses_cases=True,
            ))  # fmt: skip
            continue
        for insurance_type in region.pack.insurance_types:
            for is_base in (False, True):
                if price_of_hospital(terms, region.pack, hospital, insurance_type, is_base) is None:
                    problems.append(Problem(
                        "error", f"{terms.valid_from} 起的费率与系数",
                        f"{hospital.level} {insurance_type}{'（基础病组）' if is_base else ''} 没有费率或系数；请补齐",
                        refuses_cases=True,
                    ))  # fmt: skip
    unknown = [
        hospital_id
        for hospital_id in (terms.coefficients.by_hospital if terms.coefficients else ())
        if hospital_id not in terms.hospitals
    ]
    if unknown:
        problems.append(Problem(
            "warning", f"{terms.valid_from} 起的系数", f"系数表中的医院当日不在医院表：{some(unknown)}；请核对编号",
        ))  # fmt: skip
    return problems


def _ties(terms: Terms, scheme: Scheme) -> list[Problem]:
    """Rows that one case could meet alike and that no tie-breaker tells apart: the code would decide unseen."""
    if scheme.catalogue is None or not (count := undecided_count(scheme.catalogue)):
        return []
    first, second = undecided(scheme.catalogue, most=1)[0]
    return [Problem(
        "error", f"{terms.scheme.from_} 起的 tie_breakers",
        f"优先次序（{'、'.join(scheme.catalogue.choices.tie_breakers) or '空'}）分不出先后的病种有 {count} 对，"
        f"如 {first.row} 与 {second.row}；请在末尾加 catalogue_order",
    )]  # fmt: skip


def _digits(region: Region, terms: Terms, scheme: Scheme) -> list[Problem]:
    """Numbers whose products would not fit the integers of the SQL."""
    stored = stored_numbers(terms, region.pack, scheme)
    found = largest_product(terms, region.pack, stored)
    if found <= MOST_HUGEINT and largest_result_fits(terms, region.pack, stored):
        return []
    if found <= MOST_HUGEINT:
        return [Problem(
            "error", f"{terms.valid_from} 起的权重与单价",
            "最小的权重（分值）、费率（参照点值）过小，一亿元的病例的倍率或点数超出可存的位数；请核对单位",
        )]  # fmt: skip
    return [Problem(
        "error", f"{terms.valid_from} 起的小数位数",
        f"权重、系数、点值的位数合起来有 {len(str(found))} 位，超出可精确计算的 {len(str(MOST_HUGEINT)) - 1} 位；"
        "请按公布位数填写 digits",
    )]  # fmt: skip


def _limits(terms: Terms) -> list[Problem]:
    if terms.settlement.deposit_rate <= MOST_DEPOSIT:
        return []
    return [Problem(
        "error", f"{terms.settlement.from_} 起的保证金",
        f"比例 {terms.settlement.deposit_rate} 超过国家上限 {MOST_DEPOSIT}；请更正",
    )]  # fmt: skip


def _reviews(region: Region) -> list[Problem]:
    most = MOST_REVIEWED[region.pack.kind]
    return [
        Problem(
            "error", f"{entry.from_} 起的 review",
            f"特例单议比例 {entry.quota_share} 超过国家上限 {most}（按病组付费 5%，按病种分值付费 5‰）；请更正",
        )
        for entry in region.pack.review if entry.quota_share > most
    ]  # fmt: skip


def _hospital_budgets(region: Region) -> list[Problem]:
    """Hospitals that are promised more than their insurance type has; it moves no money, so a person judges."""
    given: dict[tuple[int, str], int] = {}
    for one in region.hospital_budgets:
        given[one.year, one.insurance_type] = given.get((one.year, one.insurance_type), 0) + one.fund_fen
    found = []
    for (year, kind), fen in sorted(given.items()):
        held = [one.fund_fen for one in budgets_of(region, year) if one.insurance_type == kind]
        if held and fen > sum(held):
            found.append(Problem(
                "warning", HOSPITAL_BUDGETS_FILE,
                f"{year} 年险种 {kind} 各医院的预算合计 {yuan_text(fen)} 元，超过本险种的 {yuan_text(sum(held))} 元；请核对",
            ))  # fmt: skip
    return found


def _budgets(region: Region) -> list[Problem]:
    """What the annual clearing and the budget pace would miss; a draft says so itself."""
    if not region.budgets:
        if "budgets" in region.pack.to_supply:
            return []
        return [Problem(
            "warning", BUDGETS_FILE, "没有年度预算，年度清算、预算进度要用；请补 budgets.csv",
        )]  # fmt: skip
    known = {(one.insurance_type, one.year) for one in region.budgets if not one.budget_line}
    return [*_lines(region), *(
        Problem(
            "warning", BUDGETS_FILE,
            f"{year} 年只有部分险种的预算，缺 {some(missing)}，其年度清算、预算进度算不出；请补一行",
        )
        for year in sorted({year for _, year in known})
        if (missing := [f"{kind} {title}" for kind, title in region.pack.insurance_types.items() if (kind, year) not in known])
    )]  # fmt: skip


def _lines(region: Region) -> list[Problem]:
    """Budget lines (预算单列): those that `scope` names want a budget, and a budget wants a line that `scope` names."""
    problems = []
    for year in sorted({one.year for one in region.budgets}):
        named = budget_lines(region, year)
        strange = {one.budget_line: None for one in region.budgets if one.year == year and one.budget_line}
        if unknown := [line for line in strange if line not in named]:
            problems.append(Problem(
                "error", BUDGETS_FILE,
                f"{year} 年的预算单列 {some(unknown)} 在 scope 里没有（budget_line），没有病例会用它；请核对名称或删去",
            ))  # fmt: skip
        for line in named:
            bare = [
                kind for kind in region.pack.insurance_types if budget_of(region, kind, year, line) is None
            ]
            if bare:
                problems.append(Problem(
                    "warning", BUDGETS_FILE,
                    f"{year} 年的预算单列 `{line}` 缺险种 {'、'.join(bare)} 的预算，其病例已不占本险种的总额，清算时没有预算可分；"
                    "请在 budgets.csv 补一行",
                ))  # fmt: skip
    return problems
