"""Every command of the command line: help in Chinese and quick, output for machines, results in input order."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
import yaml
from conftest import COMMAND, PERIOD, ROOT, Finished, environment, in_process, in_subprocess

from pipeline.cli import app
from pipeline.tables import DISCHARGE_SCHEMA, GROUPED_SCHEMA

SCHEME = "chs-drg-2.0"
# DESIGN §10, what the first issue needs of it.
WANTED = {
    "run", "validate", "group", "explain", "synth", "convert-platform", "schemes list", "schemes lint",
    "schemes seal", "regions list", "regions check",
}  # fmt: skip
HEAVY = ("polars", "duckdb", "pyarrow", "pandera", "numpy", "yaml")


def commands() -> Iterator[str]:
    """Every command, groups with their own."""
    tree: Any = typer.main.get_command(app)
    for name, command in tree.commands.items():
        below = getattr(command, "commands", {})
        yield name
        yield from (f"{name} {inner}" for inner in below)


COMMANDS = sorted(commands())


def test_all_commands_are_there() -> None:
    assert set(COMMANDS) >= WANTED


def test_every_command_speaks_to_machines_but_one() -> None:
    """README: all but `schemes seal`, and `regions schema`, which prints JSON anyway, have --json; a group is no command."""
    tree: Any = typer.main.get_command(app)
    silent = set()
    for name, command in tree.commands.items():
        below = getattr(command, "commands", None)
        for full, one in (
            {f"{name} {inner}": found for inner, found in below.items()}.items()
            if below
            else [(name, command)]
        ):
            if not any("--json" in option.opts for option in one.params):
                silent.add(full)
    assert silent == {"schemes seal", "regions schema"}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_chinese(command: str) -> None:
    said = in_process(*command.split(), "--help")
    assert said.code == 0 and said.err == ""
    assert said.out.lstrip().startswith(f"用法：drgdip {command}".rstrip())
    lines = [line for line in said.out.splitlines() if re.search(r"--\w", line)]
    assert lines and all(re.search("[一-鿿]", line) for line in lines)
    assert not re.search(r"Usage|Options|Arguments|Commands|default:|required|Show this|Install", said.out)


@pytest.mark.parametrize("command", ["", "run", "schemes list"])
def test_help_imports_nothing_heavy(command: str) -> None:
    """`--help` stays under 0.4 s because of this (DESIGN §2); the time itself depends on the machine."""
    program = (
        "import sys\nfrom pipeline.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command.split(), "--help"],
        env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(
    ("shell", "mark"), [("bash", "complete -o"), ("zsh", "#compdef drgdip"), ("fish", "complete --")]
)
def test_shell_completion_script(shell: str, mark: str) -> None:
    said = in_subprocess("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert said.code == 0, said.err
    assert mark in said.out and "drgdip" in said.out


def test_completion_names_the_commands() -> None:
    done = subprocess.run(
        COMMAND, cwd=ROOT, capture_output=True, text=True, timeout=60,
        env=environment(_DRGDIP_COMPLETE="complete_bash", COMP_WORDS="drgdip regi", COMP_CWORD="1"),
    )  # fmt: skip
    assert done.stdout.split() == ["regions"], done


# --- group


def test_group_gives_one_row_per_input_row_in_order(rows: pa.Table, tmp_path: Path) -> None:
    """Nothing is refused: rows that `run` would refuse are grouped as far as the rules carry."""
    spoilt = rows.to_pylist()
    for number in (3, 4, 6, 7):
        spoilt[number] |= {"age_years": 60, "age_days": None, "px_codes": None}
    spoilt[3] |= {"dx_codes": None}
    spoilt[4] |= {"dx_codes": [], "px_codes": []}
    spoilt[5] |= {"dx_codes": [None, "I10.x00x002"], "sex": None, "age_years": None}
    spoilt[6] |= {"dx_codes": ["K99.900x999"], "sex": "9"}
    spoilt[7] |= {"dx_codes": ["i10.X00X002 "]}
    spoilt[8]["case_id"] = spoilt[9]["case_id"]
    pq.write_table(pa.Table.from_pylist(spoilt, DISCHARGE_SCHEMA), tmp_path / "in.parquet", row_group_size=50)
    said = in_process(
        "group", tmp_path / "in.parquet", "--scheme", SCHEME, "--out", tmp_path / "g.parquet", "--json"
    )
    assert said.code == 0, said.err
    assert json.loads(said.out) == {"rows": 300, "out": str(tmp_path / "g.parquet")}
    grouped = pq.read_table(tmp_path / "g.parquet")
    assert grouped.column_names == ["case_id", "mdc", "adrg", "drg", "status", "severity", "rule"]
    assert grouped.column_names == GROUPED_SCHEMA.names
    assert grouped["case_id"].to_pylist() == [row["case_id"] for row in spoilt]
    found = grouped.to_pylist()
    for empty in (found[3], found[4], found[6]):
        assert (empty["drg"], empty["status"], empty["mdc"], empty["adrg"], empty["rule"]) == (
            "0000", "ungrouped", None, None, None,
        )  # fmt: skip
    assert found[7]["drg"] == "FV25"  # hypertension alone, in normal form
    assert {row["status"] for row in found} == {"grouped", "ambiguous", "ungrouped"}


def test_group_equals_the_groups_of_a_run(rows: pa.Table, finished: Finished, tmp_path: Path) -> None:
    said = in_process("group", finished.source, "--scheme", SCHEME, "--out", tmp_path / "g.parquet")
    assert said.code == 0 and f"已分组 {rows.num_rows} 行" in said.out
    of = {row["case_id"]: row for row in pq.read_table(tmp_path / "g.parquet").to_pylist()}
    for row in finished.table("grouped").to_pylist():
        assert {name: row[name] for name in GROUPED_SCHEMA.names} == of[row["case_id"]]


def test_group_needs_no_money_columns(rows: pa.Table, tmp_path: Path) -> None:
    lean = rows.select(["case_id", "dx_codes", "px_codes", "sex", "age_years", "age_days", "birth_weight_g"])
    pq.write_table(lean, tmp_path / "in.parquet")
    said = in_process("group", tmp_path / "in.parquet", "--scheme", SCHEME, "--out", tmp_path / "g.parquet")
    assert said.code == 0, said.err


# --- run and validate for machines


def test_run_json_is_the_manifest(finished: Finished) -> None:
    said = in_process(
        "run", "demo-rate", "--period", PERIOD, "--input", finished.source, "--out", finished.out, "--json"
    )
    told = json.loads(said.out)
    manifest = json.loads((finished.folder / "manifest.json").read_text(encoding="utf-8"))
    assert told == {"folder": str(finished.folder), "fresh": False, **manifest}


def test_run_prints_where_the_workbooks_are_and_the_counts(finished: Finished) -> None:
    said = in_process(
        "run", "demo-rate", "--period", PERIOD, "--input", finished.source, "--out", finished.out
    )
    assert str(finished.folder / "region.xlsx") in said.out and (finished.folder / "region.xlsx").is_file()
    totals = json.loads((finished.folder / "manifest.json").read_text(encoding="utf-8"))["totals"]
    for number in (totals["rows_in"], totals["paid"], totals["grouped"], totals["ungrouped"], totals["cmi"]):
        assert str(number) in said.out
    assert f"{totals['payable_fen'] // 100}.{totals['payable_fen'] % 100:02d}" in said.out


def test_validate_counts_and_lists(tmp_path: Path) -> None:
    """The embedded month: doors of the validation, and the list of findings as CSV."""
    words = ("validate", "demo-rate", "--period", PERIOD)
    said = in_process(*words, "--json", "--out", tmp_path / "findings.csv")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["rows"] == told["on"] + told["refuse"] + told["hold"] == 6000
    text = (tmp_path / "findings.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    lines = text.decode("utf-8-sig").split("\r\n")
    assert len(lines) - 2 == sum(told["findings"].values())
    persons = pq.read_table(ROOT / f"data/samples/demo-rate/month={PERIOD}/part-000.parquet")["person_id"]
    assert not any(person in text.decode() for person in persons.to_pylist())
    said = in_process(*words)
    assert said.code == 0 and "收到 6,000 行" in said.out
    assert all(code in said.out for code in told["findings"])


def test_explain_json(finished: Finished, rows: pa.Table) -> None:
    case = rows["case_id"][0].as_py()
    told = json.loads(in_process("explain", case, "--out", finished.out, "--json").out)
    assert told["run"] == finished.folder.name and told["door"] == "paid"
    assert case in told["lines"][0]
    plain = in_process("explain", case, "--out", finished.out, "--run", finished.folder.name).out
    assert plain == "\n".join(told["lines"]) + "\n"


# --- schemes, regions, synth


def test_schemes_list_and_lint() -> None:
    told = json.loads(in_process("schemes", "list", "--json").out)
    one = next(scheme for scheme in told if scheme["name"] == SCHEME)
    assert one["document"] and one["issuer"] and one["effective_from"] == "2024-07-17"  # 医保办发〔2024〕9号
    assert SCHEME in in_process("schemes", "list").out
    found = json.loads(in_process("schemes", "lint", SCHEME, "--json").out)
    assert found and all({"code", "severity", "subject", "message"} <= set(problem) for problem in found)
    plain = in_process("schemes", "lint", SCHEME)
    assert plain.code == 0 and f"共 {len(found)} 条" in plain.out


def test_sealing_an_altered_scheme_makes_it_load_again(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(ROOT / "data" / "schemes" / SCHEME, folder)
    table = folder / "adrg.csv"
    text = table.read_text(encoding="utf-8").splitlines(keepends=True)
    last = text[-1].rstrip("\n")
    table.write_text("".join([*text[:-1], f"{last}（本地）\n"]), encoding="utf-8")
    assert in_process("schemes", "lint", folder).code == 12
    said = in_process("schemes", "seal", folder)
    assert said.code == 0 and str(len(list(folder.glob("*.csv")))) in said.out
    assert in_process("schemes", "lint", folder).code == 0
    sealed = yaml.safe_load((folder / "scheme.yaml").read_text(encoding="utf-8"))
    assert set(sealed["files"]) == {path.name for path in folder.glob("*.csv")}


def test_regions_list_and_check() -> None:
    told = json.loads(in_process("regions", "list", "--json").out)
    assert {"name", "title", "version"} <= set(told[0]) and "demo-rate" in {one["name"] for one in told}
    assert "demo-rate" in in_process("regions", "list").out
    said = in_process("regions", "check", "demo-rate", "--json")
    assert said.code == 0 and all(problem["severity"] == "warning" for problem in json.loads(said.out))
    assert "共" in in_process("regions", "check", "demo-rate").out


def test_synth_by_months_and_seed(tmp_path: Path) -> None:
    words = ("--cases", "50", "--months", "2025-09, 2025-10", "--seed", "3", "--hospitals", "2", "--json")
    first, second = (in_process("synth", tmp_path / name, *words) for name in ("a", "b"))
    told = json.loads(first.out)
    assert (
        told["rows"] == 50
        and sum(told["months"].values()) == 50
        and list(told["months"]) == ["2025-09", "2025-10"]
    )
    assert second.code == 0
    for path in sorted((tmp_path / "a").rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


# --- the platform's own tables


def test_converted_platform_tables_run(tmp_path: Path) -> None:
    """One stay in the platform's tables becomes one discharge, and the month pays it."""
    from test_platform import one_case, write_tables

    write_tables(tmp_path / "platform", one_case())
    words = (
        "convert-platform",
        tmp_path / "platform",
        "--region",
        "demo-rate",
        "--out",
        tmp_path / "in",
        "--json",
    )
    said = in_process(*words)
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["rows"] == 1 and (tmp_path / "in" / "_findings.csv").is_file()
    day = pq.read_table(tmp_path / "in")["settlement_date"][0].as_py()
    period = f"{day:%Y-%m}"
    said = in_process(
        "run",
        "demo-rate",
        "--period",
        period,
        "--input",
        tmp_path / "in",
        "--out",
        tmp_path / "out",
        "--json",
    )
    assert said.code == 0, said.err
    assert json.loads(said.out)["totals"]["rows_in"] == 1


