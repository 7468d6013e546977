"""A look-up that found nothing is a refusal with its code, never a zero; what cannot be read is one sentence."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.errors import ConfigurationError
from pipeline.problem import Problem
from pipeline.region_check import check_region
from pipeline.terms import resolve
from tests.pricing_apart import Trial, priced_apart
from tests.pricing_families import band
from tests.pricing_fixtures import KINDS, Case, dated, plain_pack, priced, scheme_of, write_pack
from tests.pricing_rule_packs import DIGITS, PRINTED, WEIGHTS, points_pack, published_pack
from tests.pricing_twin import Found, checked
from tests.reference.price_case import Printed

BY_ITEM = {"treatment": "by_item"}
RATIO = {"low": band("actual", "0.4", True), "high": [band("as_normal", "3", True)]}
REVIEW = [dated(ungrouped=BY_ITEM, sets=[{"name": "不稳定", "groups": ["AA"], "treatment": "case_review"}])]
NO_RATE_FROM_APRIL = [
    dated(values={"310": {"二级": "9575.25"}, "390": {"二级": "6600"}}),
    dated(**{"from": "2025-04-01", "to": "2025-04-30"}, values={"310": {"二级": "9575.25"}}),
    dated(**{"from": "2025-05-01"}, values={"310": {"二级": "9575.25"}, "390": {"二级": "6600"}}),
]
APRIL = dt.date(2025, 4, 15)
# what is missing → pack, case, code; beside each a case that is paid
REFUSED: dict[str, tuple[dict[str, Any], Case, str]] = {
    "a group without mean where it is the reference": (
        points_pack(ratio=[dated(reference="group_mean", **RATIO)]), Case("one", "DD"), "no_reference"),
    "a group without weight": (points_pack(), Case("one", "EE"), "no_weight"),
    "a group without printed standard": (published_pack(), Case("one", "BB", hospital_id="H1"), "no_weight"),
    "a rule by S for a group without weight": (
        points_pack(off_path=[dated(ungrouped=BY_ITEM)],
                    special_rules=[dated(rules=[{"name": "半价", "stay_ge": 60, "treatment": "factor", "factor": "0.5"}])]),
        Case("one", "0000", stay_days=60), "no_weight"),
    "a level without fixed amount": (
        points_pack(off_path=[dated(ungrouped={"treatment": "fixed_amount", "yuan": {"一级": "9"}})]), Case("one", "0000"), "no_amount"),
    "no fee to share the fund by": (
        points_pack(fund_share=[dated(method="ratio", of="case")]), Case("one", "BB", 0, 0), "no_fee"),
    "no fee of its own beside a share of the hospital": (
        points_pack(fund_share=[dated(method="ratio", of="hospital")]), Case("one", "BB", 0, 0, "H1"), "no_fee"),
    "separately paid items above the whole fee": (
        points_pack(separate_items=[dated(share="0.6")]), Case("one", separate_items_fen=900_001), "separate_over_total"),
    "a place out of scope": (
        points_pack(scope=[dated(rules=[{"name": "异地", "place": ["outside"], "treatment": "exclude"}])]),
        Case("one", place="outside"), "out_of_scope"),
    "a group to be reviewed": (points_pack(off_path=REVIEW), Case("one"), "case_review"),
    "a rate missing for one type in one month": (
        plain_pack(rates=NO_RATE_FROM_APRIL, digits=dict(DIGITS)),
        Case("one", "BB", insurance_type="390", discharge_date=APRIL), "no_rate"),
    "A missing for one type": (
        points_pack(point_scale=[dated(scale=100, area_mean_cost={"310": "5270.76"})]), Case("one", insurance_type="390"), "no_rate"),
    "a benefit ratio missing at one level": (
        points_pack(fund_share=[dated(method="policy", benefit={"310": {"二级": "0.8"}, "390": "0.7"})]),
        Case("one", hospital_id="H1"), "no_rate"),
    "no coefficient in any table": (
        points_pack(coefficients=[dated(by_group_level="by_level.csv")]), Case("one", "BB"), "no_coefficient"),
    "a day without parameters": (points_pack(), Case("one", discharge_date=dt.date(2024, 12, 31)), "no_terms"),
}  # fmt: skip


def beside(code: str) -> Case:
    return Case("paid", "AA" if code != "case_review" else "CC")


ALONE = {
    what: Trial(pack, [case, beside(code)], WEIGHTS, PRINTED) for what, (pack, case, code) in REFUSED.items()
}
WITH_REVERSAL = {
    f"{what}, turned": Trial(pack, [case, case.reversed_by("back"), beside(code)], WEIGHTS, PRINTED)
    for what, (pack, case, code) in REFUSED.items()
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    return priced_apart(ALONE | WITH_REVERSAL, tmp_path_factory.mktemp("refused"))


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_unknown_is_refused_and_its_reversal_with_it(found: dict[str, Found], what: str) -> None:
    """The twin refuses by the same code (`agreed`); a case beside it is paid; a held case holds its reversal."""
    code = REFUSED[what][2]
    turned = found[f"{what}, turned"]
    assert set(turned.scored) == {"paid"}
    assert turned.refused == {
        "one": code,
        "back": "reversal_without_original" if code == "case_review" else "reversal_of_refused",
    }
    assert set(turned.severity.values()) == {"hold" if code == "case_review" else "refuse"}
    ALONE[what].agreed(found[what])


def test_the_months_beside_one_without_rate_are_paid(tmp_path: Path) -> None:
    pack = plain_pack(rates=NO_RATE_FROM_APRIL, digits=dict(DIGITS))
    days = [dt.date(2025, 3, 31), dt.date(2025, 4, 1), dt.date(2025, 4, 30), dt.date(2025, 5, 1)]
    cases = [
        Case(f"{day} {kind}", "BB", insurance_type=kind, discharge_date=day)
        for day in days
        for kind in ("310", "390")
    ]
    scored = checked(pack, cases, tmp_path, WEIGHTS)
    assert {name for name in scored if name.endswith("390")} == {"2025-03-31 390", "2025-05-01 390"}
    assert len([name for name in scored if name.endswith("310")]) == 4


def two_versions() -> dict[str, Any]:
    return points_pack(point_values=[dated(values={"310": "50"}), dated(values={"310": "51"})])


def banded(
    pack: dict[str, Any], *high: dict[str, Any], reference: str = "without_coefficient"
) -> dict[str, Any]:
    return {**pack, "ratio": [dated(reference=reference, low=RATIO["low"], high=list(high))]}


def rule(**said: Any) -> dict[str, Any]:
    return points_pack(special_rules=[dated(rules=[{"name": "规则", **said}])])


# What cannot be read: pack, tables, what the one sentence says.
UNREADABLE: dict[str, tuple[dict[str, Any], Printed, str]] = {
    "a coefficient of nothing": (points_pack(coefficients=[dated(by_level={"二级": "0"})]), PRINTED, "须大于 0"),
    "a coefficient of nothing by group": (
        points_pack(coefficients=[dated(by_group_level="by_level.csv")]), Printed(by_group_level={("AA", "二级"): "0"}), "系数须大于零"),
    "two versions on one day": (two_versions(), PRINTED, "`point_values` 有两项同时有效"),
    "a printed standard with a comma": (
        published_pack(), Printed(standards={("AA", "二级"): '"1,234.50"'}), "`AA、二级` 为 `1,234.50`.*不带千分位逗号"),
    "a printed standard of nothing": (published_pack(), Printed(standards={("AA", "二级"): "0"}), "金额读不懂"),
    "a mean with three digits": (points_pack(), Printed(means={"AA": "1.234"}), "至多两位小数"),
    "points a day where no point has a value": (
        plain_pack(bed_day=[dated(tiers=[{"from_day": 1, "points": "3"}])]), PRINTED, "没有点值，bed_day 只能写 yuan"),
    "a tier in yuan and points": (
        points_pack(bed_day=[dated(tiers=[{"from_day": 1, "points": "3", "yuan": "3"}])]), PRINTED, "写且只写一个"),
    "weight bands of printed standards": (
        banded(published_pack(), band("cap", "2", True, weight_lt="1"), band("cap", "3", True)), PRINTED, "没有权重，ratio"),
    "means of printed standards": (
        banded(published_pack(), band("cap", "2", True), reference="group_mean"), PRINTED, "没有例均费用"),
    "a weight of printed standards": (
        published_pack(off_path=[dated(ungrouped={"treatment": "fixed_weight", "weight": "0.2"})]), PRINTED,
        "off_path 不能用 fixed_weight"),
    "a rule that would change the weight": (rule(stay_ge=60, treatment="fixed_weight", weight="0.2"), PRINTED, "不能改权重"),
    "a rule without condition": (rule(treatment="by_item"), PRINTED, "没有写条件"),
    "a share that by_item ignores": (rule(stay_ge=60, treatment="by_item", share="0.8"), PRINTED, "by_item 不用 share"),
    "a condition said twice": (rule(x_ge="2", x_gt="3", treatment="by_item"), PRINTED, "x_ge 与 x_gt 只能写一个"),
    "a share that a cap ignores": (
        banded(points_pack(), band("cap", "2", True, share="0.7")), PRINTED, "cap 不用 share"),
    "a base that a cap ignores": (banded(points_pack(), band("cap", "2", True, base="1.7")), PRINTED, "cap 不用 base"),
    "a last bound for some levels alone": (
        {**points_pack(), "ratio": [dated(reference="without_coefficient", **RATIO, beyond=band("as_normal", "5", True, level="二级"))]},
        PRINTED, "beyond 对所有病组、级别相同"),
    "an affine rule that says nothing": (rule(stay_ge=60, treatment="affine"), PRINTED, "affine 须写"),
    "a ratio of whom": (points_pack(fund_share=[dated(method="ratio")]), PRINTED, "ratio 须写 of"),
    "a policy without benefit": (points_pack(fund_share=[dated(method="policy")]), PRINTED, "policy 须写 benefit"),
    "base groups without amounts": (points_pack(base_groups=[dated(strategy="fixed_amount")]), PRINTED, "fixed_amount 须写 amounts"),
    "rates by points": (points_pack(rates=plain_pack()["rates"]), PRINTED, "不用 rates"),
    "points without scale": ({key: value for key, value in points_pack().items() if key != "point_scale"}, PRINTED, "缺 point_scale"),
    "both kinds of edge in one band": (
        banded(points_pack(), band("cap", "2", True, weight_lt="1", weight_le="1"), band("cap", "3", True)), PRINTED, "只能写一个"),
}  # fmt: skip


@pytest.mark.parametrize("slip", UNREADABLE)
def test_a_pack_that_cannot_be_read_is_one_sentence(tmp_path: Path, slip: str) -> None:
    pack, printed, wanted = UNREADABLE[slip]
    with pytest.raises(ConfigurationError, match=wanted) as caught:
        write_pack(tmp_path, pack, WEIGHTS, printed=printed)
    assert "请" in str(caught.value) and "\n" not in str(caught.value)


def problems(folder: Path, pack: dict[str, Any], printed: Printed = PRINTED) -> list[Problem]:
    region = write_pack(folder, pack, WEIGHTS, printed=printed)
    terms = resolve(region, dt.date(2025, 3, 1), dt.date(2025, 3, 1))
    kinds = {group: kind for group, kind in KINDS.items() if group != "excluded"}
    return check_region(region, terms, {entry.key: scheme_of(kinds) for entry in region.pack.scheme})


def off(**said: Any) -> dict[str, Any]:
    return points_pack(off_path=[dated(**{"ungrouped": BY_ITEM, "ambiguous": BY_ITEM, **said})])


def days(*tiers: dict[str, Any]) -> dict[str, Any]:
    return {**off(ungrouped={"treatment": "bed_day"}), "bed_day": [dated(tiers=list(tiers))]}


DAY_ONE = {"from_day": 1, "to_day": 9, "yuan": "300"}
ONE_SET = {"name": "甲", "groups": ["AA"], **BY_ITEM}
SCOPED = {"name": "甲", "place": ["outside"], "treatment": "exclude"}
# What loads but pays wrongly: pack, what the error says.
CHECKED: dict[str, tuple[dict[str, Any], str]] = {
    "two sets of one name": (off(sets=[ONE_SET, {**ONE_SET, "groups": ["BB"]}]), "名称重复：甲"),
    "two rules of one name": (
        points_pack(special_rules=[dated(rules=[{"name": "甲", "stay_ge": 1, **BY_ITEM}] * 2)]), "名称重复：甲"),
    "two scopes of one name": (points_pack(scope=[dated(rules=[SCOPED, SCOPED])]), "名称重复：甲"),
    "a group in two ways": (off(sets=[ONE_SET], groups={"AA": BY_ITEM}), "同一病组有两种办法：AA"),
    "a group with an amount and a set": (
        {**off(sets=[ONE_SET]), "base_groups": [dated(strategy="fixed_amount", amounts={"AA": "9"})]}, "同一病组有两种办法：AA"),
    "a group of no scheme in a set": (off(sets=[{**ONE_SET, "groups": ["ZZ"]}]), "的组：ZZ"),
    "a group of no scheme in a rule": (rule(groups=["ZZ"], **BY_ITEM), "的组：ZZ"),
    "a level that is none": (rule(level=["四级"], **BY_ITEM), "level 写了不认识的 四级"),
    "a type that is none": (rule(insurance_type=["999"], **BY_ITEM), "insurance_type 写了不认识的 999"),
    "a place that is none": (rule(place=["moon"], **BY_ITEM), "place 写了不认识的 moon"),
    "no tier at all": (off(ungrouped={"treatment": "bed_day"}), "第 1 天起没有标准"),
    "a day in no tier": (days(DAY_ONE, {"from_day": 11, "yuan": "200"}), "第 10 天没有标准"),
    "a day in two tiers": (days(DAY_ONE, {"from_day": 9, "yuan": "200"}), "第 9 天落在两档里"),
    "days without end": (days(DAY_ONE), "第 10 天起没有标准"),
    "an amount without a level": (off(sets=[{**ONE_SET, "treatment": "fixed_amount", "yuan": {"一级": "9"}}]), "定额缺级别 二级"),
    "a group without mean": (banded(points_pack(), band("cap", "3", True), reference="group_mean"), "没有 mean_fee_yuan：DD"),
    "no band for the rest": (banded(points_pack(), band("cap", "3", True, level="一级")), "各须有一段不写"),
    "a band of no level": (banded(points_pack(), band("cap", "2", True, level="四级"), band("cap", "3", True)), "`四级` 不在 levels"),
    "two bands of one edge": (
        banded(points_pack(), *[band("cap", "2", True, weight_lt="1")] * 2, band("cap", "3", True)), "完全相同"),
    "le and lt at one weight": (
        banded(points_pack(), band("cap", "2", True, weight_lt="1"), band("cap", "2", True, weight_le="1"), band("cap", "3", True)),
        "既写 weight_le 又写 weight_lt"),
    "a high class of one level below the low one": (
        banded(points_pack(), band("cap", "0.3", True, level="一级"), band("cap", "3", True)), "高倍率界限不大于低倍率界限"),
}  # fmt: skip


@pytest.mark.parametrize("slip", CHECKED)
def test_check_finds_what_would_pay_wrongly(tmp_path: Path, slip: str) -> None:
    pack, wanted = CHECKED[slip]
    errors = [one.message for one in problems(tmp_path, pack) if one.severity == "error"]
    assert any(wanted in message for message in errors), errors


def test_the_packs_that_the_slips_break_have_no_error_of_their_own(tmp_path: Path) -> None:
    for number, pack in enumerate((off(), days({**DAY_ONE, "to_day": 9}, {"from_day": 10, "yuan": "200"}))):
        assert [
            one.message for one in problems(tmp_path / str(number), pack) if one.severity == "error"
        ] == []


def test_a_cell_without_printed_standard_is_told(tmp_path: Path) -> None:
    told = [one.message for one in problems(tmp_path, published_pack()) if one.severity == "warning"]
    assert any("缺 3 格" in message and "BB／一级" in message for message in told), told


@pytest.mark.parametrize(("places", "fits"), [(5, True), (7, False)])
def test_the_digits_of_a_mean_that_divides_are_counted(tmp_path: Path, places: int, fits: bool) -> None:
    """Q is mean ÷ W, 4,100,001 fen × 10⁵ in the denominator: with seven digits the SQL would overflow."""
    digits = {**DIGITS, "coefficient": places, "weight": places}
    ratio = dated(reference="group_mean", low=RATIO["low"], high=[band("deviation_excess + c", "3", True)])
    pack = points_pack(ratio=[ratio], digits=digits)
    told = [one.message for one in problems(tmp_path / "told", pack) if "超出可精确计算" in one.message]
    assert bool(told) != fits
    case = Case("one", "CC", 10_000_000_000, 0)
    if fits:
        checked(pack, [case], tmp_path, WEIGHTS, PRINTED)
        return
    region = write_pack(tmp_path / "pack", pack, WEIGHTS, printed=PRINTED)
    with pytest.raises(duckdb.Error), priced(region, [case], tmp_path / "run"):
        pass
