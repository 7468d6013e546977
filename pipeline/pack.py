"""The closed format of a region pack: dated, sourced entries; exact decimals. See docs/region.md."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, coerce_numbers_to_str=True)


class Dated(_Closed):
    """An entry with the day it holds from and the document it rests on."""

    from_: dt.date = Field(alias="from")
    to: dt.date | None = None
    source: str = Field(min_length=4)


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

    values: dict[str, dict[str, Decimal]]


class CoefficientsEntry(Dated):
    """By level; a hospital named here has its own."""

    by_level: dict[str, Decimal]
    by_hospital: dict[str, Decimal] = {}


class BaseGroupsEntry(Dated):
    """Groups paid alike at every level (同城同病同价), and how."""

    strategy: Literal[
        "none", "lowest_level_rate", "rate_of_level", "fixed_rate", "fixed_coefficient", "capped_coefficient"
    ]
    groups: list[str] = []
    level: str | None = None
    value: Decimal | None = None


class Band(_Closed):
    """A ratio class: threshold, whether it belongs to the class, and how the class is paid."""

    threshold: Decimal
    inclusive: bool
    family: Literal["actual", "as_normal", "factor", "excess_share", "keep_excess", "minus_fixed", "cap"]
    base: Decimal = Decimal(1)
    share: Decimal | None = None
    factor: Decimal | None = None
    weight_le: Decimal | None = None


class RatioEntry(Dated):
    reference: Literal["with_coefficient", "without_coefficient"]
    low: Band
    high: list[Band] = Field(min_length=1)


class Treatment(_Closed):
    """How a group leaves the normal path: a weight without ratio class, a share of the fee, or the fee."""

    treatment: Literal["table_weight", "fixed_weight", "share_of_fee", "by_item"]
    weight: Decimal | None = None
    share: Decimal | None = None


class OffPathEntry(Dated):
    ungrouped: Treatment
    ambiguous: Treatment
    groups: dict[str, Treatment] = {}


class FundShareEntry(Dated):
    method: Literal["difference"]
    negative: Literal["keep", "zero"] = "keep"


class SettlementEntry(Dated):
    prepay_ratio: Decimal = Field(ge=0, le=1)
    deposit_rate: Decimal = Field(ge=0, le=1)


class Digits(_Closed):
    """Published digits after the point."""

    weight: int = Field(ge=0, le=6)
    rate: int = Field(ge=0, le=6)
    coefficient: int = Field(ge=0, le=6)
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