# --- README


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_commands_of_the_readme_exist(name: str) -> None:
    """Every `drgdip …` line of a fenced block names a command and options that are there."""
    path = ROOT / name
    if not path.is_file():
        pytest.skip(f"no {name}")
    blocks = re.findall(
        r"```(?:sh|bash|shell|console)\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL
    )
    lines = [
        line.strip().removeprefix("$ ").split("#")[0].split()
        for block in blocks for line in block.replace("\\\n", " ").splitlines()
    ]  # fmt: skip
    calls = [words[1:] for words in lines if words and Path(words[0]).name == "drgdip"]
    if not calls:
        pytest.skip("no examples yet")
    tree: Any = typer.main.get_command(app)
    for words in calls:
        command, rest = tree, list(words)
        while rest and hasattr(command, "commands"):
            assert rest[0] in command.commands or rest[0].startswith("--"), words
            if rest[0].startswith("--"):
                break
            command = command.commands[rest.pop(0)]
        known = {option for param in command.params for option in param.opts} | {"--help"}
        assert {word for word in rest if word.startswith("--")} <= known, words


def test_run_without_input_reads_the_inbox(sample: Finished) -> None:
    """The two-word command of the README: the demo month from the embedded data, here standing already."""
    said = in_process("run", "demo-rate", "--period", PERIOD, "--out", sample.out, "--json")
    told = json.loads(said.out)
    assert told["fresh"] is False and told["folder"] == str(sample.folder)
