"""Slips of a settlement officer at the command line: each is refused, or answered with a command that runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import in_process
from price_history_fixtures import case, demo_ground, rules_with, write_history

from pipeline.calibrate_window import read_window
from pipeline.errors import ConfigurationError, InputError, UsageMistake
from pipeline.region import config_root, load_region
from pipeline.review import current_run


def test_the_next_step_names_the_pack_that_was_given(tmp_path: Path) -> None:
    """A copy of a demo pack has the demo's name: by the name alone the next command would take another pack."""
    pack = tmp_path / "our-city"
    shutil.copytree(config_root() / "regions/demo-rate", pack)
    assert load_region("demo-rate").spoken == "demo-rate"
    assert load_region(f"{pack}/").spoken == f"{pack}/"


@pytest.mark.parametrize("words", [("--by", "丁"), ("--note", "一号")])
def test_a_name_without_a_step_is_refused(words: tuple[str, str], tmp_path: Path) -> None:
    said = in_process("year", "demo-rate", "--year", "2025", "--out", tmp_path, *words)
    assert said.code == 2 and "没有说记哪一步" in said.err and said.err.count("\n") == 1


def test_a_folder_given_without_its_slash_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(config_root() / "regions/demo-rate", tmp_path / "our-city")
    monkeypatch.chdir(tmp_path)
    for word in ("our-city", "our-city/region.yaml"):
        with pytest.raises(ConfigurationError, match=f"地区不存在：`{word}`.*请写作 our-city/$"):
            load_region(word)


def test_a_draft_is_not_named_like_a_file_of_the_pack(tmp_path: Path) -> None:
    """Copied into the pack as docs/calibration.md says, it would replace the weights in force."""
    for name, message in (("weights-2025", "--as 重名"), ("next.csv", "不带 .csv，实为 `next.csv`")):
        said = in_process("calibrate", "weights", "demo-rate", "--history", tmp_path, "--as", name,
                          "--out", tmp_path / "draft")  # fmt: skip
        assert said.code == 2 and message in said.err and said.err.count("\n") == 1


def test_a_short_history_tells_what_it_left_out(tmp_path: Path) -> None:
    twice = case("AA19", 1000)
    history = write_history(tmp_path / "h", [case("AA19", 900), twice, twice | {"total_fee_fen": 5}])
    with pytest.raises(
        InputError, match=r"规则要 2 个月，另有 2 行不用，最多的是结算ID重复而内容不同.* 2 行；请补"
    ):
        read_window([str(history)], demo_ground(), rules_with(shortest_history_months=2), tmp_path)


def test_the_choices_of_an_option_are_told(tmp_path: Path) -> None:
    said = in_process("calibrate", "coefficients", "demo-rate", "--history", tmp_path, "--by", "city",
                      "--out", tmp_path / "draft")  # fmt: skip
    assert said.code == 2 and "`--by` 的值不对，只有 'hospital', 'level'" in said.err


def test_where_a_run_is_missing_each_command_can_follow_the_sentence(tmp_path: Path) -> None:
    """`negotiate apply` has no --runs: it looks where --out says."""
    with pytest.raises(UsageMistake, match=r"--runs（没有它的命令用 --out）"):
        current_run(tmp_path, "demo-rate", "2025-10")
