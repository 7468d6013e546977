"""Every constructed vector of the pricing families comes out of a pack and the run's SQL to the fen, points to six digits.

The numbers stand here and, marked `shared`, are compared with facts/payment, so that the test runs without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.pricing_apart import Trial, priced_apart
from tests.pricing_fixtures import Case, dated, plain_pack
from tests.pricing_rule_packs import points_pack
from tests.pricing_twin import Found, checked
from tests.reference.price_case import Printed

PAYMENT = Path(__file__).parents[2] / "shared" / "facts" / "payment"
ALIKE = ("一级", "二级", "三级")
PRICING, DIP, SETTLEMENT, NEGOTIATION = (
    "here",
    "tests/test_pricing_dip.py",
    "issue 5",
    "tests/test_invariance.py",
)
INDICATORS = "tests/test_indicators.py"


@dataclass(frozen=True)
class City:
    """A city's rules with its numbers; H2 prices."""

    pack: dict[str, Any]
    weight: str
    mean: str = ""


@dataclass(frozen=True)
class Result:
    """What a vector says of one case: fee in yuan, class, points with six digits and amount in yuan."""

    city: City
    fee: str
    price_class: str
    points: str | None
    pay: str
    keys: tuple[str, ...]  # where the amount, then the points stand in the vector's `expected`
    more: dict[str, Any] = field(default_factory=dict)  # what else the case has


def low(family: str, threshold: str, **more: Any) -> dict[str, Any]:
    return {"family": family, "threshold": threshold, "inclusive": True, **more}


def by_points(a: str, pv: str, w: str, c: str, ratio: dict[str, Any], scale: int = 100, **more: Any) -> City:
    """A city by 点数 of which one insurance type is known; six digits of points."""
    digits = {"weight": 4, "rate": 4, "coefficient": 4, "points": 6, "source": "向量"}
    return City(points_pack(
        digits=digits, point_scale=[dated(scale=scale, area_mean_cost=a)], point_values=[dated(values={"310": pv})],
        coefficients=[dated(by_level=dict.fromkeys(ALIKE, c))], ratio=[dated(**ratio)], **more,
    ), w)  # fmt: skip


def by_rate(rate: str, ratio: dict[str, Any], mean: str = "", **more: Any) -> City:
    """A city by 费率 whose group weighs 1 and whose coefficient is 1, so that S is the rate."""
    digits = {"weight": 4, "rate": 4, "coefficient": 4, "source": "向量"}
    return City(plain_pack(
        digits=digits, rates=[dated(values={"310": rate})], coefficients=[dated(by_level=dict.fromkeys(ALIKE, "1"))],
        ratio=[dated(**ratio)], **more,
    ), "1", mean)  # fmt: skip


def without(lowest: dict[str, Any], highest: dict[str, Any]) -> dict[str, Any]:
    return {"reference": "without_coefficient", "low": lowest, "high": [highest]}


def with_c(lowest: dict[str, Any], highest: dict[str, Any]) -> dict[str, Any]:
    return {"reference": "with_coefficient", "low": lowest, "high": [highest]}


def zhoukou(low_family: str, high_family: str) -> City:
    ratio = without(low(low_family, "0.35"), low(high_family, "2.5"))
    return by_points("5270.76", "52.8094", "1.2", "0.95", ratio)


