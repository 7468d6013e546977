"""Building a DIP catalogue from history: published vectors, laws, every rule value, what must not matter."""

from __future__ import annotations

import json
import random
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from calibrate_fixtures import (
    ANGIOGRAM,
    APPENDIX,
    HYPERTENSION,
    LYSIS,
    NAVIGATION,
    REPAIR,
    STROKE,
    Case,
    a_region,
    built_from,
    by_row,
    rules_text,
    rules_with,
    small_library,
    stay,
    stays,
    table,
    write_history,
    year_round,
)
from conftest import bytes_of, in_process
from reference.match_case import match_case

from groupers.codes import load_code_tables
from groupers.dip.catalogue import PooledRow
from groupers.dip.lint import lint_catalogue
from groupers.dip.load import load_catalogue
from pipeline.calibrate_candidates import raises_enough
from pipeline.calibrate_cost import Cost, Sums, half_away, square_root
from pipeline.calibrate_dip import Order, build_catalogue
from pipeline.calibrate_evidence import Built
from pipeline.calibrate_rules import load_rules
from pipeline.calibrate_score import Scored, scale_of, score_rows
from pipeline.errors import ConfigurationError, InputError
from pipeline.query import engine

YUAN = 100
LONE = f"I63.9:{REPAIR}"
BOTH = f"I63.9:{REPAIR}+{ANGIOGRAM}"
DEARER = f"I63.9:{REPAIR}+{LYSIS}"


def build(folder: Path, cases: list[Case], **changes: Any) -> dict[str, Scored]:
    """Rows by code of a catalogue built from nothing, beside a year of hypertension at 1,000 yuan."""
    built = built_from(folder, [*year_round(), *cases], rules_with(**changes))
    return {one.row.row: one for one in built.rows}


# --- published vectors


@pytest.mark.parametrize(
    ("with_it", "rise", "makes_a_row"),
    # DIP-RELOP-1 and -2 (DIP 3.0 规范 表 3-3): 28033 → 28849 is 2.91 %, 28033 → 44003 is 56.97 %.
    [(28849, "+2.91%", False), (44003, "+56.97%", True)],
)
def test_related_procedure_makes_a_row_where_it_raises_the_cost(
    tmp_path: Path, with_it: int, rise: str, makes_a_row: bool
) -> None:
    cases = stays(15, STROKE, REPAIR, fee=28033 * YUAN) + stays(
        15, STROKE, REPAIR, ANGIOGRAM, fee=with_it * YUAN
    )
    rows = build(tmp_path, cases)
    assert (BOTH in rows) == makes_a_row
    dropped = by_row(tmp_path / "out", "dropped.csv")
    assert (
        (BOTH not in dropped)
        if makes_a_row
        else (rise in dropped[BOTH]["reason"] and dropped[BOTH]["n"] == "15")
    )
    assert rows[LONE].cost.total().cases == (15 if makes_a_row else 30)


def test_rise_is_compared_exactly() -> None:
    # 10 % of 28033 is 2803.3: 30836.3 is enough, and one part in 10^30 less is not.
    before, rise = Fraction(28033), Fraction("0.10")
    assert raises_enough(Fraction("30836.3"), before, rise)
    assert not raises_enough(Fraction("30836.3") - Fraction(1, 10**30), before, rise)


def test_sum_of_cases_times_score_is_the_scale_times_cases() -> None:
    # DIP-RW-sum (DIP 3.0 规范 表 3-2): n 6722/7120/12103 at 4099/9173/13385 yuan, Σ n = 25945, Σ n·RW = 25945000.
    table = {"A": (6722, 4099), "B": (7120, 9173), "C": (12103, 13385)}
    costs = [Cost({(0, 0): Sums(n, n * m * YUAN, n, n * m * YUAN, 0)}) for n, m in table.values()]
    rows = [PooledRow(code, code, "内科诊疗", None, None, frozenset(), code) for code in table]
    rules = rules_with(year_weights=[1])
    scored = score_rows(rows, ["pooled"] * 3, costs, rules, ["一级"], scale_of(rows, costs, rules))
    cases = [n for n, _ in table.values()]
    assert sum(n * one.exact_score for n, one in zip(cases, scored, strict=True)) == 25945000
    printed = sum(n * one.score for n, one in zip(cases, scored, strict=True))
    assert abs(printed - 25945000) <= 25945 * Decimal("0.00005")
    # Σ n·m = 27553478 + 65311760 + 161998655 = 254863893; 4099 · 25945000 / 254863893 = 417.27587…
    assert scored[0].score == Decimal("417.2759")


