"""The DIP mix: diseases with procedures in a long tail, related procedures that cost, severity, flaws, repeatable.

The bounds are those of the order (issue 3: long tail, ICU days, repeated procedures; DESIGN §5: 10 % rule,
base diseases by CV, auxiliary subtypes), wide enough for another seed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import bytes_of, in_process

from groupers.codes import load_code_tables
from groupers.dip.charlson import load_charlson
from groupers.dip.load import load_catalogue
from groupers.dip.match import Matcher
from groupers.drg.rulebook import load_rulebook
from pipeline import synth
from pipeline.arrivals import find_repeats, register_input
from pipeline.query import engine
from pipeline.read import discover, open_source, stream
from pipeline.region import load_region
from pipeline.synth import SynthReport, synthesise
from pipeline.synth_dip_pool import load_dip_pool
from pipeline.synth_flaws import FLAWS
from pipeline.tables import DISCHARGE_SCHEMA, MONEY_COLUMNS
from pipeline.validate import validate
from pipeline.yardstick import yardstick

# The same month of three years: what differs between them is the trend, not the season.
MONTHS = ["2023-10", "2024-10", "2025-10"]
CASES = 150_000
NOT_IN_DIP = {"not_for_grouping_principal", "not_for_grouping_procedure"}
# `arrivals` finds these two, and the first is no flaw where its original is there.
FOUND_LATER = {"reversal", "reversal_without_original"}
FEE = pl.col("total_fee_fen").cast(pl.Float64)
DRG_ROWS = "033d79f4ff98496377314f7ca3488de42d55379a00968282afd050e40755a2e7"
COUNTY = "449904"


@dataclass(frozen=True)
class Made:
    folder: Path
    report: SynthReport
    rows: (
        pl.DataFrame
    )  # with the columns of Matcher, dx4, the classed principal procedure, level, stay, month
    clean: pl.DataFrame  # rows whose case_id is not in _expected.csv
    expected: pl.DataFrame


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("dip") / "discharges"
    report = synthesise(folder, CASES, MONTHS, seed=11, mix="dip")
    matcher = Matcher(load_catalogue("dip-2.0"))
    parts = []
    for file in discover(folder):
        table = pq.read_table(file, partitioning=None)
        frame = pl.from_arrow(table)
        matched = pl.from_arrow(matcher.match(table))
        assert isinstance(frame, pl.DataFrame) and isinstance(matched, pl.DataFrame)
        parts.append(frame.hstack(matched).with_columns(month=pl.lit(file.parent.name[6:])))
    classed = [code for code, name in load_code_tables().procedure_classes.items() if name]
    level = pl.read_csv(folder / "_hospitals.csv", infer_schema=False).select("hospital_id", "level")
    first_px = pl.col("px_codes").list.first()
    rows = (
        pl.concat(parts)
        .join(level, on="hospital_id", how="left", maintain_order="left")
        .with_columns(
            dx4=pl.col("dx_codes").list.first().str.slice(0, 5),
            px=pl.when(first_px.is_in(classed)).then(first_px),
            stay=(pl.col("discharge_date") - pl.col("admission_date")).dt.total_days(),
        )
    )
    expected = pl.read_csv(folder / "_expected.csv", schema_overrides={"case_id": pl.String})
    clean = rows.join(expected.select("case_id").unique(), on="case_id", how="anti", maintain_order="left")
    return Made(folder, report, rows, clean, expected)


def share(frame: pl.DataFrame, condition: pl.Expr) -> float:
    return float(frame.select(condition.fill_null(False).mean()).item())


def test_bytes_repeat_and_do_not_depend_on_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth, "GROUP_ROWS", 1_000)  # several chunks a month, so that threads could meet
    for name, workers, seed in (("a", 2, 3), ("b", 1, 3), ("c", 5, 3), ("d", 2, 4)):
        monkeypatch.setattr(synth, "WORKERS", workers)
        synthesise(tmp_path / name, 6_000, ["2025-10", "2025-11"], seed, mix="dip")
    a, b, c, d = (bytes_of(tmp_path / name) for name in "abcd")
    assert a == b == c
    assert [name for name in a if a[name] == d[name]] == ["_hospitals.csv"]


def test_the_drg_mix_is_as_it_was(tmp_path: Path) -> None:
    # The digest of the rows was taken from the code before there was a second mix (commit 50c581b).
    synthesise(tmp_path / "out", 2_000, ["2025-10"], 3)
    (file,) = discover(tmp_path / "out")
    text = repr(pl.read_parquet(file, hive_partitioning=False).rows())
    assert hashlib.sha256(text.encode()).hexdigest() == DRG_ROWS
    assert synth.MIXES == ("drg", "dip")


def test_files_have_the_contract_and_every_row_is_there(made: Made) -> None:
    files = discover(made.folder)
    assert [file.parent.name for file in files] == [f"month={month}" for month in MONTHS]
    assert all(pq.read_schema(file).equals(DISCHARGE_SCHEMA) for file in files)
    assert (made.report.rows, made.rows.height) == (CASES, CASES)


def test_most_cases_meet_a_core_row_and_some_none(made: Made) -> None:
    rows = made.rows
    assert 0.83 <= share(rows, pl.col("dip_kind") == "core") <= 0.90
    assert 0.10 <= share(rows, pl.col("dip_kind") == "ungrouped") <= 0.16
    assert 0.002 <= share(rows, pl.col("dip_kind") == "excluded") <= 0.007
    diseases = {row.dx4 for row in load_catalogue("dip-2.0").core}
    unmatched = made.clean.filter(pl.col("dip_kind") == "ungrouped")
    known = pl.col("dx4").is_in(sorted(diseases))
    assert share(unmatched, ~known) > 0.3 and share(unmatched, known & pl.col("px").is_not_null()) > 0.3
    assert share(unmatched, ~known & pl.col("px").is_not_null()) > 0.02
    classes = pl.col("treatment_class")
    assert 0.50 <= share(rows, classes == "保守治疗") <= 0.65
    for name, least in (("手术", 0.12), ("治疗性操作", 0.04), ("诊断性操作", 0.015), ("介入治疗", 0.005)):
        assert share(rows, classes == name) >= least


def test_a_few_hundred_rows_hold_most_cases_and_thousands_a_few(made: Made) -> None:
    kinds = made.rows.group_by("dx4", "px").len().sort("len", descending=True)
    assert kinds.height > 6_000
    assert 0.45 <= kinds["len"].head(200).sum() / CASES <= 0.60
    core = made.rows.filter(pl.col("dip_kind") == "core")["dip_code"].value_counts()["count"]
    assert len(core) > 4_000 and (core < 15).sum() > 2_500  # 15: the threshold of a city's catalogue
    codes = made.rows.group_by("dx4").agg(pl.len(), full=pl.col("dx_codes").list.first().n_unique())
    assert codes.filter(pl.col("len") > 300)["full"].mean() > 3  # type: ignore[operator]


def test_procedures_repeat_and_stand_in_any_order(made: Made) -> None:
    px = pl.col("px_codes").list
    twice = made.clean.filter(px.len() != px.n_unique())
    assert 0.01 <= twice.height / made.clean.height <= 0.04
    # The related procedure of a matched row is not always the second of the case.
    related = made.clean.filter((pl.col("matched_procedures").list.len() == 2) & (px.len() >= 3))
    second = px.get(1, null_on_oob=True) == pl.col("matched_procedures").list.get(1, null_on_oob=True)
    assert related.height > 500 and 0.3 <= share(related, second) <= 0.8
    # Conservative rows are met by cases without procedures and by such with procedures of no class.
    conservative = made.clean.filter(pl.col("treatment_class") == "保守治疗")
    assert 0.3 <= share(conservative, px.len() > 0) <= 0.6


def test_related_procedures_come_whole_in_part_and_not_at_all(made: Made) -> None:
    rows = load_catalogue("dip-2.0").core
    double = {
        (row.dx4, row.principal_px, *sorted(min(forms) for forms in row.related))
        for row in rows
        if len(row.related) == 2
    }
    met: Counter[int] = Counter()
    wanted = {(dx4, px) for dx4, px, *_ in double}
    some = made.clean.filter(pl.concat_str("dx4", "px").is_in(["".join(key) for key in wanted]))
    for dx4, px, codes in some.select("dx4", "px", "px_codes").iter_rows():
        met[max(len(set(key[2:]) & set(codes[1:])) for key in double if key[:2] == (dx4, px))] += 1
    assert met[0] > met[1] > 20 and met[2] > 20


def test_a_related_procedure_raises_the_mean_by_much_or_by_little(made: Made) -> None:
    # DESIGN §5: a related procedure makes a row of its own only where the mean rises by 10 % or more.
    related: dict[tuple[str, str], set[str]] = {}
    for row in load_catalogue("dip-2.0").core:
        if row.related:
            codes = related.setdefault((row.dx4, row.principal_px), set())
            codes |= {code for forms in row.related for code in forms}
    true = planted_rises()
    # The pool has both kinds, none falls, and the rule of 10 % never has to tell 1.0999 from 1.1001.
    assert sum(1.0 < rise < 1.1 for rise in true.values()) > 200 < sum(rise >= 1.1 for rise in true.values())
    assert not [rise for rise in true.values() if rise <= 1.0 or 1.08 < rise < 1.15]
    measured: list[tuple[float, float, float]] = []
    keyed = made.clean.filter(pl.concat_str("dx4", "px").is_in(["".join(key) for key in related]))
    for (dx4, px), cases in keyed.group_by("dx4", "px", maintain_order=True):
        has = pl.col("px_codes").list.set_intersection(sorted(related[str(dx4), str(px)])).list
        without = cases.filter(has.len() == 0)
        for code in sorted(related[str(dx4), str(px)]):
            within = cases.filter((has.len() == 1) & (has.first() == code))
            if min(without.height, within.height) >= 40:
                measured.append((true[str(dx4), str(px), code], *rise_of(within, without)))
    # The costs drawn follow, each pair within what chance allows and some beyond it above the 10 %.
    assert len(measured) >= 10 and {rise < 1.1 for rise, _, _ in measured} == {True, False}
    assert [pair for pair in measured if abs(pair[1] - pair[0]) > 4 * pair[2]] == []
    assert sum(rise - 2 * error >= 1.1 for _, rise, error in measured) >= 3


def planted_rises() -> dict[tuple[str, str, str], float]:
    """(dx4, principal procedure, its one related procedure) → mean with it over mean without, in the pool."""
    pool = load_dip_pool()
    dx, px = pool.dx_words.texts, pool.px_words.texts
    means: dict[tuple[str, str, str], float] = {}
    for template in np.flatnonzero((pool.templates.px[:, 0] >= 0) & (pool.templates.px[:, 2] < 0)):
        first, one = (int(code) for code in pool.templates.px[template, :2])
        key = (dx[int(pool.templates.dx[template, 0])][:5], px[first], px[one] if one >= 0 else "")
        means[key] = float(pool.templates.weight[template, 0])
    return {key: mean / means[*key[:2], ""] for key, mean in means.items() if key[2]}


def rise_of(within: pl.DataFrame, without: pl.DataFrame) -> tuple[float, float]:
    """Mean fee of the ones over that of the others, with its standard error (first order)."""
    spread = FEE.std() / FEE.mean() / pl.len().sqrt()
    (mean, own), (other_mean, other) = (
        frame.select(mean=FEE.mean(), spread=spread).row(0) for frame in (within, without)
    )
    return mean / other_mean, mean / other_mean * float(np.hypot(own, other))


def test_intensive_care_comes_in_all_classes_and_within_the_stay(made: Made) -> None:
    days = made.clean.filter(pl.col("icu_hours").is_not_null()).with_columns(days=pl.col("icu_hours") // 24)
    # At least the order's "all in 20,000", here as shares of all cases; the rarest in 200,000.
    for first, last, least in ((2, 7, 0.006), (8, 14, 0.0012), (15, 30, 0.0004), (31, 999, 0.00005)):
        assert days.filter(pl.col("days").is_between(first, last)).height / made.clean.height >= least
    assert days.height / made.clean.height <= 0.04
    icu = pl.col("icu_hours")
    assert days.filter((icu > pl.col("stay") * 24) | (pl.col("ventilator_hours") > icu)).height == 0
    assert 0.004 <= share(made.clean, pl.col("ventilator_hours") > 0) <= 0.02


def test_all_ages_both_sexes_and_deaths_early_and_late(made: Made) -> None:
    years, days = pl.col("age_years"), pl.col("age_days")
    for band, least in (
        ((years == 0) & (days <= 28), 0.008), ((years == 0) & (days > 28), 0.005), (years.is_between(1, 6), 0.02),
        (years.is_between(7, 17), 0.015), (years.is_between(18, 65), 0.4), (years >= 66, 0.2),
    ):  # fmt: skip
        assert share(made.clean, band) >= least
    assert made.clean.filter((years == 0) & days.is_null()).height == 0
    newborn = made.clean.filter(pl.col("dx4").str.starts_with("P"))
    assert newborn.height > 500 and newborn["age_years"].max() == 0
    assert set(made.clean.filter(pl.col("dx4").str.starts_with("O"))["sex"]) == {"2"}
    dead = made.clean.filter(pl.col("discharge_way") == "5")
    assert 0.004 <= dead.height / made.clean.height <= 0.015
    assert 0.03 <= share(dead, pl.col("stay") <= 3) <= 0.3
    assert set(made.clean["discharge_way"]) == {"1", "2", "3", "4", "5", "9"}


def test_other_diagnoses_bring_severity_and_comorbidity(made: Made) -> None:
    severity = {code: rank for code, (rank, _) in load_rulebook("chs-drg-2.0").severity.items()}
    others = made.clean.select("case_id", dx=pl.col("dx_codes").list.slice(1)).explode("dx", keep_nulls=True)
    ranks = others.with_columns(pl.col("dx").replace_strict(severity, default="none"))
    by_case = ranks.group_by("case_id").agg(
        mcc=(pl.col("dx") == "mcc").any(), cc=(pl.col("dx") == "cc").any()
    )
    assert 0.10 <= share(by_case, pl.col("mcc")) <= 0.22
    assert 0.20 <= share(by_case, pl.col("cc") & ~pl.col("mcc")) <= 0.40
    charlson = load_charlson()
    bits = {code: charlson.bits_of(code) for code in others["dx"].drop_nulls().unique()}
    sets = others.with_columns(pl.col("dx").replace_strict(bits, default=0, return_dtype=pl.Int64))
    index = charlson.score_of_bits[
        sets.group_by("case_id").agg(pl.col("dx").bitwise_or())["dx"].fill_null(0).to_numpy()
    ]
    for low, high, least in ((0, 0, 0.2), (1, 2, 0.3), (3, 4, 0.05), (5, 99, 0.01)):
        assert np.mean((index >= low) & (index <= high)) >= least


def test_money_adds_up(made: Made) -> None:
    # The law of the list: total = funds + personal + hospital-borne (null = 0), DESIGN §3.
    bearers = pl.sum_horizontal(
        "pool_fund_fen", "serious_illness_fund_fen", "medical_aid_fund_fen", "other_fund_fen", "personal_paid_fen",
        pl.col("hospital_borne_fen").fill_null(0),
    )  # fmt: skip
    assert made.clean.filter(pl.col("total_fee_fen") != bearers).height == 0
    assert all((made.clean[column].drop_nulls() >= 0).all() for column in MONEY_COLUMNS)


def test_costs_differ_by_level_but_hardly_for_some_everyday_rows(made: Made) -> None:
    core = made.clean.filter((pl.col("dip_kind") == "core") & (pl.col("treatment_class") == "保守治疗"))
    mean = dict(core.group_by("level").agg(FEE.mean()).iter_rows())
    assert mean["三级"] > mean["二级"] > mean["一级"]
    by_level = core.group_by("dip_code", "level").agg(mean=FEE.mean(), n=pl.len()).filter(pl.col("n") >= 30)
    spread = (
        by_level.group_by("dip_code")
        .agg(cv=pl.col("mean").std(ddof=0) / pl.col("mean").mean(), levels=pl.len())
        .filter(pl.col("levels") == 3)
    )
    assert spread.filter(pl.col("cv") < 0.06).height >= 10
    assert spread.filter(pl.col("cv") > 0.12).height >= 10


def test_costs_have_outliers_deviations_and_a_trend(made: Made) -> None:
    core = made.clean.filter(pl.col("dip_kind") == "core").with_columns(n=pl.len().over("dip_code"))
    often = core.filter(pl.col("n") >= 100).with_columns(x=FEE / FEE.mean().over("dip_code"))
    assert 0.02 <= share(often, pl.col("x") <= 0.5) <= 0.15
    assert 0.01 <= share(often, pl.col("x") >= 2) <= 0.08
    assert 10 <= often.filter(pl.col("x") >= 6).height <= often.height / 500
    yearly = often.group_by("month").agg(pl.col("x").mean()).sort("month")["x"].to_list()
    for before, after in pairwise(yearly):
        assert 1.01 <= after / before <= 1.07


def test_validation_finds_what_was_planted_and_nothing_else(made: Made) -> None:
    period, region = MONTHS[2], load_region("demo-rate")  # only its hospitals and insurance types are asked
    source = open_source(made.folder / f"month={period}")
    with engine(made.folder.parent) as con:
        register_input(con, source)
        repeats = find_repeats(con, source)
    # No DRG scheme: what is not for grouping in CHS-DRG is no finding of a DIP region.
    measure = yardstick(region, [], load_code_tables(), period, repeats.repeated, repeats.conflicting)
    measure = replace(measure, clinical=())  # nor does any hospital of the mix write 国临版
    found = pa.concat_tables(
        [v.findings for v in stream(source, lambda piece, batch: validate(batch, piece.start, measure))]
    )
    seen = set(zip(found["case_id"].to_pylist(), found["code"].to_pylist(), strict=True))
    here = made.rows.filter(pl.col("month") == period)["case_id"]
    planted = set(made.expected.filter(pl.col("case_id").is_in(here.to_list())).iter_rows())
    assert {pair for pair in planted if pair[1] not in FOUND_LATER} - seen == set()
    assert {case for case, _ in seen} - {case for case, _ in planted} == set()
    kinds = Counter(made.expected["finding"])
    assert dict(kinds) == made.report.planted and set(kinds) == set(FLAWS) - NOT_IN_DIP


def test_a_county_has_its_hospital_and_township_hospitals(tmp_path: Path, made: Made) -> None:
    def levels(folder: Path) -> list[str]:
        table = pl.read_csv(folder / "_hospitals.csv", infer_schema=False)
        return sorted(table.filter(pl.col("county") == COUNTY)["level"])

    assert levels(made.folder) == ["一级", "二级"]
    synthesise(tmp_path / "out", 5_000, ["2025-10"], 2, hospitals=20, mix="dip")
    assert levels(tmp_path / "out").count("一级") > 1
    assert set(made.clean["level"]) == {"三级", "二级", "一级"}


def test_thirty_six_months_in_one_order(tmp_path: Path) -> None:
    months = [f"{year}-{month:02d}" for year in (2023, 2024, 2025) for month in range(1, 13)]
    report = synthesise(tmp_path / "out", 7_200, months, 1, mix="dip")
    assert (report.files, list(report.months), sum(report.months.values())) == (36, months, 7_200)


def test_the_option_and_its_mistake(tmp_path: Path) -> None:
    said = in_process("synth", tmp_path / "cli", "--cases", "300", "--seed", "5", "--mix", "dip")
    assert said.code == 0, said.err
    synthesise(tmp_path / "call", 300, ["2025-10"], 5, mix="dip")
    assert bytes_of(tmp_path / "cli") == bytes_of(tmp_path / "call")
    wrong = in_process("synth", tmp_path / "wrong", "--mix", "icd")
    assert wrong.code == 2 and "`icd`" in wrong.err and "请更正" in wrong.err
    assert not (tmp_path / "wrong").exists()
