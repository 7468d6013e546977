"""The yearly entry of a region pack: how a year's cases become what each hospital is entitled to (年度清算).

Source: DESIGN §7 Year. See docs/clearing.md.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.entries import Closed, Dated, Rate, Share

Value = Literal["fixed", "floating", "elastic"]
Measure = Literal["fund", "total"]
Reclassify = Literal["never", "once"]
Edge = Annotated[Decimal, Field(ge=0, le=20, decimal_places=4)]
Points = Annotated[Decimal, Field(gt=0, le=1_000_000_000_000, decimal_places=6)]


class ClearingBand(Closed):
    """Where lo ≤ F/S < hi (`hi` empty: no end) the amount is base·S + share·(F − lo·S)."""

    lo: Edge
    hi: Edge | None = None
    base: Edge
    share: Share

    def multiple_at(self, x: Decimal) -> Decimal:
        """The amount at F = x·S in multiples of S."""
        return self.base + self.share * (x - self.lo)


class ClearingEntry(Dated):
    """How a year is cleared.

    `value`: the cases keep the prices of their months (`fixed`), or one value per insurance type uses up its fund
    (`floating`), or points up to `base_points` are worth `fixed_values` and the rest of the fund goes to the points
    above them (`elastic`). A budget line (预算单列) is a pool of its own whose value uses up the line's budget, but for
    those of `lines_as_priced`, whose cases keep the prices of their months. `bands_measure`: F and S of the bands are
    recorded fund and fund amount, or fee and standard. `reclassify`: ratio classes stay as the months decided them, or
    are decided anew, one time, with the rates that use up the fund.
    """

    value: Value
    base_points: dict[str, Points] = {}
    fixed_values: dict[str, Rate] = {}
    lines_as_priced: list[str] = []
    reclassify: Reclassify = "never"
    bands: list[ClearingBand] = []
    bands_measure: Measure | None = None
    without_assessment: Literal["refuse", "one"] = "refuse"

    @model_validator(mode="after")
    def _elastic(self) -> ClearingEntry:
        if (self.value == "elastic") != bool(self.base_points and self.fixed_values):
            raise ValueError(
                "elastic 须写 base_points（险种: 基数点数）与 fixed_values（险种: 固定点值），别的办法不写"
            )
        if self.base_points.keys() != self.fixed_values.keys():
            raise ValueError("base_points 与 fixed_values 的险种不一致")
        return self

    @model_validator(mode="after")
    def _lines(self) -> ClearingEntry:
        if self.lines_as_priced and self.value == "fixed":
            raise ValueError("value 为 fixed 时各预算单列都按月度价格，不写 lines_as_priced")
        if self.reclassify == "once" and self.value != "floating":
            raise ValueError(
                f"reclassify: once 要有求出的费率才能重判，value 为 {self.value} 时不用；请写 never"
            )
        return self

    @model_validator(mode="after")
    def _bands_cover_all(self) -> ClearingEntry:
        """The bands follow each other from 0 on, without gap or overlap, to no end."""
        if bool(self.bands) != (self.bands_measure is not None):
            raise ValueError("bands 与 bands_measure（fund、total）须同写或都不写")
        if not self.bands:
            return self
        if self.bands[0].lo != 0:
            raise ValueError(f"bands 须从 0 起，第一段从 {self.bands[0].lo} 起")
        for number, (one, two) in enumerate(pairwise(self.bands), start=1):
            if one.hi is None or one.hi != two.lo:
                what = "重叠" if one.hi is None or one.hi > two.lo else "空档"
                raise ValueError(
                    f"bands 第 {number} 段到 {'无穷' if one.hi is None else one.hi}，第 {number + 1} 段从 {two.lo} 起，有{what}"
                )
        empty = [band for band in self.bands if band.hi is not None and band.hi <= band.lo]
        if empty:
            raise ValueError(f"bands 从 {empty[0].lo} 到 {empty[0].hi} 的一段，hi 须大于 lo")
        if self.bands[-1].hi is not None:
            raise ValueError(f"bands 最后一段到 {self.bands[-1].hi} 为止；须写 hi: null，直到无穷")
        return self