# --- every rule value changes the result


def test_threshold(tmp_path: Path) -> None:
    cases = stays(14, STROKE)
    assert "I63.9C" not in build(tmp_path / "15", cases)
    assert build(tmp_path / "14", cases, threshold=14)["I63.9C"].cost.total().cases == 14


def test_year_weights(tmp_path: Path) -> None:
    # Two years ago 1,000 yuan, none last year, this year 2,000: (1·1000 + 7·2000) / 8 = 1875; evenly 1500.
    cases = stays(15, STROKE, fee=1000 * YUAN, ago=24) + stays(15, STROKE, fee=2000 * YUAN)
    assert build(tmp_path / "a", cases)["I63.9C"].mean == 1875 * YUAN
    assert build(tmp_path / "b", cases, year_weights=[1, 1, 1])["I63.9C"].mean == 1500 * YUAN


def test_windows_end_with_the_last_month_of_the_history(tmp_path: Path) -> None:
    # Three windows of twelve months: 35 months ago is the oldest month of the oldest, 36 is too old.
    cases = [stay(STROKE, ago=35), stay(STROKE, ago=36)]
    built = built_from(tmp_path, [*year_round(), *cases], rules_with())
    assert built.history.left_out == {"too_old": (1, 100_000)}
    assert [len(window) for window in built.history.windows] == [1, 0, 12]


def test_related_rise(tmp_path: Path) -> None:
    cases = stays(15, STROKE, REPAIR, fee=28033 * YUAN) + stays(
        15, STROKE, REPAIR, ANGIOGRAM, fee=28849 * YUAN
    )
    assert BOTH in build(tmp_path, cases, related_rise="0.02")


def test_two_related_procedures_must_raise_the_dearer_of_the_two(tmp_path: Path) -> None:
    # Means of the single rows hold the cases of both: (15·150 + 15·x) / 30 and (15·200 + 15·x) / 30.
    # x = 244: 222 for the dearer, and 244 < 1.1 · 222 = 244.2. x = 245: 222.5, and 245 ≥ 244.75.
    def cases(both: int) -> list[Case]:
        made = stays(15, STROKE, REPAIR, fee=100) + stays(15, STROKE, REPAIR, ANGIOGRAM, fee=150)
        return [
            *made,
            *stays(15, STROKE, REPAIR, LYSIS, fee=200),
            *stays(15, STROKE, REPAIR, LYSIS, ANGIOGRAM, fee=both),
        ]

    two = f"{BOTH}+{LYSIS}"
    assert two not in build(tmp_path / "a", cases(244))
    rows = build(tmp_path / "b", cases(245))
    assert {LONE, BOTH, DEARER, two} <= rows.keys()
    assert rows[two].cost.total().cases == 15


def test_thin_row_gives_its_cases_to_the_row_that_asks_less(tmp_path: Path) -> None:
    # Fifteen cases have each related procedure, but eight have both: the row first in the catalogue takes them.
    cases = stays(15, STROKE, REPAIR, fee=100) + stays(7, STROKE, REPAIR, ANGIOGRAM, fee=200)
    cases += stays(8, STROKE, REPAIR, LYSIS, ANGIOGRAM, fee=200) + stays(7, STROKE, REPAIR, LYSIS, fee=200)
    rows = build(tmp_path, cases)
    assert DEARER not in rows
    assert rows[BOTH].cost.total().cases == 15 and rows[LONE].cost.total().cases == 22
    assert "入组 7 例，不足 15 例" in by_row(tmp_path / "out", "dropped.csv")[DEARER]["reason"]


