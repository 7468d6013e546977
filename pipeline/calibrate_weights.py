"""Weights from history: w = m_g ÷ M, scaled so that the total weight stays, rounded once; every step kept as evidence.

m = Σ k·m_year ÷ Σ k over the years in which cases were kept, M the same over all groups that are paid by weight.
Source: DESIGN §8; CHS-DRG 分组与付费技术规范; docs/calibration.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from pipeline.calibrate_cost import Sums, weighted_mean
from pipeline.calibrate_price_rules import PriceRules
from pipeline.calibrate_spread import Spread, riv, total
from pipeline.calibrate_unit import Units
from pipeline.calibrate_window import Cell, Ground, Window
from pipeline.entries import MOST_SCORE, MOST_WEIGHT
from pipeline.errors import InputError
from pipeline.negotiate_present import Present, present_of, priced_by_weight
from pipeline.problem import some
from pipeline.residue import Placing, Step, place

# What became of a group, in the words of the files.
STATUSES = {
    "own": "按本组费用测算",
    "unstable_own": "不稳定，按本组费用测算",
    "unstable_kept": "不稳定，沿用现行",
    "thin_own": "样本不足，按本组费用测算",
    "thin_kept": "样本不足，沿用现行",
    "pooled": "样本不足，按同一 ADRG 合并的费用测算",
    "blank": "样本不足，没有权重，须另定",
    "unseen": "历史里没有，沿用现行",
    "not_by_weight": "不按权重付，原样保留",
}
MORE_DIGITS = 8  # shown of a weight before rounding
UNSTABLE = ("unstable_own", "unstable_kept", "thin_own", "thin_kept", "pooled", "blank")


@dataclass(frozen=True)
class Weighed:
    """A group with all that its weight came from; `mean` and `basis` in fen, `exact` with eight digits more.

    `basis` is the mean that counts: the group's own, that of its ADRG, or None where the weight in force is kept.
    `money_fen`: Σ n·(w − w0)·c·price of the history's cases; None without both weights, or where a price is unknown.
    """

    code: str
    name: str
    status: str
    years: Mapping[int, Cell]
    whole: Cell
    mean: Fraction | None
    basis: Fraction | None
    present: Decimal | None
    exact: Decimal | None = None
    rounded: Decimal | None = None
    weight: Decimal | None = None
    money_fen: Fraction | None = None

    @property
    def spread(self) -> Spread:
        return Spread(self.whole.cases, self.whole.fee_fen, self.whole.squares)

    @property
    def kept_spread(self) -> Spread:
        return Spread(self.whole.kept, self.whole.kept_fen, self.whole.kept_squares)

    @property
    def new(self) -> bool:
        """Seen in the history, without a weight in force."""
        return self.present is None and self.whole.cases > 0


@dataclass(frozen=True)
class Weights:
    """Calibrated weights. `mean`: M in fen; `factor` turns m ÷ M into a weight; totals are Σ w·n over groups with both."""

    window: Window
    ground: Ground
    present: Present
    rules: PriceRules
    groups: tuple[Weighed, ...] = field(repr=False)
    mean: Fraction
    year_means: Mapping[int, Sums]
    factor: Fraction
    before: Decimal
    after_rounding: Decimal
    after: Decimal
    steps: tuple[Step, ...]
    riv: tuple[Fraction | None, Fraction | None]

    @property
    def residue(self) -> Decimal:
        """Σ w0·n − Σ w·n of the rounded weights."""
        return self.before - self.after_rounding

    @property
    def left(self) -> Decimal:
        """What of it stays after placing."""
        return self.before - self.after

    def of(self, *statuses: str) -> list[Weighed]:
        """The groups of some statuses."""
        return [one for one in self.groups if one.status in statuses]


def weights_of(ground: Ground) -> Present:
    """The weights in force on the ground's day. Raises ConfigurationError."""
    return present_of(ground.region, ground.day, {ground.terms.scheme.key: ground.scheme})


