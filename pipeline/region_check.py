"""`regions check`: what is wrong or doubtful in a region pack, before it prices anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from groupers.dip.ties import undecided, undecided_count
from pipeline.errors import ConfigurationError
from pipeline.pack_pricing import Band
from pipeline.price_bounds import MOST_HUGEINT, largest_product
from pipeline.price_rules import NORMAL, Amount, amount_of_band
from pipeline.price_tables import price_of_group, price_of_hospital, units_of
from pipeline.region import Region
from pipeline.schemes import Scheme
from pipeline.terms import Terms

MOST_DEPOSIT = Decimal("0.05")  # 按病种付费经办管理规程（2025 年版）第二十六条
SHOWN = 8
FOUR_DIGITS = Decimal("0.0001")


@dataclass(frozen=True)
class Problem:
    """An error stops the pack from being used; a warning is for a person to judge.

    `refuses_cases`: a run goes on, since it refuses the cases concerned one by one (no price, no rate).
    """

    severity: Literal[
        "error", "warning", "supply", "unverified"
    ]  # the last two: what a draft still waits for
    where: str
    message: str
    refuses_cases: bool = False


def check_region(
    region: Region,
    terms: tuple[Terms, ...],
    schemes: Mapping[str, Scheme],
    waiting: frozenset[str] = frozenset(),
) -> list[Problem]:
    """Every problem of a pack on every interval of dates, errors first.

    `waiting`: what a draft does not have yet; the checks that need it are left out.
    """
    problems: list[Problem] = []
    for one in terms:
        scheme = schemes[one.scheme.key]
        if not waiting & {"weights", "off_path"}:
            problems += _groups(region, one, scheme)
        if not waiting & {"coefficients"}:
            problems += _hospitals(region, one)
        problems += [*_bands(one, scheme), *_limits(one), *_ties(one, scheme)]
        if not waiting:
            problems += _digits(region, one, scheme)
    unique = list(dict.fromkeys(problems))
    return sorted(unique, key=lambda problem: problem.severity != "error")


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
    bare = [group for group in kinds if price_of_group(terms, scheme, group, units) is None]
    if bare:
        problems.append(Problem(
            "error", f"{terms.valid_from} 起的权重",
            f"方案能产生的 {len(kinds)} 个组中有 {len(bare)} 个没有价格：{_some(bare)}；请补权重或在 off_path 中另定",
            refuses_cases=True,
        ))  # fmt: skip
    strange = [group for group in terms.weights or () if group not in kinds]
    if strange:
        problems.append(Problem(
            "error", f"{terms.valid_from} 起的权重", f"有 {len(strange)} 个组不属于方案 {terms.scheme.name}：{_some(strange)}；请核对版本",
        ))  # fmt: skip
    named = [group for group in (*terms.base_groups.groups, *terms.off_path.groups) if group not in kinds]
    if named:
        problems.append(Problem(
            "error", f"{terms.valid_from} 起的基础病组与单列病组", f"不属于方案 {terms.scheme.name} 的组：{_some(named)}；请更正",
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
        hospital_id for hospital_id in terms.coefficients.by_hospital if hospital_id not in terms.hospitals
    ]
    if unknown:
        problems.append(Problem(
            "warning", f"{terms.valid_from} 起的系数", f"系数表中的医院当日不在医院表：{_some(unknown)}；请核对编号",
        ))  # fmt: skip
    return problems


def _bands(terms: Terms, scheme: Scheme) -> list[Problem]:
    """Jumps at thresholds and payments below nothing, in multiples of the payment standard S."""
    problems = []
    ratio = terms.ratio
    edges = [*(("低倍率", band) for band in ratio.lows), *(("高倍率", band) for band in ratio.high)]
    edges += [("超高倍率", ratio.beyond)] if ratio.beyond else []
    for title, band in edges:
        where = f"{terms.valid_from} 起的{title}，界限 {band.threshold}"
        amount = amount_of_band(band, ratio.reference)
        at_nothing = amount.by_standard + min(Decimal(0), amount.by_value)
        if title == "低倍率" and at_nothing < 0:
            problems.append(Problem(
                "error", where, f"费用趋于零时的支付为 {_plain(at_nothing)} 倍标准，小于零；请更正规则",
            ))  # fmt: skip
        before = [amount_of_band(one, ratio.reference) for one in ratio.high]
        before = before if band is ratio.beyond else [NORMAL]
        for which, below, at_edge in _at_threshold(terms, scheme, band, amount, before):
            if at_edge < 0:
                problems.append(Problem(
                    "error", where, f"{which}界限处的支付为 {_plain(at_edge)} 倍标准，小于零；请更正规则",
                ))  # fmt: skip
            elif at_edge != below:
                problems.append(Problem(
                    "warning", where,
                    f"{which}界限处的支付由 {_plain(below)} 倍标准跳到 {_plain(at_edge)} 倍标准（{_edge_side(band)}）",
                ))  # fmt: skip
    if min(band.threshold for band in ratio.high) <= max(band.threshold for band in ratio.lows):
        problems.append(
            Problem("error", f"{terms.valid_from} 起的倍率", "高倍率界限不大于低倍率界限；请更正")
        )
    for level in dict.fromkeys(band.level for band in ratio.high):
        *lower, last = (band.weight_le for band in ratio.high if band.level == level)
        rising = [edge for edge in lower if edge is not None]
        if last is not None or rising != sorted(set(rising)) or len(rising) != len(lower):
            problems.append(Problem(
                "error", f"{terms.valid_from} 起的高倍率", "权重分段须由小到大，且只有最后一段不写 weight_le；请更正",
            ))  # fmt: skip
    return problems


def _at_threshold(
    terms: Terms, scheme: Scheme, band: Band, amount: Amount, before: Sequence[Amount]
) -> Iterator[tuple[str, Decimal, Decimal]]:
    """The payment just before and at a band's threshold in multiples of S (auxiliary coefficient 1).

    Where it depends on them, for the smallest and the largest coefficient and for each insurance type.
    """
    found = set(terms.coefficients.numbers())
    if terms.coefficients.by_group_level:
        found = set(scheme.coefficients.values())
    ends = sorted({min(found, default=Decimal(1)), max(found, default=Decimal(1))})
    for earlier in before:
        seen: dict[tuple[Decimal, Decimal], str] = {}
        for title, price in _price_ratios(terms):
            for c in ends:
                pair = (
                    _multiple(terms, earlier, band.threshold, c, price),
                    _multiple(terms, amount, band.threshold, c, price),
                )
                seen.setdefault(pair, f"{title}系数 {c} 的医院，")
        for (below, at_edge), which in seen.items():
            yield which if len(seen) > 1 else "", below, at_edge


def _price_ratios(terms: Terms) -> list[tuple[str, Decimal]]:
    """Reference price ÷ point value, of every insurance type that has both; 1 by the rate method."""
    if terms.point_values is None or terms.reference_prices is None:
        return [("", Decimal(1))]
    judged = terms.reference_prices.values
    return [
        (f"险种 {kind} ", judged[kind] / pays)
        for kind, pays in terms.point_values.values.items()
        if kind in judged
    ]


def _multiple(terms: Terms, amount: Amount, x: Decimal, c: Decimal, price_ratio: Decimal) -> Decimal:
    """The amount at ratio x as a multiple of S: the form of price_rules.py divided by W·c·P."""
    power = 1 if terms.ratio.reference == "with_coefficient" else 0
    beside = amount.by_value / c + amount.of_points * x * c ** (power + amount.coefficient_power - 1)
    if amount.floored:
        beside = max(Decimal(0), beside)
    exact = amount.by_standard + beside + amount.of_fee * x * price_ratio * c ** (power - 1)
    return exact.quantize(FOUR_DIGITS)


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
    found = largest_product(terms, region.pack, scheme)
    if found <= MOST_HUGEINT:
        return []
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


def _edge_side(band: Band) -> str:
    return "界限属于本档" if band.inclusive else "界限不属于本档"


def _some(names: list[str]) -> str:
    return "、".join(names[:SHOWN]) + (f" 等 {len(names)} 个" if len(names) > SHOWN else "")


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
