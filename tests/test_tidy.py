"""The style laws of STYLE.md that no linter sees."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted([*ROOT.glob("pipeline/**/*.py"), *ROOT.glob("groupers/**/*.py")])
PAYMENT_PATH = ("score", "settle", "terms", "rounding", "arrivals")
# Region packs name their own years and regions; code may not. Invented data (`synth`) has dates of its own.
INVENTED = re.compile(r"pipeline/(synth\w*|cli)\.py")
PLACES = ("demo-rate", "六安", "烟台", "无锡", "宿州", "苏州", "西安", "重庆", "枣庄", "四川")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def tokens(path: Path) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline))


def where(path: Path, node: ast.AST) -> str:
    return f"{name(path)}:{getattr(node, 'lineno', 0)}"


def docstrings(module: ast.Module) -> set[int]:
    """The ids of the nodes that are docstrings."""
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                found.add(id(first.value))
    return found


def strings(path: Path) -> list[tuple[str, str]]:
    """(place, text) of every string constant that is no docstring."""
    aside = docstrings(tree(path))
    return [
        (where(path, node), node.value)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in aside
    ]


def test_there_is_code_to_look_at() -> None:
    assert len(CODE) > 40


def test_no_file_is_over_350_lines() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in CODE}
    assert {path: count for path, count in lengths.items() if count > 350} == {}


def test_no_function_is_over_60_lines() -> None:
    long = [
        f"{where(path, node)} {node.name} {node.end_lineno - node.lineno + 1}"
        for path in CODE
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 60
    ]
    assert long == []


def test_no_function_takes_more_than_ten_parameters() -> None:
    # STYLE, avoid: functions with 20 parameters. A typer command has one per option.
    wide = [
        f"{where(path, node)} {node.name}"
        for path in CODE
        if path.stem.split("_")[0] != "cli"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and len(node.args.args) + len(node.args.kwonlyargs) > 10
    ]
    assert wide == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty_words = re.compile(r"(^|_)(utils?|helpers?|managers?|base|common|misc|tools)(_|$)")
    names = {name(path): path.stem for path in CODE} | {name(path.parent): path.parent.name for path in CODE}
    assert [path for path, stem in names.items() if empty_words.search(stem)] == []


@pytest.mark.parametrize("stem", PAYMENT_PATH)
def test_no_float_touches_a_payment(stem: str) -> None:
    # DESIGN §2: money is integer fen; rounding happens in SQL by one rule.
    path = ROOT / "pipeline" / f"{stem}.py"
    slips = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not _joins_paths(node):
            slips.append(f"{where(path, node)} /")
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            slips.append(f"{where(path, node)} {node.value}")
        if isinstance(node, ast.Name) and node.id in ("float", "round"):
            slips.append(f"{where(path, node)} {node.id}")
        if isinstance(node, ast.Attribute) and node.attr in (
            "quantize",
            "float64",
            "float32",
            "Float64",
            "Float32",
        ):
            slips.append(f"{where(path, node)} {node.attr}")
    assert slips == []


def _joins_paths(node: ast.BinOp) -> bool:
    """`folder / "name"`: the right side is text, or the left side is a path by its name."""
    left = node.left
    while isinstance(left, ast.BinOp):
        left = left.left
    named = left.attr if isinstance(left, ast.Attribute) else left.id if isinstance(left, ast.Name) else ""
    return isinstance(node.right, ast.JoinedStr) or (
        isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)
    ) or named in ("folder", "path", "root")  # fmt: skip


def test_money_in_sql_is_never_a_double() -> None:
    # DESIGN §2, facts 1 and 2: `/`, avg() and round() of DuckDB give DOUBLE or round by another rule.
    slips = []
    for path in sorted((ROOT / "pipeline" / "sql").rglob("*.sql")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            code = re.sub(r"'[^']*'", "''", line.split("--")[0])
            if re.search(
                r"(?<!/)/(?!/)|\b(avg|round|mean)\s*\(|\b(DOUBLE|FLOAT|REAL)\b", code, re.IGNORECASE
            ):
                slips.append(f"{name(path)}:{number} {line.strip()}")
    assert slips == []


def test_every_statement_names_its_table_and_grain_first() -> None:
    without = [
        name(path)
        for path in sorted((ROOT / "pipeline" / "sql").rglob("*.sql"))
        if not path.read_text(encoding="utf-8").startswith("-- ")
    ]
    assert without == []


def test_no_year_and_no_place_in_code() -> None:
    # STYLE, avoid: the year or the city in code. Help texts may show what a period looks like.
    slips = [
        f"{place} {text!r}"
        for path in CODE
        for place, text in strings(path)
        if not _example(text) and (any(region in text for region in PLACES) or _year(path, text))
    ]
    assert slips == []
    numbers = [
        f"{name(path)}:{token.start[0]} {token.string}"
        for path in CODE
        for token in tokens(path)
        if token.type == tokenize.NUMBER and re.fullmatch(r"20[0-9]{2}", token.string)  # 2_000 is a count
    ]
    assert numbers == []


def _year(path: Path, text: str) -> bool:
    if text.startswith("tag:yaml.org,2002:") or (INVENTED.fullmatch(name(path)) and len(text) <= 10):
        return False
    return bool(re.search(r"(?<!\d)20[0-9]{2}(?!\d)", text))


def _example(text: str) -> bool:
    """`如 2025-10`, `应写作 2025-01-01`, `如 demo-rate` tell the user a form; they decide nothing.

    Nor does an XML namespace, which is the name of a format (OOXML's begin with its year).
    """
    if text.startswith("{http://schemas.openxmlformats.org/"):
        return True
    return bool(re.search(r"(如|写作|例如|形如|--(period|months|year))[ `=]*(20[0-9]{2}|demo-rate)", text))


def test_public_functions_and_classes_say_what_they_yield() -> None:
    silent = []
    for path in CODE:
        for node in tree(path).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if ast.get_docstring(node) is None and len(ast.unparse(node).splitlines()) > 4:
                silent.append(f"{where(path, node)} {node.name}")
    assert silent == []
    assert [
        name(path) for path in CODE if path.stat().st_size and ast.get_docstring(tree(path)) is None
    ] == []


def test_groupers_know_nothing_of_the_pipeline() -> None:
    imports = [
        where(path, node)
        for path in CODE
        if name(path).startswith("groupers/")
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pipeline")
        or (isinstance(node, ast.Import) and any(one.name.split(".")[0] == "pipeline" for one in node.names))
    ]
    assert imports == []


def test_data_is_found_through_the_packages() -> None:
    # A wheel works outside the checkout: no module looks for files beside itself or in the working folder.
    slips = [
        f"{where(path, node)} {ast.unparse(node)}"
        for path in CODE
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Name) and node.id == "__file__")
        or (isinstance(node, ast.Attribute) and node.attr in ("cwd", "getcwd"))
        or (isinstance(node, ast.Call) and ast.unparse(node.func) in ("Path", "open") and node.args
            and isinstance(node.args[0], ast.Constant)
            and str(node.args[0].value).startswith(("data", "configs", "pipeline", "groupers")))
    ]  # fmt: skip
    assert slips == []
    for module in ("groupers/scheme.py", "pipeline/region.py", "pipeline/query.py"):
        assert "from importlib.resources import files" in (ROOT / module).read_text(encoding="utf-8")


def test_nothing_reads_the_facts_at_run_time() -> None:
    assert [place for path in CODE for place, text in strings(path) if "shared/" in text] == []


def test_rules_are_never_evaluated_as_code() -> None:
    calls = [
        where(path, node)
        for path in CODE
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
    ]
    assert calls == []


def test_no_marker_of_unfinished_work() -> None:
    marks = [
        f"{name(path)}:{token.start[0]}"
        for path in CODE
        for token in tokens(path)
        if token.type == tokenize.COMMENT and re.search(r"\b(TODO|FIXME|XXX|HACK)\b", token.string)
    ]
    assert marks == []
