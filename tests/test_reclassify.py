"""`reclassify: once`: classes decided anew with the rates that the first clearing found; by hand, and by a slow twin."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import openpyxl  # type: ignore[import-untyped]
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import simulate_inputs
from pipeline.clear_pools import with_classes
from pipeline.clear_workbook import write_clearing_hospital, write_clearing_region
from pipeline.clearing_check import check_clearing
from pipeline.earlier import Earlier, register_earlier
from pipeline.errors import ConfigurationError
from pipeline.identity import sha256_of
from pipeline.pack_clearing import ClearingEntry
from pipeline.query import engine, parquet_view
from pipeline.reclassify import Reclassifying, clear_reclassified
from pipeline.score import register_prices, score
from pipeline.settle import settle
from pipeline.simulate_inputs import present_of, stored_months
from tests.clearing_fixtures import columns_of, law, tables_of
from tests.clearing_pictures import heading
from tests.pricing_fixtures import Case, dated, plain_pack, register_cases, write_pack
from tests.pricing_rule_packs import points_pack
from tests.reference.clear_case import Year
from tests.reference.reclassify_case import Bill, reclassified
from tests.simulate_fixtures import Bench, bench_of

RATIO = dated(
    reference="with_coefficient", low={"threshold": "0.4", "inclusive": True, "family": "actual"},
    high=[{"threshold": "3", "inclusive": True, "family": "excess_share", "share": "0.3"}],
)  # fmt: skip
FAR = "异地"
WEIGHTS = {"AA": "1", "BB": "2", "CC": "0.5", "XQY": "1", "DD": "1"}
SCOPE = dated(rules=[{"name": "异地", "care_type": ["9"], "treatment": "include", "budget_line": FAR}])


def rate_pack(**more: Any) -> dict[str, Any]:
    """Rate 1,000 and coefficient 1: S is 1,000 × weight. High from 3 on at S·(1 + 0.3·(x − 3)) = 0.1·S + 0.3·F."""
    return plain_pack(
        rates=[dated(values={kind: dict.fromkeys(("一级", "二级", "三级"), "1000") for kind in ("310", "390")})],
        coefficients=[dated(by_level=dict.fromkeys(("一级", "二级", "三级"), "1"))], ratio=[RATIO], scope=[SCOPE],
        digits={"weight": 4, "rate": 2, "coefficient": 4, "source": "测试取值"}, **more,
    )  # fmt: skip


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    return bench_of(monkeypatch, tmp_path, rate_pack(), WEIGHTS)


def billed(case_id: str, yuan: int, **more: Any) -> Case:
    """A case whose whole fee is recorded, so that by difference the fund owes S."""
    return Case(case_id, "AA", yuan * 100, yuan * 100, **more)


class Cleared:
    """Published months cleared by an entry, and the tables written."""

    def __init__(
        self, bench: Bench, months: Mapping[str, Path], budgets: Mapping[tuple[str, str], int], **entry: Any
    ) -> None:
        self.folder = bench.folder / f"cleared-{len(list(bench.folder.glob('cleared-*')))}"
        spill = self.folder / "spill"
        spill.mkdir(parents=True)
        rows = [
            row | {"period": period}
            for period, folder in months.items()
            for row in pq.read_table(folder / "scored.parquet").to_pylist()
        ]
        schema = pq.read_schema(next(iter(months.values())) / "scored.parquet").append(
            pa.field("period", pa.string())
        )
        pq.write_table(pa.Table.from_pylist(rows, schema), spill / "scored.parquet")
        rules = [
            pq.read_table(folder / "rules_used.parquet").select(
                ["rule_id", "fund_method", "fund_of", "negative_kept"]
            )
            for folder in months.values()
        ]
        found = {row["rule_id"]: row for one in rules for row in one.to_pylist()}
        pq.write_table(pa.Table.from_pylist(list(found.values()), rules[0].schema), spill / "rules.parquet")
        others = self._others(rows, budgets)

        def register(con: duckdb.DuckDBPyConnection) -> None:
            for name, content in others.items():
                con.register(name, content)
            parquet_view(con, "year_scored", [spill / "scored.parquet"])
            parquet_view(con, "year_rules", [spill / "rules.parquet"])

        region = bench.region
        work = Reclassifying(
            stored_months(list(months.values()), region), present_of(region), spill, "500MiB"
        )
        with engine(spill) as con:
            register(con)
            once = ClearingEntry.model_validate(law(reclassify="once", **entry))
            self.laws = clear_reclassified(con, once, 2025, self.folder, register, work)

    @staticmethod
    def _others(
        rows: Sequence[Mapping[str, Any]], budgets: Mapping[tuple[str, str], int]
    ) -> dict[str, pa.Table]:
        """The other tables of a year: what the months paid for these cases, and the budgets."""
        keys = sorted({(row["hospital_id"], row["insurance_type"], row["period"]) for row in rows})
        paid = [
            {"hospital_id": key[0], "insurance_type": key[1], "period": key[2],
             "fund_fen": sum(row["fund_fen"] for row in rows
                             if (row["hospital_id"], row["insurance_type"], row["period"]) == key)}
            for key in keys
        ]  # fmt: skip
        main = {kind: fen for (kind, line), fen in budgets.items() if not line}
        plain = tables_of(
            Year(budgets=main, line_budgets={key: fen for key, fen in budgets.items() if key[1]})
        )
        names = ["H1", "H2", "H3"]
        others = {name: plain[name] for name in plain if name not in ("year_scored", "year_rules")}
        return others | {
            "year_paid": pa.Table.from_pylist(
                [dict.fromkeys(plain["year_paid"].column_names, 0) | row for row in paid],
                plain["year_paid"].schema,
            ),
            "hospitals": pa.table({"hospital_id": names, "name": names, "level": names}),
        }

    def rows(self, name: str) -> list[dict[str, Any]]:
        return list(pq.read_table(self.folder / f"{name}.parquet").to_pylist())

    def cases(self) -> dict[str, int]:
        return {row["case_id"]: row["fund_from_points_fen"] for row in self.rows("case_clearing")}


def test_a_case_crosses_the_threshold_under_the_cleared_rate(bench: Bench) -> None:
    """a F 1,000, b F 2,900, c F 450, S 1,000 each, normal (x 1, 2.9, 0.45). Budget 2,400: v1 = 2,400 ÷ 3,000 = 0.8, rate
    800: x 1.25, 3.625, 0.5625, so b is high: 0.1 × 800 + 0.3 × 2,900 = 80 + 870. v2 = (2,400 − 870) ÷ (800 + 80 + 800)
    = 0.910714…; a and c 800 × v2 = 728.571428…, b 870 + 72.857142… = 942.857142…; the fen that is missing of
    728.57 + 942.85 + 728.57 goes to b's larger remainder. Before, each had 800."""
    month = bench.month([billed("a", 1000), billed("b", 2900), billed("c", 450)])
    year = Cleared(bench, {"2025-10": month}, {("310", ""): 240_000})
    assert year.cases() == {"a": 72_857, "b": 94_286, "c": 72_857}
    (found,) = year.rows("reclassified")
    assert (found["case_id"], found["class_before"], found["class_after"]) == ("b", "normal", "high")
    assert (found["fund_before_fen"], found["fund_after_fen"]) == (80_000, 94_286)
    (pool,) = year.rows("reclassification")
    assert (pool["first_value"], pool["changed_cases"]) == ("0.800000", 1)
    (insurance,) = year.rows("insurance_clearing")
    assert Fraction(int(insurance["value_num"]), int(insurance["value_den"])) == Fraction(1530, 1680)
    assert (insurance["fund_from_points_fen"], insurance["month_fund_fen"]) == (240_000, 300_000)
    shown_and_told(year)


