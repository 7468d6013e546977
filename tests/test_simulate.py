"""Simulation: the slow twin prices every case by every proposal; crossings, pools and refusals counted by hand."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli_simulate import register
from pipeline.decide import Review
from pipeline.decisions import Decision
from pipeline.errors import AuditBroken, ConfigurationError, InputError, UsageMistake
from pipeline.identity import sha256_of
from pipeline.simulate_inputs import named
from pipeline.simulate_value import neutral, whole_fen
from pipeline.solve import solve
from tests.conftest import bytes_of
from tests.pricing_fixtures import TYPES, WEIGHTS, Case, dated, dip_pack, plain_pack
from tests.pricing_twin import all_by_twin
from tests.reference.price_case import NOTHING_PRINTED, Price, Printed
from tests.simulate_fixtures import Bench, Tables, bench_of

PROPOSALS: dict[str, dict[str, str]] = {
    "甲": WEIGHTS | {"AA": "1.2", "CC": "3.5"},
    "乙": WEIGHTS | {"AA": "0.5", "BB": "1.3"},
    "丙": WEIGHTS | {"BB": "0.1"},
}
SCORES = {"AA": "800", "BB": "85.69", "CC": "3720.5"}
SCORED = {
    "甲": SCORES | {"AA": "900"}, "乙": SCORES | {"AA": "300", "BB": "200"}, "丙": SCORES | {"CC": "5000.1234"},
}  # fmt: skip


def points_pack(**changes: Any) -> dict[str, Any]:
    """Weight × 100 points × coefficient × point value; the fund is the recorded share of the region."""
    return plain_pack(**{
        "method": "points", "rates": [], "point_scale": [dated(scale=100, area_mean_cost="5000")],
        "point_values": [dated(values={"310": "90.5", "390": "70.25"})],
        "coefficients": [dated(by_level={"一级": "0.9", "二级": "0.92", "三级": "1.0476"})],
        "off_path": [dated(ungrouped={"treatment": "by_item"}, ambiguous={"treatment": "table_weight"}, groups={})],
        "fund_share": [dated(method="ratio", of="region")], **changes,
    })  # fmt: skip


def at_random(seed: int, groups: Sequence[str], size: int = 120) -> list[Case]:
    """Cases of three hospitals and both insurance types, some taken back."""
    luck = random.Random(seed)
    cases = []
    for number in range(size):
        fee = luck.randrange(50_000, 4_000_000)
        cases.append(Case(
            f"s{seed}c{number:04}", luck.choice(groups), fee, luck.randrange(0, fee), luck.choice(["H1", "H2", "H3"]),
            luck.choice(sorted(TYPES)),
        ))  # fmt: skip
    return cases + [one.reversed_by(f"s{seed}r{place}") for place, one in enumerate(cases[:6])]


def of_twin(
    pack: dict[str, Any], months: Sequence[Sequence[Case]], weights: Mapping[str, str], printed: Printed
) -> dict[str, tuple[Case, Price]]:
    """Every case's price by the twin, fund shares being those of its month; those taken back are gone."""
    found = {}
    for cases in months:
        gone = {one.reverses for one in cases if one.reverses}
        prices = all_by_twin(pack, cases, weights, printed)
        for case in cases:
            price = prices.get(case.case_id)
            if case.reverses is None and case.case_id not in gone and isinstance(price, Price):
                found[case.case_id] = (case, price)
    return found


def summed(priced: Mapping[str, tuple[Case, Price]], key: Any) -> dict[Any, tuple[int, int, int]]:
    """Cases, standards and funds in fen by key."""
    sums: dict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    for case, price in priced.values():
        for place, number in enumerate((1, price.standard_fen, price.fund_fen)):
            sums[key(case)][place] += number
    return {name: (one[0], one[1], one[2]) for name, one in sums.items()}


