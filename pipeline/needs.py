"""Which optional columns of the discharges a region's rules need; a rule without its column would be a guess."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import InputError
from pipeline.read import Source
from pipeline.region import Region
from pipeline.schemes import Scheme

BY_CONDITION = {"care_type": "care_type", "tcm_share_ge": "tcm_fee_fen", "tcm_share_lt": "tcm_fee_fen"}
BY_REVIEW = {"new_tech": "new_tech_flag", "ward_transfers_ge": "ward_transfers"}


def columns_needed(region: Region, schemes: Mapping[str, Scheme]) -> dict[str, str]:
    """Optional column → the key of the pack (or the scheme's subtypes) that asks for it."""
    needed: dict[str, str] = {}
    if region.pack.separate_items:
        needed["separate_items_fen"] = "separate_items"
    for entry in region.pack.special_rules:
        for rule in entry.rules:
            for condition in BY_CONDITION.keys() & rule.conditions.keys():
                needed[BY_CONDITION[condition]] = f"special_rules.{rule.name}"
    if any(rule.care_type for entry in region.pack.scope for rule in entry.rules):
        needed["care_type"] = "scope"
    for review in region.pack.review:
        for condition in BY_REVIEW.keys() & set(review.conditions):
            needed[BY_REVIEW[condition]] = f"review.{condition}"
    for scheme in schemes.values():
        subtypes = scheme.catalogue.auxiliary.subtypes if scheme.catalogue else ()
        asked = {getattr(atom, "column", "") for subtype in subtypes for atom in subtype.atoms}
        if asked & {"icu_days", "icu_hours"}:
            needed["icu_hours"] = f"方案 {scheme.manifest.name} 的辅助分型"
    return dict(sorted(needed.items()))


def stop_without_columns(region: Region, schemes: Mapping[str, Scheme], source: Source) -> None:
    """Raises InputError where the input lacks a column that a rule of the region needs."""
    for column, key in columns_needed(region, schemes).items():
        if column not in source.present:
            raise InputError(
                f"出院记录缺列：地区参数的 {key} 要用 `{column}`，{source.files[0]} 里没有；请补这一列或改参数"
            )