def shown_and_told(year: Cleared) -> None:
    """The statement has v1, v2 and the count; docs/files.md every column; docs/clearing.md the numbers."""
    hospitals, insurance = (
        with_classes(year.folder, pl.read_parquet(year.folder / f"{name}_clearing.parquet"))
        for name in ("hospital", "insurance")
    )
    head = heading(method="difference", measure=None, by_points=False, once=True)
    months = pl.DataFrame(tables_of(Year())["year_paid"])
    write_clearing_hospital(year.folder / "h.xlsx", head, hospitals, insurance, months)
    write_clearing_region(year.folder / "r.xlsx", head, hospitals, insurance)
    told = columns_of(openpyxl.load_workbook(year.folder / "h.xlsx")["年度清算单"])["职工"]
    assert (told["首次清算的费率倍数"], told["按首次清算费率改档的病例数"]) == (0.8, 1)
    assert (told["再次清算的费率倍数"], told["随费率变动的标准（按首次清算费率）"]) == (0.910714285714, 1680)
    balance = columns_of(openpyxl.load_workbook(year.folder / "r.xlsx")["分险种基金平衡"])["职工"]
    assert (balance["首次清算的费率倍数"], balance["按首次清算费率改档的病例数"]) == (0.8, 1)
    docs = Path(__file__).parent.parent / "docs"
    for name in ("reclassified", "reclassification"):
        section = (docs / "files.md").read_text().split(f"### `{name}.parquet`")[1].split("\n### ")[0]
        assert set(year.rows(name)[0]) <= set(re.findall(r"`(\w+)`", section))
    page = (docs / "clearing.md").read_text()
    assert "728.57" in page and "942.86" in page and "0.910714…" in page


