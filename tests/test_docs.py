"""The pages say what the program does: every number, name, key and command on them is checked against it."""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Finished
from pydantic import BaseModel
from typer.main import get_command

from groupers.codes import load_code_tables
from groupers.drg import lint as lint_module
from groupers.drg.engine import Grouper
from groupers.drg.rulebook import load_rulebook
from groupers.drg.rules import COMPARISONS, KINDS, NUMBERS, SUBJECTS, TEXTS
from groupers.scheme import Choices, Manifest, seal
from pipeline import (
    errors,
    findings,
    pack,
    pack_alliance,
    pack_clearing,
    pack_negotiation,
    pack_pace,
    pack_paths,
    pack_pricing,
    pack_settlement,
    region_draft,
)
from pipeline.arrivals import CONTROL_COLUMNS
from pipeline.budgets import COLUMNS as BUDGET_COLUMNS
from pipeline.cli import app
from pipeline.explain import explain, find_run
from pipeline.group import group_file
from pipeline.period_amounts import AMOUNT_KINDS
from pipeline.region import load_region
from pipeline.run import Outcome, inbox
from pipeline.summary import run_summary
from pipeline.tables import DISCHARGE_SCHEMA

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.zh-CN.md")
PAGES = (*READMES, "CHANGELOG.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
WORKED_CASE = "44999867044524413"


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def quoted(text: str) -> set[str]:
    """What stands between backticks outside fenced blocks."""
    return set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))


@pytest.fixture(scope="session")
def demo(sample: Finished) -> Outcome:
    """The demo month as every other test has it."""
    assert inbox(load_region("demo-rate")) == sample.source
    manifest = json.loads((sample.folder / "manifest.json").read_text(encoding="utf-8"))
    return Outcome(sample.folder, sample.folder.name, manifest, fresh=True)


@pytest.mark.parametrize(("name", "run"), [("README.md", "‹run›"), ("README.zh-CN.md", "‹批次›")])
def test_printed_summary_is_the_real_one(name: str, run: str, demo: Outcome) -> None:
    out = str(demo.folder.parents[2])
    for line in run_summary(demo.folder, demo.manifest, fresh=True):
        assert line.replace(out, "out").replace(demo.run, run) in page(name).splitlines()


@pytest.mark.parametrize("name", READMES)
def test_worked_case_is_the_real_one_multiplied_by_hand(name: str, demo: Outcome) -> None:
    weight, rate, coefficient = Decimal("0.7683"), Decimal(6600), Decimal("0.92")
    fee, fund = Decimal("27246.25"), Decimal("17923.46")
    standard = weight * rate * coefficient  # 5070.78 × 0.92
    amount = standard * (1 + Decimal("0.7") * (fee / standard - 3))  # the demo pack's excess_share, K = 3.0
    told = "\n".join(explain(*find_run(demo.folder.parents[2], WORKED_CASE)))
    text = page(name)
    for number in (weight, rate, coefficient, fee, fund):
        assert str(number) in text and str(number) in told
    assert "4665.1176" in text and standard == Decimal("4665.1176")
    assert "5.8404" in text and "5.8404" in told and round(fee / standard, 4) == Decimal("5.8404")
    assert "13940.74564" in text and round(amount, 5) == Decimal("13940.74564")
    assert "4617.95564" in text and round(amount - (fee - fund), 5) == Decimal("4617.95564")
    for said in ("13940.75 ", "4617.96 "):
        assert said in text and said in told
    for code in (
        "I67.805",
        "dx078",
        "规则 102",
        "dx097",
        "I69.300x002",
        "I48.000",
        "排除表 91",
        "BR21",
        "BR23",
    ):
        english = {"规则 102": "rule 102", "排除表 91": "exclusion table 91"}
        assert code in told and (english.get(code, code) if name == "README.md" else code) in text


def commands() -> Iterator[str]:
    tree: Any = get_command(app)
    for name, command in tree.commands.items():
        yield from (
            (f"{name} {sub}" for sub in getattr(command, "commands", {}))
            if hasattr(command, "commands")
            else [name]
        )


@pytest.mark.parametrize("name", READMES)
def test_every_command_is_named_and_every_example_is_a_command(name: str) -> None:
    text = page(name)
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    shown = set(
        re.findall(
            r"^drgdip ([a-z][a-z-]*(?: (?:list|lint|seal|import|check|areas|new|schema|dip-catalogue|point-value"
            r"|(?<=review )(?:export|notice)|(?<=negotiate )(?:template|rescale|simulate|apply|undo)"
            r"|(?<=calibrate )(?:weights|rate|coefficients))\b)?)",
            blocks,
            re.MULTILINE,
        )
    )
    named = {" ".join(name.split()[1:3]) for name in quoted(text) if name.startswith("drgdip ")}
    assert shown <= set(commands())
    missing = set(commands()) - shown
    assert not missing if name == "README.md" else missing <= named  # sealing a scheme is told in a sentence


