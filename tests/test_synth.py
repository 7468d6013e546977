"""Invented discharges: repeatable, in the contract's form, city-like in shares and money, broken where they say."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from groupers.codes import load_code_tables, normal_form
from groupers.drg.engine import Grouper
from groupers.drg.rulebook import load_rulebook
from groupers.scheme import data_root
from pipeline import synth
from pipeline.errors import InputError, UsageMistake
from pipeline.group import group_file
from pipeline.read import discover
from pipeline.synth import SynthReport, synthesise
from pipeline.synth_flaws import FLAWS
from pipeline.tables import DISCHARGE_SCHEMA, MONEY_COLUMNS

SHARED = Path(__file__).resolve().parents[2] / "shared"
MONTHS = ["2025-01", "2025-07", "2025-12"]
BEARERS = (
    "pool_fund_fen", "serious_illness_fund_fen", "medical_aid_fund_fen", "other_fund_fen", "personal_paid_fen",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    folder: Path
    report: SynthReport
    rows: pl.DataFrame  # all rows with mdc, adrg, drg, status and the month of their folder
    clean: pl.DataFrame  # rows whose case_id is not in _expected.csv
    expected: pl.DataFrame


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    place = tmp_path_factory.mktemp("synth")
    folder, grouped = place / "discharges", place / "grouped.parquet"
    report = synthesise(folder, 60_000, MONTHS, seed=11)
    group_file(Grouper(load_rulebook("chs-drg-2.0")), folder, grouped, lambda n: None)
    rows = pl.concat(
        [
            pl.read_parquet(file, hive_partitioning=False).with_columns(month=pl.lit(file.parent.name[6:]))
            for file in discover(folder)
        ]
    ).hstack(pl.read_parquet(grouped).drop("case_id"))
    expected = pl.read_csv(folder / "_expected.csv", schema_overrides={"case_id": pl.String})
    clean = rows.join(expected.select("case_id").unique(), on="case_id", how="anti")
    return Made(folder, report, rows, clean, expected)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_same_seed_same_bytes_and_another_seed_other_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        synthesise(tmp_path / name, 6_000, ["2025-10", "2025-11"], seed)
    a, b, c = (digests(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    # Only the table of hospitals does not depend on the seed.
    assert [name for name in a if a[name] == c[name]] == ["_hospitals.csv"]


def test_files_have_the_contract_and_stand_by_month_of_settlement(made: Made) -> None:
    files = discover(made.folder)
    assert [str(file.relative_to(made.folder)) for file in files] == [
        f"month={month}/part-000.parquet" for month in MONTHS
    ]
    for file in files:
        assert pq.read_schema(file).equals(DISCHARGE_SCHEMA)
        assert pq.read_schema(file).names == DISCHARGE_SCHEMA.names
        assert b"ARROW:schema" not in (pq.read_metadata(file).metadata or {})
    settled = pl.col("settlement_date").dt.strftime("%Y-%m")
    elsewhere = made.rows.filter(settled != pl.col("month"))
    planted = made.expected.filter(pl.col("finding") == "other_period")
    assert sorted(elsewhere["case_id"]) == sorted(planted["case_id"])
    assert (made.report.rows, made.rows.height, sum(made.report.months.values())) == (60_000, 60_000, 60_000)


def test_large_orders_are_split_into_files_and_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 5,000 rows by 2,000 are 3 row groups; files of 4,000 take two of them: 4,000 + 1,000.
    monkeypatch.setattr(synth, "GROUP_ROWS", 2_000)
    monkeypatch.setattr(synth, "FILE_ROWS", 4_000)
    ticks: list[int] = []
    synthesise(tmp_path / "out", 5_000, ["2025-10"], 1, tick=ticks.append)
    files = [pq.read_metadata(file) for file in discover(tmp_path / "out")]
    sizes = [[file.row_group(n).num_rows for n in range(file.num_row_groups)] for file in files]
    assert sizes == [[2_000, 2_000], [1_000]]
    assert ticks == [2_000, 2_000, 1_000]


def test_shares_are_those_of_a_city(made: Made) -> None:
    # The wish: about 93 % grouped, about 2 % ambiguous, a few dozen groups make most cases.
    share = {row[0]: row[1] / made.rows.height for row in made.rows["status"].value_counts().iter_rows()}
    assert 0.91 <= share["grouped"] <= 0.95
    assert 0.01 <= share["ambiguous"] <= 0.03
    top = made.rows.filter(pl.col("status") == "grouped")["drg"].value_counts(sort=True)["count"]
    assert top.head(40).sum() >= made.rows.height / 2
    assert len(top) > 450  # yet rare groups occur too
    assert 5.5 <= made.rows["dx_codes"].list.len().mean() <= 6.5  # type: ignore[operator]
    assert 1.3 <= made.rows["px_codes"].list.len().mean() <= 1.7  # type: ignore[operator]
    assert 0.006 <= (made.clean["discharge_way"] == "5").mean() <= 0.015  # type: ignore[operator]
    stay = (made.clean["discharge_date"] - made.clean["admission_date"]).dt.total_days()
    assert stay.min() == 1
    assert 0.0015 <= (stay > 60).mean() <= 0.005  # type: ignore[operator]
    assert set(made.clean["insurance_type"]) == {"310", "390"}
    assert {"ZZ11", "ZZ15"} & set(made.rows["drg"]) and (made.rows["age_days"] <= 28).sum() > 100


def test_winter_brings_the_airways(made: Made) -> None:
    share = made.rows.group_by("month").agg((pl.col("mdc") == "MDCE").mean().alias("airways"))
    by_month = dict(share.iter_rows())
    assert by_month["2025-01"] > 1.3 * by_month["2025-07"]


def test_groups_explain_most_of_the_fees(made: Made) -> None:
    # RIV = 1 − Σ(F − mean of group)² / Σ(F − mean)² over grouped clean rows.
    fee = pl.col("total_fee_fen").cast(pl.Float64)
    grouped = made.clean.filter(pl.col("status") == "grouped")
    within, all_in = grouped.select(
        ((fee - fee.mean().over("drg")) ** 2).sum().alias("within"),
        ((fee - fee.mean()) ** 2).sum().alias("all"),
    ).row(0)
    assert 0.6 <= 1 - within / all_in <= 0.8
    level = pl.read_csv(made.folder / "_hospitals.csv").select("hospital_id", "level")
    ratio = grouped.join(level, on="hospital_id").select(
        (fee / fee.mean().over("drg", "level")).alias("ratio")
    )
    far = ratio.filter((pl.col("ratio") < 0.4) | (pl.col("ratio") > 3))
    assert 0.02 <= far.height / grouped.height <= 0.04
    assert (ratio["ratio"] > 3).sum() > 0.003 * grouped.height
    mean = dict(grouped.join(level, on="hospital_id").group_by("level").agg(fee.mean()).iter_rows())
    assert mean["三级"] > mean["二级"] > mean["一级"]


def test_money_of_clean_rows_adds_up(made: Made) -> None:
    # The law of the list: total = funds + personal + hospital-borne (null = 0), DESIGN §3.
    borne = pl.col("hospital_borne_fen").fill_null(0)
    clean = made.clean
    assert clean.filter(pl.col("total_fee_fen") != pl.sum_horizontal(*BEARERS, borne)).height == 0
    assert all((clean[column].drop_nulls() >= 0).all() for column in MONEY_COLUMNS)
    outside = pl.sum_horizontal("ownpay_fee_fen", "overlimit_fee_fen", "firstpay_fee_fen", "deductible_fen")
    parts = pl.sum_horizontal("drug_fee_fen", "consumable_fee_fen", "service_fee_fen")
    assert clean.filter((outside > pl.col("total_fee_fen")) | (parts > pl.col("total_fee_fen"))).height == 0
    assert clean["hospital_borne_fen"].null_count() < clean.height


def _unlisted(column: str, codes: frozenset[str] | set[str], place: int) -> pl.Expr:
    return pl.col(column).list.get(place, null_on_oob=True).is_in(list(codes))


@cache
def findings() -> dict[str, pl.Expr]:
    """What a row with the finding looks like, said once more and without the module that plants it."""
    book, codes = load_rulebook("chs-drg-2.0"), load_code_tables()
    known = codes.diagnosis_names.keys() | book.known_dx
    dx, principal = pl.col("dx_codes"), pl.col("dx_codes").list.first()
    sizes = pl.sum_horizontal(*BEARERS, pl.col("hospital_borne_fen").fill_null(0))
    stay = (pl.col("discharge_date") - pl.col("admission_date")).dt.total_days()
    limited = {
        sex: [code for code in known if codes.sex_limit(code) == sex] for sex in ("1", "2")
    }  # the other sex must not have them
    odd = dx.list.eval(
        pl.element().map_elements(lambda code: normal_form(code) != code, pl.Boolean)
    ).list.any()
    return {
        "missing_principal": dx.is_null() | (dx.list.len() == 0),
        "unknown_principal": ~_unlisted("dx_codes", known, 0),
        "unknown_sex": ~pl.col("sex").is_in(["1", "2"]),
        "dates_reversed": stay < 0,
        "zero_day_stay": stay == 0,
        "negative_money": (pl.col("total_fee_fen") < 0) & pl.col("reverses").is_null(),
        "newborn_without_days": (pl.col("age_years") == 0) & pl.col("age_days").is_null(),
        "unknown_hospital": ~pl.col("hospital_id").str.starts_with("H4499"),
        "duplicate_case_id": pl.col("total_fee_fen").n_unique().over("case_id") > 1,
        "repeated_row": (pl.len().over("case_id") > 1) & (pl.col("total_fee_fen").n_unique().over("case_id") == 1),
        "other_period": pl.col("settlement_date").dt.strftime("%Y-%m") != pl.col("month"),
        "absurd_amount": pl.col("total_fee_fen") > 100_000_000 * 100,
        "missing_value": pl.any_horizontal(pl.col("insurance_type", "place", "total_fee_fen").is_null()),
        "reversal_without_original": ~pl.col("reverses").is_in(pl.col("case_id").implode()),
        "reversal": pl.col("reverses").is_in(pl.col("case_id").implode()),
        "restricted_principal": principal.is_in(list(codes.restricted_dx)),
        "not_for_grouping_principal": principal.is_in(list(book.dx_not_for_grouping)),
        "not_for_grouping_procedure": pl.col("px_codes").list.first().is_in(list(book.px_not_for_grouping)),
        "unknown_code": dx.list.slice(1).list.eval(~pl.element().is_in([*known, "", *_odd_forms()])).list.any(),
        "sex_conflict": ((pl.col("sex") == "1") & dx.list.eval(pl.element().is_in(limited["2"])).list.any())
        | ((pl.col("sex") == "2") & dx.list.eval(pl.element().is_in(limited["1"])).list.any()),
        "identity_broken": pl.col("total_fee_fen") != sizes,
        "secondary_duplicate": dx.list.len() != dx.list.n_unique(),
        "empty_code": dx.list.eval(pl.element().is_null() | (pl.element() == "")).list.any(),
        "code_form": odd,
    }  # fmt: skip


def _odd_forms() -> list[str]:
    return ["i10.X00X007", "Ｅ７８．２００", "e78.200", " I10.x00x008"]


@pytest.mark.parametrize("finding", sorted(FLAWS))
def test_every_finding_is_planted_and_only_where_it_says(made: Made, finding: str) -> None:
    looks = made.rows.filter(findings()[finding].fill_null(False))["case_id"]
    planted = made.expected.filter(pl.col("finding") == finding)["case_id"]
    assert len(planted) == made.report.planted[finding] > 0
    # A reversal or a repeated row copies another row, and a negative row that names no case is negative too;
    # nothing clean looks like it.
    assert set(planted) <= set(looks)
    assert not set(looks) & set(made.clean["case_id"])


def test_planted_rows_are_about_one_in_a_hundred(made: Made) -> None:
    kinds = Counter(made.expected["finding"])
    assert dict(kinds) == made.report.planted
    broken = made.expected.filter(pl.col("finding") != "reversal").height / made.rows.height
    assert 0.008 <= broken <= 0.013
    assert made.report.planted["reversal"] == 120  # 0.2 % of 60,000


def test_a_reversal_mirrors_its_original(made: Made) -> None:
    reversal = made.expected.filter(pl.col("finding") == "reversal").select("case_id")
    mirrored = made.rows.join(reversal, on="case_id").with_columns(
        pl.col(*MONEY_COLUMNS) * -1, case_id="reverses", reverses=pl.lit(None, pl.String)
    )
    originals = made.rows.filter(pl.col("case_id").is_in(mirrored["case_id"].to_list()))
    assert mirrored.sort("case_id").equals(originals.sort("case_id"))


def test_small_orders_hold_every_finding_from_five_thousand_on(tmp_path: Path) -> None:
    report = synthesise(tmp_path / "out", 5_000, [f"2025-{month:02d}" for month in range(1, 13)], 2)
    assert set(report.planted) == set(FLAWS)
    assert synthesise(tmp_path / "one", 1, ["2025-10"], 2).planted == {}


def test_hospitals_are_the_named_twelve_and_more_as_asked(tmp_path: Path, made: Made) -> None:
    with (data_root() / "synth" / "hospitals.csv").open(encoding="utf-8", newline="") as opened:
        named = list(csv.DictReader(opened))
    assert pl.read_csv(made.folder / "_hospitals.csv", infer_schema=False).to_dicts() == named
    assert Counter(row["level"] for row in named) == {"三级": 3, "二级": 5, "一级": 4}
    assert set(made.clean["hospital_id"]) == {row["hospital_id"] for row in named}
    synthesise(tmp_path / "out", 5_000, ["2025-10"], 2, hospitals=30)
    more = pl.read_csv(tmp_path / "out" / "_hospitals.csv", infer_schema=False)
    assert more.columns == ["hospital_id", "name", "level", "class", "county", "from"]
    assert more["hospital_id"].n_unique() == 30
    assert more["hospital_id"].str.contains(r"^H\d{11}$").all()


def test_user_mistakes_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("不可删除", encoding="utf-8")
    with pytest.raises(InputError, match="已有内容"):
        synthesise(tmp_path / "used", 10, ["2025-10"], 1)
    assert (tmp_path / "used" / "mine.txt").exists()
    for cases, months, seed in (
        (0, ["2025-10"], 1),
        (9, ["2025-13"], 1),
        (9, [], 1),
        (9, ["2025-10"] * 2, 1),
    ):
        with pytest.raises(UsageMistake, match="请更正"):
            synthesise(tmp_path / "out", cases, months, seed)
    assert not (tmp_path / "out").exists()


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not in a user's clone")
def test_weights_are_the_published_reference_ones() -> None:
    # facts/chs-drg-2.0/drg.csv; its six blanks from facts/weights/liuan_2025.csv.
    def table(path: str, key: str, value: str) -> dict[str, str]:
        with (SHARED / "facts" / path).open(encoding="utf-8-sig", newline="") as opened:
            return {row[key]: row[value].strip() for row in csv.DictReader(opened)}

    reference = table("chs-drg-2.0/drg.csv", "drg", "reference_weight")
    liuan = table("weights/liuan_2025.csv", "DRG编码", "权重")
    with (data_root() / "synth" / "groups.csv").open(encoding="utf-8", newline="") as opened:
        ours = {row["drg"]: row["weight"] for row in csv.DictReader(opened)}
    assert ours == {drg: weight or liuan[drg] for drg, weight in reference.items()}
    assert sum(not weight for weight in reference.values()) == 6