def calibrate_weights(
    window: Window, ground: Ground, present: Present, rules: PriceRules, place_residue: bool = False
) -> Weights:
    """Weigh every group of the scheme that has a weight in force or cases in the history.

    Raises InputError where no group that is paid by weight has cases, or a weight cannot be priced exactly.
    """
    groups = _decided(window, ground, present, rules)
    years: dict[int, Sums] = defaultdict(Sums)
    for one in groups:
        if one.status != "not_by_weight":
            for year, cell in one.years.items():
                years[year] += _sums(cell)
    mean = weighted_mean(dict(years), rules.year_weights)
    if mean is None:
        raise InputError(
            f"历史里没有按权重付的病例：共 {window.cases:,} 例，都属于不按权重付的病组；请核对历史与地区参数"
        )
    groups = _pooled(groups, ground, rules)
    per_fen = _per_fen(groups, mean, ground, rules)
    groups = [_rounded(one, per_fen, present.digits) for one in groups]
    _stop_on_size(groups, ground)
    rounded = _total(groups, "rounded")
    steps = _steps(groups, present.digits) if place_residue else ()
    moved = {step.group: Decimal(step.count).scaleb(-present.digits) for step in steps}
    groups = [
        _with(one, weight=None if one.rounded is None else one.rounded + moved.get(one.code, Decimal(0)))
        for one in groups
    ]
    priced = _priced(groups, window, ground)
    counted = [one for one in priced if one.status != "not_by_weight" and one.whole.cases]
    return Weights(
        window, ground, present, rules, tuple(priced), mean, dict(sorted(years.items())), per_fen * mean,
        _total(groups, "present"), rounded, _total(groups, "weight"), steps,
        (riv(one.spread for one in counted), riv(one.kept_spread for one in counted)),
    )  # fmt: skip


def _sums(cell: Cell) -> Sums:
    return Sums(cell.cases, cell.fee_fen, cell.kept, cell.kept_fen, cell.kept_squares)


def _decided(window: Window, ground: Ground, present: Present, rules: PriceRules) -> list[Weighed]:
    """Every group with its mean and what becomes of it, pooled ones still without basis."""
    weights = {code: group.present for code, group in present.groups.items()} | present.others
    found = []
    for code in sorted({*weights, *window.cells}):
        years = window.cells.get(code, {})
        whole = sum(years.values(), Cell())
        mean = weighted_mean({year: _sums(cell) for year, cell in years.items()}, rules.year_weights)
        known = code in ground.scheme.kinds
        if not known or not priced_by_weight(ground.terms, ground.scheme, code):
            status = "not_by_weight"
        else:
            status = _status(whole, weights.get(code), rules)
        own = status in ("own", "unstable_own", "thin_own")
        name, basis = ground.scheme.names.get(code, ""), mean if own else None
        found.append(Weighed(code, name, status, years, whole, mean, basis, weights.get(code)))
    return found


def _status(whole: Cell, present: Decimal | None, rules: PriceRules) -> str:
    if not whole.cases:
        return "unseen"
    if whole.cases < rules.fewest_cases:
        if rules.thin == "own":
            return "thin_own"
        if present is not None:
            return "thin_kept"
        return "pooled" if rules.new_thin == "pool" else "blank"
    if Spread(whole.kept, whole.kept_fen, whole.kept_squares).cv_above(rules.cv_at_most):
        return "unstable_kept" if rules.unstable == "keep" and present is not None else "unstable_own"
    return "own"


def _pooled(groups: list[Weighed], ground: Ground, rules: PriceRules) -> list[Weighed]:
    """Thin new groups take the mean of all cases of their ADRG; where these are too few as well they stay blank."""
    book = ground.scheme.book
    adrg_of = {drg.drg: drg.adrg for drg in book.drgs} if book is not None else {}
    by_adrg: dict[str, dict[int, Sums]] = defaultdict(lambda: defaultdict(Sums))
    for one in groups:
        if one.code in adrg_of and one.status != "not_by_weight":
            for year, cell in one.years.items():
                by_adrg[adrg_of[one.code]][year] += _sums(cell)
    found = []
    for one in groups:
        if one.status == "pooled":
            years = dict(by_adrg[adrg_of[one.code]]) if one.code in adrg_of else {}
            enough = sum(sums.cases for sums in years.values()) >= rules.fewest_cases
            mean = weighted_mean(years, rules.year_weights) if enough else None
            one = _with(one, status="blank" if mean is None else "pooled", basis=mean)
        found.append(one)
    return found