def test_pooled_threshold(tmp_path: Path) -> None:
    cases = stays(3, STROKE)
    assert build(tmp_path / "a", cases)["I63M"].cost.total().cases == 3
    built = built_from(tmp_path / "b", [*year_round(), *cases], rules_with(pooled_threshold=4))
    assert "I63M" not in {one.row.row for one in built.rows}
    assert built.ungrouped.total().cases == 3
    assert by_row(tmp_path / "b" / "out", "dropped.csv")["I63M"]["reason"] == "入组 3 例，不足 4 例"


def test_pooled_by_class_of_the_principal_procedure(tmp_path: Path) -> None:
    # docs/dip.md: 相关手术 = 手术 + 介入治疗; 治疗性操作; 诊断性操作; else 内科诊疗, also a procedure of no class.
    cases = [stay(STROKE, *px) for px in ([REPAIR], [APPENDIX], [LYSIS], [ANGIOGRAM], [], [NAVIGATION])]
    rows = build(tmp_path, cases)
    found = {code: one.cost.total().cases for code, one in rows.items() if code.startswith("I63")}
    assert found == {"I63S": 2, "I63T": 1, "I63D": 1, "I63M": 2}


@pytest.mark.parametrize(
    ("n", "trim", "mean"),
    # Costs 1..n yuan. 40 cases: ranks ceil(0.025·40) = 1 and ceil(0.975·40) = 39, kept 1..39, mean 20.
    [
        (40, {}, 20),
        (39, {}, 20),  # none under 40 cases: 1..39
        (40, {"least": 41}, Fraction(41, 2)),
        (40, {"low": "0.05"}, Fraction(41, 2)),  # rank 2: 2..39
        (40, {"high": "0.95"}, Fraction(39, 2)),  # rank 38: 1..38
        (41, {}, 21),  # ceil(1.025) = 2 and ceil(39.975) = 40: 2..40
    ],
)
def test_trimming(tmp_path: Path, n: int, trim: dict[str, Any], mean: Fraction) -> None:
    cases = [stay(STROKE, fee=fee * YUAN) for fee in range(1, n + 1)]
    assert build(tmp_path, cases, trim=trim)["I63.9C"].mean == mean * YUAN


@pytest.mark.parametrize(
    ("score", "expected"),
    # 24 cases of hypertension at 1,000 yuan and 24 strokes at 3,000: region mean 2,000.
    [
        ({}, "1500.0000"),
        ({"scale": 100}, "150.0000"),
        ({"digits": 0}, "1500"),
        ({"method": "benchmark", "benchmark_row": "I10.xC"}, "3000.0000"),
        ({"method": "fixed", "fixed_amount_yuan": "7"}, "428.5714"),  # 3000 / 7
    ],
)
def test_score(tmp_path: Path, score: dict[str, Any], expected: str) -> None:
    build(tmp_path, stays(24, STROKE, fee=3000 * YUAN), score=score)
    assert by_row(tmp_path / "out", "core.csv")["I63.9C"]["score"] == expected


def test_score_is_rounded_half_away_and_never_to_zero() -> None:
    assert half_away(Fraction("0.00005"), 4) == Decimal("0.0001")
    assert half_away(Fraction("1.00005"), 4) == Decimal("1.0001")
    assert half_away(Fraction("1.00004999"), 4) == Decimal("1.0000")
    assert half_away(Fraction(1, 10**9), 4) == Decimal("0.0001")


def test_coefficient_of_variation_is_exact() -> None:
    # Costs 1, 1, 4: mean 2, variance (1 + 1 + 4) / 3 = 2, CV = √2 / 2 = 0.70710678…
    assert Sums(3, 6, 3, 6, 18).cv == Decimal("0.7071")
    assert square_root(Fraction(1, 4)) == Decimal("0.5000")


def levels(*counts_and_fees: tuple[int, int]) -> list[Case]:
    """Strokes by level, from the lowest: (cases, yuan)."""
    return [
        case
        for number, (n, fee) in enumerate(counts_and_fees, start=1)
        for case in stays(n, STROKE, fee=fee * YUAN, hospital=f"H{number}")
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    # 20 at 1,000, 20 at 2,000, 20 at 6,000: mean 3,000.
    [
        ({}, ["0.3333", "0.6667", "2.0000"]),
        ({"digits": 2}, ["0.33", "0.67", "2.00"]),
        ({"reference": "highest_level"}, ["0.1667", "0.3333", "1.0000"]),
        ({"least_cases": 21}, ["", "", ""]),
    ],
)
def test_level_coefficients(tmp_path: Path, changes: dict[str, Any], expected: list[str]) -> None:
    build(tmp_path, levels((20, 1000), (20, 2000), (20, 6000)), coefficients=changes)
    assert coefficients(tmp_path / "out", "I63.9C") == expected


