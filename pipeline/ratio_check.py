"""What `regions check` says of the ratio classes: order of thresholds, jumps at them, payments below nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal

from pipeline.pack_pricing import Band
from pipeline.price_rules import NORMAL, Amount, Rule, amount_of_band, rules_of, weight_edges
from pipeline.problem import Problem
from pipeline.schemes import Scheme
from pipeline.terms import Terms

FOUR_DIGITS = Decimal("0.0001")


def check_ratio(terms: Terms, levels: Sequence[str], scheme: Scheme) -> Iterator[Problem]:
    """Every problem of the ratio classes of one interval, in multiples of the payment standard S."""
    yield from _thresholds(terms, levels)
    ratio = terms.ratio
    low, high = [("低倍率", band) for band in ratio.lows], [("高倍率", band) for band in ratio.high]
    for title, band in [*low, *high, *([("超高倍率", ratio.beyond)] if ratio.beyond else [])]:
        where = f"{terms.valid_from} 起的{title}，界限 {band.threshold}"
        amount = amount_of_band(band, ratio.reference)
        at_nothing = amount.by_standard + min(Decimal(0), amount.by_value)
        if title == "低倍率" and at_nothing < 0:
            yield Problem(
                "error", where, f"费用趋于零时的支付为 {_plain(at_nothing)} 倍标准，小于零；请更正规则",
            )  # fmt: skip
        before = [amount_of_band(one, ratio.reference) for one in ratio.high]
        before = before if band is ratio.beyond else [NORMAL]
        for which, below, at_edge in _at_threshold(terms, scheme, band, amount, before):
            if at_edge < 0:
                yield Problem(
                    "error", where, f"{which}界限处的支付为 {_plain(at_edge)} 倍标准，小于零；请更正规则",
                )  # fmt: skip
            elif at_edge != below:
                yield Problem(
                    "warning", where,
                    f"{which}界限处的支付由 {_plain(below)} 倍标准跳到 {_plain(at_edge)} 倍标准（{_edge_side(band)}）",
                )  # fmt: skip


def _thresholds(terms: Terms, levels: Sequence[str]) -> Iterator[Problem]:
    """Every weight band and level has its low and high class, low below high below beyond."""
    ratio, where = terms.ratio, f"{terms.valid_from} 起的倍率"
    strange = [band.level for band in (*ratio.lows, *ratio.high) if band.level and band.level not in levels]
    if strange:
        yield Problem("error", where, f"level `{strange[0]}` 不在 levels（{'、'.join(levels)}）中；请更正")
    if not all(any(band.weight_le is band.weight_lt is band.level is None for band in some)
               for some in (ratio.lows, ratio.high)):  # fmt: skip
        yield Problem(
            "error", where, "低倍率、高倍率各须有一段不写 weight_le、weight_lt、level，余下的病组、级别都用它；请补一段",
        )  # fmt: skip
        return
    for some in (ratio.lows, ratio.high):
        keys = [(band.weight_le, band.weight_lt, band.level) for band in some]
        if len(set(keys)) < len(keys):
            yield Problem("error", where, "有两段的权重界限与级别完全相同；请删去一段")
    classes: dict[tuple[str, str], list[Rule]] = {}
    for rule in rules_of(ratio, terms.off_path, levels):
        if rule.piece:
            classes.setdefault((rule.path, rule.level), []).append(rule)
    edges = weight_edges(ratio)
    if any(one[0] == two[0] for one, two in itertools.pairwise(edges)):
        yield Problem("error", where, f"同一权重 {edges[0][0]} 既写 weight_le 又写 weight_lt；请只取一种")
    for rules in classes.values():
        bounds = [rule.x_to for rule in rules if rule.x_to is not None]
        if any(one >= two for one, two in itertools.pairwise(bounds)):
            name = "极高倍率界限不大于高倍率界限" if bounds[0] < bounds[1] else "高倍率界限不大于低倍率界限"
            yield Problem("error", where, f"{name}；请更正")
            return


def _at_threshold(
    terms: Terms, scheme: Scheme, band: Band, amount: Amount, before: Sequence[Amount]
) -> Iterator[tuple[str, Decimal, Decimal]]:
    """The payment just before and at a band's threshold in multiples of S (auxiliary coefficient 1).

    Where it depends on them, for the smallest and the largest coefficient and for each insurance type. Against a
    group's own mean a share of the fee is no multiple of S, so nothing can be said of it.
    """
    if terms.ratio.reference == "group_mean" and any(one.of_fee for one in (amount, *before)):
        return
    ends, ratios = _coefficient_ends(terms, scheme), _price_ratios(terms)
    for earlier in before:
        found_at = {
            (title, c): tuple(
                _multiple(terms, one, _x_at(terms, band, c), c, price) for one in (earlier, amount)
            )
            for title, price in ratios
            for c in ends
        }
        # The insurance type is named only where the amount depends on it.
        if all(pair == found_at[ratios[0][0], c] for (_, c), pair in found_at.items()):
            found_at = {("", c): found_at[ratios[0][0], c] for c in ends}
        seen: dict[tuple[Decimal, ...], str] = {}
        for (title, c), pair in found_at.items():
            seen.setdefault(pair, f"{title}系数 {c} 的医院，")
        for (below, at_edge), which in seen.items():
            yield which if len(seen) > 1 else "", below, at_edge


def _coefficient_ends(terms: Terms, scheme: Scheme) -> list[Decimal]:
    """The smallest and the largest coefficient that may occur."""
    found = {*terms.level_coefficients.values(), *terms.hospital_coefficients.values()}
    if terms.coefficients is not None:
        found |= set(terms.coefficients.numbers())
        if terms.coefficients.by_group_level and not terms.level_coefficients:
            found |= set(scheme.coefficients.values())
    return sorted({min(found, default=Decimal(1)), max(found, default=Decimal(1))})


def _x_at(terms: Terms, band: Band, c: Decimal) -> Decimal:
    """The ratio at a threshold; `lower_of` measures the low one on the smaller reference."""
    low = terms.ratio.reference == "lower_of" and band in terms.ratio.lows
    return band.threshold * min(Decimal(1), c) if low else band.threshold


def _price_ratios(terms: Terms) -> list[tuple[str, Decimal]]:
    """Reference price ÷ point value, of every insurance type that has both; 1 where cases have no points."""
    if terms.point_values is None:
        return [("", Decimal(1))]
    ratios = []
    for kind, pays in terms.point_values.values.items():
        judged = terms.reference_prices.values.get(kind) if terms.reference_prices else None
        if terms.point_scale is not None and (cost := terms.point_scale.mean_cost(kind)) is not None:
            judged = cost / terms.point_scale.scale
        if judged is not None:
            ratios.append((f"险种 {kind} ", judged / pays))
    return ratios or [("", Decimal(1))]


def _multiple(terms: Terms, amount: Amount, x: Decimal, c: Decimal, price_ratio: Decimal) -> Decimal:
    """The amount at ratio x as a multiple of S: the form of price_rules.py divided by W·c·P."""
    power = 1 if terms.ratio.reference == "with_coefficient" else 0
    beside = amount.by_value / c + amount.of_points * x * c ** (power + amount.coefficient_power - 1)
    if amount.floored:
        beside = max(Decimal(0), beside)
    exact = amount.by_standard + beside + amount.of_fee * x * price_ratio * c ** (power - 1)
    return exact.quantize(FOUR_DIGITS)


def _edge_side(band: Band) -> str:
    return "界限属于本档" if band.inclusive else "界限不属于本档"


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
