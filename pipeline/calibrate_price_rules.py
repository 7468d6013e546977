"""Rules of `calibrate weights|rate|coefficients`: one closed YAML file, every value with its source.

The defaults are `data/calibration/prices.yaml`; an agency gives its own file in the same form. See docs/calibration.md.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from groupers.scheme import data_root
from pipeline.calibrate_rules import SHARE_DIGITS, ClosedRules, Count, Share, SourcedRules, read_rules

PAGE = "docs/calibration.md"
Multiple = Annotated[Decimal, Field(gt=0, le=100, decimal_places=SHARE_DIGITS)]
Step = Annotated[Decimal, Field(ge=0, le=10, decimal_places=SHARE_DIGITS)]


class TrimRules(ClosedRules):
    """Which costs of a group and year count: all, those within two nearest ranks, or within k quartile ranges."""

    method: Literal["none", "percentile", "iqr"]
    low: Share | None
    high: Share | None
    k: Step | None
    least: Count

    @model_validator(mode="after")
    def _complete(self) -> TrimRules:
        wanted = {"percentile": ("low", "high"), "iqr": ("k",)}.get(self.method, ())
        for name in ("low", "high", "k"):
            if (getattr(self, name) is not None) != (name in wanted):
                raise ValueError(
                    f"method 为 {self.method} 时 {name} {'要写' if name in wanted else '应为 null'}"
                )
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low} 应小于 high {self.high}")
        return self


class RateRules(ClosedRules):
    """How the money of an insurance type is shared between levels where the rate goes by level."""

    levels: Literal["by_cost", "in_force"]
    fewest_cases: Count


class CoefficientRules(ClosedRules):
    """Whose cost per weight a coefficient is measured on; its bounds, and its farthest step as a share of that in force."""

    reference: Literal["region", "level"]
    lowest: Multiple
    highest: Multiple
    step: Step | None
    fewest_cases: Count

    @model_validator(mode="after")
    def _low_before_high(self) -> CoefficientRules:
        if self.lowest > self.highest:
            raise ValueError(f"lowest {self.lowest} 不应大于 highest {self.highest}")
        return self


class PriceRules(SourcedRules):
    """The whole file. Years are twelve-month windows; `year_weights` go from the oldest to the latest."""

    year_weights: Annotated[tuple[Count, ...], Field(min_length=1, max_length=10)]
    trim: TrimRules
    fewest_cases: Count
    cv_at_most: Multiple
    thin: Literal["keep", "own"]
    new_thin: Literal["pool", "blank"]
    unstable: Literal["own", "keep"]
    scaling: Literal["total_weight", "mean_cost"]
    fee: Literal["total", "total_less_separate"]
    shortest_history_months: Count
    rate: RateRules
    coefficients: CoefficientRules


def default_price_rules_file() -> Path:
    """The defaults that come with the package."""
    return data_root() / "calibration" / "prices.yaml"


def load_price_rules(path: Path | None = None) -> PriceRules:
    """Read a rules file, by default the package's. Raises ConfigurationError naming the item."""
    return read_rules(path or default_price_rules_file(), PriceRules, PAGE)