JINHUA = by_points("9427", "84.71", "1.5", "1.1", with_c(low("points", "0.4"), low("linear_add", "2.5")))
HANGZHOU = by_points(
    "9543.61", "92", "1.2", "1", with_c(low("points", "0.4"), low("linear_add", "2")),
    special_rules=[dated(rules=[{"name": "四成至八成", "groups": ["AA"], "x_gt": "0.4", "x_le": "0.8",
                                 "treatment": "affine", "standard": "0.2", "ratio": "1"}])],
    off_path=[dated(ambiguous={"treatment": "share_of_fee", "share": "0.8"},
                    ungrouped={"treatment": "share_of_fee", "share": "0.7"})],
)  # fmt: skip
KUNMING = by_rate("11294", with_c(low("actual", "0.3"), low("actual", "3")), special_rules=[dated(rules=[
    {"name": "住院六十天以上", "stay_ge": 60, "treatment": "by_item"},
    {"name": "非医嘱离院", "discharge_way": ["4"], "x_gt": "0.3", "x_le": "0.5", "treatment": "factor", "factor": "0.7"},
    {"name": "超二十天", "stay_gt": 20, "x_gt": "1", "x_lt": "3", "treatment": "factor", "factor": "1.1"},
])])  # fmt: skip
CHENGDU = by_rate(
    "10000", {"reference": "group_mean", "low": low("actual", "0.7"), "high": [low("keep_excess", "1.4")]}, "10000",
    off_path=[dated(ambiguous={"treatment": "share_of_fee", "share": "0.9"}, ungrouped={"treatment": "by_item"})],
)  # fmt: skip
# 3 yuan a point: scale 100 and A 300; the score D 3529.04 is a weight of 35.2904. Above u 1.4: D·(u − 0.4).
YINCHUAN = by_points(
    "300", "2.82", "35.2904", "1", with_c(low("actual", "0.3"), low("as_normal", "20")),
    special_rules=[dated(rules=[{"name": "第四档", "x_gt": "1.4", "treatment": "affine", "standard": "-0.4", "ratio": "1"}])],
)  # fmt: skip
GUILIN = by_points("6712.4375", "65.66", "1.2", "1.07", with_c(low("points", "0.4"), low("deduct", "2.5")))
FOSHAN = by_points(
    "5000", "90", "1", "1", with_c(low("points", "0.4"), low("as_normal", "3")),
    bed_day=[dated(tiers=[{"from_day": 1, "points": "4.12"}])],  # 0.0412 × 100 a day
    off_path=[dated(ungrouped={"treatment": "by_item"}, sets=[{"name": "长期", "groups": ["AA"], "treatment": "bed_day"}])],
)  # fmt: skip

