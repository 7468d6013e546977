"""A region's parameters resolved for one interval of dates in which none of them changes.

What reaches the SQL are flat tables keyed by `terms_id`; each case meets the terms of its pricing date.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

import pyarrow as pa

from pipeline.errors import ConfigurationError
from pipeline.pack import (
    Band,
    BaseGroupsEntry,
    CoefficientsEntry,
    Dated,
    FundShareEntry,
    OffPathEntry,
    RatesEntry,
    RatioEntry,
    SettlementEntry,
    Treatment,
)
from pipeline.region import FOREVER, Hospital, Region

# The digits that real tables print: weights to 9 (青岛、盐城), rates to 4, coefficients to 8 (盐城).
E4, E6, E8, E9 = 10**4, 10**6, 10**8, 10**9


@dataclass(frozen=True)
class Amount:
    """A payment rule as `multiple`·S + `fee_share`·F, the fee share times the coefficient where said."""

    family: str
    multiple: Decimal
    fee_share: Decimal
    share_by_coefficient: bool = False


@dataclass(frozen=True)
class Terms:
    """All parameters of one interval; nothing in it changes between `valid_from` and `valid_to`."""

    terms_id: str
    valid_from: dt.date
    valid_to: dt.date
    scheme: str
    weights: dict[str, Decimal]
    rates: RatesEntry
    coefficients: CoefficientsEntry
    base_groups: BaseGroupsEntry
    ratio: RatioEntry
    off_path: OffPathEntry
    fund_share: FundShareEntry
    settlement: SettlementEntry
    hospitals: dict[str, Hospital]


Entry = TypeVar("Entry", bound=Dated)


def in_force(entries: Sequence[Entry], day: dt.date) -> Entry | None:
    """The entry that holds on a day, or None."""
    held = [entry for entry in entries if entry.from_ <= day <= (entry.to or FOREVER)]
    return held[-1] if held else None


def resolve(region: Region, first: dt.date, last: dt.date) -> tuple[Terms, ...]:
    """Terms of every interval between two days. Raises ConfigurationError where a day has no parameters."""
    pack = region.pack
    dated: list[Sequence[Dated]] = [
        pack.scheme, pack.weights, pack.rates, pack.coefficients, pack.base_groups, pack.ratio, pack.off_path,
        pack.fund_share, pack.settlement,
    ]  # fmt: skip
    starts = {entry.from_ for entries in dated for entry in entries}
    starts |= {entry.to + dt.timedelta(days=1) for entries in dated for entry in entries if entry.to}
    starts |= {hospital.from_ for hospital in region.hospitals}
    starts |= {hospital.to + dt.timedelta(days=1) for hospital in region.hospitals if hospital.to < FOREVER}
    begins = sorted({first} | {day for day in starts if first < day <= last})
    ends = [day - dt.timedelta(days=1) for day in begins[1:]] + [last]
    return tuple(
        terms for begin, end in zip(begins, ends, strict=True) if (terms := _resolve_day(region, begin, end))
    )


def _resolve_day(region: Region, begin: dt.date, end: dt.date) -> Terms | None:
    """None where the pack does not cover the day: cases priced on it are refused, not guessed."""
    pack = region.pack
    scheme, weights = in_force(pack.scheme, begin), in_force(pack.weights, begin)
    rates, coefficients = in_force(pack.rates, begin), in_force(pack.coefficients, begin)
    base_groups, ratio = in_force(pack.base_groups, begin), in_force(pack.ratio, begin)
    off_path, fund_share = in_force(pack.off_path, begin), in_force(pack.fund_share, begin)
    settlement = in_force(pack.settlement, begin)
    if not (scheme and weights and rates and coefficients and base_groups and ratio and off_path
            and fund_share and settlement):  # fmt: skip
        return None
    if weights.scheme != scheme.name:
        raise ConfigurationError(
            f"权重表与分组方案不符：{region.folder.name} 自 {begin} 起方案为 `{scheme.name}`，"
            f"权重表 {weights.file} 属于 `{weights.scheme}`；请更换权重表"
        )
    return Terms(
        f"{region.pack.name}@{begin}", begin, end, scheme.name, region.weights[weights.file], rates, coefficients,
        base_groups, ratio, off_path, fund_share, settlement,
        {h.hospital_id: h for h in region.hospitals if h.from_ <= begin <= h.to},
    )  # fmt: skip


def amount_of_band(band: Band, reference: str) -> Amount:
    """A ratio class as multiple and fee share; x = F / reference, K = the band's threshold."""
    k, by_coefficient = band.threshold, reference == "without_coefficient"
    if band.family == "actual":
        return Amount("actual", Decimal(0), Decimal(1))
    if band.family == "as_normal":
        return Amount("as_normal", Decimal(1), Decimal(0))
    if band.family == "cap":
        return Amount("cap", k, Decimal(0))
    if band.family == "keep_excess":
        return Amount("keep_excess", 1 - k, Decimal(1))
    if band.family == "excess_share" and band.share is not None:
        return Amount("excess_share", band.base - band.share * k, band.share, by_coefficient)
    if band.family == "factor" and band.factor is not None:
        return Amount("factor", band.factor, Decimal(0))
    if band.family == "minus_fixed" and band.factor is not None:
        return Amount("minus_fixed", -band.factor, Decimal(1))
    raise ConfigurationError(f"倍率规则不完整：`{band.family}` 缺 share 或 factor；请补齐")