def coefficients(folder: Path, row: str) -> list[str]:
    return [line["coefficient"] for line in table(folder, "coefficients.csv") if line["row"] == row]


@pytest.mark.parametrize(
    ("changes", "lowest"),
    # Ten strokes at the lowest level are too few. Its mean ratio over all rows: it spent 10·1000 + 12·1000 where
    # 10·m + 12·1000 was to be expected; m = (10·1000 + 20·2000 + 20·6000) / 50 = 3400, so 22000 / 46000 = 0.4783.
    # The third level: (20·6000 + 12·1000) / (20·3400 + 12·1000) = 132000 / 80000 = 1.65; 0.4783 / 1.65 = 0.2899.
    [
        ({}, ""),
        ({"thin": "level_mean"}, "0.4783"),
        ({"thin": "level_mean", "reference": "highest_level"}, "0.2899"),
        ({"least_cases": 10}, "0.2941"),  # 1000 / 3400
    ],
)
def test_coefficient_of_a_level_with_few_cases(tmp_path: Path, changes: dict[str, Any], lowest: str) -> None:
    build(tmp_path, levels((10, 1000), (20, 2000), (20, 6000)), coefficients=changes)
    assert coefficients(tmp_path / "out", "I63.9C")[0] == lowest


@pytest.mark.parametrize(
    ("base", "flagged"),
    # Level means 900, 1000, 1100: mean 1000, variance 20000/3, CV = 81.65 / 1000 = 0.08165.
    [
        ({}, True),
        ({"cv_at_most": "0.0816"}, False),
        ({"cv_at_most": "0.0817"}, True),
        ({"least_cases_per_level": 21}, False),
        ({"cv_at_most": "0.05", "levels": ["二级", "三级"]}, True),  # 1000 and 1100: CV 50 / 1050 = 0.0476
        ({"cv_at_most": "0.1", "levels": ["一级", "三级"]}, True),  # 900 and 1100: CV 100 / 1000 exactly
        ({"cv_at_most": "0.0999", "levels": ["一级", "三级"]}, False),
        (None, False),
    ],
)
def test_base_diseases(tmp_path: Path, base: dict[str, Any] | None, flagged: bool) -> None:
    build(tmp_path, levels((20, 900), (20, 1000), (20, 1100)), base=base)
    assert by_row(tmp_path / "out", "core.csv")["I63.9C"]["flags"] == ("基层病种" if flagged else "")
    assert (coefficients(tmp_path / "out", "I63.9C") == ["1.0000"] * 3) == flagged


def test_pooled_rows_are_no_base_diseases(tmp_path: Path) -> None:
    # 基层病种 are chosen among diseases; what is pooled costs alike by chance.
    rows = build(tmp_path, levels((20, 1000), (20, 1000), (20, 1000)), threshold=61)
    assert rows["I63M"].cost.total().cases == 60 and not rows["I63M"].flags


def test_fee(tmp_path: Path) -> None:
    cases = stays(15, STROKE, fee=1000 * YUAN, separate_items_fen=400 * YUAN)
    assert build(tmp_path / "a", cases)["I63.9C"].mean == 1000 * YUAN
    assert build(tmp_path / "b", cases, fee="total_less_separate")["I63.9C"].mean == 600 * YUAN


# --- the library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_library(tmp_path_factory.mktemp("library") / "small")