def _per_fen(groups: list[Weighed], mean: Fraction, ground: Ground, rules: PriceRules) -> Fraction:
    """Weight per fen of mean cost: so that Σ w·n of the groups with a weight before and now stays, or scale ÷ M."""
    both = [one for one in groups if one.basis is not None and one.present is not None and one.whole.cases]
    if rules.scaling == "mean_cost" or not both:
        catalogue = ground.scheme.catalogue
        return Fraction(1 if catalogue is None else catalogue.choices.score_scale) / mean
    before = sum((Fraction(one.present or 0) * one.whole.cases for one in both), Fraction())
    return before / total([(one.basis or Fraction()) * one.whole.cases for one in both])


def _rounded(one: Weighed, per_fen: Fraction, digits: int) -> Weighed:
    if one.basis is None:
        return _with(one, rounded=one.present)
    # Not as one fraction: that of a large catalogue has a denominator of 100,000 digits, slow to reduce.
    top, bottom = one.basis.numerator * per_fen.numerator, one.basis.denominator * per_fen.denominator
    exact, rounded = (
        Decimal((2 * top * 10**places + bottom) // (2 * bottom)).scaleb(-places)
        for places in (digits + MORE_DIGITS, digits)
    )
    return _with(one, exact=exact, rounded=max(rounded, Decimal(1).scaleb(-digits)))


def _stop_on_size(groups: list[Weighed], ground: Ground) -> None:
    most = MOST_SCORE if ground.scheme.catalogue is not None else MOST_WEIGHT
    large = [one.code for one in groups if one.rounded is not None and one.rounded > most]
    if large:
        raise InputError(
            f"测算的权重超出可精确计算的上限 {most}：{some(large)}；请核对这些病组的费用单位与规则"
        )


def _total(groups: list[Weighed], which: str) -> Decimal:
    """Σ weight·n over the groups with a weight before and now."""
    return sum(
        (
            getattr(one, which) * one.whole.cases
            for one in groups
            if one.present is not None and one.rounded is not None and one.status != "not_by_weight"
        ),
        Decimal(0),
    )


def _steps(groups: list[Weighed], digits: int) -> tuple[Step, ...]:
    unit = 10**digits
    free = [
        Placing(one.code, int((one.rounded or 0) * unit), one.whole.cases)
        for one in groups
        if one.basis is not None and one.present is not None and one.whole.cases
    ]
    return place(free, Fraction(_total(groups, "present") - _total(groups, "rounded")) * unit)


def _priced(groups: list[Weighed], window: Window, ground: Ground) -> list[Weighed]:
    """The money that the change moves, at the prices in force, all cases taken as normal ones."""
    units = Units(ground)
    counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    known: dict[int, Fraction | None] = {}
    for cell in window.mix:
        unit = units.of(cell.group, cell.hospital, cell.level, cell.insurance)
        if id(unit) not in known:
            known[id(unit)] = unit.fen
        counts[cell.group][id(unit)] += cell.aux_e4
    found = []
    for one in groups:
        if one.status == "not_by_weight" or one.present is None or one.weight is None:
            found.append(one)
            continue
        prices = [(known[unit], aux_e4) for unit, aux_e4 in counts[one.code].items()]
        worth = (
            None
            if any(price is None for price, _ in prices)
            else total([(price or 0) * Fraction(aux_e4, 10_000) for price, aux_e4 in prices])
        )
        money = None if worth is None else worth * Fraction(one.weight - one.present)
        found.append(_with(one, money_fen=money))
    return found


def _with(one: Weighed, **changes: object) -> Weighed:
    return replace(one, **changes)  # type: ignore[arg-type]