def treatment_of(terms: Terms, drg: str, kind: str) -> Treatment | None:
    """How a group leaves the normal path, or None. `kind` is grouped, ambiguous or ungrouped."""
    if drg in terms.off_path.groups:
        return terms.off_path.groups[drg]
    return {"ambiguous": terms.off_path.ambiguous, "ungrouped": terms.off_path.ungrouped}.get(kind)


def high_band(terms: Terms, weight: Decimal) -> Band:
    """The first high band whose weight edge the group does not pass; the last has none."""
    return next(
        (band for band in terms.ratio.high if band.weight_le is None or weight <= band.weight_le),
        terms.ratio.high[-1],
    )


def price_of_group(terms: Terms, drg: str, kind: str) -> dict[str, object] | None:
    """One row of `group_prices`, or None where the group has no price: its cases are refused."""
    treatment = treatment_of(terms, drg, kind)
    weight = terms.weights.get(drg)
    if treatment is not None and treatment.treatment == "fixed_weight":
        weight = treatment.weight
    if treatment is None or treatment.treatment in ("table_weight", "fixed_weight"):
        if weight is None:
            return None
        amount = Amount(treatment.treatment if treatment else "normal", Decimal(1), Decimal(0))
    else:
        share = treatment.share if treatment.treatment == "share_of_fee" else Decimal(1)
        if share is None:
            return None
        amount = Amount(treatment.treatment, Decimal(0), share)
        weight = weight or Decimal(0)  # a case paid by its fee carries weight only where the table prints one
    low, high = terms.ratio.low, high_band(terms, weight)
    return {
        "terms_id": terms.terms_id, "drg": drg, "weight_e9": scaled(weight, E9),
        "is_base": drg in terms.base_groups.groups, "on_path": treatment is None,
        **_columns("", amount),
        "low_e4": scaled(low.threshold, E4), "low_inclusive": low.inclusive,
        **_columns("low_", amount_of_band(low, terms.ratio.reference)),
        "high_e4": scaled(high.threshold, E4), "high_inclusive": high.inclusive,
        **_columns("high_", amount_of_band(high, terms.ratio.reference)),
    }  # fmt: skip


def _columns(prefix: str, amount: Amount) -> dict[str, object]:
    return {
        f"{prefix}family": amount.family,
        f"{prefix}multiple_e4": scaled(amount.multiple, E4),
        f"{prefix}fee_share_e4": scaled(amount.fee_share, E4),
        f"{prefix}share_by_coefficient": amount.share_by_coefficient,
    }