def test_library_rows_keep_code_name_and_flags_and_need_no_rise(tmp_path: Path, library: Path) -> None:
    cases = stays(15, STROKE, REPAIR, fee=100) + stays(15, STROKE, REPAIR, ANGIOGRAM, fee=100)
    cases += stays(20, "Z38.000") + stays(15, STROKE, LYSIS)
    built = built_from(tmp_path, [*year_round(), *cases], rules_with(base=None), library=library)
    core = by_row(tmp_path / "out", "core.csv")
    assert core.keys() == {"L2", "L3", f"I63.9:{LYSIS}", "I10.xC"}
    assert (core["L2"]["name"], core["L2"]["flags"], core["L3"]["related"]) == (
        "脑梗死：修补",
        "日间",
        ANGIOGRAM,
    )
    assert built.history.left_out == {"excluded": (20, 20 * 100_000)}
    dropped = by_row(tmp_path / "out", "dropped.csv")
    assert {row: line["n"] for row, line in dropped.items()} == {"L1": "0", "L4": "0", "L5": "0", "L6": "0"}
    assert {row["origin"] for row in table(tmp_path / "out", "evidence.csv")} == {"library", "local"}
    assert table(tmp_path / "out", "exclusions.csv") == [{"prefix": "Z38", "reason": "新生儿登记"}]


def test_rows_that_ask_most_are_dropped_first(tmp_path: Path, library: Path) -> None:
    # L4 asks two related procedures and has 6 cases, L3 asks one and has 10: with L4 gone it has 16.
    cases = stays(10, STROKE, REPAIR, ANGIOGRAM) + stays(6, STROKE, REPAIR, ANGIOGRAM, LYSIS)
    built = built_from(tmp_path, [*year_round(), *cases], rules_with(), library=library)
    assert {one.row.row: one.cost.total().cases for one in built.rows} == {"L3": 16, "I10.xC": 24}
    assert by_row(tmp_path / "out", "dropped.csv")["L4"]["n"] == "6"


def test_library_base_diseases_stay_alike_where_none_are_chosen(tmp_path: Path) -> None:
    # base: null leaves the library's own flag, and 同城同病同价 its equal coefficients.
    previous = built_from(
        tmp_path / "a", [*year_round(), *levels((20, 1000), (20, 1000), (20, 1000))], rules_with()
    )
    assert "基层病种" in {flag for one in previous.rows for flag in one.flags}
    cases = [*year_round(), *levels((20, 1000), (20, 1000), (20, 5000))]
    built_from(tmp_path / "b", cases, rules_with(base=None), library=tmp_path / "a" / "out")
    assert coefficients(tmp_path / "b" / "out", "I63.9C") == ["1.0000"] * 3
    built_from(tmp_path / "c", cases, rules_with(), library=tmp_path / "a" / "out")
    assert by_row(tmp_path / "c" / "out", "core.csv")["I63.9C"]["flags"] == ""


def test_previous_version_gives_exclusions_and_changes(tmp_path: Path) -> None:
    first = [*year_round(), *stays(24, STROKE, fee=3000 * YUAN), stay("K35.800")]
    built_from(tmp_path / "a", first, rules_with())
    second = [*year_round(), *stays(24, STROKE, fee=1000 * YUAN), stay("J18.900")]
    built = built_from(tmp_path / "b", second, rules_with(), previous=tmp_path / "a" / "out")
    evidence = by_row(tmp_path / "b" / "out", "evidence.csv")
    # Scores before: (24·1000 + 24·3000 + 1000) / 49 = 97000/49; 3000 of it 1515.4639; now everything costs 1000.
    assert evidence["I63.9C"]["previous_score"] == "1515.4639" and evidence["I63.9C"]["score"] == "1000.0000"
    assert evidence["I63.9C"]["change_percent"] == "-34.01%"  # 1000 / 1515.4639 − 1
    assert {row: line["change"] for row, line in evidence.items()} == {
        "I63.9C": "changed", "I10.xC": "changed", "J18M": "new", "K35M": "gone",
    }  # fmt: skip
    assert [row.row for row in built.gone] == ["K35M"]


# --- the command


