"""What all entries of a region pack share: a closed form, a date they hold from, a source; and exact numbers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Bounds within which every product fits 38 digits; far beyond any published value.
MOST_WEIGHT = Decimal(1000)
MOST_SCORE = Decimal(1_000_000)
Weight = Annotated[Decimal, Field(gt=0, le=MOST_SCORE, decimal_places=9)]
Rate = Annotated[Decimal, Field(gt=0, le=100_000, decimal_places=6)]
Coefficient = Annotated[Decimal, Field(gt=0, le=10, decimal_places=8)]
Multiple = Annotated[Decimal, Field(gt=0, le=20, decimal_places=4)]
Yuan = Annotated[Decimal, Field(ge=0, le=10**10, decimal_places=2)]
Share = Annotated[Decimal, Field(ge=0, le=1, decimal_places=4)]


class Closed(BaseModel):
    """A key that the format does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, coerce_numbers_to_str=True)


class Dated(Closed):
    """An entry with the day it holds from and the document it rests on.

    `unverified`: where a value comes from that was not yet checked against the city's own document.
    """

    from_: dt.date = Field(alias="from")
    to: dt.date | None = None
    source: str = Field(min_length=4)
    unverified: str | None = Field(default=None, min_length=4)

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Dated:
        if self.to is not None and self.to < self.from_:
            raise ValueError(f"截止日期 {self.to} 早于起始日期 {self.from_}")
        return self