@pytest.mark.slow
def test_no_second_pass(bench: Bench) -> None:
    """At v1·v2 = 0.8 × 0.910714 the rate would be 728.57 and d of F 2,300 high (3.16), but at 800 (2.875) it is not: once.
    a, b, c, d at 1,000 each and 3,200: v1 0.8; b high as above; v2 = (3,200 − 870) ÷ (80 + 2,400) = 0.939516…"""
    month = bench.month([billed("a", 1000), billed("b", 2900), billed("c", 450), billed("d", 2300)])
    year = Cleared(bench, {"2025-10": month}, {("310", ""): 320_000})
    assert [row["case_id"] for row in year.rows("reclassified")] == ["b"]
    (insurance,) = year.rows("insurance_clearing")
    assert Fraction(int(insurance["value_num"]), int(insurance["value_den"])) == Fraction(2330, 2480)


@pytest.mark.slow
def test_reversals_take_back_the_new_amounts(bench: Bench) -> None:
    """b is taken back in November, and d in October itself. v1 = 1,600 ÷ 2,000 = 0.8, so b and d are high at the rate 800:
    80 + 870 = 950; what takes them back is the exact negative; v2 = 1, a and c have 800 each."""
    b, d = billed("b", 2900), billed("d", 2900)
    october = bench.month([billed("a", 1000), b, billed("c", 450), d, d.reversed_by("e")])
    november = after(bench, "2025-11", [b.reversed_by("r")], october)
    year = Cleared(bench, {"2025-10": october, "2025-11": november}, {("310", ""): 160_000})
    assert year.cases() == {"a": 80_000, "b": 95_000, "c": 80_000, "d": 95_000, "e": -95_000, "r": -95_000}
    assert [row["case_id"] for row in year.rows("reclassified")] == ["b", "d"]


@pytest.mark.slow
def test_what_takes_back_last_years_case_follows_the_rate(bench: Bench) -> None:
    """z of 2024 was 1,000 and is taken back in October: 800 = (1,000 + 1,000 − 1,000) × v1 → 0.8. At the rate 800 a and c
    are 800 each and the reversal −1,000 × 0.8 = −800, so v2 = 1."""
    z = billed("z", 1000)
    october = after(
        bench,
        "2025-10",
        [billed("a", 1000), billed("c", 450), z.reversed_by("r")],
        bench.month([z], "2024-12"),
    )
    year = Cleared(bench, {"2025-10": october}, {("310", ""): 80_000})
    assert year.cases() == {"a": 80_000, "c": 80_000, "r": -80_000}
    assert year.rows("insurance_clearing")[0]["value"] == "1.000000"


def after(bench: Bench, period: str, cases: Sequence[Case], earlier: Path) -> Path:
    """A month that has met an earlier publication, whose cases it may take back."""
    made = bench.month([], period)
    met = [Earlier(earlier.parent.name, earlier.name, earlier)]
    terms, schemes = simulate_inputs.terms_and_schemes(bench.region)
    with engine(made) as con:
        register_cases(con, cases, False, "drg")
        register_earlier(con, met)
        register_prices(con, bench.region, terms, schemes)
        score(con, "drg", made)
        settle(con, bench.region, period, dt.date(int(period[:4]), int(period[5:]), 28), made)
        for name in ("validated", "grouped"):
            con.table(name).write_parquet(str(made / f"{name}.parquet"))
    manifest = json.loads((made / "manifest.json").read_text())
    manifest["standing"] = {"published": {one.period: one.run_id for one in met}}
    manifest["files"] = {name: sha256_of(made / name) for name in manifest["files"]}
    (made / "manifest.json").write_text(json.dumps(manifest))
    return made


