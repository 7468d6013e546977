"""The entries of a region pack about settling, beside the month's own: special-case review (特例单议).

Source: DESIGN §7; 医保办发〔2024〕9号, 医保发〔2025〕18号第二十条.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field, model_validator

from pipeline.entries import Dated, Multiple, Share

Days = Annotated[int, Field(ge=1)]
Fee = Annotated[
    Decimal, Field(gt=0, le=100_000_000, decimal_places=2)
]  # a case costs no more: findings, absurd_amount


class ReviewEntry(Dated):
    """Which cases a hospital may apply for (any one condition suffices), and how many may be approved.

    `quota_share`: of the region's discharges in scope. `stay_days_ge` days; `fee_over_standard_gt`: F above so many
    times S; `fee_ge_yuan`: F of so many yuan (high cost); `new_tech`: a new drug or device was used;
    `ward_transfers_ge`: moved between wards so often (several specialties).
    """

    quota_share: Share
    stay_days_ge: Days | None = None
    fee_over_standard_gt: Multiple | None = None
    fee_ge_yuan: Fee | None = None
    new_tech: bool = False
    ward_transfers_ge: Days | None = None

    @property
    def conditions(self) -> tuple[str, ...]:
        """The keys of the conditions that this entry says."""
        return tuple(name for name in ELIGIBILITY if getattr(self, name))

    @model_validator(mode="after")
    def _says_who(self) -> ReviewEntry:
        if not self.conditions:
            raise ValueError(f"review 没有写申请条件，至少写一个：{'、'.join(ELIGIBILITY)}")
        return self


ELIGIBILITY = tuple(
    name for name in ReviewEntry.model_fields if name not in Dated.model_fields and name != "quota_share"
)
