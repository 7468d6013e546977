"""Rates, point values and coefficients from history, by hand; what is refused, in one sentence each."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import in_process
from price_history_fixtures import (
    BY_ITEM,
    DAY,
    Row,
    case,
    cases,
    demo_ground,
    rules_with,
    window_of,
    write_history,
    write_rules,
)

from pipeline.calibrate_coefficients import Coefficients, calibrate_coefficients
from pipeline.calibrate_coefficients_files import write_draft as write_coefficients
from pipeline.calibrate_draft import DraftOrder
from pipeline.calibrate_price_rules import (
    CoefficientRules,
    PriceRules,
    RateRules,
    TrimRules,
    load_price_rules,
)
from pipeline.calibrate_rate import Rates, calibrate_rates
from pipeline.calibrate_rate_files import write_draft as write_rates
from pipeline.calibrate_sources import GROUP_COLUMNS, NEEDED, OPTIONAL, find_history
from pipeline.calibrate_weights import STATUSES as WEIGHT_STATUSES
from pipeline.calibrate_weights import weights_of
from pipeline.calibrate_window import Ground, read_window
from pipeline.errors import ConfigurationError, InputError, UsageMistake, UserError
from pipeline.pack_pricing import FundShareEntry
from pipeline.region import config_root, load_region
from pipeline.region_check import check_region
from pipeline.terms import resolve

# One December of 310: two cases of weight 1.20 at the first level for 6000, one at the third for 18,000 yuan; two thirds
# are recorded fund: F 30,000, P 20,000. One month stands for twelve: g = 12.
MONTH = [*cases("AA19", 6000, 6000, hospital_id="H1"), case("AA19", 18000)]
FUND = {"310": 50_000_000}


def rated(
    folder: Path, rows: list[Row], ground: Ground | None = None, growth: str = "0", **changes: Any
) -> Rates:
    ground, rules = ground or demo_ground(), rules_with(**changes)
    window = window_of(folder, rows, rules, ground, separately=True)
    return calibrate_rates(window, ground, weights_of(ground), rules, FUND, 2026, Decimal(growth))


def values(found: Rates) -> dict[tuple[str, str], tuple[str, str | None]]:
    return {
        (pool.insurance, one.level): (one.status, None if one.value is None else f"{one.value:f}")
        for pool in found.pools
        for one in pool.shares
    }


def test_rates_by_level_and_difference_by_hand(tmp_path: Path) -> None:
    found = values(rated(tmp_path / "h", MONTH))
    # Standards: 500,000 + (30,000 − 20,000)·12 = 620,000. First level 12,000 ÷ 30,000 of it: 248,000 ÷ (2.40·12);
    # third: 372,000 ÷ (1.20·12).
    assert found["310", "一级"] == ("own", "8611.1111")
    assert found["310", "三级"] == ("own", "25833.3333")
    assert found["310", "二级"] == ("no_cases", "9200") and found["390", "一级"] == ("no_cases", "4950")


def test_levels_in_force_move_together(tmp_path: Path) -> None:
    found = values(rated(tmp_path / "h", MONTH, rate={"levels": "in_force"}))
    # k = 620,000 ÷ (12·(2.40·6900 + 1.20·11,500)) = 620,000 ÷ 364,320: 6900·k = 11742.42…, 11,500·k = 19570.70….
    assert found["310", "一级"] == ("own", "11742.4242") and found["310", "三级"] == ("own", "19570.7071")


def test_a_level_of_few_cases_keeps_its_rate_and_its_money(tmp_path: Path) -> None:
    found = values(rated(tmp_path / "h", MONTH, rate={"fewest_cases": 2}))
    # 620,000 − 1.20·12·11,500 = 454,400 ÷ 28.8.
    assert found["310", "三级"] == ("thin_kept", "11500") and found["310", "一级"] == ("own", "15777.7778")


def test_growth_and_cases_aside(tmp_path: Path) -> None:
    found = rated(tmp_path / "h", [*MONTH, case(BY_ITEM, 3000)], growth="5")
    # g = 12·1.05 = 12.6; F − P = 33,000 − 22,000: 500,000 + 11,000·12.6 = 638,600; less 3000·12.6 = 37,800: 600,800.
    pool = found.pools[0]
    assert (found.stretch, pool.standards_fen, pool.to_share_fen) == (Fraction(63, 5), 63_860_000, 60_080_000)
    assert pool.aside_cases == 1 and pool.area_mean == Fraction(30_000) / Fraction(36, 10)
    assert values(found)["310", "一级"][1] == "7947.0899"  # 600,800·0.4 ÷ (2.40·12.6)


def test_ratio_method(tmp_path: Path) -> None:
    ground = demo_ground()
    share = FundShareEntry.model_validate(
        {"from": "2025-01-01", "method": "ratio", "of": "region", "source": "测试取值"}
    )
    ground = replace(ground, terms=replace(ground.terms, fund_share=share))
    found = rated(tmp_path / "h", MONTH, ground)
    assert found.pools[0].standards_fen == 75_000_000  # 500,000 × 30,000 ÷ 20,000


def test_point_values_and_separate_items(tmp_path: Path) -> None:
    # The demo of points: scale 100, coefficients by level, 60 % of separate items paid apart, ratio.
    ground = demo_ground("demo-points")
    rows = [
        case("BR13", 6000, separate_items_fen=60_000),
        case("AA19", 6000),
        case("0000", 1000, pool_fund_fen=0),
    ]
    found = rated(tmp_path / "h", rows, ground)
    entry = ground.terms.coefficients
    assert entry is not None
    coefficient = Fraction(entry.by_level["三级"])  # type: ignore[arg-type]
    # (500,000 − 0.6·600·12) × 13,000 ÷ 8000 = 805,480 yuan; 0000 is paid 0.7 of its fee: less 0.7·1000·12 = 8400.
    # BR13 weighs 2.50, AA19 is fixed at 1 there: 3.50 × 100 × c × 12 points.
    pool = found.pools[0]
    assert (pool.standards_fen, pool.to_share_fen) == (80_548_000, 79_708_000)
    assert pool.shares[0].exact == Fraction(797_080) / (4200 * coefficient)
    assert pool.area_mean == Fraction(11_400) / Fraction(35, 10)  # without the 600 paid apart


def test_rates_draft_is_an_entry_of_the_pack(tmp_path: Path) -> None:
    write_rates(rated(tmp_path / "h", MONTH), DraftOrder(tmp_path / "draft"))
    (entry,) = yaml.safe_load((tmp_path / "draft/rates.yaml").read_text(encoding="utf-8"))["rates"]
    assert entry["values"]["310"] == {"一级": 8611.1111, "二级": 9200, "三级": 25833.3333}
    assert str(entry["from"]) == "9999-12-31" and "unverified" in entry and "3 例" in entry["source"]
    with (tmp_path / "draft/evidence.csv").open(encoding="utf-8-sig", newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["stretch"], first["to_share_yuan"], first["units"]) == ("12", "620000.00", "2.40000000")
    assert {path.name for path in (tmp_path / "draft").iterdir()} == {
        "rates.yaml", "evidence.csv", "comparison.xlsx", "report.md"}  # fmt: skip


def shared(folder: Path, rows: list[Row], by: Any = "hospital", **changes: Any) -> Coefficients:
    ground, rules = demo_ground(), rules_with(**changes)
    return calibrate_coefficients(window_of(folder, rows, rules), ground, weights_of(ground), rules, by)


def settled(found: Coefficients) -> dict[str, tuple[str, str | None]]:
    return {one.key: (one.status, None if one.value is None else f"{one.value:f}") for one in found.units}


TWO = [*cases("AA19", 1440, 1440, hospital_id="H1"), *cases("AA19", *[1080] * 6, hospital_id="H2")]


def test_coefficients_within_a_step_by_hand(tmp_path: Path) -> None:
    found = shared(tmp_path / "h", TWO)
    # Cost per weight of 1.20: H1 1200, H2 900, region 9360 ÷ 9.6 = 975: ratios 1.2308 and 0.9231. All are 1 now, so H1
    # stops at 1.1 and H2 takes the rest: (9.6 − 2.4·1.1) ÷ 7.2 = 0.96666….
    assert found.cost == 97_500
    assert settled(found) == {"H1": ("high", "1.1000"), "H2": ("own", "0.9667"), "H3": ("new", None)}
    # 2.4·1.1 + 7.2·0.9667 = 9.60024.
    assert (found.before, found.residue) == (Fraction("9.6"), Fraction("-0.00024"))
    assert found.factors[""] == Fraction(696, 720) / Fraction(900, 975)


def test_coefficients_without_a_step(tmp_path: Path) -> None:
    found = shared(tmp_path / "h", TWO, coefficients={"step": None})
    # f = 9.6 ÷ (2.4·1.230769 + 7.2·0.923077) = 1.
    assert found.factors == {"": 1}
    assert settled(found)["H1"] == ("own", "1.2308") and settled(found)["H2"] == ("own", "0.9231")


def test_a_hospital_of_few_cases_keeps_its_coefficient(tmp_path: Path) -> None:
    found = shared(tmp_path / "h", TWO, coefficients={"fewest_cases": 3})
    assert settled(found)["H1"] == ("thin_kept", "1.0000") and settled(found)["H2"] == ("own", "1.0000")


def test_coefficients_on_their_own_level(tmp_path: Path) -> None:
    found = shared(tmp_path / "h", TWO, coefficients={"reference": "level"})
    assert settled(found)["H1"] == ("own", "1.0000")  # alone at its level
    assert {level: f for level, f in found.factors.items() if level} == {"一级": 1, "二级": 1, "三级": 1}


def test_coefficients_by_level_keep_the_hospitals_own(tmp_path: Path) -> None:
    found = shared(tmp_path / "h", TWO, by="level")
    assert settled(found) == {"一级": ("high", "1.1000"), "二级": ("own", "0.9667"), "三级": ("new", None)}
    write_coefficients(found, DraftOrder(tmp_path / "draft"))
    (entry,) = yaml.safe_load((tmp_path / "draft/coefficients.yaml").read_text(encoding="utf-8"))[
        "coefficients"
    ]
    assert entry["by_level"] == {"一级": 1.1, "二级": 0.9667, "三级": 1.0}
    assert entry["by_hospital"]["H44990200004"] == 0.92  # as it is in force


def test_years_weigh_in_a_hospitals_cost(tmp_path: Path) -> None:
    rows = [*cases("AA19", 1200, year=2024, hospital_id="H1"), *cases("AA19", 2400, hospital_id="H1")]
    found = shared(tmp_path / "h", rows, year_weights=[1, 3])
    assert found.units[0].cost == 175_000  # (1·1000 + 3·2000) ÷ 4 yuan per weight


def test_bounds_that_cannot_keep_the_total_are_refused(tmp_path: Path) -> None:
    limits = {"lowest": "1.2", "highest": "1.5", "step": None}
    with pytest.raises(InputError, match=r"总量保不住：现行 Σ 权重·系数 9.6000，.*只能从 11.5200 到 14.4000"):
        shared(tmp_path / "h", TWO, coefficients=limits)


def run_of(folder: Path, period: str, rows: list[Row], **manifest: Any) -> Path:
    """A finished run as far as a history reads it."""
    target = folder / f"run-{period}"
    target.mkdir(parents=True)
    scored = [
        {name: row[name] for name in ("case_id", "hospital_id", "discharge_date", "insurance_type", "total_fee_fen",
                                      "pool_fund_fen", "separate_items_fen", "reverses")}
        | {"group_code": row["drg"], "auxiliary": row.get("auxiliary"),
           "settlement_date": row.get("settlement_date", row["discharge_date"])}
        for row in rows
    ]  # fmt: skip
    schema = pa.schema(
        [("case_id", pa.string()), ("hospital_id", pa.string()), ("discharge_date", pa.date32()),
         ("insurance_type", pa.string()), ("total_fee_fen", pa.int64()), ("pool_fund_fen", pa.int64()),
         ("separate_items_fen", pa.int64()), ("reverses", pa.string()), ("group_code", pa.string()),
         ("auxiliary", pa.decimal128(18, 4)), ("settlement_date", pa.date32())]
    )  # fmt: skip
    pq.write_table(pa.Table.from_pylist(scored, schema), target / "scored.parquet")
    digest = hashlib.sha256((target / "scored.parquet").read_bytes()).hexdigest()
    known = {"run": f"r{period}", "region": "demo-rate", "period": period, "files": {"scored.parquet": digest},
             "schemes": [{"entry": {"name": "chs-drg-2.0"}}]}  # fmt: skip
    (target / "manifest.json").write_text(json.dumps(known | manifest), encoding="utf-8")
    return target


def test_a_case_counts_in_the_month_it_was_settled(tmp_path: Path) -> None:
    # The demo counts by settlement: a discharge of December settled in January is a case of January.
    late = case("AA19", 500, year=2024, settlement_date=dt.date(2025, 1, 8))
    window = read_window([str(run_of(tmp_path, "2025-01", [late]))], demo_ground(), rules_with(), tmp_path)
    assert [one.text for one in window.months] == ["2025-01"]


def test_runs_and_tables_are_one_history(tmp_path: Path) -> None:
    before = case("AA19", 700, year=2024)
    settled = before | {"settlement_date": dt.date(2025, 1, 4)}  # the table has no such column
    run = run_of(tmp_path, "2025-12", [case("AA19", 500, auxiliary=Decimal("1.5")), settled])
    table = write_history(tmp_path / "earlier", [case("AA19", 900, year=2024), before])
    window = read_window([str(run), str(table)], demo_ground(), rules_with(year_weights=[1, 2]), tmp_path)
    # The settlement that both have counts once, in the later month: that of the run.
    assert [window.cells["AA19"][year].fee_fen for year in (0, 1)] == [90_000, 120_000]
    assert [one.aux_e4 for one in window.mix] == [10_000, 25_000] and window.told == (
        "2025-12 批次 r2025-12",
        "表 earlier",
    )


Bad = Callable[[Path], object]


def _read(folder: Path, rows: list[Row], without: tuple[str, ...] = (), **changes: Any) -> None:
    history = write_history(folder / "h", rows, without=without)
    read_window([str(history)], demo_ground(), rules_with(**changes), folder)


MISTAKES: list[tuple[type[UserError], str, Bad]] = [
    (ConfigurationError, "不认识的项 `fewest`", lambda at: load_price_rules(write_rules(at / "r.yaml", fewest=3))),
    (ConfigurationError, "method 为 iqr 时 k 要写", lambda at: load_price_rules(
        write_rules(at / "r.yaml", trim={"method": "iqr"}))),
    (ConfigurationError, "low 0.9 应小于 high 0.1", lambda at: load_price_rules(
        write_rules(at / "r.yaml", trim={"method": "percentile", "low": "0.9", "high": "0.1"}))),
    (InputError, "历史缺年：2024-01 至 2024-12 没有可用的病例，规则的 year_weights 要 2 年（1∶2）", lambda at: _read(
        at, [case("AA19", 1), case("AA19", 1, year=2023)], year_weights=[1, 2])),
    (InputError, "历史太短：.*只有 1 个月，规则要 2 个月", lambda at: _read(at, MONTH, shortest_history_months=2)),
    (InputError, "另一版分组方案：1 个病组（2 例）不属于 `chs-drg-2.0`：XX99", lambda at: _read(at, cases("XX99", 1, 2))),
    (InputError, "缺病组：.*应有 group_code、drg、dip_code 中的一列，实有 零列", lambda at: _read(at, MONTH, ("drg",))),
    (InputError, "缺.*insurance_type", lambda at: _read(at, MONTH, ("insurance_type",))),
    (InputError, "separate_items_fen", lambda at: _read(at, MONTH, ("separate_items_fen",), fee="total_less_separate")),
    (InputError, "另一版分组方案：.*用 chs-drg-1.1，测算的是", lambda at: find_history(
        [str(run_of(at, "2025-01", MONTH, schemes=[{"entry": {"name": "chs-drg-1.1"}}]))], demo_ground().region, at,
        "chs-drg-2.0")),
    (UsageMistake, "属于 `other`", lambda at: find_history(
        [str(run_of(at, "2025-01", MONTH, region="other"))], demo_ground().region, at, "chs-drg-2.0")),
    (InputError, "已有成果被改动", lambda at: find_history(
        [str(run_of(at, "2025-01", MONTH, files={}))], demo_ground().region, at, "chs-drg-2.0")),
    (UsageMistake, "同一结算期给了两次：2025-01", lambda at: find_history(
        [str(run_of(at, "2025-01", MONTH))] * 2, demo_ground().region, at, "chs-drg-2.0")),
    (UsageMistake, "没有批次", lambda at: find_history(["2025-01..2025-02"], demo_ground().region, at, "chs-drg-2.0")),
    (UsageMistake, "没有基金：险种 `390` 在 budgets.csv 里没有 2026 年的预算", lambda at: rated(
        at / "h", [case("AA19", 1, insurance_type="390")])),
    (InputError, "没有记账统筹基金", lambda at: rated(at / "h", [case("AA19", 1, pool_fund_fen=0)])),
    (InputError, "基金不够分", lambda at: rated(at / "h", [*MONTH, case(BY_ITEM, 900_000)])),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "message", "make"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_are_one_sentence(kind: type[UserError], message: str, make: Bad, tmp_path: Path) -> None:
    with pytest.raises(kind, match=message) as told:
        make(tmp_path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["rate", "--fund", "310=abc"], 2, "金额读不懂"),
        (["rate", "--fund", "310"], 2, "--fund 写法不对"),
        (["rate", "--growth", "-100"], 2, "--growth 应为"),
        (["weights", "--as", "../x"], 2, "--as 应为"),
        (["coefficients", "--at", "昨天"], 2, "--at 读不懂"),
        (["coefficients", "--at", "1999-01-01"], 10, "没有当日的参数"),
        (["coefficients", "--out", "{taken}"], 2, "草案的文件夹已存在"),
    ],
)
def test_the_command_line_refuses(words: list[str], code: int, message: str, tmp_path: Path) -> None:
    own = [word.format(taken=tmp_path) for word in words]
    out = [] if "--out" in own else ["--out", tmp_path / "draft"]
    said = in_process("calibrate", own[0], "demo-rate", "--history", tmp_path, *out, *own[1:])
    assert said.code == code and message in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "draft").exists()


def test_drafts_go_into_the_pack_once_they_are_verified(tmp_path: Path) -> None:
    """The whole command on a pack of our own; the entry is refused while `unverified` stands in it."""
    pack = Path(shutil.copytree(config_root() / "regions/demo-rate", tmp_path / "demo-rate"))
    rows = cases("AA19", 1000, 3000, hospital_id="H44990100001")
    history = write_history(tmp_path / "h", [*rows, *cases("BR11", 500, hospital_id="H44990100002")])
    rules = write_rules(tmp_path / "rules.yaml")
    said = in_process("calibrate", "weights", f"{pack}/", "--history", history, "--as", "next", "--rules", rules, "--out",
                      tmp_path / "draft", "--effective-from", "2026-01-01", "--json")  # fmt: skip
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["cases"] == 3 and told["statuses"]["own"] == 2
    shutil.copy(tmp_path / "draft/next.csv", pack)
    entry = (tmp_path / "draft/weights.yaml").read_text(encoding="utf-8").split("weights:\n")[1]
    text = (pack / "region.yaml").read_text(encoding="utf-8")
    held = text.replace("\nrates: ", f"{entry}\nrates: ", 1)
    (pack / "region.yaml").write_text(held, encoding="utf-8")
    assert any(one.unverified for one in load_region(f"{pack}/").pack.weights)
    verified = "\n".join(line for line in held.splitlines() if "unverified" not in line)
    (pack / "region.yaml").write_text(verified + "\n", encoding="utf-8")
    region = load_region(f"{pack}/")
    terms, schemes = (
        resolve(region, DAY, dt.date(2026, 12, 31)),
        {region.pack.scheme[0].key: demo_ground().scheme},
    )
    assert [one for one in check_region(region, terms, schemes) if one.severity == "error"] == []
    # Σ w0·n = 2·1 + 1.1581 over Σ m·n = 2·2000 + 500: × 2000 = 1.40360, × 500 = 0.35090.
    assert region.tables.weights["next.csv"]["AA19"] == Decimal("1.4036")
    assert region.tables.weights["next.csv"]["BR11"] == Decimal("0.3509")


def test_page_names_every_rule_status_and_column_of_a_table() -> None:
    text = (config_root().parent / "docs/calibration.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([^`\n]+)`", text))
    for model in (PriceRules, TrimRules, RateRules, CoefficientRules):
        assert set(model.model_fields) <= told, model.__name__
    assert set(WEIGHT_STATUSES) <= told and {"low", "high", "thin_kept", "new", "gone"} <= told
    assert {*NEEDED, *OPTIONAL, *GROUP_COLUMNS} <= told
