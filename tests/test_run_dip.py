"""The embedded month of demo-dip, whole: groups and subtypes by the twins, prices by hand, files, explanations."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import openpyxl
import polars as pl
import pyarrow.parquet as pq
import pytest

from groupers.dip.charlson import load_charlson
from groupers.drg.rulebook import load_rulebook
from pipeline.region import config_root, load_region
from pipeline.schemes import schemes_of
from tests.conftest import PERIOD, ROOT, Finished, bytes_of, in_process, run_month
from tests.reference.auxiliary_case import auxiliary_case
from tests.reference.match_case import match_case
from tests.reference.price_case import half_away

SAMPLE = ROOT / "data" / "samples" / "demo-dip"


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """The embedded month, run."""
    yield run_month(SAMPLE, tmp_path_factory.mktemp("dip"), region="demo-dip")


@pytest.fixture(scope="module")
def cases(paid: Finished) -> list[dict[str, Any]]:
    """Every paid discharge that is no reversal: its row of `validated`, `grouped` and `scored` in one."""
    tables = [
        {row["input_row"]: row for row in paid.table(name).to_pylist()} for name in ("validated", "grouped")
    ]
    scored = [row for row in paid.table("scored").to_pylist() if row["reverses"] is None]
    return [tables[0][row["input_row"]] | tables[1][row["input_row"]] | row for row in scored]


def test_every_case_has_the_disease_and_subtypes_of_the_twins(cases: list[dict[str, Any]]) -> None:
    """Every tenth of 5,900; the region's order of ties stands in place of the catalogue's."""
    region = load_region("demo-dip")
    (scheme,) = schemes_of(region).values()
    assert scheme.catalogue is not None
    assert scheme.catalogue.choices.tie_breakers[-1] == "catalogue_order"
    book, charlson = load_rulebook("chs-drg-2.0"), load_charlson()
    names = ("dip_code", "dip_kind", "treatment_class", "matched_procedures", "runner_up", "status")
    for case in cases[::10]:
        wanted = match_case(scheme.catalogue, case)
        assert {name: case[name] for name in names} == {name: wanted[name] for name in names}
        auxiliary = auxiliary_case(
            scheme.catalogue.auxiliary, book, charlson, case, case["dip_code"], case["level"]
        )
        assert {name: case[name] for name in auxiliary} == auxiliary


def test_every_price_is_the_one_of_the_pack(cases: list[dict[str, Any]]) -> None:
    """Written out again from region.yaml: ≤ 0.5 · x, ≥ 2 · (x − 2 + 1), 0.7 of the fee in points where no disease is."""
    (scheme,) = schemes_of(load_region("demo-dip")).values()
    july = dt.date(2025, 7, 1)
    for case in cases:
        later = case["pricing_date"] >= july
        pv = Fraction({"310": "10.1", "390": "9.7"}[case["insurance_type"]] if later else
                      {"310": "10.2", "390": "9.8"}[case["insurance_type"]])  # fmt: skip
        reference, fee = Fraction("10.35"), Fraction(case["total_fee_fen"], 100)
        score = Fraction(scheme.scores.get(case["dip_code"] or "", Decimal(0)))
        if case["status"] == "excluded":
            standard = fee
        elif case["status"] == "ungrouped":
            standard = Fraction("0.7") * fee / reference * pv
        else:
            c = Fraction(scheme.coefficients[case["dip_code"], case["level"]])
            if "基层病种" in scheme.flags[case["dip_code"]]:
                c = Fraction(1)
            a = Fraction(case["aux_coefficient"], 10_000)
            x = fee / (score * reference)
            factor = x if x <= Fraction(1, 2) else x - 1 if x >= 2 else Fraction(1)
            assert (case["coefficient"], case["auxiliary"]) == (c, a)
            assert case["points"] == Decimal(half_away(score * factor * c * a * 10_000)).scaleb(-4)
            standard = score * factor * c * a * pv
        assert case["standard_fen"] == half_away(standard * 100), case["case_id"]
        own = case["total_fee_fen"] - case["pool_fund_fen"]
        assert case["fund_fen"] == half_away(standard * 100 - own)


def test_the_sample_has_every_kind_and_class(cases: list[dict[str, Any]]) -> None:
    """What a city's month has: all kinds of groups, ratio classes, base diseases, runners-up and families of subtypes."""
    assert {case["dip_kind"] for case in cases} == {"core", "pooled", "excluded", "ungrouped"}
    assert {case["price_class"] for case in cases} == {"normal", "low", "high", "excluded", "ungrouped"}
    assert sum(case["is_base"] for case in cases) > 100
    assert sum(case["runner_up"] is not None for case in cases) > 50
    assert {case["subtype"][:3] for case in cases if case["subtype"]} >= {"AGE", "SEV", "TUM", "ICU", "CCI"}


def test_a_tie_is_told_with_the_order_that_broke_it(cases: list[dict[str, Any]], paid: Finished) -> None:
    """Two rows of equally many related procedures: the sentence names the region's tie-breaker and both values."""
    (scheme,) = schemes_of(load_region("demo-dip")).values()
    assert scheme.catalogue is not None
    rows = {row.row: row for row in scheme.catalogue.core}
    tied = next(
        case for case in cases
        if case["runner_up"] and rows[case["runner_up"]].related_count == rows[case["dip_code"]].related_count
    )  # fmt: skip
    said = in_process("explain", tied["case_id"], "--out", paid.out).out
    assert f"归入核心病种 {tied['dip_code']}" in said and f"未归入次选病种 {tied['runner_up']}" in said
    first, second = rows[tied["dip_code"]], rows[tied["runner_up"]]
    if "基层病种" in first.flags or "基层病种" not in second.flags:  # core_before_base leaves them equal
        assert "分值高者优先" in said and str(first.score) in said and str(second.score) in said
        assert first.score is not None and second.score is not None and first.score > second.score


