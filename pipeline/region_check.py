"""`regions check`: what is wrong or doubtful in a region pack, before it prices anything."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from groupers.drg.rulebook import RuleBook
from pipeline.errors import ConfigurationError
from pipeline.pack import Band
from pipeline.region import Region
from pipeline.score import group_kinds
from pipeline.terms import Amount, Terms, amount_of_band, price_of_group, price_of_hospital

MOST_DEPOSIT = Decimal("0.05")  # 按病种付费经办管理规程（2025 年版）第二十六条
SHOWN = 8
FOUR_DIGITS = Decimal("0.0001")


@dataclass(frozen=True)
class Problem:
    """An error stops the pack from being used; a warning is for a person to judge.

    `refuses_cases`: a run goes on, since it refuses the cases concerned one by one (no price, no rate).
    """

    severity: Literal["error", "warning"]
    where: str
    message: str
    refuses_cases: bool = False


def check_region(region: Region, terms: tuple[Terms, ...], books: dict[str, RuleBook]) -> list[Problem]:
    """Every problem of a pack on every interval of dates, errors first."""
    problems: list[Problem] = []
    for one in terms:
        book = books[one.scheme]
        problems += [*_groups(one, book), *_hospitals(region, one), *_bands(one), *_limits(one)]
    unique = list(dict.fromkeys(problems))
    return sorted(unique, key=lambda problem: problem.severity != "error")


def stop_on_errors(region: Region, terms: tuple[Terms, ...], books: dict[str, RuleBook]) -> None:
    """Refuse to run on a pack with errors that no single case could answer for. Raises ConfigurationError."""
    errors = [
        one for one in check_region(region, terms, books) if one.severity == "error" and not one.refuses_cases
    ]
    if errors:
        more = f"（共 {len(errors)} 处，其余见 `drgdip regions check`）" if len(errors) > 1 else ""
        raise ConfigurationError(
            f"地区参数有错误：{region.folder}，{errors[0].where}：{errors[0].message}{more}"
        )


def _groups(terms: Terms, book: RuleBook) -> list[Problem]:
    kinds = group_kinds(book)
    problems = []
    bare = [group for group, kind in kinds.items() if price_of_group(terms, group, kind) is None]
    if bare:
        problems.append(Problem(
            "error", f"{terms.valid_from} 起的权重",
            f"方案能产生的 {len(kinds)} 个组中有 {len(bare)} 个没有价格：{_some(bare)}；请补权重或在 off_path 中另定",
            refuses_cases=True,
        ))  # fmt: skip
    strange = [group for group in terms.weights if group not in kinds]
    if strange:
        problems.append(Problem(
            "error", f"{terms.valid_from} 起的权重", f"有 {len(strange)} 个组不属于方案 {terms.scheme}：{_some(strange)}；请核对版本",
        ))  # fmt: skip
    named = [group for group in (*terms.base_groups.groups, *terms.off_path.groups) if group not in kinds]
    if named:
        problems.append(Problem(
            "error", f"{terms.valid_from} 起的基础病组与单列病组", f"不属于方案 {terms.scheme} 的组：{_some(named)}；请更正",
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
                if price_of_hospital(terms, levels, hospital, insurance_type, is_base) is None:
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


def _bands(terms: Terms) -> list[Problem]:
    """Jumps at thresholds and payments below nothing, in multiples of the payment standard S."""
    problems = []
    reference = terms.ratio.reference
    edges = [("低倍率", terms.ratio.low), *(("高倍率", band) for band in terms.ratio.high)]
    for title, band in edges:
        where = f"{terms.valid_from} 起的{title}，界限 {band.threshold}"
        amount = amount_of_band(band, reference)
        if title == "低倍率" and amount.multiple < 0:
            problems.append(Problem(
                "error", where, f"费用趋于零时的支付为 {_plain(amount.multiple)} 倍标准，小于零；请更正规则",
            ))  # fmt: skip
        for which, at_edge in _at_threshold(terms, band, amount):
            if at_edge < 0:
                problems.append(Problem(
                    "error", where, f"{which}界限处的支付为 {_plain(at_edge)} 倍标准，小于零；请更正规则",
                ))  # fmt: skip
            elif at_edge != 1:
                problems.append(Problem(
                    "warning", where, f"{which}界限处的支付由 1 倍标准跳到 {_plain(at_edge)} 倍标准（{_edge_side(band)}）",
                ))  # fmt: skip
    thresholds = [terms.ratio.low.threshold, *(band.threshold for band in terms.ratio.high)]
    if min(thresholds[1:]) <= thresholds[0]:
        problems.append(
            Problem("error", f"{terms.valid_from} 起的倍率", "高倍率界限不大于低倍率界限；请更正")
        )
    edges_by_weight = [band.weight_le for band in terms.ratio.high]
    rising = [edge for edge in edges_by_weight if edge is not None]
    if (
        edges_by_weight[-1] is not None
        or rising != sorted(set(rising))
        or len(rising) != len(edges_by_weight) - 1
    ):
        problems.append(Problem(
            "error", f"{terms.valid_from} 起的高倍率", "权重分段须由小到大，且只有最后一段不写 weight_le；请更正",
        ))  # fmt: skip
    return problems


def _at_threshold(terms: Terms, band: Band, amount: Amount) -> list[tuple[str, Decimal]]:
    """The payment at a band's threshold in multiples of S, and for which coefficient where that matters."""
    share = amount.fee_share * band.threshold
    if terms.ratio.reference == "with_coefficient" or not share or amount.share_by_coefficient:
        return [("", amount.multiple + share)]  # F = K·S, or F = K·S/c with a share that carries c
    # F = K·S/c: the largest coefficient earns least, so the two ends tell the rest.
    found = {*terms.coefficients.by_level.values(), *terms.coefficients.by_hospital.values()}
    ends = sorted({min(found), max(found)})
    return [(f"系数 {c} 的医院，", (amount.multiple + share / c).quantize(FOUR_DIGITS)) for c in ends]


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
