"""The pricing entries of a region pack: weights, rates, point values, coefficients, ratio classes, off-path rules.

Source of the families: DESIGN §6; every one of them is in use in some area of facts/payment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from pipeline.entries import Closed, Coefficient, Dated, Multiple, Rate, Share, Weight, Yuan

Mode = Literal["fixed", "floating", "elastic"]
CATALOGUE = "catalogue"  # where a number stands in the DIP catalogue itself


class WeightsEntry(Dated):
    """Weights of groups (`file`, or `catalogue` for the scores that a DIP catalogue carries).

    `replaces`: the file of an earlier entry that this one stands in place of, on every day of it.
    """

    file: str
    scheme: str
    replaces: str | None = None


def standing_weights(entries: Sequence[WeightsEntry]) -> list[WeightsEntry]:
    """The versions that count: those that no later one replaces, in the order of the file.

    A name means the last version before it that has this file and stands. Raises ValueError where there is none.
    """
    standing: list[WeightsEntry] = []
    for entry in entries:
        if entry.replaces is not None:
            places = [place for place, one in enumerate(standing) if one.file == entry.replaces]
            if not places:
                raise ValueError(
                    f"weights 中 {entry.from_} 起的一项代替 `{entry.replaces[:60]}`，它前面没有这一版，或已被别的一版代替"
                )
            del standing[places[-1]]
        standing.append(entry)
    return standing


class RatesEntry(Dated):
    """Yuan per weight by insurance type, alike at all levels or by hospital level."""

    mode: Mode = "fixed"
    values: dict[str, Rate | dict[str, Rate]]

    def at(self, insurance_type: str, level: str) -> Decimal | None:
        """The rate of an insurance type at a level; None where it is unknown."""
        rate = self.values.get(insurance_type)
        return rate.get(level) if isinstance(rate, dict) else rate

    def of(self, insurance_type: str, levels: Sequence[str]) -> dict[str, Decimal]:
        """The known rates of an insurance type, by level from the lowest."""
        return {level: rate for level in levels if (rate := self.at(insurance_type, level)) is not None}


class PointScaleEntry(Dated):
    """Points of a weight of 1, and the area's mean cost of a weight of 1 in yuan (A), for all or by insurance type."""

    scale: int = Field(default=0, ge=0, le=100_000)  # 0 only in a draft, where the city has to supply it
    area_mean_cost: Rate | dict[str, Rate]

    def mean_cost(self, insurance_type: str) -> Decimal | None:
        """A of an insurance type; None where it is unknown."""
        cost = self.area_mean_cost
        return cost.get(insurance_type) if isinstance(cost, dict) else cost


class PointValuesEntry(Dated):
    """Yuan per point by insurance type: what pays."""

    mode: Mode = "fixed"
    values: dict[str, Rate]


class ReferencePricesEntry(Dated):
    """Yuan per point by insurance type against which deviation is judged: last year's or a fixed one."""

    values: dict[str, Rate]


class StandardsEntry(Dated):
    """Payment standards in yuan that the city prints itself: a table `group_code,level,standard_yuan`."""

    file: str
    scheme: str


class CoefficientsEntry(Dated):
    """The most special known one counts: group × hospital, group × level, hospital, level.

    `by_hospital` and `by_level` give a number or one by insurance type; the tables by group stand in a CSV, or in
    the DIP catalogue itself.
    """

    by_level: dict[str, Coefficient | dict[str, Coefficient]] = {}
    by_hospital: dict[str, Coefficient | dict[str, Coefficient]] = {}
    by_group_level: str | None = None  # catalogue, or a file `group_code,level,coefficient`
    by_group_hospital: str | None = None  # a file `group_code,hospital_id,coefficient`

    @model_validator(mode="after")
    def _one_way(self) -> CoefficientsEntry:
        if self.by_group_level == CATALOGUE and (self.by_level or self.by_hospital):
            raise ValueError("by_group_level: catalogue 与 by_level、by_hospital 只能取一种")
        if not (self.by_group_level or self.by_level or self.by_hospital):
            raise ValueError("by_level、by_hospital、by_group_level 至少写一种")
        return self

    def plain(self, hospital_id: str, level: str, insurance_type: str) -> Decimal | None:
        """The hospital's own coefficient, else its level's; None where neither is known."""
        for found in (self.by_hospital.get(hospital_id), self.by_level.get(level)):
            own = found.get(insurance_type) if isinstance(found, dict) else found
            if own is not None:
                return own
        return None

    def numbers(self) -> Iterator[Decimal]:
        """Every coefficient written here."""
        for table in (self.by_level, self.by_hospital):
            for found in table.values():
                yield from found.values() if isinstance(found, dict) else (found,)


