"""Packs by 点数 and by printed standards, their tables, and Hypothesis packs over every rule of the format."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.pricing_families import VARIANTS, a_band, numbers
from tests.pricing_fixtures import SOURCE, TYPES, dated, plain_pack
from tests.reference.price_case import Printed

LEVELS = ("一级", "二级", "三级")
WEIGHTS = {"AA": "0.9258", "BB": "1", "CC": "4.0001", "DD": "0.6", "XQY": "0.7"}
DIGITS = {"weight": 4, "rate": 4, "coefficient": 4, "points": 4, "source": SOURCE}
# EE has no weight; DD no mean. A blank coefficient is unknown: the next one counts.
PRINTED = Printed(
    means={"AA": "8123.45", "BB": "9000", "CC": "41000.01", "XQY": "6543.21"},
    standards={("AA", "一级"): "7000", ("AA", "二级"): "8155.59", ("AA", "三级"): "9000.01", ("BB", "二级"): "6000",
               ("BB", "三级"): "6500.5", ("CC", "三级"): "31000"},
    by_group_level={("AA", "二级"): "0.8123", ("BB", "一级"): "", ("CC", "三级"): "1.3"},
    by_group_hospital={("AA", "H2"): "1.05", ("BB", "H3"): "0.77"},
)  # fmt: skip


def points_pack(**changes: Any) -> dict[str, Any]:
    """region.yaml by 点数: A and the point value by insurance type; A of residents is their own."""
    rest = {key: value for key, value in plain_pack().items() if key != "rates"}
    return {
        **rest, "method": "points", "digits": dict(DIGITS),
        "point_scale": [dated(scale=100, area_mean_cost={"310": "5270.76", "390": "4800.5"})],
        "point_values": [dated(values={"310": "52.8094", "390": "47.01"})],
        **changes,
    }  # fmt: skip


def published_pack(**changes: Any) -> dict[str, Any]:
    """region.yaml whose standards the city prints itself."""
    rest = {
        key: value for key, value in plain_pack().items() if key not in ("rates", "weights", "coefficients")
    }
    off = {"ungrouped": {"treatment": "by_item"}, "ambiguous": {"treatment": "share_of_fee", "share": "0.8"}}
    return {**rest, "method": "published", "standards": [dated(file="standards.csv", scheme="scheme-under-test")],
            "off_path": [dated(**off)], **changes}  # fmt: skip


def by_method(method: str, **changes: Any) -> dict[str, Any]:
    """The plain pack of a method priced by weights or standards."""
    made = {"rate": plain_pack, "points": points_pack, "published": published_pack}[method]
    pack = made(**changes)
    return {**pack, "digits": dict(DIGITS)}


def treatments(draw: st.DrawFn, method: str, special: bool) -> dict[str, Any]:
    """Any way to be paid otherwise than by group, as it may stand in off_path or in a special rule."""
    share = str(draw(numbers("0.1", "1.5", places=2)))
    ways: list[dict[str, Any]] = [
        {"treatment": "share_of_fee", "share": share},
        {"treatment": "share_of_benchmark", "share": share, "by_coefficient": draw(st.booleans())},
        {"treatment": "by_item"}, {"treatment": "bed_day"}, {"treatment": "case_review"},
        {"treatment": "fixed_amount", "yuan": "4321.09"},
        {"treatment": "fixed_amount", "yuan": {"一级": "1000", "二级": "2000.5", "三级": "3000"}},
        {"treatment": "fixed_amount", "yuan": {"二级": "1500"}},  # refused at other levels
        {"treatment": "as_normal"}, {"treatment": "factor", "factor": share},
        {"treatment": "affine", "standard": "0.2", "ratio": "1"},
        {"treatment": "affine", "standard": "-0.3", "fee": "0.9", "ratio": "0.5"},
    ]  # fmt: skip
    if not special and method != "published":
        ways += [
            {"treatment": "table_weight", "classes": draw(st.booleans())},
            {"treatment": "fixed_weight", "weight": "0.2", "classes": draw(st.booleans())},
        ]
    return draw(st.sampled_from(ways))


CONDITIONS: tuple[dict[str, Any], ...] = (
    {"groups": ["AA", "XQY"]}, {"mdc": ["B"]}, {"level": ["一级", "三级"]}, {"insurance_type": ["390"]},
    {"discharge_way": ["2", "4"]}, {"care_type": ["21"]}, {"place": ["outside"]}, {"principal_dx": ["C3", "D0."]},
    {"principal_px": ["33.2"]}, {"stay_ge": 60}, {"stay_gt": 20, "stay_lt": 60}, {"stay_le": 1},
    {"x_gt": "0.3", "x_le": "0.5"}, {"x_ge": "1.2", "x_lt": "3"}, {"tcm_share_ge": "0.5"}, {"tcm_share_lt": "0.1"},
)  # fmt: skip


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two conditions as one; the other gives way where both bound the same quantity, which may be said only once."""
    bounded = {key.rsplit("_", 1)[0] for key in one if key.rsplit("_", 1)[-1] in ("ge", "gt", "le", "lt")}
    return one | {key: value for key, value in other.items() if key.rsplit("_", 1)[0] not in bounded}


def special_rules(draw: st.DrawFn, method: str) -> list[dict[str, Any]]:
    """Up to three rules of one or two conditions."""
    return [
        {"name": f"规则{number}", **_both(draw(st.sampled_from(CONDITIONS)), draw(st.sampled_from(CONDITIONS))),
         **treatments(draw, method, True)}
        for number in range(draw(st.integers(0, 3)))
    ]  # fmt: skip