RESULTS: dict[str, tuple[Result, ...]] = {
    # 1.2 × 100 × 0.95 = 114 points
    "P01": (Result(zhoukou("points", "cap"), "6000", "normal", "114.000000", "6020.27", ("standardFee", "points")),),
    # 1500 ÷ 5270.76 × 100
    "P02": (Result(zhoukou("points", "cap"), "1500", "low", "28.458894", "1502.90", ("pay", "points")),
            Result(zhoukou("actual", "cap"), "1500", "low", None, "1500.00", ("pay_ByActual",))),
    # 114 + (20000 ÷ 6324.912 − 2.5) × 120 = 114 + 79.451920
    "P03": (Result(zhoukou("points", "linear_add"), "20000", "high", "193.451920", "10216.08", ("pay", "totalPoints")),),
    "P04": (Result(zhoukou("points", "cap"), "20000", "high", "285.000000", "15050.68", ("pay",)),),
    # (20000 ÷ 5270.76 − 1.5 × 1.2 × 0.95) × 100
    "P05": (Result(zhoukou("points", "deduct"), "20000", "high", "208.451920", "11008.22", ("pay", "points")),),
    "Z01": (Result(JINHUA, "5000", "low", "53.039143", "4492.95", ("pay", "points")),),
    "Z02": (Result(JINHUA, "14000", "normal", "165.000000", "13977.15", ("pay", "points")),),
    "Z03": (Result(JINHUA, "50000", "high", "320.391429", "27140.36", ("pay", "points")),),
    "Z10": (Result(HANGZHOU, "4000", "low", "41.912861", "3855.98", ("pay", "points")),),
    # (0.2 + 7000 ÷ 11452.332) × 120
    "Z11": (Result(HANGZHOU, "7000", "special", "97.347507", "8955.97", ("pay", "points")),),
    "Z12": (Result(HANGZHOU, "11000", "normal", "120.000000", "11040.00", ("pay", "points")),),
    "Z13": (Result(HANGZHOU, "30000", "high", "194.346458", "17879.87", ("pay", "points")),),
    # The vector turns the amount into points by the point value; ours is money whatever a point is worth.
    "Z14": (Result(HANGZHOU, "10000", "ambiguous", None, "8000.00", ("pay",), {"drg": "XQY"}),),
    "Z15": (Result(HANGZHOU, "10000", "ungrouped", None, "7000.00", ("pay",), {"drg": "0000"}),),
    "Z20": (Result(KUNMING, "3000", "low", None, "3000.00", ("pay",), {"stay_days": 3, "discharge_way": "1"}),),
    "Z21": (Result(KUNMING, "5000", "special", None, "7905.80", ("pay",), {"stay_days": 3, "discharge_way": "4"}),),
    "Z22": (Result(KUNMING, "5000", "normal", None, "11294.00", ("pay",), {"stay_days": 3, "discharge_way": "1"}),),
    "Z23": (Result(KUNMING, "15000", "special", None, "12423.40", ("pay",), {"stay_days": 25, "discharge_way": "1"}),),
    "Z24": (Result(KUNMING, "40000", "high", None, "40000.00", ("pay",), {"stay_days": 10, "discharge_way": "1"}),),
    "Z25": (Result(KUNMING, "9000", "special", None, "9000.00", ("pay",), {"stay_days": 61, "discharge_way": "1"}),),
    # 6000 × (1 + 0.7 × (3 − 2.2)); 10000 × (1.7 + 0.5 × (3 − 2)); 30000 − 2 × 8000
    "Z30": (Result(by_rate("6000", with_c(low("actual", "0.3"), low("excess_share", "2.2", share="0.7"))),
                   "18000", "high", None, "9360.00", ("pay",)),),
    "Z31": (Result(by_rate("10000", with_c(low("actual", "0.3"), low("excess_share", "2", base="1.7", share="0.5"))),
                   "30000", "high", None, "22000.00", ("pay",)),),
    "Z32": (Result(by_rate("8000", with_c(low("actual", "0.3"), low("keep_excess", "3"))),
                   "30000", "high", None, "14000.00", ("pay",)),),
    "Z33": (Result(CHENGDU, "6000", "low", None, "6000.00", ("F=6000",)),
            Result(CHENGDU, "8000", "normal", None, "10000.00", ("F=8000",)),
            Result(CHENGDU, "13000", "normal", None, "10000.00", ("F=13000",)),
            Result(CHENGDU, "16000", "high", None, "12000.00", ("F=16000",)),
            Result(CHENGDU, "9000", "ambiguous", None, "8100.00", ("QY F=9000",), {"drg": "XQY"})),
    # 3529.04 × (20000 ÷ 10587.12 − 0.4)
    "Z34": (Result(YINCHUAN, "20000", "special", "5255.050667", "14819.24", ("pay", "score")),),
    "Z35": (Result(GUILIN, "40000", "high", "403.308714", "26481.25", ("pay", "points")),),
    "Z36": (Result(FOSHAN, "12000", "special", "185.400000", "16686.00", ("pay", "points"), {"stay_days": 45}),),
}  # fmt: skip
# Which test owns a vector that is not in RESULTS. S01 and S05 solve a point value: tests/test_solve.py.
OWNERS = {
    "P06": PRICING, "S04": PRICING,
    **dict.fromkeys((f"D0{number}" for number in range(1, 10)), DIP),
    **dict.fromkeys(("S01", "S05"), "tests/test_solve.py"),
    "M01": "tests/test_alliance_month.py", "M02": "tests/test_alliance_year.py",
    **dict.fromkeys(("S02", "B01"), "tests/test_clear.py"), "S03": "tests/test_settle.py",
    "Q01": SETTLEMENT,
    "K01": INDICATORS,
    **dict.fromkeys(("W01", "W02"), NEGOTIATION),
}  # fmt: skip


def every_result() -> Iterator[tuple[str, int]]:
    return ((name, number) for name, results in RESULTS.items() for number in range(len(results)))


def trial_of(one: Result) -> Trial:
    case = Case("one", **{"total_fee_fen": int(one.fee) * 100, "pool_fund_fen": 0, **one.more})
    printed = Printed(means={"AA": one.city.mean} if one.city.mean else {})
    return Trial(one.city.pack, [case], {"AA": one.city.weight, "XQY": "1"}, printed)