@pytest.mark.parametrize("name", READMES)
def test_every_exit_code_is_told(name: str) -> None:
    kinds = inspect.getmembers(
        errors, lambda found: inspect.isclass(found) and issubclass(found, errors.UserError)
    )
    table = re.split(r"^## (?:Exit codes|退出码)$", page(name), flags=re.MULTILINE)[1].split("\n## ")[0]
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert told == {0, 130} | {kind.exit_code for _, kind in kinds}


def test_files_of_a_run_and_their_columns_are_all_told(demo: Outcome) -> None:
    told = quoted(page("docs/files.md"))
    in_readme = quoted(page("README.md"))
    left = {str(path.relative_to(demo.folder)) for path in demo.folder.rglob("*") if path.is_file()}
    for name in left:
        for known in (told, in_readme):
            generic = re.sub(
                r"hospitals/H\d+", "hospitals/‹医院编号›" if known is told else "hospitals/<id>", name
            )
            assert generic in known, name
    for table in (name for name in left if name.endswith(".parquet")):
        section = page("docs/files.md").split(f"### `{table}`")[1].split("\n### ")[0]
        columns = pq.read_schema(demo.folder / table).names
        assert set(columns) <= quoted(section), (table, set(columns) - quoted(section))
    assert set(demo.manifest) <= quoted(page("docs/files.md").split("### `manifest.json`")[1])
    assert set(DISCHARGE_SCHEMA.names) <= told


def terms() -> list[list[str]]:
    rows = [
        line.strip("|").split("|") for line in page("docs/glossary.md").splitlines() if line.startswith("| ")
    ]
    return [[cell.strip() for cell in row] for row in rows if row[0].strip() != "英文"]


# Symbols and names of DESIGN §3, §4, §6 and §7, and what a settlement officer asks for first.
CORE = (
    "CMI", "费用消耗指数", "时间消耗指数", "序时进度", "RIV", "CV", "DRG", "MDC", "ADRG", "MCC", "CC", "费用倍率",
    "支付标准", "点数", "点值", "病种分值", "权重", "费率", "系数", "基础病组", "差额法",
    "基金分担", "排除表", "灰码", "主要诊断", "主要手术操作", "歧义组", "未入组", "入组", "低倍率病例",
    "高倍率病例", "退回", "暂挂", "提示", "冲销", "对账表", "结算期", "定价日期", "核定统筹基金",
    "记账统筹基金", "预拨金额", "质量保证金", "审核扣款", "周转金抵扣", "本期应付", "预付金", "年度清算", "医共体",
    "特例单议", "台账", "统筹区", "分组方案", "地区参数", "批次",
)  # fmt: skip


def test_every_term_stands_once_with_a_meaning_and_a_source() -> None:
    rows = terms()
    for column in (0, 1):
        names = [row[column].strip("`").upper() for row in rows]
        assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]
    assert all(len(row) == 5 and row[2] and row[4] for row in rows)


def test_core_terms_are_in_the_glossary() -> None:
    words = {word for row in terms() for word in (row[0].strip("`").upper(), row[1])}
    assert not [term for term in CORE if term not in words]


def test_words_in_backticks_stand_in_the_code() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("groupers", "pipeline")
        for path in (ROOT / package).rglob("*.*")
        if path.suffix in (".py", ".sql")
    )
    for row in terms():
        for name in re.findall(r"`(\w+)`", row[0]):
            assert re.search(rf"\b{name}\b", code), name
    promised = [row[0] for row in terms() if "未实现" in row[2]]
    assert not [name for name in promised if name.startswith("`")]


def test_findings_page_is_the_table_in_the_code() -> None:
    assert page("docs/findings.md") == findings.document(), "run `make docs`"


def test_areas_page_is_the_list_of_the_command() -> None:
    """Row by row what `regions areas` says; its sums are counted on the page itself."""
    text = page("docs/areas.md")
    assert text == region_draft.document(), "run `make docs`"
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| .+ \| `\w+` \| ", line)]
    whole = [row for row in rows if row[2] == "完整"]
    assert f"共 {len(rows)} 行，完整 {len(whole)} 行，缺 {len(rows) - len(whole)} 行。" in text
    drafted = region_draft.drafted_areas()
    assert [row[0].removeprefix("| ") for row in rows] == [one.label for one in drafted]
    assert [row[2] for row in rows] == ["完整" if one.complete else "缺" for one in drafted]
    for row, one in zip(rows, drafted, strict=True):
        assert re.findall(r"`(\w+)`", row[3]) == list(one.blanks)


