"""Indicators and budget pace of a month: K01, reversals, groups without a mean, levels on and above their bounds."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.earlier import Earlier, register_earlier
from pipeline.errors import ConfigurationError
from pipeline.indicate import EARLIER_MONTHS, indicate
from pipeline.region import Region, load_region
from tests.indicator_twin import indicators
from tests.pricing_fixtures import Case, Priced, dated, plain_pack, priced, write_pack

VECTORS = Path(__file__).parents[2] / "shared" / "facts" / "payment" / "test_vectors_constructed.json"
PACE = dated(watch_over="0.05", alarm_over="0.10")
WEIGHTS = {"AA": "1.2", "BB": "0.8", "CC": "2.5", "DD": "1", "XQY": "0.7", "0000": "0.2"}


@dataclass(frozen=True)
class Billed(Case):
    """A case whose bill says what it spent on drugs and consumables."""

    drug_fee_fen: int | None = None
    consumable_fee_fen: int | None = None


def region_of(folder: Path, budgets: Sequence[str] = (), own: Sequence[str] = (), **changes: Any) -> Region:
    """A pack with pace and budgets: lines `type,year,fund,version`, and `hospital,type,year,fund`."""
    write_pack(folder, plain_pack(**{"pace": [PACE], **changes}), WEIGHTS)
    for name, header, lines in (
        ("budgets.csv", "insurance_type,year,fund,version,reason,source", [f"{line},事由,示范取值" for line in budgets]),
        ("hospital_budgets.csv", "hospital_id,insurance_type,year,fund,source", [f"{line},示范取值" for line in own]),
    ):  # fmt: skip
        if lines:
            (folder / name).write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return load_region(f"{folder}/")


@contextmanager
def settled(
    folder: Path,
    cases: Sequence[Case],
    region: Region | None = None,
    earlier: Sequence[tuple[str, str, str, int]] = (),
) -> Iterator[Priced]:
    """A settled October; `earlier` are (hospital, insurance type, month, fund in fen) of published months."""
    with priced(region or region_of(folder / "pack"), cases, folder / "run") as run:
        if earlier:
            run.con.register("earlier_months", months_table(earlier))
        run.settled()
        yield run


def months_table(earlier: Sequence[tuple[str, str, str, int]]) -> pa.Table:
    names = ("hospital_id", "insurance_type", "period", "fund_fen")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in earlier], EARLIER_MONTHS)


def measure_again(run: Priced, earlier: Sequence[tuple[str, str, str, int]]) -> None:
    """The same month after other earlier ones."""
    run.con.register("earlier_months", months_table(earlier))
    indicate(run.con, run.region, "2025-10", dt.date(2025, 10, 31), run.folder)


def by_key(run: Priced, table: str) -> dict[tuple[str, str], dict[str, Any]]:
    rows = run.rows(table)
    found = {(row["hospital_id"], row["insurance_type"]): row for row in rows}
    assert len(found) == len(rows)
    return found


# K01: weight, fee, days, and the region's mean fee and days of the group.
K01 = (
    ("1.2", 12_000, 6, 10_000, 8),
    ("0.8", 7_000, 9, 8_000, Decimal("7.5")),
    ("2.5", 30_000, 12, 25_000, 12),
)
K01_SAYS = {"CMI": "1.5000", "feeIndex": "1.0917", "timeIndex": "0.9833"}


def test_k01_comes_out_of_the_production_sql(tmp_path: Path) -> None:
    """Another hospital's case of each group, as far from the mean on its other side, makes the region's means K01's.

    (1.2 + 0.8 + 2.5)/3; (1.2 + 0.875 + 1.2)/3 = 1.0916…; (0.75 + 1.2 + 1)/3 = 0.9833…
    """
    cases = []
    for group, (weight, fee, days, region_fee, region_days) in zip(("AA", "BB", "CC"), K01, strict=True):
        assert WEIGHTS[group] == weight
        cases.append(Case(group, group, fee * 100, 0, "H2", stay_days=days))
        rest = int(2 * region_days - days)
        cases.append(Case(f"{group}2", group, (2 * region_fee - fee) * 100, 0, "H1", stay_days=rest))
    with settled(tmp_path, cases) as run:
        row = by_key(run, "indicators")["H2", "310"]
    shown = {"CMI": row["cmi"], "feeIndex": row["cost_index_e4"], "timeIndex": row["time_index_e4"]}
    assert shown == {"CMI": Decimal("1.5000"), "feeIndex": 10_917, "timeIndex": 9_833}
    for name, said in K01_SAYS.items():
        assert Decimal(said) == (shown[name] if name == "CMI" else Decimal(shown[name]).scaleb(-4))


@pytest.mark.shared
@pytest.mark.skipif(not VECTORS.is_file(), reason="../shared is not here")
def test_k01_is_the_vector_of_the_facts() -> None:
    (vector,) = (one for one in json.loads(VECTORS.read_text("utf-8")) if one["id"] == "K01")
    names = ("rw", "fee", "los", "regFee", "regLos")
    given = [tuple(Decimal(str(case[name])) for name in names) for case in vector["input"]["cases"]]
    assert given == [tuple(Decimal(str(number)) for number in case) for case in K01]
    assert vector["expected"] == K01_SAYS


def test_a_reversal_takes_its_original_out_and_groups_without_a_mean_are_counted(tmp_path: Path) -> None:
    """
    H1, 310: AA 100 yuan 4 days drugs 25 | AA 300 yuan 8 days drugs unknown | BB 50 yuan same day, drugs 10, consumables 7
             CC 900 yuan 30 days drugs 900, taken back (its reversal's bill is blank) | 0000 777 yuan 9 days
    H2, 390: AA 200 yuan 12 days
    AA in the region: 600 yuan ÷ 3 = 200, 24 days ÷ 3 = 8. BB: 50 and no days. CC: nothing left.
    H1: cost (100/200 + 300/200 + 50/50)/3 = 1; time (4/8 + 8/8)/2 = 0.75, BB left out; 4 cases, (400 + 50 + 777)/4 =
        306.75, 21 days/4 = 5.25; drugs (25 + 10)/(100 + 50) = 0.2333…; consumables 7/50 = 0.14. CMI (1.2·2 + 0.8 + 0.2)/4.
    H2: cost 200/200, time 12/8 = 1.5. Region: cost (400/200 + 50/50 + 200/200)/4 = 1, time (12/8 + 12/8)/3 = 1.
    """
    gone = Billed("c", "CC", 90_000, 0, "H1", stay_days=30, drug_fee_fen=90_000, consumable_fee_fen=1)
    cases = [
        Billed("a", "AA", 10_000, 0, "H1", stay_days=4, drug_fee_fen=2_500), Billed("b", "AA", 30_000, 0, "H1", stay_days=8),
        Billed("s", "BB", 5_000, 0, "H1", stay_days=0, drug_fee_fen=1_000, consumable_fee_fen=700), gone,
        replace(gone.reversed_by("r"), drug_fee_fen=None, consumable_fee_fen=None),
        Billed("u", "0000", 77_700, 0, "H1", stay_days=9), Billed("h", "AA", 20_000, 0, "H2", "390", stay_days=12),
    ]  # fmt: skip
    with settled(tmp_path, cases) as run:
        found = by_key(run, "indicators")
    names = ("cases", "cmi", "cost_index_e4", "time_index_e4", "mean_fee_fen", "mean_stay_e2", "drug_share_e3",
             "consumable_share_e3", "cost_cases", "cost_left_out_groups", "time_cases", "time_left_out_groups")  # fmt: skip
    h1 = (4, Decimal("0.8500"), 10_000, 7_500, 30_675, 525, 233, 140, 3, 0, 2, 1)
    h2 = (1, Decimal("1.2000"), 10_000, 15_000, 20_000, 1_200, None, None, 1, 0, 1, 0)
    region = (
        5,
        Decimal("0.9200"),
        10_000,
        10_000,
        28_540,
        660,
        233,
        140,
        4,
        0,
        3,
        1,
    )  # 1427 yuan and 33 days in 5 cases
    assert {key: tuple(row[name] for name in names) for key, row in found.items()} == {
        ("", ""): region, ("", "310"): h1, ("", "390"): h2,
        ("H1", ""): h1, ("H1", "310"): h1, ("H2", ""): h2, ("H2", "390"): h2,
    }  # fmt: skip


def test_a_group_whose_cases_cost_nothing_has_no_yardstick(tmp_path: Path) -> None:
    """AA cost 90 yuan, DD nothing at all: DD is left out of the cost index, not divided by; its days still count."""
    cases = [Case("a", "AA", 9_000, 0, stay_days=5), Case("d", "DD", 0, 0, stay_days=3)]
    with settled(tmp_path, cases) as run:
        row = by_key(run, "indicators")["H2", "310"]
    names = ("cost_index_e4", "cost_cases", "cost_left_out_groups", "time_index_e4", "time_cases")
    assert [row[name] for name in names] == [10_000, 1, 1, 10_000, 2]


def test_shares_of_low_and_high_cases_are_those_of_the_payment_table(tmp_path: Path) -> None:
    """Rate 9575.25 × 0.92 × 1.2 = 10571.08 a case of AA: 100 yuan is low, 40,000 high; one of two lows is taken back."""
    low = Case("l1", total_fee_fen=10_000, pool_fund_fen=0)
    cases = [
        low,
        replace(low, case_id="l2"),
        low.reversed_by("r"),
        Case("h", "AA", 4_000_000, 0),
        Case("n", "AA", 1_000_000, 0),
    ]
    with settled(tmp_path, cases) as run:
        row = by_key(run, "indicators")["H2", "310"]
        paid = run.rows("hospital_payment")[0]
    assert (paid["cases"], paid["low_cases"], paid["high_cases"]) == (3, 1, 1)
    assert (row["low_share_e4"], row["high_share_e4"]) == (3_333, 3_333)


def random_cases(seed: int, count: int) -> list[Case]:
    """Three hospitals, two insurance types, six groups, some bills without drugs, every eighth case taken back."""
    draw = random.Random(seed)
    cases: list[Case] = []
    for number in range(count):
        fee = draw.choice([draw.randrange(1, 9_000_000), draw.randrange(1, 300)])
        case = Billed(
            f"c{number}", draw.choice(list(WEIGHTS)), fee, fee // 2, draw.choice(["H1", "H2", "H3"]), draw.choice(["310", "390"]),
            stay_days=draw.choice([0, 1, 2, 7, 31]), drug_fee_fen=draw.choice([None, fee // 3, fee]),
        )  # fmt: skip
        cases.append(case)
        if number % 8 == 0:
            cases.append(case.reversed_by(f"r{number}"))
    return cases


@pytest.mark.parametrize("seed", [1, 2])
def test_the_sql_and_a_loop_with_fractions_agree_and_order_does_not_matter(tmp_path: Path, seed: int) -> None:
    cases = random_cases(seed, 90)
    expected = indicators(cases, WEIGHTS)
    files = []
    for name, given in (("one", cases), ("turned", cases[::-1])):
        with settled(tmp_path / name, given) as run:
            found = by_key(run, "indicators")
        shown = {key: {column: row[column] for column in expected["", ""]} for key, row in found.items()}
        assert shown == expected
        files.append((tmp_path / name / "run" / "indicators.parquet").read_bytes())
    assert files[0] == files[1]
    assert len({row["cost_index_e4"] for row in expected.values()}) > 6


def test_a_month_in_which_nothing_was_paid_has_no_indicators(tmp_path: Path) -> None:
    with settled(tmp_path, [Case("x", door="refuse", code="unknown_sex")]) as run:
        assert run.rows("indicators") == [] and run.rows("budget_pace") == []


# --- budget pace

# AA at H2: 9575.25 × 0.92 × 1.2 = 10571.076; less the patient's 9000 − 5400: 6971.08 yuan a case for the fund
FUND = 697_108


def pace_of(run: Priced, *columns: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {key: tuple(row[name] for name in columns) for key, row in by_key(run, "budget_pace").items()}


NINE = tuple(f"2025-0{month}" for month in range(1, 10))


def spent(total: int, months: Sequence[str] = NINE) -> list[tuple[str, str, str, int]]:
    """Earlier months after which H2's year stands at `total` fen, this month's one case included."""
    rest = total - FUND
    return [
        ("H2", "310", months[0], rest - len(months) + 1),
        *(("H2", "310", month, 1) for month in months[1:]),
    ]


LEVELS = (
    (83_330_000, 8_333, "normal"), (88_330_000, 8_833, "normal"),  # gap 0.0500: not above 5 %
    (88_334_999, 8_833, "normal"), (88_335_000, 8_834, "watch"),  # 88.335 % rounds up to 88.34
    (93_330_000, 9_333, "watch"), (93_340_000, 9_334, "alarm"), (120_000_000, 12_000, "alarm"),
)  # fmt: skip


def test_levels_on_and_above_their_bounds(tmp_path: Path) -> None:
    """Budget 1,000,000 yuan; October: 10/12 = 83.33 % of the year is gone."""
    region = region_of(tmp_path / "pack", ["310,2025,1000000.00,1"])
    with settled(tmp_path, [Case("a")], region) as run:
        for total, used, level in LEVELS:
            measure_again(run, spent(total))
            row = by_key(run, "budget_pace")["", "310"]
            assert (row["fund_so_far_fen"], row["budget_fen"], row["gone_e4"]) == (total, 100_000_000, 8_333)
            assert (row["used_e4"], row["gap_e4"], row["level"]) == (used, used - 8_333, level)


def test_months_that_are_missing_are_no_good_news(tmp_path: Path) -> None:
    """Eight of nine: what stays below the bounds is `incomplete`; what is above them is above them all the same."""
    region = region_of(tmp_path / "pack", ["310,2025,1000000,1"])
    with settled(tmp_path, [Case("a")], region) as run:
        assert pace_of(run, "fund_so_far_fen", "months_counted", "level")["", "310"] == (
            FUND,
            1,
            "incomplete",
        )
        for total, level in ((50_000_000, "incomplete"), (90_000_000, "watch"), (95_000_000, "alarm")):
            measure_again(run, spent(total, NINE[1:]))
            assert pace_of(run, "months", "months_counted", "level")["", "310"] == (10, 9, level)


def test_only_earlier_months_of_the_same_year_count(tmp_path: Path) -> None:
    """Last year's, this month's own publication (a rerun) and a later month are not of the year so far."""
    region = region_of(tmp_path / "pack", ["310,2025,1000000,1"])
    earlier = [("H2", "310", month, 7) for month in ("2024-12", "2025-09", "2025-10", "2025-11", "2026-01")]
    with settled(tmp_path, [Case("a")], region, earlier) as run:
        assert pace_of(run, "fund_so_far_fen", "months_counted")["", "310"] == (FUND + 7, 2)


def test_published_months_reach_the_pace(tmp_path: Path) -> None:
    """Two folders of published months as a run registers them: 3 yuan in January, 4 in September, this month's case."""
    region = region_of(tmp_path / "pack", ["310,2025,1000000,1"])
    months = []
    for period, fund in (("2025-01", 300), ("2025-09", 400)):
        folder = tmp_path / period
        folder.mkdir()
        months.append(Earlier(period, "run", folder))
        row = {
            "hospital_id": "H2",
            "insurance_type": "310",
            "cases": 1,
            "total_fee_fen": 9,
            "pool_fund_fen": 9,
            "fund_fen": fund,
        }
        pq.write_table(pa.Table.from_pylist([row]), folder / "hospital_payment.parquet")
        for name in ("case_payment", "scored"):
            pq.write_table(pa.table({"case_id": ["x"], "door": ["paid"]}), folder / f"{name}.parquet")
    with priced(region, [Case("a")], tmp_path / "run") as run:
        register_earlier(run.con, months)
        run.settled()
        assert pace_of(run, "fund_so_far_fen", "months_counted")["", "310"] == (FUND + 700, 3)


def test_a_hospital_stands_beside_its_own_budget_or_the_regions_fund(tmp_path: Path) -> None:
    """
    H2 has one case (6971.08) and 3028.92 before: 10,000.00 yuan of its 20,000: 50 %.
    H1, without a case this month, has 30,000.00 before and no budget; H3 has a budget and nothing yet.
    Region 40,000.00 of the adjusted 50,000 (version 2): 80 %; H2's share 25 %, H1's 75 %. Last year's budget is another.
    """
    region = region_of(
        tmp_path / "pack", ["310,2025,60000,1", "310,2025,50000,2", "310,2024,1,1"],
        ["H2,310,2025,20000", "H3,310,2025,100", "H1,310,2024,1"],
    )  # fmt: skip
    earlier = [("H2", "310", "2025-01", 302_892), ("H1", "310", "2025-01", 3_000_000)]
    earlier += [("H1", "310", month, 0) for month in NINE[1:]]
    with settled(tmp_path, [Case("a")], region, earlier) as run:
        found = pace_of(run, "fund_so_far_fen", "region_share_e4", "budget_fen", "used_e4", "gap_e4", "level")
    assert found == {
        ("", "310"): (4_000_000, 10_000, 5_000_000, 8_000, -333, "normal"),
        ("H1", "310"): (3_000_000, 7_500, None, None, None, None),
        ("H2", "310"): (1_000_000, 2_500, 2_000_000, 5_000, -3_333, "normal"),
        ("H3", "310"): (0, 0, 10_000, 0, -8_333, "normal"),
    }


def test_an_insurance_type_without_a_budget_has_no_pace(tmp_path: Path) -> None:
    region = region_of(tmp_path / "pack", ["390,2025,60000,1"])
    cases = [Case("a"), Case("b", insurance_type="390")]
    with settled(tmp_path, cases, region) as run:
        assert set(pace_of(run)) == {("", "390"), ("H2", "390")}


def test_without_budgets_nothing_breaks_and_without_pace_nothing_is_judged(tmp_path: Path) -> None:
    with settled(tmp_path / "bare", [Case("a")], region_of(tmp_path / "bare" / "pack")) as run:
        assert run.rows("budget_pace") == [] and len(run.rows("indicators")) == 4
    region = region_of(tmp_path / "pack", ["310,2025,1,1"], pace=[])
    with settled(tmp_path, [Case("a")], region) as run:
        # 6971.08 yuan of one
        assert pace_of(run, "used_e4", "level", "watch_over_e4")["", "310"] == (69_710_800, None, None)


# --- the pack


@pytest.mark.parametrize(
    ("pace", "message"),
    [
        (dated(watch_over="0.1", alarm_over="0.1"), "alarm_over 0.1 应大于 watch_over 0.1"),
        (dated(watch_over="0.1"), "`pace.0.alarm_over`：缺少此项"),
        (dated(watch_over="5", alarm_over="10"), "超出可精确计算的上限 1"),
    ],
)
def test_a_pace_that_says_nothing_clear_is_refused(
    tmp_path: Path, pace: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        region_of(tmp_path, pace=[pace])
    assert message in str(caught.value) and "region.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("H9,310,2025,1",), "第 2 行的医院 `H9` 不在 hospitals.csv 中"),
        (("H1,999,2025,1",), "第 2 行的险种 `999` 不在 insurance_types（310、390）中"),
        (("H1,310,25,1",), "年度应为四位数字，实为 `25`"),
        (("H1,310,2025,0",), "基金 `0` 读不懂"),
        (("H1,310,2025,1.005",), "基金 `1.005` 读不懂"),
        (("H1,310,2025,1", "H2,310,2025,1", "H1,310,2025,2"), "第 4 行的 `H1` 险种 `310` 2025 年已有一行"),
        (("H1,310,2025,170,000,000.00",), "第 2 行多于 5 列"),
    ],
)  # fmt: skip
def test_a_hospital_budget_that_would_be_misread_is_refused(
    tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        region_of(tmp_path, own=lines)
    assert (
        message in str(caught.value)
        and "hospital_budgets.csv" in str(caught.value)
        and "请" in str(caught.value)
    )


def test_a_hospital_budget_without_a_source_is_refused(tmp_path: Path) -> None:
    region_of(tmp_path)
    (tmp_path / "hospital_budgets.csv").write_text(
        "hospital_id,insurance_type,year,fund,source\nH1,310,2025,1,无\n"
    )
    with pytest.raises(ConfigurationError, match="source 至少写 4 个字"):
        load_region(f"{tmp_path}/")
