"""The pricing entries of a region pack: weights, rates, point values, coefficients, ratio classes, off-path rules.

Source of the families: DESIGN §6; every one of them is in use in some area of facts/payment.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from pipeline.entries import Closed, Coefficient, Dated, Multiple, Rate, Share, Weight

CATALOGUE = "catalogue"  # where a number stands in the DIP catalogue itself


class WeightsEntry(Dated):
    """Weights of groups (`file`, or `catalogue` for the scores that a DIP catalogue carries)."""

    file: str
    scheme: str


class RatesEntry(Dated):
    """Yuan per weight by insurance type and hospital level."""

    values: dict[str, dict[str, Rate]]


class PointValuesEntry(Dated):
    """Yuan per point by insurance type: what pays."""

    values: dict[str, Rate]


class ReferencePricesEntry(Dated):
    """Yuan per point by insurance type against which deviation is judged: last year's or a fixed one."""

    values: dict[str, Rate]


class CoefficientsEntry(Dated):
    """By level, a hospital named here having its own; or by group and level as the DIP catalogue prints them."""

    by_level: dict[str, Coefficient] = {}
    by_hospital: dict[str, Coefficient] = {}
    by_group_level: Literal["catalogue"] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> CoefficientsEntry:
        if self.by_group_level and (self.by_level or self.by_hospital):
            raise ValueError("by_group_level 与 by_level、by_hospital 只能取一种")
        if not (self.by_group_level or self.by_level or self.by_hospital):
            raise ValueError("by_level、by_hospital、by_group_level 至少写一种")
        return self


class BaseGroupsEntry(Dated):
    """Groups paid alike at every level (同城同病同价), and how."""

    strategy: Literal[
        "none", "lowest_level_rate", "rate_of_level", "fixed_rate", "fixed_coefficient", "capped_coefficient"
    ]
    groups: list[str] = []
    flag: str | None = None  # all rows of the DIP catalogue with this flag
    level: str | None = None
    value: Rate | None = None

    @model_validator(mode="after")
    def _complete(self) -> BaseGroupsEntry:
        if self.strategy == "rate_of_level" and self.level is None:
            raise ValueError("rate_of_level 缺 level")
        if self.strategy.startswith(("fixed_", "capped_")) and self.value is None:
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

    @model_validator(mode="after")
    def _complete(self) -> Band:
        wanted = {
            "excess_share": "share", "factor": "factor", "minus_fixed": "factor", "deviation": "by_coefficient",
            "deviation_excess": "plus",
        }.get(self.family)  # fmt: skip
        if wanted and getattr(self, wanted) is None:
            raise ValueError(f"{self.family} 缺 {wanted}")
        return self


class RatioEntry(Dated):
    """Ratio classes: x = F / reference; `beyond` a last bound above which high cases are paid otherwise."""

    reference: Literal["with_coefficient", "without_coefficient"]
    low: Band
    high: list[Band] = Field(min_length=1)
    beyond: Band | None = None


class Treatment(Closed):
    """How a group leaves the normal path: a weight without ratio class, a share of the fee, or the fee.

    `share_of_benchmark`: points = share × F ÷ reference price, times c or not (泰安 pays 0.4368·c, 济宁 0.7).
    """

    treatment: Literal["table_weight", "fixed_weight", "share_of_fee", "share_of_benchmark", "by_item"]
    weight: Weight | None = None
    share: Multiple | None = None
    by_coefficient: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Treatment:
        wanted = {"fixed_weight": "weight", "share_of_fee": "share", "share_of_benchmark": "share"}
        name = wanted.get(self.treatment)
        if name and getattr(self, name) is None:
            raise ValueError(f"{self.treatment} 缺 {name}")
        if self.by_coefficient and self.treatment != "share_of_benchmark":
            raise ValueError(f"{self.treatment} 不用 by_coefficient，请删去")
        return self


class OffPathEntry(Dated):
    """What is paid where a case has no group of its own, and for groups named one by one."""

    ungrouped: Treatment
    ambiguous: Treatment | None = None
    excluded: Treatment | None = None
    groups: dict[str, Treatment] = {}


class FundShareEntry(Dated):
    """From the payment standard to what the fund owes."""

    method: Literal["difference"]
    negative: Literal["keep", "zero"] = "keep"


class SettlementEntry(Dated):
    """The month: how much of the fund amount is paid now, and what of it is withheld."""

    prepay_ratio: Share
    deposit_rate: Share