def same_as_twin(
    tables: Tables, pack: dict[str, Any], months: Sequence[Sequence[Case]], present: Mapping[str, str],
    proposals: Mapping[str, Mapping[str, str]], printed: Printed = NOTHING_PRINTED,
) -> None:  # fmt: skip
    """Every table of the simulation against sums of the twin's prices."""
    before = of_twin(pack, months, present, printed)
    keys: dict[str, Any] = {
        "hospital": lambda one: (one.hospital_id, one.insurance_type), "group": lambda one: one.drg,
        "insurance_type": lambda one: one.insurance_type, "level": lambda one: {"H1": "一级", "H2": "二级", "H3": "三级"}[one.hospital_id],
    }  # fmt: skip
    for name, weights in proposals.items():
        after = of_twin(pack, months, weights, printed)
        assert before.keys() == after.keys()
        shown = {
            "hospital": {(row["hospital_id"], row["insurance_type"]): row for row in tables.rows("hospital", proposal=name)},
            "group": {row["group_code"]: row for row in tables.rows("group", proposal=name)},
            **{way: {row["key"]: row for row in tables.rows("total", proposal=name, by_what=way)} for way in ("insurance_type", "level")},
        }  # fmt: skip
        for way, key in keys.items():
            for side, priced in (("before", before), ("after", after)):
                told = {
                    one: (row[f"cases_{side}"], row[f"standard_{side}_fen"], row[f"fund_{side}_fen"])
                    for one, row in shown[way].items() if row[f"cases_{side}"] or row[f"fund_{side}_fen"]
                }  # fmt: skip
                assert told == summed(priced, key), (name, way, side)
        pairs = Counter((before[one][1].price_class, after[one][1].price_class) for one in before)
        classes: Counter[tuple[str, str]] = Counter()
        for row in tables.rows("class", proposal=name):
            classes[row["class_before"], row["class_after"]] += row["cases"]
        assert +classes == pairs


