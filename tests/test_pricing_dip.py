"""Pricing by 分值: printed results to the fen, refusals instead of zeros, a row's own subtypes, the largest numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.pricing_apart import Trial, priced_apart
from tests.pricing_fixtures import Case, dated, dip_pack, priced, write_pack
from tests.pricing_twin import Found, checked
from tests.reference.price_case import Printed, half_away

PAYMENT = Path(__file__).parents[2] / "shared" / "facts" / "payment"
needs_shared = pytest.mark.skipif(not PAYMENT.is_dir(), reason="../shared is not here")


@dataclass(frozen=True)
class Style:
    """How a city judges deviation and what a point is worth; H2 has the coefficient of the vector."""

    reference: str
    low: dict[str, Any]
    high: dict[str, Any]
    coefficient: str = "0.9"
    prices: tuple[str, str] = ("10.5", "11")  # pays, judges
    digits: int = 4
    more: dict[str, Any] = field(default_factory=dict)


LOW = {"threshold": "0.5", "inclusive": True, "family": "deviation"}
HIGH = {"threshold": "2", "family": "deviation_excess"}
HUBEI = Style(
    "without_coefficient", {**LOW, "by_coefficient": True}, {**HIGH, "inclusive": True, "plus": "one"}
)
JINING = Style(
    "without_coefficient", {**LOW, "by_coefficient": False}, {**HIGH, "inclusive": False, "plus": "coefficient"},
    more={"beyond": {"threshold": "5", "inclusive": False, "family": "as_normal"}},
)  # fmt: skip
TAIAN = replace(JINING, coefficient="0.611")
PROVINCE_3 = Style("with_coefficient", {**LOW, "inclusive": False, "by_coefficient": True}, HUBEI.high,
                   prices=("10", "10"), digits=6)  # fmt: skip

# Score 800, 11 yuan a point judge, 10.5 pay. x = F ÷ 8800; vector → (style, fee, class, points, pay).
DEVIATION: dict[str, tuple[Style, str, str, str, str]] = {
    # 4000 ÷ 8800 = 0.4545; 800 × 0.4545… × 0.9 = 327.2727 × 10.5 = 3436.36; without 0.9 363.6364 → 3818.18
    "D01 hubei_base": (HUBEI, "4000", "low", "327.2727", "3436.36"),
    "D01 jining": (JINING, "4000", "low", "363.6364", "3818.18"),
    # exactly 0.5: 800 × 0.5 × 0.9 = 360; 400
    "D02 hubei_base": (HUBEI, "4400", "low", "360.0000", "3780.00"),
    "D02 jining": (JINING, "4400", "low", "400.0000", "4200.00"),
    # 800 × 0.9 = 720 × 10.5 = 7560
    "D03 hubei_base": (HUBEI, "8000", "normal", "720.0000", "7560.00"),
    "D03 jining": (JINING, "8000", "normal", "720.0000", "7560.00"),
    # exactly 2: ≥ 2 is high, with (2 − 2 + 1) × 0.9; > 2 is not
    "D04 hubei_base": (HUBEI, "17600", "high", "720.0000", "7560.00"),
    "D04 jining": (JINING, "17600", "normal", "720.0000", "7560.00"),
    # x = 2.2727: 800 × 1.2727 × 0.9 = 916.3636; 800 × (0.2727 + 0.9) = 938.1818
    "D05 hubei_base": (HUBEI, "20000", "high", "916.3636", "9621.82"),
    "D05 jining": (JINING, "20000", "high", "938.1818", "9850.91"),
    # x = 5.6818: 800 × 4.6818 × 0.9 = 3370.9091; beyond 5 the score times 0.9 and no more
    "D06 hubei_base": (HUBEI, "50000", "high", "3370.9091", "35394.55"),
    "D06 jining": (JINING, "50000", "high", "720.0000", "7560.00"),
    # 0.2727 + 0.611 = 0.8837 × 800 = 706.9818 × 10.5 = 7423.31
    "D07": (TAIAN, "20000", "high", "706.9818", "7423.31"),
    # 900 × 10 × 0.9 = 8100, x = 3600 ÷ 8100 = 0.4444; 900 × 0.4444 × 0.9 = 360 × 10 = 3600
    "D09": (PROVINCE_3, "3600", "low", "360.000000", "3600.00"),
}  # fmt: skip


def fen(yuan: str) -> int:
    return int(Decimal(yuan) * 100)


def pack_of(style: Style, **changes: Any) -> dict[str, Any]:
    pays, judges = style.prices
    return dip_pack(
        digits={**dip_pack()["digits"], "points": style.digits},
        point_values=[dated(values={"310": pays})], reference_prices=[dated(values={"310": judges})],
        coefficients=[dated(by_level={"二级": style.coefficient})],
        ratio=[dated(reference=style.reference, low=style.low, high=[style.high], **style.more)],
        **changes,
    )  # fmt: skip


DEVIATING = {
    vector: Trial(pack_of(style), [Case("one", "AA", fen(fee), 0)], {"AA": "900" if vector == "D09" else "800"})
    for vector, (style, fee, *_) in DEVIATION.items()
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Found]:
    """What the SQL says of the trials of this module."""
    trials = DEVIATING | UNKNOWN_TRIALS | OWN_TRIALS
    return priced_apart(trials, tmp_path_factory.mktemp("dip"))


@pytest.mark.parametrize("vector", DEVIATION)
def test_deviation_is_paid_as_printed(found: dict[Any, Found], vector: str) -> None:
    """To the fen, and the points to the printed digits; the twin says the same."""
    style, _, price_class, points, pay = DEVIATION[vector]
    row = DEVIATING[vector].agreed(found[vector])["one"]
    assert (row["price_class"], f"{row['points']:.{style.digits}f}", row["standard_fen"]) == (
        price_class, points, fen(pay),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("share", "coefficient", "points", "pay"),
    [
        # 6600 ÷ 11 = 600; × 0.7 = 420 × 10.5 = 4410; × 0.4368 × 0.9 = 235.872 × 10.5 = 2476.656
        ({"share": "0.7"}, "1", "420.0000", "4410.00"),
        ({"share": "0.4368", "by_coefficient": True}, "0.9", "235.8720", "2476.66"),
    ],
)
def test_cases_without_a_disease_are_paid_by_the_benchmark(
    tmp_path: Path, share: dict[str, Any], coefficient: str, points: str, pay: str
) -> None:
    """D08: 空白病种 of 济宁 and 泰安."""
    off = {"ungrouped": {"treatment": "share_of_benchmark", **share}}
    pack = pack_of(replace(JINING, coefficient=coefficient), off_path=[dated(**off)])
    row = checked(pack, [Case("one", "0000", fen("6600"), 0)], tmp_path, {"AA": "500"})["one"]
    assert (row["price_class"], f"{row['points']:.4f}", row["standard_fen"]) == (
        "ungrouped",
        points,
        fen(pay),
    )
    assert row["ratio_e4"] is None


@pytest.mark.shared
@needs_shared
def test_the_vectors_of_these_tests_are_those_of_the_facts() -> None:
    """Every D01–D09 stands above with its printed class, points and amount."""
    vectors = json.loads((PAYMENT / "test_vectors_constructed.json").read_text(encoding="utf-8"))
    printed: dict[str, tuple[str, str, str]] = {}
    for one in vectors:
        expected = one["expected"]
        if one["id"] < "D07" and one["id"].startswith("D"):
            for city in ("hubei_base", "jining"):
                of = expected[city]
                kind = "high" if of["type"] == "extreme" else of["type"]
                printed[f"{one['id']} {city}"] = (kind, of["score"], of["pay"])
        elif one["id"] == "D07":
            printed["D07"] = ("high", expected["score"], expected["pay"])
        elif one["id"] == "D08":
            assert (expected["jining"], expected["taian"]) == ("4410.00", "2476.66")
        elif one["id"] == "D09":
            printed["D09"] = ("low", expected["caseScore"], expected["grossPay"])
    assert printed == {name: vector[2:] for name, vector in DEVIATION.items()}


# --- what is unknown is refused


GROUP_LEVEL = {"coefficients": [dated(by_group_level="catalogue")]}
BLANKS = Printed({("AA", "二级"): "0.9", ("BB", "三级"): "1.1"}, {"BB": ("基层病种",)})


# changes of the pack, the case, and the code of its refusal or `paid`
UNKNOWN: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({}, {"drg": "EE"}, "no_weight"),  # a row of the catalogue without a score
        ({}, {"drg": "excluded"}, "paid"),
        ({"off_path": [dated(ungrouped={"treatment": "by_item"})]}, {"drg": "excluded"}, "no_weight"),
        (GROUP_LEVEL, {"drg": "BB"}, "no_coefficient"),  # blank at 二级
        (GROUP_LEVEL, {"drg": "BB", "hospital_id": "H3"}, "paid"),
        (GROUP_LEVEL, {"drg": "BB", "own_e4": 16_100}, "paid"),  # its own subtype says the whole coefficient
        (GROUP_LEVEL, {"own_unknown": True}, "no_coefficient"),
        ({}, {"own_unknown": True}, "no_coefficient"),
        ({}, {"aux_e4": None}, "no_coefficient"),
        ({}, {"drg": "0000", "aux_e4": None}, "paid"),  # off the path no subtype counts
        ({}, {"drg": "BB"}, "paid"),
        # a group named one by one is priced with the coefficient that the catalogue prints, and refused without
        (GROUP_LEVEL | {"off_path": [dated(ungrouped={"treatment": "by_item"}, groups={"BB": {"treatment": "table_weight"}})]},
         {"drg": "BB", "hospital_id": "H3"}, "paid"),
        (GROUP_LEVEL | {"off_path": [dated(ungrouped={"treatment": "by_item"}, groups={"BB": {"treatment": "table_weight"}})]},
         {"drg": "BB", "own_e4": 16_100}, "no_coefficient"),
        (GROUP_LEVEL | {"off_path": [dated(ungrouped={"treatment": "fixed_weight", "weight": "100"})]}, {"drg": "0000"},
         "no_coefficient"),
        # 同城同病同价 says the coefficient where the catalogue leaves it blank
        (GROUP_LEVEL | {"base_groups": [dated(strategy="fixed_coefficient", value="1.02", flag="基层病种")]}, {"drg": "BB"}, "paid"),
        # residents have a point value until September, and one to judge by all year
        ({"point_values": [dated(values={"310": "10.5", "390": "9.8"}), dated(**{"from": "2025-10-01"}, values={"310": "10.5"})]},
         {"insurance_type": "390"}, "no_rate"),
        ({"reference_prices": [dated(values={"310": "11"})]}, {"insurance_type": "390"}, "no_rate"),
        ({}, {"insurance_type": "390"}, "paid"),
]  # fmt: skip
SOUND = Case("sound", "AA", hospital_id="H2", insurance_type="310")
UNKNOWN_TRIALS = {
    f"unknown {number}": Trial(
        dip_pack(**changes), [Case("one", **{"drg": "AA", **case}), SOUND], {"AA": "800", "BB": "85.69"}, BLANKS
    )
    for number, (changes, case, _) in enumerate(UNKNOWN)
}  # fmt: skip


@pytest.mark.parametrize("number", range(len(UNKNOWN)))
def test_what_is_unknown_is_refused_and_never_nothing(found: dict[Any, Found], number: int) -> None:
    """By its code; a sound case beside it is always paid."""
    of = found[f"unknown {number}"]
    assert of.scored["sound"]["standard_fen"] > 0
    assert of.scored.keys() ^ of.refused.keys() == {"one", "sound"}
    assert of.refused.get("one", "paid") == UNKNOWN[number][2]


# auxiliary and own coefficient of the case → the coefficient and the auxiliary that count
OWN: list[tuple[int, int | None, str, str]] = [
        # c × a = 0.9 × 1.2 = 1.08: the row's own 1.0799 is less, 1.08 is as much and stands in its place, 1.61 too
        (12_000, 10_799, "0.9", "1.2"), (12_000, 10_800, "1.08", "1"), (12_000, 16_100, "1.61", "1"),
        (10_000, 8_999, "0.9", "1"), (10_000, None, "0.9", "1"),
]  # fmt: skip
OWN_TRIALS = {
    (aux_e4, own_e4): Trial(
        pack_of(HUBEI), [Case("one", "AA", fen("8000"), 0, aux_e4=aux_e4, own_e4=own_e4)], {"AA": "800"}
    )
    for aux_e4, own_e4, _, _ in OWN
}


@pytest.mark.parametrize(("aux_e4", "own_e4", "coefficient", "auxiliary"), OWN)
def test_an_own_coefficient_replaces_only_what_is_not_higher(
    found: dict[Any, Found], aux_e4: int, own_e4: int | None, coefficient: str, auxiliary: str
) -> None:
    row = OWN_TRIALS[aux_e4, own_e4].agreed(found[aux_e4, own_e4])["one"]
    assert (row["coefficient"], row["auxiliary"]) == (Decimal(coefficient), Decimal(auxiliary))
    assert row["subtype"] == (
        "own" if auxiliary == "1" and own_e4 and own_e4 > 9_000 else None if aux_e4 == 10_000 else "aux"
    )
    # 800 × c × a points at 10.5 yuan
    points = 800 * Fraction(coefficient) * Fraction(auxiliary)
    assert row["standard_fen"] == half_away(points * 1050)


def test_an_unknown_subtype_does_not_touch_what_is_paid_by_item(tmp_path: Path) -> None:
    """A special rule pays the fee, so no auxiliary coefficient enters: 9000.00 and 9000 − 3600, not an empty price."""
    by_item = {"name": "长期住院", "stay_ge": 60, "treatment": "by_item"}
    region = write_pack(tmp_path / "p", dip_pack(special_rules=[dated(rules=[by_item])]))
    cases = [Case("long", aux_e4=None, stay_days=60), Case("short", aux_e4=None)]
    with priced(region, cases, tmp_path / "r", scores={"AA": "800"}) as run:
        (row,) = run.scored().values()
        assert (row["case_id"], row["standard_fen"], row["fund_fen"]) == ("long", 900_000, 540_000)
        assert [(late["case_id"], late["code"]) for late in run.late] == [("short", "no_coefficient")]