@pytest.mark.slow
def test_every_pool_by_its_own_value(bench: Bench) -> None:
    """Main a F 2,900 and line f F 2,900, S 1,000 each. Main at 1,000: v1 1, stays normal. Line at 800: v1 0.8, rate 800,
    x 3.625: high, 80 + 870; v2 = (800 − 870) < 0: refused; with 900: v1 0.9, rate 900, x 3.22: 90 + 870 → still below
    nothing. With 950: rate 950, x 3.05: 95 + 870; so the fund must exceed 870: 960 → rate 960, x 3.02, v2 = 90 ÷ 96."""
    month = bench.month([billed("a", 2900), billed("f", 2900, care_type="9")])
    year = Cleared(bench, {"2025-10": month}, {("310", ""): 100_000, ("310", FAR): 96_000})
    assert year.cases() == {"a": 100_000, "f": 96_000}
    (one,) = year.rows("reclassified")
    assert (one["case_id"], one["budget_line"], one["class_after"]) == ("f", FAR, "high")
    values = {row["budget_line"]: row["value"] for row in year.rows("pool_balance")}
    assert values == {"": "1.000000", FAR: "0.937500"}


@pytest.mark.slow
def test_a_month_that_today_prices_otherwise_is_refused(bench: Bench) -> None:
    """The pack has another rate since: the stored classes are no ground to decide anew."""
    month = bench.month([billed("a", 1000)])
    pack = rate_pack(name="under-test")
    pack["rates"][0]["values"]["310"]["二级"] = "1001"
    changed = write_pack(bench.region.folder, pack, WEIGHTS)
    with pytest.raises(ConfigurationError, match=r"2025-10 发布之后价格参数改过.*drgdip rerun"):
        Cleared(replace(bench, region=changed), {"2025-10": month}, {("310", ""): 100_000})


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_year_equals_its_slow_twin(bench: Bench, seed: int) -> None:
    """Two months of invented bills near the thresholds, three hospitals and two types; rates to the fen."""
    draw = random.Random(seed)
    weights = {"AA": "1", "BB": "2", "CC": "0.5"}
    bills, months = [], {}
    for period in ("2025-09", "2025-10"):
        cases = []
        for number in range(12):
            group = draw.choice(list(weights))
            x = draw.choice((0.3, 0.38, 0.42, 1, 2.4, 2.9, 3, 3.2, 5))
            fee = int(Fraction(weights[group]) * int(x * 100) * 1000) + draw.randrange(-300, 300)
            recorded = fee * draw.randrange(60, 100) // 100
            case = Case(f"{period}-{number:02}", group, fee, recorded, draw.choice(("H1", "H2", "H3")),
                        draw.choice(("310", "390")))  # fmt: skip
            cases.append(case)
            bills.append(
                Bill(case.case_id, case.hospital_id, case.insurance_type, weights[group], fee, recorded)
            )
        months[period] = bench.month(cases, period)
    budgets = {}
    for kind in ("310", "390"):
        cost = sum(bill.recorded_fen for bill in bills if bill.kind == kind)
        budgets[kind] = cost * draw.randrange(85, 125) // 100
    year = Cleared(bench, months, {(kind, ""): fen for kind, fen in budgets.items()})
    expected = reclassified(bills, budgets, rate="1000")
    assert year.cases() == expected.cases
    assert {row["case_id"] for row in year.rows("reclassified")} == expected.changed
    values = {row["insurance_type"]: Fraction(int(row["first_num"]), int(row["first_den"]))
              for row in year.rows("reclassification")}  # fmt: skip
    assert values == expected.first


def test_where_nothing_is_decided_by_the_value_once_is_refused(tmp_path: Path) -> None:
    entry = dated(value="floating", reclassify="once")
    assert list(check_clearing(write_pack(tmp_path / "1", rate_pack(clearing=[entry]), WEIGHTS))) == []
    (one,) = check_clearing(write_pack(tmp_path / "2", points_pack(clearing=[entry]), {"AA": "1"}))
    assert "reclassify: once 只用于费率法" in one.message
    mean = rate_pack(clearing=[entry])
    mean["ratio"] = [{**RATIO, "reference": "group_mean"}]
    (one,) = check_clearing(write_pack(tmp_path / "3", mean, WEIGHTS))
    assert "以病组例均费用（group_mean）为参照，倍率不随费率变" in one.message
    with pytest.raises(ValueError, match="reclassify: once 要有求出的费率才能重判"):
        ClearingEntry.model_validate(law(value="fixed", reclassify="once"))
