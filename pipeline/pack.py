"""The closed format of a region pack: dated, sourced entries; exact decimals. See docs/region.md."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Bounds within which every product fits 38 digits; far beyond any published value.
MOST_WEIGHT = Decimal(1000)
Weight = Annotated[Decimal, Field(gt=0, le=MOST_WEIGHT, decimal_places=9)]
Rate = Annotated[Decimal, Field(gt=0, le=100_000, decimal_places=6)]
Coefficient = Annotated[Decimal, Field(gt=0, le=10, decimal_places=8)]
Multiple = Annotated[Decimal, Field(gt=0, le=20, decimal_places=4)]
Share = Annotated[Decimal, Field(ge=0, le=1, decimal_places=4)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, coerce_numbers_to_str=True)


class Dated(_Closed):
    """An entry with the day it holds from and the document it rests on."""

    from_: dt.date = Field(alias="from")
    to: dt.date | None = None
    source: str = Field(min_length=4)

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Dated:
        if self.to is not None and self.to < self.from_:
            raise ValueError(f"截止日期 {self.to} 早于起始日期 {self.from_}")
        return self


class SchemeEntry(Dated):
    name: str


class CodesEntry(Dated):
    """Which version the hospitals' codes are in: 医保版 unless listed under `clinical` (国临版)."""

    default: Literal["insurance", "clinical"]
    clinical: list[str] = []
    insurance: list[str] = []


class WeightsEntry(Dated):
    file: str
    scheme: str


class RatesEntry(Dated):
    """Yuan per weight by insurance type and hospital level."""

    values: dict[str, dict[str, Rate]]


class CoefficientsEntry(Dated):
    """By level; a hospital named here has its own."""

    by_level: dict[str, Coefficient]
    by_hospital: dict[str, Coefficient] = {}


class BaseGroupsEntry(Dated):
    """Groups paid alike at every level (同城同病同价), and how."""

    strategy: Literal[
        "none", "lowest_level_rate", "rate_of_level", "fixed_rate", "fixed_coefficient", "capped_coefficient"
    ]
    groups: list[str] = []
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


class Band(_Closed):
    """A ratio class: threshold, whether it belongs to the class, and how the class is paid."""

    threshold: Multiple
    inclusive: bool
    family: Literal["actual", "as_normal", "factor", "excess_share", "keep_excess", "minus_fixed", "cap"]
    base: Multiple = Decimal(1)
    share: Share | None = None
    factor: Multiple | None = None
    weight_le: Weight | None = None

    @model_validator(mode="after")
    def _complete(self) -> Band:
        wanted = {"excess_share": "share", "factor": "factor", "minus_fixed": "factor"}.get(self.family)
        if wanted and getattr(self, wanted) is None:
            raise ValueError(f"{self.family} 缺 {wanted}")
        return self


class RatioEntry(Dated):
    reference: Literal["with_coefficient", "without_coefficient"]
    low: Band
    high: list[Band] = Field(min_length=1)


class Treatment(_Closed):
    """How a group leaves the normal path: a weight without ratio class, a share of the fee, or the fee."""

    treatment: Literal["table_weight", "fixed_weight", "share_of_fee", "by_item"]
    weight: Weight | None = None
    share: Multiple | None = None

    @model_validator(mode="after")
    def _complete(self) -> Treatment:
        wanted = {"fixed_weight": "weight", "share_of_fee": "share"}.get(self.treatment)
        if wanted and getattr(self, wanted) is None:
            raise ValueError(f"{self.treatment} 缺 {wanted}")
        return self


class OffPathEntry(Dated):
    ungrouped: Treatment
    ambiguous: Treatment
    groups: dict[str, Treatment] = {}


class FundShareEntry(Dated):
    method: Literal["difference"]
    negative: Literal["keep", "zero"] = "keep"


class SettlementEntry(Dated):
    prepay_ratio: Share
    deposit_rate: Share


class Digits(_Closed):
    """Published digits after the point."""

    weight: int = Field(ge=0, le=9)
    rate: int = Field(ge=0, le=6)
    coefficient: int = Field(ge=0, le=8)
    source: str


class Rounding(_Closed):
    unit: Literal["fen"]
    direction: Literal["half_away_from_zero"]
    source: str


class Pack(_Closed):
    """`region.yaml`."""

    name: str
    title: str
    version: str
    inbox: str
    period_by: Literal["settlement_date", "discharge_date"]
    pricing_by: Literal["discharge_date", "settlement_date"]
    insurance_types: dict[str, str]
    place_codes: dict[str, str]
    levels: list[str]  # from the lowest to the highest
    digits: Digits
    rounding: Rounding
    scheme: list[SchemeEntry] = Field(min_length=1)
    codes: list[CodesEntry] = Field(min_length=1)
    weights: list[WeightsEntry] = Field(min_length=1)
    rates: list[RatesEntry] = Field(min_length=1)
    coefficients: list[CoefficientsEntry] = Field(min_length=1)
    base_groups: list[BaseGroupsEntry] = Field(min_length=1)
    ratio: list[RatioEntry] = Field(min_length=1)
    off_path: list[OffPathEntry] = Field(min_length=1)
    fund_share: list[FundShareEntry] = Field(min_length=1)
    settlement: list[SettlementEntry] = Field(min_length=1)

    @model_validator(mode="after")
    def _as_published(self) -> Pack:
        """Rates and coefficients have no more digits than the pack says their tables print."""
        rates = [rate for entry in self.rates for by in entry.values.values() for rate in by.values()]
        coefficients = [
            number for entry in self.coefficients for by in (entry.by_level, entry.by_hospital) for number in by.values()
        ]  # fmt: skip
        for title, numbers, digits in (
            ("费率", rates, self.digits.rate),
            ("系数", coefficients, self.digits.coefficient),
        ):
            for number in numbers:
                if -int(number.as_tuple().exponent) > digits:
                    raise ValueError(f"{title} {number} 的小数位数超出 digits 所定的 {digits} 位")
        return self