TRIALS = {(name, number): trial_of(RESULTS[name][number]) for name, number in every_result()}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Found]:
    return priced_apart(TRIALS, tmp_path_factory.mktemp("vectors"))


@pytest.mark.parametrize(("name", "number"), list(every_result()))
def test_a_constructed_result_by_a_pack(found: dict[tuple[str, int], Found], name: str, number: int) -> None:
    one = RESULTS[name][number]
    row = TRIALS[name, number].agreed(found[name, number])["one"]
    assert (row["price_class"], f"{Decimal(row['standard_fen']) / 100:.2f}") == (one.price_class, one.pay)
    if one.points is not None:
        assert f"{row['points']:.6f}" == one.points


@pytest.mark.parametrize(("reference", "last_low"), [("lower_of", 210_303), ("without_coefficient", 221_371)])
def test_p06_the_lower_of_two_low_thresholds(tmp_path: Path, reference: str, last_low: int) -> None:
    """0.35 × 6324.912 × 0.95 = 2103.03324 and without coefficient 2213.7192: the fen below is low, the next is not."""
    city = zhoukou("points", "cap")
    pack = {**city.pack, "ratio": [{**city.pack["ratio"][0], "reference": reference}]}
    cases = [Case("low", "AA", last_low, 0), Case("normal", "AA", last_low + 1, 0)]
    scored = checked(pack, cases, tmp_path, {"AA": city.weight})
    assert {name: row["price_class"] for name, row in scored.items()} == {"low": "low", "normal": "normal"}


@pytest.mark.parametrize(
    ("law", "fund"), [({"method": "difference"}, 455_559), ({"method": "ratio", "of": "case"}, 489_335)]
)
def test_s04_what_the_fund_owes_of_one_standard(tmp_path: Path, law: dict[str, str], fund: int) -> None:
    """8155.59 − (9000 − 5400); 8155.59 × 5400 ÷ 9000."""
    row = checked(plain_pack(fund_share=[dated(**law)]), [Case("one")], tmp_path)["one"]
    assert (row["standard_fen"], row["fund_fen"]) == (815_559, fund)


@pytest.mark.parametrize(("dx", "standard"), [("C34.1", 875_985), ("A00", 583_990)])
def test_a_complication_pays_half_the_weight_more(tmp_path: Path, dx: str, standard: int) -> None:
    """WUHAN-OB19: the group's weight and half of it, 0.55 × 10618 × 1.5 = 8759.85; without complication 5839.90."""
    rule = {"name": "并发症", "principal_dx": ["C3"], "treatment": "factor", "factor": "1.5"}
    city = by_rate(
        "10618", with_c(low("actual", "0.3"), low("actual", "3")), special_rules=[dated(rules=[rule])]
    )
    row = checked(city.pack, [Case("one", principal_dx=dx)], tmp_path, {"AA": "0.55"})["one"]
    assert row["standard_fen"] == standard


@pytest.mark.shared
@pytest.mark.skipif(not PAYMENT.is_dir(), reason="../shared is not here")
def test_every_vector_has_one_owner_and_the_numbers_are_its_own() -> None:
    vectors = {
        one["id"]: one for one in json.loads((PAYMENT / "test_vectors_constructed.json").read_text("utf-8"))
    }
    assert not RESULTS.keys() & OWNERS.keys()
    assert vectors.keys() == RESULTS.keys() | OWNERS.keys()
    in_dip = (Path(__file__).parent / "test_pricing_dip.py").read_text(encoding="utf-8")
    assert [name for name, owner in OWNERS.items() if owner == DIP and f'"{name}' not in in_dip] == []
    for name, results in RESULTS.items():
        expected = vectors[name]["expected"]
        for one in results:
            assert Decimal(expected[one.keys[0]]) == Decimal(one.pay), name
            if len(one.keys) > 1:
                printed = Decimal(expected[one.keys[1]])
                assert Decimal(one.points or "").quantize(printed) == printed, name
    for name in ("Z14", "Z15"):
        points = Fraction(RESULTS[name][0].pay) / 92
        assert abs(points - Fraction(vectors[name]["expected"]["points"])) <= Fraction(1, 2_000_000)