@pytest.mark.parametrize("kind", ["low", "high", "normal", "excluded", "ungrouped", "reversal"])
def test_explain_tells_disease_subtypes_and_price(kind: str, paid: Finished) -> None:
    row = next(row for row in paid.table("scored").to_pylist() if row["price_class"] == kind)
    said = in_process("explain", row["case_id"], "--out", paid.out)
    assert said.code == 0, said.err
    told = said.out
    for fen in (row["standard_fen"], row["fund_fen"]):
        assert f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d} 元" in told
    if kind == "reversal":
        return
    assert row["rule_id"] in told
    if row["subtype"]:
        assert f"（辅助分型 {row['subtype']}）" in told
    if kind in ("low", "high", "normal"):
        assert f"归入核心病种 {row['group_code']}" in told or f"归入综合病种 {row['group_code']}" in told
        assert f"= {row['points'].normalize():f}" in told
    if kind == "excluded":
        assert "不按病种" in told


def test_workbooks_speak_of_diseases_and_points(paid: Finished) -> None:
    hospital = "H44990100001"
    book = openpyxl.load_workbook(paid.folder / "hospitals" / f"{hospital}.xlsx")
    assert (
        "病种汇总" in book.sheetnames and "不按病种付费" in book.sheetnames and "歧义" not in book.sheetnames
    )
    statement = {
        row[1].value: row[3].value for row in book["月度结算单"].iter_rows(min_row=4) if row[1].value
    }
    payment = pl.DataFrame(paid.table("hospital_payment")).filter(hospital_id=hospital, insurance_type="310")
    assert Decimal(str(statement["总点数"])) == payment["points_total"][0].normalize()
    assert {"总分值", "例均分值"} <= set(statement) and not {"总权重", "病例组合指数（CMI）"} & set(statement)
    header = [cell.value for cell in book["高倍率"][3]]
    assert {"病种编码", "分值", "点值", "辅助系数", "点数"} <= set(header)
    region = openpyxl.load_workbook(paid.folder / "region.xlsx")
    alliance = [row[2].value for row in region["医共体汇总"].iter_rows(min_row=4) if row[1].value != "合计"]
    assert alliance == ["H44990400006", "H44990400010"]  # configs/regions/demo-dip/alliances.csv, lead first
    csv = pl.read_csv(paid.folder / "hospitals" / f"{hospital}.cases.csv", infer_schema=False)
    assert {"病种编码", "分值", "点值", "辅助系数", "辅助分型", "点数"} <= set(csv.columns)


def test_summary_and_manifest_count_the_kinds(paid: Finished) -> None:
    manifest = json.loads((paid.folder / "manifest.json").read_text(encoding="utf-8"))
    totals = manifest["totals"]
    assert totals["core"] + totals["pooled"] == totals["grouped"]
    assert totals["grouped"] + totals["ungrouped"] + totals["excluded"] == totals["cases"]
    assert manifest["schemes"][0]["entry"]["severity_scheme"] == "chs-drg-2.0"
    said = in_process("run", "demo-dip", "--period", PERIOD, "--out", paid.out, "--input", paid.source)
    assert f"核心病种 {totals['core']:,}，综合病种 {totals['pooled']:,}" in said.out
    lines = [line for line in said.out.splitlines() if "批次" not in line and str(paid.out) not in line]
    assert len(lines) == 4
    for name in ("README.md", "README.zh-CN.md"):
        assert "\n".join(lines) in (ROOT / name).read_text(encoding="utf-8"), name


def test_tie_breakers_that_do_not_decide_are_refused(tmp_path: Any) -> None:
    """Without scores and order, Z51.1's many rows of one more procedure each are alike: the code would decide."""
    folder = shutil.copytree(config_root() / "regions" / "demo-dip", tmp_path / "region")
    text = (folder / "region.yaml").read_text(encoding="utf-8")
    given = "tie_breakers: [more_procedures, core_before_base, higher_score, catalogue_order]"
    assert given in text
    (folder / "region.yaml").write_text(
        text.replace(given, "tie_breakers: [core_before_base]"), encoding="utf-8"
    )
    for words in (
        ("regions", "check", folder),
        ("run", folder, "--period", PERIOD, "--out", tmp_path / "out"),
    ):
        said = in_process(*words)
        assert said.code == 10
        assert "优先次序（core_before_base）分不出先后的病种有" in said.out + said.err
    assert not list((tmp_path / "out").rglob("*.parquet"))


@pytest.mark.slow
def test_row_groups_and_order_change_nothing(tmp_path: Any) -> None:
    """800 rows backwards in row groups of 70: same prices; the same bytes again give the same files."""
    rows = pq.read_table(SAMPLE / f"month={PERIOD}" / "part-000.parquet").slice(0, 800)
    runs = []
    for name, size, order in (("a", 800, range(800)), ("b", 70, range(799, -1, -1)), ("c", 800, range(800))):
        (tmp_path / name).mkdir()
        pq.write_table(rows.take(list(order)), tmp_path / name / "part.parquet", row_group_size=size)
        runs.append(run_month(tmp_path / name, tmp_path / f"out-{name}", region="demo-dip"))
    assert runs[0].table("hospital_payment").equals(runs[1].table("hospital_payment"))
    assert bytes_of(runs[0].folder) == bytes_of(runs[2].folder)
