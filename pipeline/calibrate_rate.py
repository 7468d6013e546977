"""Rates or point values from a fund: what the standards of a year may come to, over the weights it will bring.

Per insurance type, of the last window: g = (1 + growth) × 12 ÷ months. Standards = fund × ΣF ÷ ΣP (ratio) or fund +
(ΣF − ΣP)·g (difference), P the recorded fund; less what does not follow the rate, ·g; ÷ (Σ w·c·g). Separately paid items are
no part of the fee that is priced, and what the fund pays for them is no part of the fund. Source: DESIGN §6, §8.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from pipeline.calibrate_history import YEAR_MONTHS
from pipeline.calibrate_price_rules import PriceRules
from pipeline.calibrate_spread import total
from pipeline.calibrate_unit import Part, Units, paid_weights
from pipeline.calibrate_window import Ground, Mix, Window
from pipeline.errors import ConfigurationError, InputError, UsageMistake
from pipeline.invariance import half_away
from pipeline.negotiate_present import Present
from pipeline.region import budget_of
from pipeline.words import worded

FEN = 100
# What became of a rate, in the words of the files.
STATUSES = {"own": "测算", "thin_kept": "样本不足，沿用现行", "no_cases": "没有病例，沿用现行"}


@dataclass(frozen=True)
class Share:
    """One rate: `units` Σ w·c (× scale) of the window, `standards_fen` what they may come to in the year.

    `level` is empty where the rate is alike at all levels; `exact` and `value` in yuan per weight or point.
    """

    level: str
    status: str
    cases: int
    fee_fen: int
    weight: Fraction
    units: Fraction
    standards_fen: Fraction | None
    exact: Fraction | None
    present: Decimal | None
    value: Decimal | None


@dataclass(frozen=True)
class Pool:
    """An insurance type: its fund of the year and how it becomes standards. `aside`: paid whatever the rate is.

    `aside_paid_fen`: what these are paid, at their fee or its share.
    """

    insurance: str
    name: str
    fund_fen: int | None
    fund_source: str
    cases: int
    fee_fen: int
    separate_fen: int
    recorded_fen: int
    aside_cases: int
    aside_fen: int
    aside_paid_fen: Fraction
    standards_fen: Fraction | None
    to_share_fen: Fraction | None
    shares: tuple[Share, ...]

    @property
    def area_mean(self) -> Fraction | None:
        """A: yuan of cost per weight, of the cases that are paid by weight."""
        weight = sum((one.weight for one in self.shares), Fraction())
        return Fraction(self.fee_fen - self.aside_fen, FEN) / weight if weight else None


@dataclass(frozen=True)
class Rates:
    """Calibrated rates (or point values) of every insurance type; `stretch` is g, `growth` in percent."""

    window: Window
    ground: Ground
    rules: PriceRules
    year: int
    months: int
    growth: Decimal
    stretch: Fraction
    pools: tuple[Pool, ...]

    @property
    def by_points(self) -> bool:
        """Whether these are point values."""
        return self.ground.region.pack.by_points

    @property
    def word(self) -> str:
        """What they are called."""
        return "点值" if self.by_points else "费率"

    @property
    def area_mean(self) -> Fraction:
        """A over all insurance types, yuan per weight."""
        fee = sum(pool.fee_fen - pool.aside_fen for pool in self.pools)
        return Fraction(fee, FEN) / sum(
            (one.weight for pool in self.pools for one in pool.shares), Fraction()
        )


def calibrate_rates(
    window: Window, ground: Ground, present: Present, rules: PriceRules, funds_fen: Mapping[str, int], year: int,
    growth: Decimal,
) -> Rates:  # fmt: skip
    """Rates of a year from the funds given, else from the pack's budgets of that year.

    Raises UsageMistake for a fund that is missing or of an unknown insurance type, ConfigurationError for a way of
    funding that does not follow the rate, InputError where nothing is left to share.
    """
    _stop_on_terms(ground, funds_fen)
    last = len(rules.year_weights) - 1
    months = len(window.windows[last])
    stretch = (1 + Fraction(growth) / 100) * Fraction(YEAR_MONTHS, months)
    units = Units(ground)
    pools = []
    for insurance, name in ground.region.pack.insurance_types.items():
        mix = [
            _priced(one, ground, rules)
            for one in window.mix
            if one.year == last and one.insurance == insurance
        ]
        pools.append(_pool(mix, insurance, name, ground, present, rules, funds_fen, year, stretch, units))
    if not any(one.weight for pool in pools for one in pool.shares):
        raise InputError(
            worded(
                f"历史的最后一年没有按权重付的病例（{window.span}），测算不出费率；请核对历史", present.kind
            )
        )
    return Rates(window, ground, rules, year, months, growth, stretch, tuple(pools))


def _stop_on_terms(ground: Ground, funds_fen: Mapping[str, int]) -> None:
    types = ground.region.pack.insurance_types
    for insurance in funds_fen:
        if insurance not in types:
            raise UsageMistake(f"--fund 的险种不认识：`{insurance}`；本地区有 {'、'.join(types)}，请更正")
    where = ground.region.folder / "region.yaml"
    if ground.terms.fund_share.method == "policy":
        raise ConfigurationError(
            f"政策法的基金不随费率等比变化，不能由基金测算费率：{where} 的 fund_share；请另行测算"
        )


def _pool(
    mix: Sequence[Mix], insurance: str, name: str, ground: Ground, present: Present, rules: PriceRules,
    funds_fen: Mapping[str, int], year: int, stretch: Fraction, units: Units,
) -> Pool:  # fmt: skip
    found, apart, apart_paid = _units(mix, ground, present, units)
    shares = _frame(found, insurance, ground, rules)
    cases, fee = sum(one.cases for one in mix), sum(one.fee_fen for one in mix)
    separate, own = sum(one.separate_fen for one in mix), ground.terms.separate_items
    recorded = sum(one.pool_fund_fen for one in mix)
    if all(one.status != "own" for one in shares):
        return Pool(
            insurance, name, None, "", cases, fee, separate, recorded, *apart, apart_paid, None, None, tuple(shares)
        )  # fmt: skip
    fund, source = _fund(insurance, ground, funds_fen, year)
    if recorded <= 0:
        raise InputError(
            f"历史没有记账统筹基金：险种 `{insurance}` 的 pool_fund_fen 合计为 {recorded}，不知道基金占费用多少；请在历史里补上这一列"
        )
    billed = fee + separate
    net = fund - (separate * Fraction(own.share) * stretch if own else 0)
    by_difference = ground.terms.fund_share.method == "difference"
    standards = net + (billed - recorded) * stretch if by_difference else net * Fraction(billed, recorded)
    shared = standards - apart_paid * stretch
    kept = total(
        [
            one.units * stretch * Fraction(one.present or 0) * FEN
            for one in shares
            if one.status == "thin_kept"
        ]
    )
    if shared - kept <= 0:
        raise InputError(
            f"险种 `{insurance}` 的基金不够分：支付标准可到 {half_away(standards / FEN, 2)} 元，不随费率变动的已占 "
            f"{half_away((apart_paid * stretch + kept) / FEN, 2)} 元；请核对 --fund"
        )
    priced = _shared(shares, shared - kept, stretch, rules, ground.region.pack.digits.rate)
    return Pool(
        insurance, name, fund, source, cases, fee, separate, recorded, *apart, apart_paid, standards, shared,
        tuple(priced),
    )  # fmt: skip


def _priced(one: Mix, ground: Ground, rules: PriceRules) -> Mix:
    """The cases with the fee that is priced: without separately paid items where the pack pays them apart."""
    total_fee = one.fee_fen + (one.separate_fen if rules.fee == "total_less_separate" else 0)
    separate = one.separate_fen if ground.terms.separate_items is not None else 0
    return replace(one, fee_fen=total_fee - separate, separate_fen=separate)


def _units(
    mix: Sequence[Mix], ground: Ground, present: Present, units: Units
) -> tuple[dict[str, list[Part]], tuple[int, int], Fraction]:
    """Cases by the level whose rate pays them; of those that follow no rate: cases, cost, and what they are paid."""
    weights, fee_shares = paid_weights(ground, present)
    parts, aside = units.parts(mix, weights)
    found: dict[str, list[Part]] = defaultdict(list)
    cases, fee = sum(one.cases for one in aside), sum(one.fee_fen for one in aside)
    paid = sum((fee_shares.get(one.group, 1) * Fraction(one.fee_fen) for one in aside), Fraction())
    for one in parts:
        if one.unit.coefficient is None or one.unit.level is None:
            cases, fee, paid = cases + one.cases, fee + one.fee_fen, paid + one.fee_fen
        else:
            found[one.unit.level].append(one)
    return found, (cases, fee), paid


def _frame(
    found: Mapping[str, Sequence[Part]], insurance: str, ground: Ground, rules: PriceRules
) -> list[Share]:
    """Every rate that the pack dates, without its money yet."""
    rates, scale = ground.terms.rates, ground.terms.point_scale
    held: dict[str, Decimal | None]
    if rates is not None and isinstance(rates.values.get(insurance), dict):
        held = {level: rates.at(insurance, level) for level in ground.region.pack.levels}
        parts = {level: list(found.get(level, ())) for level in held}
    else:
        values = ground.terms.point_values
        held = {"": rates.at(insurance, "") if rates else values.values.get(insurance) if values else None}
        parts = {"": [one for own in found.values() for one in own]}
    shares = []
    for level, value in held.items():
        own = parts[level]
        cases = sum(one.cases for one in own)
        thin = cases < rules.rate.fewest_cases and value is not None
        status = "no_cases" if not cases else "thin_kept" if thin else "own"
        times = 1 if scale is None else scale.scale
        shares.append(
            Share(
                level, status, cases, sum(one.fee_fen for one in own), total([one.weight for one in own]),
                total([one.weight * (one.unit.coefficient or 0) * times for one in own]), None, None, value, value,
            )
        )  # fmt: skip
    return shares


def _fund(insurance: str, ground: Ground, funds_fen: Mapping[str, int], year: int) -> tuple[int, str]:
    if insurance in funds_fen:
        return funds_fen[insurance], "--fund"
    budget = budget_of(ground.region, insurance, year)
    if budget is None:
        raise UsageMistake(
            f"没有基金：险种 `{insurance}` 在 budgets.csv 里没有 {year} 年的预算，--fund 也没有给；"
            f"请补预算、用 --year 另选年度，或加 --fund {insurance}=元"
        )
    return budget.fund_fen, f"budgets.csv {year} 年第 {budget.version} 版"


def _shared(
    shares: Sequence[Share], money: Fraction, stretch: Fraction, rules: PriceRules, digits: int
) -> list[Share]:
    """The rates that share the money: by what their cases cost, or by what they were paid before."""
    own = [one for one in shares if one.status == "own"]
    if len(own) > 1 and rules.rate.levels == "in_force" and any(one.present is None for one in own):
        blank = "、".join(one.level for one in own if one.present is None)
        raise ConfigurationError(
            f"现行费率缺级别：{blank}，各级之比无从不变；请把规则的 rate.levels 改为 by_cost，或补上现行费率"
        )

    def part(one: Share) -> Fraction:
        if rules.rate.levels == "by_cost" or len(own) == 1:
            return Fraction(one.fee_fen)
        return one.units * Fraction(one.present or 0)

    whole = total([part(one) for one in own])
    found = []
    for one in shares:
        if one.status == "own":
            standards = money * part(one) / whole
            exact = standards / (one.units * stretch * FEN)
            one = Share(one.level, one.status, one.cases, one.fee_fen, one.weight, one.units, standards, exact,
                        one.present, max(half_away(exact, digits), Decimal(1).scaleb(-digits)))  # fmt: skip
        found.append(one)
    return found
