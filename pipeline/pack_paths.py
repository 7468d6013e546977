"""The entries of a region pack about cases that are paid otherwise than by their group: scope, paths, special rules.

Source: DESIGN §6, leaving the normal path; the kinds of rules stand in facts/payment (LOS, discharge way, MDC, …).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.entries import Closed, Dated, Multiple, Rate, Share, Weight

Signed = Annotated[Decimal, Field(ge=-20, le=20, decimal_places=4)]


class Treatment(Closed):
    """How a case leaves the normal path.

    `table_weight`, `fixed_weight`: a weight, without ratio class unless `classes`; `share_of_fee`: share × F;
    `share_of_benchmark`: points = share × F ÷ reference price, times c or not; `by_item`: F; `factor`: factor × S;
    `affine`: standard·S + fee·F + ratio·x·S; `as_normal`: S; `fixed_amount`: yuan, alike or by level; `bed_day`: by
    the tiers of bed_day; `case_review`: held until it is decided.
    """

    treatment: Literal[
        "table_weight", "fixed_weight", "share_of_fee", "share_of_benchmark", "by_item", "factor", "affine",
        "as_normal", "fixed_amount", "bed_day", "case_review",
    ]  # fmt: skip
    weight: Weight | None = None
    share: Multiple | None = None
    by_coefficient: bool = False
    classes: bool = False
    factor: Multiple | None = None
    standard: Signed = Decimal(0)
    fee: Signed = Decimal(0)
    ratio: Signed = Decimal(0)
    yuan: Rate | dict[str, Rate] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Treatment:
        wanted = {
            "fixed_weight": "weight", "share_of_fee": "share", "share_of_benchmark": "share", "factor": "factor",
            "fixed_amount": "yuan",
        }.get(self.treatment)  # fmt: skip
        if wanted and getattr(self, wanted) is None:
            raise ValueError(f"{self.treatment} 缺 {wanted}")
        for name in ("weight", "share", "factor", "yuan"):
            if name != wanted and getattr(self, name) is not None:
                raise ValueError(f"{self.treatment} 不用 {name}，请删去")
        if self.by_coefficient and self.treatment != "share_of_benchmark":
            raise ValueError(f"{self.treatment} 不用 by_coefficient，请删去")
        if self.classes and self.treatment not in ("table_weight", "fixed_weight"):
            raise ValueError(f"{self.treatment} 不判倍率，不写 classes")
        if (self.treatment == "affine") != bool(self.standard or self.fee or self.ratio):
            raise ValueError("affine 须写 standard、fee、ratio 中的几项，别的办法不写")
        return self


class GroupSet(Treatment):
    """Groups that leave the normal path in the same way: unstable groups, bed-day groups, …"""

    name: str
    groups: list[str] = Field(min_length=1)


class OffPathEntry(Dated):
    """What is paid where a case has no group of its own, and for groups named one by one or in sets."""

    ungrouped: Treatment
    ambiguous: Treatment | None = None
    excluded: Treatment | None = None
    groups: dict[str, Treatment] = {}
    sets: list[GroupSet] = []


class SpecialRule(Treatment):
    """A condition and a payment. All that is said must hold; a comparison with a missing value does not."""

    name: str
    groups: list[str] | None = None
    mdc: list[str] | None = None
    level: list[str] | None = None
    insurance_type: list[str] | None = None
    discharge_way: list[str] | None = None
    care_type: list[str] | None = None
    place: list[str] | None = None
    principal_dx: list[str] | None = None  # prefixes
    principal_px: list[str] | None = None  # prefixes of the principal procedure
    stay_ge: int | None = None
    stay_gt: int | None = None
    stay_le: int | None = None
    stay_lt: int | None = None
    x_ge: Multiple | None = None
    x_gt: Multiple | None = None
    x_le: Multiple | None = None
    x_lt: Multiple | None = None
    tcm_share_ge: Share | None = None
    tcm_share_lt: Share | None = None

    @property
    def conditions(self) -> dict[str, object]:
        """What is said, by key."""
        return {name: value for name in CONDITIONS if (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _says_when(self) -> SpecialRule:
        if not self.conditions:
            raise ValueError(f"规则 {self.name} 没有写条件")
        for one, other in (
            ("x_ge", "x_gt"),
            ("x_le", "x_lt"),
            ("stay_ge", "stay_gt"),
            ("stay_le", "stay_lt"),
        ):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"规则 {self.name} 的 {one} 与 {other} 只能写一个")
        if self.treatment in ("fixed_weight", "table_weight") or self.classes:
            raise ValueError(f"规则 {self.name} 不能改权重或倍率；请用 as_normal、factor 或 affine")
        return self


CONDITIONS = tuple(
    name for name in SpecialRule.model_fields if name not in Treatment.model_fields and name != "name"
)


class SpecialRulesEntry(Dated):
    """Rules tried in order before the ratio classes; the first that a case meets pays it."""

    rules: list[SpecialRule]


class ScopeRule(Closed):
    """Cases that are not priced by group: by item with a budget line of their own, or not by this region at all."""

    name: str
    place: list[str] | None = None
    care_type: list[str] | None = None
    treatment: Literal["by_item", "exclude", "include"]
    budget_line: str = ""


class ScopeEntry(Dated):
    """Tried in order before anything else; a case that meets none is priced by group."""

    rules: list[ScopeRule]


class BedDayTier(Closed):
    """Yuan or points for every day from one to another (both included); without level or insurance type for all."""

    from_day: int = Field(ge=1)
    to_day: int | None = None
    level: str | None = None
    insurance_type: str | None = None
    yuan: Rate | None = None
    points: Rate | None = None

    @model_validator(mode="after")
    def _one_unit(self) -> BedDayTier:
        if (self.yuan is None) == (self.points is None):
            raise ValueError("yuan 与 points 写且只写一个")
        return self


class BedDayEntry(Dated):
    """Tiers of bed-day payment: every day of a stay (0 days count as 1) is paid by the tier it falls into."""

    tiers: list[BedDayTier] = Field(min_length=1)


class SeparateItemsEntry(Dated):
    """Separately paid items (除外支付): taken off the fee for price and ratio, their share paid beside S."""

    share: Share
