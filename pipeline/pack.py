"""The closed format of a region pack: dated, sourced entries; exact decimals. See docs/region.md."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from groupers.scheme import TieBreaker
from pipeline.entries import Closed, Dated
from pipeline.pack_alliance import AllianceEntry
from pipeline.pack_clearing import ClearingEntry
from pipeline.pack_negotiation import NegotiationEntry
from pipeline.pack_pace import PaceEntry
from pipeline.pack_paths import BedDayEntry, OffPathEntry, ScopeEntry, SeparateItemsEntry, SpecialRulesEntry
from pipeline.pack_pricing import (
    BaseGroupsEntry,
    CoefficientsEntry,
    FundShareEntry,
    PointScaleEntry,
    PointValuesEntry,
    RatesEntry,
    RatioEntry,
    ReferencePricesEntry,
    SettlementEntry,
    StandardsEntry,
    WeightsEntry,
    standing_weights,
)
from pipeline.pack_settlement import ReviewEntry

PERIOD = "{period}"  # in `inbox`: the month that is run
Method = Literal["rate", "points", "dip", "published"]
# What each method is priced by, beside what all of them have.
PRICED_BY: dict[Method, tuple[str, ...]] = {
    "rate": ("weights", "rates", "coefficients"),
    "points": ("weights", "point_scale", "point_values", "coefficients"),
    "dip": ("weights", "point_values", "reference_prices", "coefficients"),
    "published": ("standards",),
}
OPTIONAL = (
    "scope",
    "special_rules",
    "bed_day",
    "separate_items",
    "review",
    "alliance",
    "pace",
    "clearing",
    "negotiation",
)  # what a pack may do without
BY_RATE = ("lowest_level_rate", "rate_of_level", "fixed_rate")  # base-group strategies that change a rate
COMMON = (
    "scheme", "codes", "base_groups", "ratio", "off_path", "fund_share", "settlement",
)  # fmt: skip


# A draft's open items: what the city supplies (a draft may lack it), and blanks of the table it was drafted from.
Supply = Literal[
    "weights", "hospitals", "budgets", "point_scale", "coefficients", "base_groups", "off_path", "fund_share",
    "settlement", "codes", "dates", "insurance_types", "levels", "digits", "inbox", "conventions",
]  # fmt: skip
Blank = Literal[
    "ratio_reference", "low_threshold", "low_inclusive", "high_inclusive", "high_bands", "low_settlement",
    "high_settlement", "area_mean_cost", "point_values", "rates", "bed_day",
]  # fmt: skip
BLANKS: tuple[str, ...] = get_args(Blank)
# The lists that a draft may leave empty, beside those of an open item's own name.
EMPTY_BY = {
    "area_mean_cost": "point_scale",
    **dict.fromkeys(
        ("ratio_reference", "low_threshold", "low_inclusive", "high_inclusive", "high_bands", "low_settlement",
         "high_settlement"), "ratio",
    ),
}  # fmt: skip


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
    codes: list[CodesEntry] = []
    weights: list[WeightsEntry] = []
    rates: list[RatesEntry] = []
    point_scale: list[PointScaleEntry] = []
    point_values: list[PointValuesEntry] = []
    reference_prices: list[ReferencePricesEntry] = []
    standards: list[StandardsEntry] = []
    coefficients: list[CoefficientsEntry] = []
    base_groups: list[BaseGroupsEntry] = []
    ratio: list[RatioEntry] = []
    off_path: list[OffPathEntry] = []
    scope: list[ScopeEntry] = []
    special_rules: list[SpecialRulesEntry] = []
    bed_day: list[BedDayEntry] = []
    separate_items: list[SeparateItemsEntry] = []
    fund_share: list[FundShareEntry] = []
    settlement: list[SettlementEntry] = []
    alliance: list[AllianceEntry] = []
    review: list[ReviewEntry] = []
    pace: list[PaceEntry] = []
    clearing: list[ClearingEntry] = []
    negotiation: list[NegotiationEntry] = []
    to_supply: list[Supply | Blank] = []

    @property
    def kind(self) -> Literal["drg", "dip"]:
        """Which kind of scheme groups the cases."""
        return "dip" if self.method == "dip" else "drg"

    @property
    def by_points(self) -> bool:
        """Whether a case has points, which the point value turns into money."""
        return self.method in ("points", "dip")

    @property
    def standing_weights(self) -> list[WeightsEntry]:
        """The versions of the weights that no later one replaces."""
        return standing_weights(self.weights)

    @property
    def dated(self) -> dict[str, list[Dated]]:
        """Every dated list of this method, by key; of the optional ones those that are there.

        Of the weights the versions that stand: the replaced ones are history.
        """
        keys = (*COMMON, *PRICED_BY[self.method], *(key for key in OPTIONAL if getattr(self, key)))
        lists: dict[str, list[Dated]] = {key: list(getattr(self, key)) for key in keys}
        return lists | ({"weights": list(self.standing_weights)} if "weights" in lists else {})

    @field_validator("inbox")
    @classmethod
    def _only_the_period(cls, inbox: str) -> str:
        if "{" in inbox.replace(PERIOD, "") or "}" in inbox.replace(PERIOD, ""):
            raise ValueError(f"路径里只能用 {PERIOD}（结算期，如 2025-10），实为 `{inbox[:60]}`")
        return inbox

    @model_validator(mode="after")
    def _of_its_method(self) -> Pack:
        asked = PRICED_BY[self.method]
        open_ = {EMPTY_BY.get(item, item) for item in self.to_supply}
        for key in COMMON:
            if not getattr(self, key) and key not in open_:
                raise ValueError(f"缺 {key}")
        for key in dict.fromkeys(key for keys in PRICED_BY.values() for key in keys):
            if key in asked and not getattr(self, key) and key not in open_:
                raise ValueError(f"method 为 {self.method}，缺 {key}")
            if key not in asked and getattr(self, key):
                raise ValueError(f"method 为 {self.method}，不用 {key}，请删去")
        for entry in self.base_groups:
            if self.method != "rate" and entry.strategy in BY_RATE:
                raise ValueError(f"method 为 {self.method}，没有费率，base_groups 不能用 {entry.strategy}")
        if not self.by_points and any(tier.points for entry in self.bed_day for tier in entry.tiers):
            raise ValueError(f"method 为 {self.method}，没有点值，bed_day 只能写 yuan")
        return self

    @model_validator(mode="after")
    def _replaced_versions_known(self) -> Pack:
        standing_weights(self.weights)  # raises where one names a version that is none
        return self

    @model_validator(mode="after")
    def _without_weights(self) -> Pack:
        """Where the city prints the standards there are no weights to band, to fix, or to divide a mean fee by."""
        if self.method != "published":
            return self
        for ratio in self.ratio:
            bands = (*ratio.lows, *ratio.high)
            if any(band.weight_le is not None or band.weight_lt is not None for band in bands):
                raise ValueError("method 为 published，没有权重，ratio 不能写 weight_le、weight_lt")
            if ratio.reference == "group_mean":
                raise ValueError("method 为 published，没有例均费用，ratio 的 reference 不能用 group_mean")
        for entry in self.off_path:
            treatments = (
                entry.ungrouped,
                entry.ambiguous,
                entry.excluded,
                *entry.groups.values(),
                *entry.sets,
            )
            if any(one is not None and one.treatment == "fixed_weight" for one in treatments):
                raise ValueError("method 为 published，没有权重，off_path 不能用 fixed_weight")
        return self

    @property
    def unverified(self) -> list[tuple[str, Dated]]:
        """Every entry that was not yet checked against the city's own document, with its key."""
        lists = ((key, getattr(self, key)) for key in type(self).model_fields)
        return [
            (key, entry) for key, entries in lists if isinstance(entries, list)
            for entry in entries if isinstance(entry, Dated) and entry.unverified
        ]  # fmt: skip

    @model_validator(mode="after")
    def _point_scale_known(self) -> Pack:
        if "point_scale" not in self.to_supply and any(entry.scale == 0 for entry in self.point_scale):
            raise ValueError("point_scale 缺 scale（点数尺度，每 1 权重几点）")
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
        for entry in self.rates:
            for rate in entry.values.values():
                yield from rate.values() if isinstance(rate, dict) else (rate,)
        for paying in self.point_values:
            yield from paying.values.values()
        for judging in self.reference_prices:
            yield from judging.values.values()
        for scale in self.point_scale:
            cost = scale.area_mean_cost
            yield from cost.values() if isinstance(cost, dict) else (cost,)

    def _coefficients(self) -> Iterator[Decimal]:
        return (number for entry in self.coefficients for number in entry.numbers())
