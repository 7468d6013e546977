"""The entry of a region pack about weight negotiation (权重谈判): what a proposed weight may be.

Source: DESIGN §8; the limits are each city's own (谈判规则).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field, model_validator

from pipeline.entries import Closed, Dated, Weight

# A weight may more than double, so the bound is not that of a share.
ChangeShare = Annotated[Decimal, Field(gt=0, le=10, decimal_places=4)]
ReasonShare = Annotated[Decimal, Field(ge=0, le=10, decimal_places=4)]


class HistoryWindow(Closed):
    """How many months of published history the sheet is to rest on."""

    months: int = Field(ge=1, le=60)


class NegotiationEntry(Dated):
    """Limits of the negotiation, in force by the day whose weights are negotiated.

    `weight_min` ≤ weight ≤ `weight_max`; the change against the present weight is at most `change_max` of it, and needs
    a reason where it is above `reason_over` of it (0: every change does).
    """

    weight_min: Weight
    weight_max: Weight
    change_max: ChangeShare
    reason_over: ReasonShare
    history: HistoryWindow

    @model_validator(mode="after")
    def _in_order(self) -> NegotiationEntry:
        if self.weight_max <= self.weight_min:
            raise ValueError(f"weight_max {self.weight_max} 应大于 weight_min {self.weight_min}")
        if self.reason_over > self.change_max:
            raise ValueError(f"reason_over {self.reason_over} 不得大于 change_max {self.change_max}")
        return self