@pytest.mark.parametrize("method", ["rate", "points", "dip"])
def test_three_proposals_over_two_months_are_the_twins(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = {"rate": plain_pack, "points": points_pack, "dip": dip_pack}[method]()
    by_dip = method == "dip"
    present, proposals = (SCORES, SCORED) if by_dip else (WEIGHTS, PROPOSALS)
    printed = Printed({(row, level): "0.9" for row in SCORES for level in ("一级", "二级", "三级")}, {})
    bench = bench_of(
        monkeypatch,
        tmp_path,
        pack,
        scores=SCORES if by_dip else None,
        printed=printed if by_dip else NOTHING_PRINTED,
    )
    groups = [*SCORES, "excluded"] if by_dip else ["AA", "BB", "CC", "XQY"]
    first, second = at_random(3, groups), at_random(4, groups, 60)
    folders = [bench.month(first, "2025-09"), bench.month(second)]
    given = [bench.weights(name, weights) for name, weights in proposals.items()]
    tables = bench.simulated(folders, given)
    same_as_twin(tables, pack, [first, second], present, proposals, printed if by_dip else NOTHING_PRINTED)
    assert tables.made.manifest["changed_since"] == []


@pytest.mark.slow
def test_the_order_of_months_and_proposals_changes_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_of(monkeypatch, tmp_path, plain_pack())
    folders = [
        bench.month(at_random(3, ["AA", "BB"], 30), "2025-09"),
        bench.month(at_random(4, ["AA", "BB"], 30)),
    ]
    given = [bench.weights(name, PROPOSALS[name]) for name in ("甲", "乙")]
    tables = bench.simulated(folders, given)
    turned = bench.simulated(folders[::-1], given[::-1], name="turned")
    for table in ("hospital", "group", "class", "rank", "value", "total"):
        assert sorted(map(str, tables.rows(table))) == sorted(map(str, turned.rows(table))), table
    # The folder knows nothing of the order of the months.
    again = bench.simulated(folders[::-1], given, name="again")
    assert bytes_of(again.made.folder) == bytes_of(tables.made.folder)


@pytest.mark.slow
def test_decisions_that_a_month_has_met_hold_in_every_proposal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of 40 cases is decided by item: 9000.00 − 3600.00 = 5400.00 whatever AA weighs."""
    bench = bench_of(monkeypatch, tmp_path, plain_pack(review=[dated(quota_share="0.05", stay_days_ge=60)]))
    one = Decision("c0", "by_item", None, 1, "王某", dt.date(2025, 11, 5), "长期住院", "")
    cases = [Case(f"c{number}") for number in range(40)]
    review = Review(tuple(bench.region.pack.review), (one,))
    month = bench.month(cases, review=review)
    weights = bench.weights("甲", WEIGHTS | {"AA": "1"})
    row = bench.simulated([month], [weights]).one("hospital")
    # 39 at 8155.59 − 3600 = 4555.59, at weight 1 at 8809.23 − 3600 = 5209.23
    assert (row["fund_before_fen"], row["fund_after_fen"]) == (540_000 + 39 * 455_559, 540_000 + 39 * 520_923)


def test_the_same_weights_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: the present weights give the stored result to the fen, so a proposal equal to them moves nobody."""
    bench = bench_of(monkeypatch, tmp_path, plain_pack())
    month = bench.month(at_random(5, ["AA", "BB", "CC"]))
    tables = bench.simulated([month], [bench.weights("照旧", WEIGHTS)])
    stored: Counter[str] = Counter()
    for row in pq.read_table(month / "scored.parquet").to_pylist():
        stored[row["hospital_id"]] += row["fund_fen"]
    shown = {row["hospital_id"]: row["fund_after_fen"] for row in tables.rows("rank")}
    assert shown == dict(stored)
    assert {row["fund_change_fen"] for row in tables.rows("hospital")} == {0}
    assert {row["class_before"] == row["class_after"] for row in tables.rows("class")} == {True}
    # Nothing moves, so the price that keeps the pool is the price, exactly.
    assert {row["multiplier"] for row in tables.rows("value")} == {Decimal(1)}


def w02(monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[Bench, Path]:
    """Vector W02: 1.20 × 1000 + 0.80 × 3000 + 2.50 × 200 = 4100 weights at 12,000 yuan; the fund bears all of it."""
    pack = plain_pack(
        rates=[dated(values={"310": {"二级": "12000"}, "390": {"二级": "12000"}})],
        coefficients=[dated(by_level={"一级": "1", "二级": "1", "三级": "1"}, by_hospital={})],
        off_path=[dated(ungrouped={"treatment": "by_item"}, ambiguous={"treatment": "by_item"}, groups={})],
    )
    bench = bench_of(monkeypatch, folder, pack, {"AA": "1.20", "BB": "0.80", "CC": "2.50", "DD": "1"})
    kinds = (("AA", 1000, 1_440_000), ("BB", 3000, 960_000), ("CC", 200, 3_000_000))
    cases = [Case(f"{group}{n}", group, fee, fee) for group, count, fee in kinds for n in range(count)]
    return bench, bench.month(cases)


def test_w02_the_hidden_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, month = w02(monkeypatch, tmp_path)
    # 1.30 × 1000 + 0.78 × 3000 + 2.60 × 200 = 4160; 4100 ÷ 4160 × 12000 = 11826.923077
    grown = bench.weights("涨", {"AA": "1.30", "BB": "0.78", "CC": "2.60", "DD": "1"})
    tables = bench.simulated([month], [grown])
    value = tables.one("value")
    assert (value["price"], value["neutral_price"]) == (Decimal(12000), Decimal("11826.923077"))
    assert Fraction(int(value["multiplier_num"]), int(value["multiplier_den"])) == Fraction(4100, 4160)
    row = tables.one("hospital")
    # 4100 × 12000 = 49,200,000 and 4160 × 12000 = 49,920,000 yuan: 720,000 more are promised than there are.
    assert (row["fund_before_fen"], row["fund_after_fen"]) == (4_920_000_000, 4_992_000_000)
    assert (row["fund_neutral_fen"], row["dilution_fen"], row["net_change_fen"]) == (
        4_920_000_000,
        -72_000_000,
        0,
    )
    assert (row["weight_before"], row["weight_after"]) == (4100, 4160)


def test_crossings_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H2, 310: 9575.25 × 0.92 = 8809.23 yuan a weight. Low to 0.4, high from 3.

    BB at weight 1: 3000 yuan is 0.341 (low), 4000 is 0.454 (normal), 27000 is 3.065 (high). At weight 0.8 (7047.384 yuan)
    3000 is 0.426 (normal), 4000 0.568 (normal), 27000 3.83 (high); at 1.2 (10571.076) 4000 is 0.378 (low), 27000 2.55 (normal).
    """
    bench = bench_of(monkeypatch, tmp_path, plain_pack())
    fees = {"one": 300_000, "two": 400_000, "three": 2_700_000, "back": 300_000}
    cases = [Case(name, "BB", fee, fee) for name, fee in fees.items()]
    month = bench.month([*cases, cases[3].reversed_by("undo")])  # what is taken back crosses nothing
    tables = bench.simulated(
        [month],
        [bench.weights("低", WEIGHTS | {"BB": "0.8"}), bench.weights("高", WEIGHTS | {"BB": "1.2"})],
    )

    def crossed(name: str) -> dict[tuple[str, str], int]:
        found = tables.rows("class", proposal=name)
        return {(row["class_before"], row["class_after"]): row["cases"] for row in found if row["cases"]}

    assert crossed("低") == {("low", "normal"): 1, ("normal", "normal"): 1, ("high", "high"): 1}
    assert crossed("高") == {("low", "low"): 1, ("normal", "low"): 1, ("high", "normal"): 1}
    assert tables.one("hospital", proposal="低")["crossed_cases"] == 1
    assert tables.one("group", proposal="高")["crossed_cases"] == 2
    # 低: low case as billed 3000 → 7047.38; normal 8809.23 → 7047.38; high at the standard 8809.23 → 7047.38
    assert tables.one("hospital", proposal="低")["fund_before_fen"] == 300_000 + 880_923 * 2
    assert tables.one("hospital", proposal="低")["fund_after_fen"] == 704_738 * 3


@pytest.mark.slow
def test_winners_stand_above_losers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(monkeypatch, tmp_path, plain_pack())
    cases = [
        Case("a", "AA", hospital_id="H1"),
        Case("b", "BB", hospital_id="H2"),
        Case("c", "BB", hospital_id="H3"),
    ]
    tables = bench.simulated([bench.month(cases)], [bench.weights("甲", WEIGHTS | {"AA": "1", "BB": "0.9"})])
    # H1 6900 × 0.9 × 0.0742 = +460.78; H2 8809.23 × 0.1 = −880.92; H3 11500 × 1.0476 × 0.1 = −1204.74
    ranks = [(row["place"], row["hospital_id"], row["fund_change_fen"]) for row in tables.rows("rank")]
    assert ranks == [(1, "H1", 46_078), (2, "H2", -88_092), (3, "H3", -120_474)]
    assert sum(row["share_after_e6"] for row in tables.rows("hospital")) in range(999_998, 1_000_003)


@pytest.mark.slow
def test_the_neutral_point_value_is_that_of_solve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For one month and one price `simulate` and `solve` say the same value; the money at it is the pool to the fen."""
    for method, of in (("difference", None), ("ratio", "region")):
        share = {"method": method} | ({"of": of} if of else {"negative": "keep"})
        bench = bench_of(monkeypatch, tmp_path / method, points_pack(fund_share=[dated(**share)]))
        cases = at_random(9, ["AA", "BB", "CC"])
        month = bench.month(cases)
        tables = bench.simulated([month], [bench.weights("甲", PROPOSALS["甲"])])
        after = bench_of(
            monkeypatch,
            tmp_path / f"{method}-after",
            points_pack(fund_share=[dated(**share)]),
            PROPOSALS["甲"],
        )
        folder = after.month(cases)
        for value in tables.rows("value"):
            (solved,) = solve(folder, {value["insurance_type"]: value["pool_fen"]}, {})
            exact = Fraction(int(value["multiplier_num"]), int(value["multiplier_den"])) * Fraction(
                value["price"]
            )
            assert exact == solved.value
        for kind in TYPES:
            rows = tables.rows("hospital", insurance_type=kind)
            assert sum(row["fund_neutral_fen"] for row in rows) == sum(row["fund_before_fen"] for row in rows)


def test_a_fund_that_does_not_follow_the_price_has_no_neutral_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zero = plain_pack(fund_share=[dated(method="difference", negative="zero")])
    bench = bench_of(monkeypatch, tmp_path, zero)
    tables = bench.simulated([bench.month([Case("a")])], [bench.weights("甲", WEIGHTS | {"AA": "1"})])
    value = tables.one("value")
    assert value["neutral_price"] is None and "负数记零" in value["why"]
    assert tables.one("hospital")["fund_neutral_fen"] is None


def test_missing_fen_go_to_the_largest_remainders() -> None:
    # 1/3 each of 100: 33 + 33 + 33, the missing fen to the smaller name; −0.5 is floored to −1, remainder 0.5.
    thirds = {name: Fraction(100, 3) for name in "cab"}
    assert whole_fen(thirds, 100) == {"a": 34, "b": 33, "c": 33}
    assert whole_fen({"a": Fraction(-1, 2), "b": Fraction(3, 2)}, 1) == {"a": 0, "b": 1}


def test_nothing_that_moves_with_the_price_has_no_neutral_value() -> None:
    row = {
        "hospital_id": "H1", "fixed": False, "fund_method": "difference", "fund_of": "", "negative_kept": True, "by_points": False,
        "price": Decimal(1), "standard_fen": 500, "apart_fen": 500, "separate_fen": 0, "borne_fen": 0,
    }  # fmt: skip
    assert neutral([row], 500).multiplier is None


def test_a_reversal_of_an_earlier_publication_keeps_its_price() -> None:
    """600 move, −200 was published before and stays: 500 = −200 + 700, so the price is multiplied by 7/6, not 5/4."""
    row = {
        "hospital_id": "H1", "fund_method": "difference", "fund_of": "", "negative_kept": True, "by_points": False,
        "price": Decimal(1), "standard_fen": 600, "apart_fen": 0, "separate_fen": 0, "borne_fen": 0, "fixed": False,
    }  # fmt: skip
    back = row | {"standard_fen": -200, "fund_fen": -200, "fixed": True, "fund_method": None}
    found = neutral([row, back], 500)
    assert (found.multiplier, found.funds_fen) == (Fraction(7, 6), {"H1": 500})


@pytest.mark.slow
def test_other_parameters_by_a_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rate, threshold, coefficient and base groups in turn: the sums are those of the twin on the other pack."""
    pack = plain_pack()
    bench = bench_of(monkeypatch, tmp_path, pack)
    cases = at_random(11, ["AA", "BB", "CC"])
    rates = {kind: {"一级": "7000", "二级": "9000", "三级": "12000"} for kind in TYPES}
    others: dict[str, dict[str, Any]] = {
        "费率": {"rates": [dated(values=rates)]},
        "系数": {"coefficients": [dated(by_level={"一级": "1", "二级": "1", "三级": "1"}, by_hospital={})]},
        "界限": {"ratio": [dated(reference="with_coefficient", low={"threshold": "0.6", "inclusive": True, "family": "actual"},
                               high=[{"threshold": "2", "inclusive": True, "family": "as_normal"}])]},
        "基础": {"base_groups": [dated(strategy="lowest_level_rate", groups=["BB"])]},
    }  # fmt: skip
    packs = [bench.other(name, **changes) for name, changes in others.items()]
    tables = bench.simulated([bench.month(cases)], packs=packs)
    for name, changes in others.items():
        after = summed(
            of_twin({**pack, **changes}, [cases], WEIGHTS, NOTHING_PRINTED), lambda one: one.hospital_id
        )
        shown = {row["hospital_id"]: row["fund_after_fen"] for row in tables.rows("rank", proposal=name)}
        assert shown == {key: fund for key, (_, _, fund) in after.items()}, name


def refused(bench: Bench, *given: Any, **more: Any) -> str:
    with pytest.raises((UsageMistake, ConfigurationError, InputError)) as told:
        bench.simulated(*given, **more)
    assert not (bench.folder / "made").exists()
    return str(told.value)


def test_what_cannot_be_compared_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(monkeypatch, tmp_path, plain_pack())
    month = bench.month([Case("a1"), Case("a2"), Case("b", "BB")])
    good = bench.weights("甲", WEIGHTS)
    # A group that occurs and has no weight: its cases are named and counted, it is not priced at zero.
    gap = bench.weights("缺", {"BB": "1", "CC": "2"})
    told = refused(bench, [month], [good, gap])
    assert "`缺`" in told and "AA（2 例，如 a1）" in told and "2025-10 的 2 例" in told
    told = refused(bench, [month], [bench.weights("别", WEIGHTS | {"ZZ99": "1"})])
    assert "另一个分组方案" in told and "ZZ99" in told
    assert "重复" in refused(bench, [month], [good, good])
    assert "现行" in refused(bench, [month], [("现行", good[1])])
    assert "--history" in refused(bench, [], [good])
    assert "--proposal" in refused(bench, [month], [])
    assert "不是批次文件夹" in refused(bench, [tmp_path], [good])
    assert "两个批次" in refused(bench, [month, month], [good])
    assert "读不出来" in refused(bench, [month], [("丁", tmp_path / "none.csv")])
    scheme = bench.other(
        "换", scheme=[dated(name="another")], weights=[dated(file="weights.csv", scheme="another")]
    )
    assert "换了分组方案，需要重新分组" in refused(bench, [month], packs=[scheme])
    codes = bench.other("码", codes=[dated(default="clinical")])
    assert "重新校验和分组" in refused(bench, [month], packs=[codes])
    with pytest.raises(UsageMistake, match="名称=路径"):
        named(["weights.csv"], "--proposal")


@pytest.mark.slow
def test_altered_or_foreign_months_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(monkeypatch, tmp_path, plain_pack())
    month, good = bench.month([Case("a")]), bench.weights("甲", WEIGHTS)
    path = month / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))

    def with_(**changes: Any) -> None:
        path.write_text(json.dumps(manifest | changes), encoding="utf-8")

    with_(region="elsewhere")
    assert "不是本地区的" in refused(bench, [month], [good])
    with_(ground="0")
    assert re.search(r"需要重新分组；请先用 `drgdip run /\S+/ --period", refused(bench, [month], [good]))
    with_(files=manifest["files"] | {"scored.parquet": "0" * 64})
    assert "批次被改动" in refused(bench, [month], [good])


def test_a_month_that_the_present_does_not_reproduce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the same pack it is an error; under a pack that changed since, the report says so and goes on."""
    bench = bench_of(monkeypatch, tmp_path, plain_pack())
    month, good = bench.month([Case("a"), Case("b", "BB")]), bench.weights("甲", WEIGHTS)
    scored = month / "scored.parquet"
    stored = pq.read_table(scored)
    place = stored.schema.get_field_index("fund_fen")
    fen = stored.column("fund_fen").to_pylist()
    pq.write_table(stored.set_column(place, "fund_fen", [[fen[0] + 1, *fen[1:]]]), scored)
    path = month / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"]["scored.parquet"] = sha256_of(scored)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(AuditBroken, match="相差 -1"):
        bench.simulated([month], [good])
    path.write_text(json.dumps(manifest | {"pack_sha256": "earlier"}), encoding="utf-8")
    tables = bench.simulated([month], [good])
    assert tables.made.manifest["changed_since"] == ["2025-10"]
    assert any("2025-10" in line and "今天的参数包" in line for line in tables.made.told())


@pytest.mark.slow
def test_files_say_what_the_tables_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(monkeypatch, tmp_path, plain_pack())
    cases = at_random(13, ["AA", "BB", "CC"])
    month = bench.month(cases)
    given = [bench.weights("甲", PROPOSALS["甲"]), bench.weights("<b>乙</b>", PROPOSALS["乙"])]
    tables = bench.simulated([month], given)
    again = bench.simulated([month], given, name="again")
    assert bytes_of(tables.made.folder) == bytes_of(again.made.folder)
    page = (tables.made.folder / "simulation.html").read_text(encoding="utf-8")
    assert "<b>乙</b>" not in page and "&lt;b&gt;乙&lt;/b&gt;" in page
    assert not re.search(r"""(src|href)\s*=|https?://|@import|url\(""", page)
    numbers = json.loads(page.split('id="numbers">')[1].split("</script>")[0])
    totals = {row["proposal"]: row["fund_after_fen"] for row in tables.rows("total", by_what="region")}
    assert {row["proposal"]: row["fund_after_fen"] for row in numbers["totals"]} == totals
    book = openpyxl.load_workbook(tables.made.folder / "simulation.xlsx")
    assert book.sheetnames == ["概要", "医院", "级别", "险种", "MDC", "病组", "跨档病例", "排名"]
    ranks = [row for row in book["排名"].iter_rows(values_only=True) if isinstance(row[1], int)]
    told = {(row[0], row[2]): round(row[6] * 100) for row in ranks}
    assert told == {
        (row["proposal"], row["hospital_id"]): row["fund_after_fen"] for row in tables.rows("rank")
    }
    crossed = [row for row in book["跨档病例"].iter_rows(values_only=True) if row[0] == "甲"]
    shown = [row for row in tables.rows("class", proposal="甲") if row["class_before"] != row["class_after"]]
    assert crossed and sum(row[3] for row in crossed) == sum(row["cases"] for row in shown)
    hospital = [row for row in book["医院"].iter_rows(values_only=True) if row[0] == "H1" and row[4] == "甲"]
    assert sum(round(row[12] * 100) for row in hospital) == sum(
        row["fund_after_fen"] for row in tables.rows("hospital", proposal="甲", hospital_id="H1")
    )


@pytest.mark.slow
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(monkeypatch, tmp_path, plain_pack())
    month, (name, path) = (
        bench.month([Case("a"), Case("b", "BB")]),
        bench.weights("甲", WEIGHTS | {"BB": "2"}),
    )
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    words = ["simulate", f"{bench.region.folder}/", "--history", str(month), "--out", str(tmp_path / "told")]
    said = CliRunner().invoke(app, [*words, "--proposal", f"{name}={path}", "--json"])
    assert said.exit_code == 0, said.output
    # BB at 2 instead of 1: 9575.25 × 0.92 = 8809.23 more; the case of 9000 yuan stays normal (0.51 of 17618.46).
    (total,) = json.loads(said.output)["totals"]
    assert (total["proposal"], total["fund_change_fen"]) == ("甲", 880_923)
    again = CliRunner().invoke(app, [*words, "--proposal", f"{name}={path}"])
    assert isinstance(again.exception, UsageMistake) and "已有内容" in str(again.exception)
