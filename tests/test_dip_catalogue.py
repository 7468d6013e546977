"""A DIP catalogue on disk: the national library is the facts, and what is wrong is one sentence with its line."""

from __future__ import annotations

import csv
import inspect
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from groupers.codes import load_code_tables
from groupers.dip import lint as lint_module
from groupers.dip.catalogue import Catalogue, dx4_of
from groupers.dip.lint import lint_catalogue
from groupers.dip.load import TABLES, load_catalogue
from groupers.scheme import DipBlock, SchemeError, describe, load_manifest, scheme_folder, seal

ROOT = Path(__file__).parents[1]
FACTS = ROOT.parent / "shared" / "facts" / "dip" / "dip20_national.csv"

MANIFEST = """name: small
kind: dip
title: 小目录
issuer: 测试
document: 无
effective_from: 2025-01-01
source: 本测试
"""
# 33.2403, 34.0401, 03.3101: 诊断性操作, 治疗性操作, 诊断性操作 in the code tables; A15.0, A38.x their subcategories.
CORE = {
    2: "C1,A15.0,,,保守治疗,93.08,9308.50,,肺结核",
    3: "C2,A15.0,33.2403,,诊断性操作,85.69,,基层病种;非日间,灌洗",
    4: "C3,A15.0,33.2403,34.0401+03.3101/34.9101,诊断性操作,146.29,,,灌洗加引流",
}
SMALL = {
    "core.csv": "\n".join([",".join(TABLES["core.csv"]), *CORE.values(), ""]),
    "pooled.csv": "row,dx3,class,score,mean_cost_yuan,flags,name\nP1,A15,治疗性操作,120.5,,,综合\n",
    "exclusions.csv": "prefix,reason\nZ38,活产婴儿\n",
    "coefficients.csv": "row,level,coefficient\nC1,三级,1\nC1,二级,0.76\nC1,一级,\nP1,三级,1.05\n",
    "auxiliary.csv": "subtype,row,family,condition,coefficient,name\nC1-1,C1,own,severity == mcc,三级=1.61;二级=,重\n",
    "auxiliary_lists.csv": "list,prefix\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "small"
    place.mkdir()
    for name, text in SMALL.items():
        (place / name).write_text(text, encoding="utf-8")
    (place / "scheme.yaml").write_text(MANIFEST, encoding="utf-8")
    return place


def load(folder: Path, **changed: str) -> Catalogue:
    """Seal and load; `core="C9,…"` adds a line to core.csv."""
    for name, line in changed.items():
        path = folder / f"{name}.csv"
        path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    seal(folder)
    return load_catalogue(str(folder))


def refusal(folder: Path, **changed: str) -> str:
    with pytest.raises(SchemeError) as caught:
        load(folder, **changed)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the form


def test_a_small_catalogue_loads(folder: Path) -> None:
    catalogue = load(folder)
    first, second, third = catalogue.core
    assert (first.principal_px, first.score, first.mean_cost_fen) == ("", Decimal("93.08"), 930850)
    assert second.flags == {"基层病种"}  # 非日间 denies a flag and is none
    assert third.related == (frozenset({"34.0401"}), frozenset({"03.3101", "34.9101"}))
    assert [row.order for row in catalogue.core] == [0, 1, 2]
    assert catalogue.pooled_by_key["A15", "治疗性操作"].score == Decimal("120.5")
    assert catalogue.exclusions[0].prefix == "Z38"
    # A blank coefficient is unknown: never 1, and never there.
    assert catalogue.coefficients == {
        ("C1", "三级"): Decimal(1), ("C1", "二级"): Decimal("0.76"), ("P1", "三级"): Decimal("1.05"),
    }  # fmt: skip
    (subtype,) = catalogue.auxiliary.subtypes
    assert (subtype.row, subtype.coefficient_at("三级"), subtype.coefficient_at("二级")) == (
        "C1",
        16100,
        None,
    )
    assert catalogue.procedure_classes["34.0401"] == "治疗性操作"
    assert "" not in catalogue.procedure_classes.values()


def test_choices_are_the_national_ones_unless_the_manifest_says(folder: Path) -> None:
    choices = load(folder).choices
    assert (choices.conservative, choices.related, choices.score_scale) == (
        "no_classed_procedure",
        "all",
        1000,
    )
    assert choices.tie_breakers == ("more_procedures", "catalogue_order")
    path = folder / "scheme.yaml"
    path.write_text(
        path.read_text(encoding="utf-8")
        + "dip:\n  conservative: any\n  related: best_partial\n  score_scale: 100\n  tie_breakers: [higher_score]\n",
        encoding="utf-8",
    )
    changed = load(folder).choices
    assert (changed.conservative, changed.related, changed.score_scale) == ("any", "best_partial", 100)
    assert changed.tie_breakers == ("higher_score",)


@pytest.mark.parametrize(
    ("block", "key"),
    [("  conservativ: any", "conservativ"), ("  tie_breakers: [luck]", "tie_breakers"), ("  score_scale: 0", "score_scale")],
)  # fmt: skip
def test_the_dip_block_is_closed(folder: Path, block: str, key: str) -> None:
    path = folder / "scheme.yaml"
    path.write_text(f"{MANIFEST}files: {{}}\ndip:\n{block}\n", encoding="utf-8")
    with pytest.raises(SchemeError, match=key):
        load_catalogue(str(folder))


def test_a_drg_scheme_has_no_dip_block_and_no_dip_scheme_shows_drg_choices(folder: Path) -> None:
    drg = describe(load_manifest(scheme_folder("chs-drg-2.0")))
    assert "choices" in drg and "dip" not in drg
    dip = describe(load_manifest(scheme_folder("dip-2.0")))
    assert "dip" in dip and "choices" not in dip
    path = folder / "scheme.yaml"
    path.write_text(f"{MANIFEST}files: {{}}\ndip: {{}}\n".replace("kind: dip", "kind: drg"), encoding="utf-8")
    with pytest.raises(SchemeError, match="只有 kind: dip"):
        load_manifest(folder)
    with pytest.raises(SchemeError, match="是 drg 方案，这里需要 DIP 病种目录"):
        load_catalogue("chs-drg-2.0")


# --- what is wrong, with its place


@pytest.mark.parametrize(
    ("table", "line", "said"),
    [
        # The same key as line 4: the order of `+` and of `/` makes no difference.
        ("core", "C9,A15.0,33.2403,34.9101/03.3101+34.0401,诊断性操作,1,,,重", "表 `core.csv` 第 4 行与第 5 行的全键"),
        ("core", "C1,A38.x,,,保守治疗,1,,,重码", "病种编码 `C1` 在 core.csv、pooled.csv 中出现两次"),
        ("core", "0000,A38.x,,,保守治疗,1,,,x", "第 5 行的病种编码不可用：`0000`"),
        ("core", "C9,A38,,,保守治疗,1,,,x", "第 5 行的 dx4 应为四位亚目（如 I63.9、A38.x），实为 `A38`"),
        ("core", "C9,A38.x,,,中医,1,,,x", "第 5 行的 class 不认识：`中医`"),
        ("core", "C9,A38.x,,,手术,1,,,x", "第 5 行没有手术操作，class 应为 保守治疗，实为 `手术`"),
        ("core", "C9,A38.x,,34.0401,保守治疗,1,,,x", "第 5 行有相关手术 `34.0401` 却没有主要手术"),
        ("core", "C9,A38.x,４4.1300X001,,诊断性操作,1,,,x", "第 5 行的 principal_px 不是规范形式：`４4.1300X001`，应为 `44.1300x001`"),
        ("core", "C9,A38.x,33.2403,34.0401+,诊断性操作,1,,,x", "第 5 行的 related 不是规范形式：``"),
        ("core", "C9,A38.x,33.2403,34.0401+34.0401,诊断性操作,1,,,x", "第 5 行的相关手术重复"),
        ("core", "C9,A38.x,,,保守治疗,0,,,x", "第 5 行的 score 应为大于 0"),
        ("core", "C9,A38.x,,,保守治疗,1e3,,,x", "第 5 行的 score 应为大于 0"),
        ("core", "C9,A38.x,,,保守治疗,１２,,,x", "第 5 行的 score 应为大于 0"),
        ("core", "C9,A38.x,,,保守治疗,1,10.005,,x", "第 5 行的 mean_cost_yuan 应为元、小数不超过两位"),
        ("core", "C9,A38.x,,,保守治疗,1,,重点病种,x", "第 5 行的 flags 不认识：`重点病种`"),
        ("core", "C9,A38.x,,,保守治疗,1,,日间;非日间,x", "第 5 行的 flags 自相矛盾：既是 `日间` 又是 `非日间`"),
        ("pooled", "P2,A15,治疗性操作,1,,,x", "表 `pooled.csv` 第 2 行与第 3 行的全键（A15、治疗性操作）相同"),
        ("pooled", "P2,A15.0,治疗性操作,1,,,x", "第 3 行的 dx3 应为三位类目"),
        ("pooled", "P2,A16,手术,1,,,x", "第 3 行的 class 不认识：`手术`"),
        ("pooled", "C1,A16,相关手术,1,,,x", "病种编码 `C1` 在 core.csv、pooled.csv 中出现两次"),
        ("exclusions", "Z38,再次", "表 `exclusions.csv` 第 2 行与第 3 行的前缀 `Z38`相同"),
        ("exclusions", "z39,小写", "第 3 行的 prefix 不是规范形式：`z39`，应为 `Z39`"),
        ("coefficients", "C7,三级,1", "表 `coefficients.csv` 第 6 行的病种 `C7` 不在 core.csv 或 pooled.csv 里"),
        ("coefficients", "C2,,1", "第 6 行没有写医院级别"),
        ("coefficients", "C1,一级,0.9", "第 4 行与第 6 行的病种与级别（C1、一级）相同"),
        ("coefficients", "C2,三级,零点九", "第 6 行的 coefficient 应为大于 0"),
        ("auxiliary", "X,C1,own,severity == mcc,1.2,同条件", "病种和条件相同"),
        ("auxiliary", "X,C7,own,severity == cc,1.2,无此病种", "`C7` 不在目录里"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named(folder: Path, table: str, line: str, said: str) -> None:
    assert said in refusal(folder, **{table: line})


def test_an_altered_table_is_refused(folder: Path) -> None:
    load(folder)
    path = folder / "coefficients.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("0.76", "0.77"), encoding="utf-8")
    with pytest.raises(SchemeError, match="方案文件被改动"):
        load_catalogue(str(folder))


# --- lint


def test_lint_names_every_oddity(folder: Path) -> None:
    catalogue = load(
        folder,
        core="C4,A99.9,44.1300,33.2403,手术,,,,\nC5,A38.x,33.2403,33.2403,诊断性操作,5,,基层病种,两次",
        exclusions="A38,示范",
        coefficients="C5,三级,1\nC5,二级,0.9",
        auxiliary="L1,C5,own,other_dx in worst,1.3,待填",
        auxiliary_lists="worst,待补",
    )
    found = [(one.code, one.subject) for one in lint_catalogue(catalogue, load_code_tables())]
    tables = load_code_tables()
    assert "A99.9" not in {dx4_of(code) for code in tables.diagnosis_names}
    assert tables.procedure_classes["44.1300"] == "诊断性操作"  # C4 says 手术
    assert found == [
        ("unknown_code", "A99.9"),
        ("class_differs", "C4"),
        ("row_unnamed", "C4"),
        ("related_repeats_principal", "C5"),
        ("row_excluded", "A38"),
        ("score_missing", "small"),
        ("coefficient_missing", "三级"),
        ("coefficient_missing", "二级"),
        ("base_coefficients_differ", "C5"),
        ("list_to_fill", "worst"),
    ]


def test_a_principal_procedure_of_no_class_is_a_note(folder: Path) -> None:
    assert load_code_tables().procedure_classes["00.3100"] == ""
    catalogue = load(folder, core="C4,A38.x,00.3100,,手术,5,,,导航")
    (found,) = [one for one in lint_catalogue(catalogue, load_code_tables()) if one.subject == "C4"]
    assert (found.code, found.severity) == ("procedure_without_class", "note")


def test_the_national_library_has_nothing_odd_but_its_missing_scores() -> None:
    found = lint_catalogue(load_catalogue("dip-2.0"), load_code_tables())
    assert [(one.code, one.severity) for one in found] == [("score_missing", "note")]


def test_the_page_tells_every_table_choice_and_finding() -> None:
    text = (ROOT / "docs/dip.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([^`\n]+)`", text))
    for table, columns in TABLES.items():
        assert f"| `{table}` | `{','.join(columns)}` |" in text
    assert set(DipBlock.model_fields) <= told
    codes = set(re.findall(r'Lint\(\s*"(\w+)"', inspect.getsource(lint_module)))
    assert codes and codes <= told


# --- the national library


def test_the_national_library_has_its_published_counts() -> None:
    # 医保办发〔2024〕9号: 9,520 = 3,209 conservative + 5,211 with one procedure + 1,100 with related ones.
    core = load_catalogue("dip-2.0").core
    kinds = Counter((bool(row.principal_px), bool(row.related)) for row in core)
    assert kinds == {(False, False): 3209, (True, False): 5211, (True, True): 1100}
    assert len(core) == 9520
    tables = load_code_tables()
    assert all(
        row.treatment_class == tables.procedure_classes.get(row.principal_px, "保守治疗") for row in core
    )
    assert {row.score for row in core} == {None}


def test_the_demo_exclusions_are_marked_and_hide_no_row() -> None:
    catalogue = load_catalogue("dip-2.0")
    assert catalogue.exclusions
    for exclusion in catalogue.exclusions:
        assert exclusion.reason.startswith("示范")
        assert not [row for row in catalogue.core if row.dx4.startswith(exclusion.prefix)]


@pytest.mark.shared
@pytest.mark.skipif(not FACTS.is_file(), reason="../shared is not in a user's clone")
def test_the_national_library_equals_the_facts() -> None:
    with FACTS.open(encoding="utf-8", newline="") as file:
        facts = list(csv.DictReader(file))
    catalogue, tables = load_catalogue("dip-2.0"), load_code_tables()
    ours = [
        (row.row, row.dx4, row.principal_px, tuple(sorted(code) for code in row.related))
        for row in catalogue.core
    ]
    assert ours == [
        (
            fact["row"],
            fact["dx4"],
            fact["principal_px"],
            tuple([code] for code in fact["related_px"].split("+") if code),
        )
        for fact in facts
    ]
    dx4s = {dx4_of(code) for code in tables.diagnosis_names}
    assert {fact["dx4"] for fact in facts} <= dx4s
    asked = {px for f in facts for px in (f["principal_px"], *f["related_px"].split("+")) if px}
    assert asked <= tables.procedure_names.keys()
    with (scheme_folder("dip-2.0") / "repairs.csv").open(encoding="utf-8", newline="") as file:
        repairs = [(row["row"], row["as_printed"], row["repaired"]) for row in csv.DictReader(file)]
    assert repairs == [
        (f["row"], f["as_printed"], "~".join(filter(None, (f["principal_px"], f["related_px"]))))
        for f in facts
        if f["as_printed"]
    ]