def test_finding_codes_named_to_hospitals_exist() -> None:
    section = page("README.zh-CN.md").split("### 拿到原因代码怎么办")[1].split("\n## ")[0]
    named = {code for code in quoted(section) if re.fullmatch(r"[a-z_]+", code)}
    assert len(named) > 10 and named <= set(findings.BY_CODE)


def literals(annotation: Any) -> set[str]:
    found = {arg for arg in get_args(annotation) if isinstance(arg, str)}
    return found.union(*(literals(arg) for arg in get_args(annotation) if not isinstance(arg, str)))


def test_every_key_and_choice_of_a_region_pack_is_on_its_page() -> None:
    told = quoted(page("docs/region.md"))
    models = [
        model
        for module in (
            pack,
            pack_alliance,
            pack_clearing,
            pack_negotiation,
            pack_pace,
            pack_pricing,
            pack_paths,
            pack_settlement,
        )
        for _, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, BaseModel) and model.__module__ == module.__name__
    ]
    assert len(models) >= 17
    for model in models:
        for name, field in model.model_fields.items():
            assert (field.alias or name) in told, f"{model.__name__}.{name}"
            assert literals(field.annotation) <= told, f"{model.__name__}.{name}"


def test_tables_of_a_region_pack_are_on_its_page() -> None:
    text = page("docs/region.md")
    for name in ("hospitals.csv", "weights-2025.csv"):
        header = (ROOT / "configs/regions/demo-rate" / name).read_text(encoding="utf-8").splitlines()[0]
        assert f"`{header}`" in text
    assert ",".join(CONTROL_COLUMNS) in text.splitlines()
    assert set(AMOUNT_KINDS) <= quoted(text)
    assert f"`{','.join(BUDGET_COLUMNS)}`" in text and set(BUDGET_COLUMNS) <= quoted(text)


def test_scheme_page_tells_the_whole_rule_language() -> None:
    text = page("docs/scheme.md")
    told = quoted(text)
    assert {*SUBJECTS, *NUMBERS, *TEXTS, *KINDS, *COMPARISONS} <= told
    assert {*Manifest.model_fields, *Choices.model_fields} <= told
    assert set(re.findall(r'Lint\(\s*"(\w+)"', inspect.getsource(lint_module))) <= told
    for table in (ROOT / "data/schemes/chs-drg-2.0").glob("*.csv"):
        header = table.read_text(encoding="utf-8").splitlines()[0]
        assert f"| `{table.name}` | `{header}` |" in text


@pytest.fixture
def local_demo(tmp_path: Path) -> Path:
    folder = tmp_path / "local-demo"
    folder.mkdir()
    for name, content in re.findall(
        r"^`local-demo/([\w.]+)`\n\n```\w+\n(.*?)```", page("docs/scheme.md"), re.M | re.S
    ):
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def discharge(**values: Any) -> dict[str, Any]:
    """The page's patient; columns that grouping does not read stay empty."""
    told = {
        "case_id": "1", "sex": "1", "age_years": 68, "dx_codes": ["I63.900", "I69.300", "I48.000"], "px_codes": [],
        "admission_date": 0, "discharge_date": 9,
    }  # fmt: skip
    return {name: (told | values).get(name) for name in DISCHARGE_SCHEMA.names}


def test_local_scheme_of_the_page_loads_and_groups_its_patient(local_demo: Path, tmp_path: Path) -> None:
    assert seal(local_demo) == 10
    book = load_rulebook(str(local_demo))
    assert len(book.rules) == 3 and lint_module.lint(book, load_code_tables()) == []
    cases = [
        discharge(),  # the page's: BR13
        discharge(case_id="2", px_codes=["01.2402"]),  # rule 2 before rule 3: BB19
        discharge(case_id="3", age_years=17),  # rule 1 asks for 18 years: 0000
        discharge(case_id="4", dx_codes=["I63.901", "J96.000"]),  # an MCC of another table: BR11
    ]
    pq.write_table(pa.Table.from_pylist(cases, DISCHARGE_SCHEMA), tmp_path / "in.parquet")
    group_file(Grouper(book), tmp_path / "in.parquet", tmp_path / "out.parquet", lambda rows: None)
    assert pq.read_table(tmp_path / "out.parquet")["drg"].to_pylist() == ["BR13", "BB19", "0000", "BR11"]


def test_links_lead_somewhere() -> None:
    for name in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page(name)):
            assert target.startswith("http") or (ROOT / name).parent.joinpath(target).exists(), (name, target)


def test_changelog_begins_with_this_version() -> None:
    version = tomllib.loads(page("pyproject.toml"))["project"]["version"]
    assert re.findall(r"^## (\S+) \(\d{4}-\d\d-\d\d\)$", page("CHANGELOG.md"), re.M)[0] == version