def test_command_tells_the_numbers_as_json(tmp_path: Path) -> None:
    of_demo = {"H1": "H44990100009", "H2": "H44990200004", "H3": "H44990100001"}
    cases = [case | {"hospital_id": of_demo[case["hospital_id"]]} for case in mixed()]
    history = write_history(tmp_path / "history", cases)
    words = [
        "calibrate",
        "dip-catalogue",
        "--history",
        history,
        "--region",
        "demo-rate",
        "--as",
        "city",
        "--json",
    ]
    said = in_process(*words, "--out", tmp_path / "city", "--from-nothing", "--effective-from", "2026-01-01")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["rows"] == told["cases"] == told["core_cases"] + told["pooled_cases"] == 500
    manifest = load_catalogue(str(tmp_path / "city")).manifest
    assert (manifest.name, str(manifest.effective_from)) == ("city", "2026-01-01")
    # Without --from-nothing it starts from the national library.
    assert in_process(*words, "--out", tmp_path / "national").code == 0
    assert any(row["origin"] == "library" for row in table(tmp_path / "national", "dropped.csv"))


def test_the_engine_draws_no_bar_on_stdout(tmp_path: Path) -> None:
    """Under `python -c` DuckDB draws one there whenever a statement takes seconds, which would spoil --json."""
    with engine(tmp_path) as con:
        assert con.sql("SELECT current_setting('enable_progress_bar')").fetchall() == [(False,)]


def test_command_refuses_a_day_that_is_none(tmp_path: Path) -> None:
    words = ["calibrate", "dip-catalogue", "--history", tmp_path, "--region", "demo-rate", "--as", "city"]
    said = in_process(*words, "--out", tmp_path / "city", "--effective-from", "2026-02-30")
    assert said.code == 2 and "`2026-02-30`；应写作" in said.err


def test_command_refuses_a_library_beside_from_nothing(tmp_path: Path) -> None:
    words = ["calibrate", "dip-catalogue", "--history", tmp_path, "--region", "demo-rate", "--as", "city"]
    said = in_process(*words, "--out", tmp_path / "city", "--from-nothing", "--library", "dip-2.0")
    assert said.code == 2 and "--library dip-2.0 与 --from-nothing 不能同时给" in said.err


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"threshold": 0}, "项 `threshold` 的值不合要求，实为 `0`"),
        ({"trim": {"low": "0.975", "high": "0.025"}}, "low 0.975 应小于 high 0.025"),
        ({"score": {"method": "benchmark"}}, "method 为 benchmark 时要写 benchmark_row"),
        ({"sources": {"trim": ""}}, "sources 里没有 trim 的出处"),
        ({"sources": {"trimm": "示范取值"}}, "不认识的项 trimm"),
        ({"year_weights": []}, "项 `year_weights` 的值不合要求"),
    ],
)
def test_rules_that_say_nothing_usable(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rules_text(**changes), allow_unicode=True), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        load_rules(path)


def test_rules_name_a_level_that_the_region_has_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"base\.levels 有地区没有的级别：`特级`"):
        built_from(tmp_path, year_round(), rules_with(base={"levels": ["特级"]}))


