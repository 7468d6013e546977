"""The closed format of a region pack: dated, sourced entries; exact decimals. See docs/region.md."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from groupers.scheme import TieBreaker
from pipeline.entries import Closed, Dated
from pipeline.pack_pricing import (
    BaseGroupsEntry,
    CoefficientsEntry,
    FundShareEntry,
    OffPathEntry,
    PointValuesEntry,
    RatesEntry,
    RatioEntry,
    ReferencePricesEntry,
    SettlementEntry,
    WeightsEntry,
)

Method = Literal["rate", "dip"]
# What each method is priced by, beside what all of them have.
PRICED_BY: dict[Method, tuple[str, ...]] = {"rate": ("rates",), "dip": ("point_values", "reference_prices")}
BY_RATE = ("lowest_level_rate", "rate_of_level", "fixed_rate")  # base-group strategies that change a rate
COMMON = (
    "scheme", "codes", "weights", "coefficients", "base_groups", "ratio", "off_path", "fund_share", "settlement",
)  # fmt: skip


class SchemeEntry(Dated):
    """The grouping scheme; for a DIP catalogue also what the region chooses otherwise than the catalogue says."""

    name: str
    tie_breakers: list[TieBreaker] | None = None
    conservative: Literal["no_classed_procedure", "any"] | None = None
    related: Literal["all", "best_partial"] | None = None
    severity_scheme: str | None = None  # the DRG scheme whose MCC and CC lists the auxiliary subtypes use

    @property
    def key(self) -> str:
        """The scheme as this entry uses it."""
        return f"{self.name}@{self.from_}"


class CodesEntry(Dated):
    """Which version the hospitals' codes are in: 医保版 unless listed under `clinical` (国临版)."""

    default: Literal["insurance", "clinical"]
    clinical: list[str] = []
    insurance: list[str] = []


class Digits(Closed):
    """Published digits after the point."""

    weight: int = Field(ge=0, le=9)
    rate: int = Field(ge=0, le=6)  # of rates, point values and reference prices
    coefficient: int = Field(ge=0, le=8)
    points: int = Field(default=4, ge=0, le=6)
    source: str


class Rounding(Closed):
    """How every stored amount is rounded."""

    unit: Literal["fen"]
    direction: Literal["half_away_from_zero"]
    source: str


class Pack(Closed):
    """`region.yaml`."""

    name: str
    title: str
    version: str
    method: Method = "rate"
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
    rates: list[RatesEntry] = []
    point_values: list[PointValuesEntry] = []
    reference_prices: list[ReferencePricesEntry] = []
    coefficients: list[CoefficientsEntry] = Field(min_length=1)
    base_groups: list[BaseGroupsEntry] = Field(min_length=1)
    ratio: list[RatioEntry] = Field(min_length=1)
    off_path: list[OffPathEntry] = Field(min_length=1)
    fund_share: list[FundShareEntry] = Field(min_length=1)
    settlement: list[SettlementEntry] = Field(min_length=1)

    @property
    def kind(self) -> Literal["drg", "dip"]:
        """Which kind of scheme groups the cases."""
        return "dip" if self.method == "dip" else "drg"

    @property
    def dated(self) -> dict[str, list[Dated]]:
        """Every dated list of this method, by key."""
        return {key: list(getattr(self, key)) for key in (*COMMON, *PRICED_BY[self.method])}

    @model_validator(mode="after")
    def _of_its_method(self) -> Pack:
        for method, keys in PRICED_BY.items():
            for key in keys:
                if method == self.method and not getattr(self, key):
                    raise ValueError(f"method 为 {self.method}，缺 {key}")
                if method != self.method and getattr(self, key):
                    raise ValueError(f"method 为 {self.method}，不用 {key}，请删去")
        for entry in self.base_groups:
            if self.method != "rate" and entry.strategy in BY_RATE:
                raise ValueError(f"method 为 {self.method}，没有费率，base_groups 不能用 {entry.strategy}")
        return self

    @model_validator(mode="after")
    def _as_published(self) -> Pack:
        """Rates and coefficients have no more digits than the pack says their tables print."""
        for title, numbers, digits in (
            ("费率", self._rates(), self.digits.rate),
            ("系数", self._coefficients(), self.digits.coefficient),
        ):
            for number in numbers:
                if -int(number.as_tuple().exponent) > digits:
                    raise ValueError(f"{title} {number} 的小数位数超出 digits 所定的 {digits} 位")
        return self

    def _rates(self) -> Iterator[Decimal]:
        yield from (rate for entry in self.rates for by in entry.values.values() for rate in by.values())
        yield from (price for entry in self.point_values for price in entry.values.values())
        yield from (price for entry in self.reference_prices for price in entry.values.values())

    def _coefficients(self) -> Iterator[Decimal]:
        for entry in self.coefficients:
            yield from entry.by_level.values()
            yield from entry.by_hospital.values()