SCOPES: tuple[list[dict[str, Any]], ...] = (
    [{"name": "异地", "place": ["outside"], "treatment": "by_item", "budget_line": "异地就医"}],
    [{"name": "异地康复", "place": ["outside"], "care_type": ["21"], "treatment": "include", "budget_line": "康复"},
     {"name": "异地", "place": ["outside"], "treatment": "exclude"}],
)  # fmt: skip


def tiers(draw: st.DrawFn, by_points: bool) -> list[dict[str, Any]]:
    """Bed-day tiers over all days; in points where the pack has a point value."""
    unit = draw(st.sampled_from(["yuan", "points"] if by_points else ["yuan"]))
    return [
        {"from_day": 1, "to_day": 30, unit: "4.12"}, {"from_day": 31, "to_day": 60, unit: "3.5"},
        {"from_day": 61, "level": "三级", unit: "2.01"},
        *({"from_day": 61, "level": level, "insurance_type": kind, unit: price}
          for level in LEVELS[:2] for kind, price in zip(TYPES, ("1.9", "1.8"), strict=True)),
    ]  # fmt: skip


FUNDS: tuple[dict[str, Any], ...] = (
    {"method": "difference", "negative": "keep"}, {"method": "difference", "negative": "zero"},
    *({"method": "ratio", "of": of} for of in ("case", "group", "hospital", "region")),
    {"method": "policy", "benefit": {"310": {"一级": "0.9", "二级": "0.85", "三级": "0.8"}, "390": "0.7"}},
    {"method": "policy", "benefit": {"310": {"一级": "0.9", "三级": "0.8"}, "390": "0.7"}},  # none at 二级
)  # fmt: skip
COEFFICIENTS: tuple[dict[str, Any], ...] = (
    {"by_level": {"一级": "0.9", "二级": "0.92", "三级": "1.0476"}},
    {"by_level": {"一级": {"310": "0.9", "390": "1"}, "二级": "0.92", "三级": "1.1"}, "by_hospital": {"H3": {"310": "1.2"}}},
    {"by_level": {"一级": "0.9", "三级": "1.0476"}},  # none at 二级
    {"by_group_level": "by_level.csv", "by_level": {"一级": "0.9", "二级": "0.92"}},
    {"by_group_hospital": "by_hospital.csv", "by_group_level": "by_level.csv", "by_level": {"三级": "1.01"}},
)  # fmt: skip
BASES: tuple[dict[str, Any], ...] = (
    {"strategy": "none"}, {"strategy": "fixed_coefficient", "groups": ["BB"], "value": "1.02"},
    {"strategy": "capped_coefficient", "groups": ["AA", "CC"], "value": "0.9"},
    {"strategy": "fixed_amount", "amounts": {"BB": "5000.55"}},
)  # fmt: skip


def ratio_of(draw: st.DrawFn, method: str) -> dict[str, Any]:
    """Any reference, low and high bands by level and by weight edges of both kinds, now and then a last bound."""
    references = ["with_coefficient", "without_coefficient", "lower_of"]
    references += ["group_mean"] if method != "published" else []
    low = [a_band(draw, "0.10", "0.50")]
    high = [a_band(draw, "1.5", "4")]
    if draw(st.booleans()):
        low += [a_band(draw, "0.2", "0.6", level="三级")]
        high += [a_band(draw, "1.2", "2", level="二级")]
    if method != "published" and draw(st.booleans()):
        low += [a_band(draw, "0.1", "0.9", weight_lt="1")]
        high += [
            a_band(draw, "1.5", "3", weight_le="1"),
            a_band(draw, "1.2", "2", weight_lt="4.0001", level="一级"),
        ]
    beyond = {"beyond": a_band(draw, "4.01", "6")} if draw(st.booleans()) else {}
    return dated(
        reference=draw(st.sampled_from(references)), low=low[0] if len(low) == 1 else low, high=high, **beyond
    )


@st.composite
def rule_packs(draw: st.DrawFn) -> dict[str, Any]:
    """A pack by rate, points or printed standards with anything that the format has."""
    method = draw(st.sampled_from(["points", "points", "rate", "published"]))
    by_points = method == "points"
    off: dict[str, Any] = {
        "ungrouped": treatments(draw, method, False), "ambiguous": treatments(draw, method, False),
        "groups": {"DD": treatments(draw, method, False)} if draw(st.booleans()) else {},
        "sets": [{"name": "不稳定", "groups": ["CC"], **treatments(draw, method, False)}] if draw(st.booleans()) else [],
    }  # fmt: skip
    changes: dict[str, Any] = {
        "ratio": [ratio_of(draw, method)], "off_path": [dated(**off)], "bed_day": [dated(tiers=tiers(draw, by_points))],
        "fund_share": [dated(**draw(st.sampled_from(FUNDS)))],
        "base_groups": [dated(**draw(st.sampled_from(BASES if method != "published" else (BASES[0], BASES[3]))))],
    }  # fmt: skip
    if rules := special_rules(draw, method):
        changes["special_rules"] = [dated(rules=rules)]
    if draw(st.booleans()):
        changes["scope"] = [dated(rules=draw(st.sampled_from(SCOPES)))]
    if draw(st.booleans()):
        changes["separate_items"] = [dated(share=str(draw(numbers("0", "1", places=2))))]
    if method != "published":
        changes["coefficients"] = [dated(**draw(st.sampled_from(COEFFICIENTS)))]
    return by_method(method, **changes)


def every_variant() -> list[str]:
    """Families that both the low and the high class may take."""
    return sorted(VARIANTS)