@pytest.mark.parametrize(
    ("changes", "cases", "told"),
    [
        (
            {"shortest_history_months": 13},
            year_round(),
            "只有 12 个月有可用病例（2024-01 至 2024-12），至少要 13 个月",
        ),
        ({"fewest_hospitals": 3}, year_round(), "只来自 2 家医院，至少要 3 家"),
        ({"threshold": 50, "pooled_threshold": 50}, year_round(), "历史记录成不了任何病种：可用病例 24 例"),
        ({}, [stay(STROKE, fee=0)], "历史记录没有一行可用"),
        ({}, [stay(STROKE, hospital="H9")], "历史记录的医院级别全部未知"),
    ],
)
def test_history_that_carries_no_catalogue(
    tmp_path: Path, changes: dict[str, Any], cases: list[Case], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        built_from(tmp_path, cases, rules_with(**changes))
    assert not (tmp_path / "out").exists()


def test_history_without_the_separate_amount_that_the_rules_ask_for(tmp_path: Path) -> None:
    history = write_history(tmp_path / "history", year_round())
    (file,) = history.iterdir()
    pq.write_table(pq.read_table(file).drop_columns(["separate_items_fen"]), file)
    with pytest.raises(InputError, match="缺 `separate_items_fen`（除外支付金额）"):
        build_catalogue(
            history, a_region(), rules_with(fee="total_less_separate"), Order("x", tmp_path / "out")
        )


# --- the written folder


def mixed(n: int = 500) -> list[Case]:
    """A history in which every kind of row appears."""
    chance = random.Random(5)
    kinds = [
        (),
        (REPAIR,),
        (REPAIR, ANGIOGRAM),
        (REPAIR, LYSIS),
        (REPAIR, ANGIOGRAM, LYSIS),
        (LYSIS,),
        (NAVIGATION,),
    ]
    return [
        stay(
            chance.choice([STROKE, STROKE, HYPERTENSION, "K35.800"]), *(px := chance.choice(kinds)),
            fee=1_000 * (len(px) + 1) + chance.randrange(500), hospital=chance.choice(["H1", "H2", "H3"]),
            ago=chance.randrange(36),
        )
        for _ in range(n)
    ]  # fmt: skip


def test_written_catalogue_loads_lints_and_groups_as_it_was_counted(tmp_path: Path) -> None:
    cases = mixed()
    built_from(tmp_path, cases, rules_with())
    catalogue = load_catalogue(str(tmp_path / "out"))
    found = {one.code for one in lint_catalogue(catalogue, load_code_tables())}
    # Unknown coefficients are told; the code table's own oddities and the national lists to fill are none of ours.
    assert found <= {"coefficient_missing", "list_to_fill"}
    assert all(row.score and row.mean_cost_fen and row.name for row in (*catalogue.core, *catalogue.pooled))
    assert catalogue.auxiliary.subtypes and catalogue.auxiliary.lists
    counted = {row["row"]: int(row["n"]) for row in table(tmp_path / "out", "evidence.csv")}
    matched: dict[str, int] = dict.fromkeys(counted, 0)
    for case in cases:
        matched[match_case(catalogue, case)["dip_code"]] += 1
    assert matched == counted
    assert any("+" in row.row for row in catalogue.core) and catalogue.pooled


def test_same_history_same_bytes_whatever_its_order_and_files(tmp_path: Path) -> None:
    cases = [*mixed(), *(dict(case) for case in mixed(3))]
    built_from(tmp_path / "a", cases, rules_with())
    built_from(tmp_path / "b", cases, rules_with())
    random.Random(1).shuffle(cases)
    built_from(tmp_path / "c", cases, rules_with(), files=5)
    once = bytes_of(tmp_path / "a" / "out")
    assert once == bytes_of(tmp_path / "b" / "out") == bytes_of(tmp_path / "c" / "out")
    assert {
        "scheme.yaml",
        "core.csv",
        "pooled.csv",
        "evidence.csv",
        "dropped.csv",
        "report.md",
    } <= once.keys()


def test_report_proves_the_law_and_balances(tmp_path: Path) -> None:
    cases = [*mixed(), stay(STROKE, fee=0), stay("X99.999"), stay(None), stay(STROKE, hospital="H9")]
    built = built_from(tmp_path, cases, rules_with())
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "读到 504 行 = 用于测算 500 例 + 不用 4 行" in text
    assert "相差 0；" in text and "成立。" in text and "不成立" not in text
    for told in (
        "费用为空、为零或为负",
        "主要诊断不在编码表内",
        "没有主要诊断",
        "医院在出院之日不在地区的医院表里",
    ):
        assert f"| {told} | 1 |" in text
    for source in built.rules.sources.values():
        assert source in text
    assert str(tmp_path) not in text


def test_failed_build_publishes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(built: Built) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.calibrate_dip.report", killed)
    history = write_history(tmp_path / "history", mixed())
    with pytest.raises(KeyboardInterrupt):
        build_catalogue(history, a_region(), rules_with(), Order("built", tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["history"]


def test_hospital_of_clinical_codes_is_mapped_also_before_the_pack_begins(tmp_path: Path) -> None:
    # 医保版对照: 国临版 A01.000x002 is A01.003 in 医保版; the demo region declares this hospital 国临版.
    clinical = "H44990400010"
    assert load_code_tables().clinical_dx["A01.000x002"] == "A01.003"
    region = a_region(H1="一级", H3="三级", **{clinical: "一级"})
    cases = [*year_round(), *stays(15, "A01.000x002", hospital=clinical)]
    built = built_from(tmp_path, cases, rules_with(), region)
    assert "A01.0C" in {one.row.row for one in built.rows}
    assert built.history.left_out == {}