class BaseGroupsEntry(Dated):
    """Groups paid alike at every level (同城同病同价), and how."""

    strategy: Literal[
        "none", "lowest_level_rate", "rate_of_level", "fixed_rate", "fixed_coefficient", "capped_coefficient",
        "fixed_amount",
    ]  # fmt: skip
    groups: list[str] = []
    flag: str | None = None  # all rows of the DIP catalogue with this flag
    level: str | None = None
    value: Rate | None = None
    amounts: dict[str, Rate] = {}  # fixed_amount: yuan by group, the keys being the groups

    @model_validator(mode="after")
    def _complete(self) -> BaseGroupsEntry:
        if (self.strategy == "fixed_amount") != bool(self.amounts):
            raise ValueError("fixed_amount 须写 amounts（病组: 元），别的办法不写")
        if self.strategy == "rate_of_level" and self.level is None:
            raise ValueError("rate_of_level 缺 level")
        if (
            self.strategy.endswith(("_rate", "_coefficient"))
            and "level" not in self.strategy
            and self.value is None
        ):
            raise ValueError(f"{self.strategy} 缺 value")
        if self.strategy.endswith("_coefficient") and self.value is not None and self.value > 10:
            raise ValueError(f"系数 {self.value} 超出可精确计算的上限 10")
        return self


Family = Literal[
    "actual", "as_normal", "factor", "points", "excess_share", "keep_excess", "minus_fixed", "cap", "linear_add",
    "deduct", "deviation", "deviation_excess",
]  # fmt: skip


class Band(Closed):
    """A ratio class: threshold, whether it belongs to the class, and how the class is paid."""

    threshold: Multiple
    inclusive: bool
    family: Family
    base: Multiple = Decimal(1)
    share: Share | None = None
    factor: Multiple | None = None
    by_coefficient: bool | None = None  # deviation: score·x·a, times c or not
    plus: Literal["one", "coefficient"] | None = None  # deviation_excess: x − h + 1, times c; or x − h + c
    weight_le: Weight | None = None
    weight_lt: Weight | None = None
    level: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Band:
        if self.weight_le is not None and self.weight_lt is not None:
            raise ValueError("weight_le 与 weight_lt 只能写一个")
        wanted = {
            "excess_share": "share", "factor": "factor", "minus_fixed": "factor", "deviation": "by_coefficient",
            "deviation_excess": "plus",
        }.get(self.family)  # fmt: skip
        if wanted and getattr(self, wanted) is None:
            raise ValueError(f"{self.family} 缺 {wanted}")
        for name in ("share", "factor", "by_coefficient", "plus"):
            if name != wanted and getattr(self, name) is not None:
                raise ValueError(f"{self.family} 不用 {name}，请删去")
        if self.base != 1 and self.family != "excess_share":
            raise ValueError(f"{self.family} 不用 base，请删去")
        return self


class RatioEntry(Dated):
    """Ratio classes: x = F / reference; `beyond` a last bound above which high cases are paid otherwise.

    `lower_of`: the low threshold is measured on the smaller of the references with and without coefficient, all
    else without. `group_mean`: the reference is the group's local mean fee. A band with a level or a weight edge
    goes before one without; among weight edges the smallest that the group does not pass.
    """

    reference: Literal["with_coefficient", "without_coefficient", "lower_of", "group_mean"]
    low: Band | list[Band]
    high: list[Band] = Field(min_length=1)
    beyond: Band | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> RatioEntry:
        beyond = self.beyond
        if beyond is not None and not (beyond.weight_le is beyond.weight_lt is beyond.level is None):
            raise ValueError("beyond 对所有病组、级别相同，不写 weight_le、weight_lt、level")
        return self

    @property
    def lows(self) -> list[Band]:
        """The low bands, one or several."""
        return self.low if isinstance(self.low, list) else [self.low]


class FundShareEntry(Dated):
    """From the payment standard to what the fund owes.

    `difference`: S − (F − recorded fund). `ratio`: S × recorded fund ÷ fee, of the case or of all priced cases of
    its insurance type and group, hospital or region. `policy`: max(0, S − own pay − over-limit − first pay −
    deductible) × benefit ratio, by insurance type and level.
    """

    method: Literal["difference", "ratio", "policy"]
    negative: Literal["keep", "zero"] = "keep"
    of: Literal["case", "group", "hospital", "region"] | None = None
    benefit: dict[str, Share | dict[str, Share]] = {}

    @model_validator(mode="after")
    def _complete(self) -> FundShareEntry:
        if (self.method == "ratio") != (self.of is not None):
            raise ValueError("ratio 须写 of（case、group、hospital、region），别的办法不写")
        if (self.method == "policy") != bool(self.benefit):
            raise ValueError("policy 须写 benefit（险种、级别的报销比例），别的办法不写")
        return self

    def benefit_of(self, insurance_type: str, level: str) -> Decimal | None:
        """The benefit ratio of an insurance type at a level; None where it is unknown."""
        found = self.benefit.get(insurance_type)
        return found.get(level) if isinstance(found, dict) else found


class SettlementEntry(Dated):
    """The month: how much of the fund amount is paid now, what of it is withheld, and by when it is paid.

    `most_owed_yuan`: how much of a negative balance a hospital may carry; below it the hospital pays back at once.
    Declared by day `declare_by_day` of the next month, paid within `due_workdays` working days after it.
    """

    prepay_ratio: Share
    deposit_rate: Share
    most_owed_yuan: Yuan | None = None
    declare_by_day: int | None = Field(default=None, ge=1, le=28)
    due_workdays: int | None = Field(default=None, ge=0, le=250)