def price_of_hospital(terms: Terms, levels: Sequence[str], hospital: Hospital, insurance_type: str,
                      is_base: bool) -> dict[str, object] | None:  # fmt: skip
    """One row of `hospital_prices`, or None where rate or coefficient is unknown: its cases are refused."""
    rates, base = terms.rates.values.get(insurance_type, {}), terms.base_groups
    rate = rates.get(hospital.level)
    coefficient = terms.coefficients.by_hospital.get(
        hospital.hospital_id, terms.coefficients.by_level.get(hospital.level)
    )
    if is_base:
        if base.strategy == "lowest_level_rate":
            rate = next((rates[level] for level in levels if level in rates), None)
        elif base.strategy == "rate_of_level":
            rate = rates.get(base.level or "")
        elif base.strategy == "fixed_rate":
            rate = base.value
        elif base.strategy == "fixed_coefficient":
            coefficient = base.value
        elif base.strategy == "capped_coefficient" and coefficient is not None and base.value is not None:
            coefficient = min(coefficient, base.value)
    if rate is None or coefficient is None:
        return None
    return {
        "terms_id": terms.terms_id, "hospital_id": hospital.hospital_id, "insurance_type": insurance_type,
        "is_base": is_base, "level": hospital.level,
        "rate_e6": scaled(rate, E6), "coefficient_e8": scaled(coefficient, E8),
    }  # fmt: skip


def scaled(number: Decimal, scale: int) -> int:
    """An exact integer multiple. Raises ConfigurationError where digits would be lost."""
    exact = number * scale
    if exact != exact.to_integral_value():
        raise ConfigurationError(f"参数 {number} 的小数位数超出可精确表示的范围；请按公布位数填写")
    return int(exact)


def price_tables(terms: Sequence[Terms], levels: Sequence[str], insurance_types: Sequence[str],
                 groups: dict[str, dict[str, str]]) -> dict[str, pa.Table]:  # fmt: skip
    """The tables that the SQL joins: `terms`, `group_prices`, `hospital_prices`.

    `groups` maps a scheme to its groups and their kind (grouped | ambiguous | ungrouped).
    """
    group_rows, hospital_rows = [], []
    for one in terms:
        for drg, kind in groups[one.scheme].items():
            if row := price_of_group(one, drg, kind):
                group_rows.append(row)
        for hospital in one.hospitals.values():
            for insurance_type in insurance_types:
                for is_base in (False, True):
                    if row := price_of_hospital(one, levels, hospital, insurance_type, is_base):
                        hospital_rows.append(row)
    terms_rows = [
        {
            "terms_id": one.terms_id, "valid_from": one.valid_from, "valid_to": one.valid_to, "scheme": one.scheme,
            "reference_with_coefficient": one.ratio.reference == "with_coefficient",
            "negative_kept": one.fund_share.negative == "keep",
        }
        for one in terms
    ]  # fmt: skip
    return {
        "terms": pa.Table.from_pylist(terms_rows, _TERMS),
        "group_prices": pa.Table.from_pylist(group_rows, _GROUP_PRICES),
        "hospital_prices": pa.Table.from_pylist(hospital_rows, _HOSPITAL_PRICES),
    }


def _amount_fields(prefix: str) -> list[tuple[str, pa.DataType]]:
    return [
        (f"{prefix}family", pa.string()), (f"{prefix}multiple_e4", pa.int64()),
        (f"{prefix}fee_share_e4", pa.int64()), (f"{prefix}share_by_coefficient", pa.bool_()),
    ]  # fmt: skip


_TERMS = pa.schema(
    [("terms_id", pa.string()), ("valid_from", pa.date32()), ("valid_to", pa.date32()), ("scheme", pa.string()),
     ("reference_with_coefficient", pa.bool_()), ("negative_kept", pa.bool_())]
)  # fmt: skip
_GROUP_PRICES = pa.schema(
    [("terms_id", pa.string()), ("drg", pa.string()), ("weight_e9", pa.int64()), ("is_base", pa.bool_()),
     ("on_path", pa.bool_()), *_amount_fields(""),
     ("low_e4", pa.int64()), ("low_inclusive", pa.bool_()), *_amount_fields("low_"),
     ("high_e4", pa.int64()), ("high_inclusive", pa.bool_()), *_amount_fields("high_")]
)  # fmt: skip
_HOSPITAL_PRICES = pa.schema(
    [("terms_id", pa.string()), ("hospital_id", pa.string()), ("insurance_type", pa.string()),
     ("is_base", pa.bool_()), ("level", pa.string()), ("rate_e6", pa.int64()), ("coefficient_e8", pa.int64())]
)  # fmt: skip
