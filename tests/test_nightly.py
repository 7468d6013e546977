"""`nightly`: one line, never a publication, the right month, and a log that says how every night ended."""

from __future__ import annotations

import configparser
import contextlib
import datetime as dt
import json
import logging
import re
import shlex
import stat
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import ROOT, in_process, in_subprocess

from pipeline import nightly
from pipeline.cli import app
from pipeline.errors import InputError
from pipeline.region import load_region
from pipeline.run import inbox
from pipeline.runfolder import occupied
from tests.diff_fixtures import FUND, PERIOD, Office, case, month, write
from tests.region_pack_slips_dip import Edit, both, put

SETTLEMENT = "prepay_ratio: 0.95, deposit_rate: 0.05"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A region whose inbox has a folder for each month."""
    (tmp_path / "pack").mkdir()
    made = Office(tmp_path)
    made.set_up(by_month(tmp_path))
    return made


def by_month(folder: Path) -> Edit:
    return both(
        put("inbox: none", f'inbox: "{folder}/inbox/{{period}}"'),
        put(SETTLEMENT, f"{SETTLEMENT}, declare_by_day: 10, due_workdays: 20"),
    )


def night(office: Office, *words: object) -> Any:
    return in_process("nightly", office.pack, "--out", office.out, *words)


def logged(office: Office) -> list[str]:
    return (office.home / "nightly.log").read_text(encoding="utf-8").splitlines()


def test_three_nights_and_what_each_says(office: Office) -> None:
    """Five cases with 2890.24 of the fund; the same again; F, a case like A with 481.87, and G, refused."""
    file = write(office.folder / "inbox" / PERIOD / "part.parquet", month())
    first = night(office)
    assert first.code == 0 and first.err == "" and first.out.count("\n") == 1, first
    assert sum(FUND.values()) == 2890_24
    assert re.fullmatch(
        r"small-dip 2025-10 批次 [0-9a-f]{12}（预结算）：收到 5 行，结算 5，退回 0，暂挂 0，核定统筹基金 2890\.24 元；"
        r"本期第一次；用时 \d+ 秒\n", first.out,
    )  # fmt: skip
    again = night(office)
    assert again.code == 0 and "收件箱与上次相同，没有新的" in again.out
    write(file, month(F={}, G={"sex": "9"}))
    third = night(office)
    assert "收到 7 行，结算 6，退回 1，暂挂 0，核定统筹基金 3372.11 元；比上次 +1 例 +481.87 元" in third.out
    write(file, month(G={"sex": "9"}))
    assert "比上次 -1 例 -481.87 元" in night(office).out
    lines = logged(office)
    assert [line.split(" ", 3)[1] for line in lines] == ["INFO"] * 8
    assert lines[1].endswith(first.out.rstrip("\n")) and lines[0].endswith("small-dip 开始")
    assert all(dt.datetime.fromisoformat(line.split(" ")[0]).tzinfo for line in lines)
    said = in_process("runs", office.pack, "--out", office.out, "--json")
    assert [row["published_as"] for row in json.loads(said.out)] == [[]] * 3  # nothing was published
    assert not (office.home / "published").exists()
    assert not any("person-" in line for line in lines)


# --- which month


def test_the_month_after_the_published_one_is_run(office: Office) -> None:
    write(office.folder / "inbox" / PERIOD / "part.parquet", month())
    told = json.loads(night(office, "--json").out)
    assert (told["period"], told["fresh"], told["previous"]) == (PERIOD, True, None)
    assert (told["new_rows"], told["new_fund_fen"], told["totals"]["paid"]) == (5, 2890_24, 5)
    run = told["run"]
    for words in (
        ("recheck", office.pack, run, "--by", "丙"),
        ("publish", office.pack, run, "--approved-by", "乙"),
    ):
        said = in_process(*words, "--out", office.out)
        assert said.code == 0, said.err
    said = night(office)  # November has no folder yet
    assert said.code == 11 and f"{office.folder}/inbox/2025-11" in said.err
    day = dt.date(2025, 11, 5)
    late = case("N", admission_date=dt.date(2025, 11, 1), discharge_date=day, settlement_date=day)
    write(office.folder / "inbox" / "2025-11" / "part.parquet", [late])
    assert "small-dip 2025-11" in night(office).out


@pytest.mark.parametrize(("published", "wanted"), [("2025-10", "2025-11"), ("2025-12", "2026-01")])
def test_december_is_followed_by_january(
    published: str, wanted: str, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    class One:
        period = published

    office.home.mkdir(parents=True)
    (office.home / "ledger.sqlite").touch()
    monkeypatch.setattr(nightly, "open_ledger", lambda *_: contextlib.nullcontext(object()))
    monkeypatch.setattr(nightly, "current_publications", lambda ledger: [One()])
    assert nightly._open_month(load_region(office.pack), office.home, None, None) == wanted


def test_first_month_by_the_names_of_the_inbox(office: Office) -> None:
    region = load_region(office.pack)
    with pytest.raises(InputError, match="没有名称为某个月份的文件夹或文件"):
        nightly._open_month(region, office.home, None, None)
    for name in ("2025-08", "2025-09", "2025-13", "2999-01", "old"):
        (office.folder / "inbox" / name).mkdir(parents=True)
    assert nightly._open_month(region, office.home, None, None) == "2025-09"


def test_first_month_by_date_passes_over_a_few_wrong_dates(office: Office, tmp_path: Path) -> None:
    """150 rows of September, 2 of October and one of the far future: under a hundredth is a slip. A third October row
    is 2 %, and the month has begun."""
    days = [dt.date(2025, 9, 1)] * 150 + [dt.date(2025, 10, 1)] + [dt.date(2999, 1, 1)]
    rows = [case(str(number), settlement_date=day) for number, day in enumerate(days)]
    region = load_region(office.pack)
    path = write(tmp_path / "one.parquet", rows)
    assert nightly._open_month(region, office.home, path, None) == "2025-09"
    path = write(tmp_path / "one.parquet", [*rows, case("more", settlement_date=dt.date(2025, 10, 2))])
    assert nightly._open_month(region, office.home, path, None) == "2025-10"
    path = write(tmp_path / "one.parquet", [case("far", settlement_date=dt.date(2999, 1, 1))])
    with pytest.raises(InputError, match="`settlement_date`；请检查数据，或用 --period 指明结算期"):
        nightly._open_month(region, office.home, path, None)


# --- the inbox of a pack


def test_an_inbox_may_name_the_period_and_nothing_else(office: Office) -> None:
    assert inbox(load_region(office.pack), "2025-10") == office.folder / "inbox" / "2025-10"
    assert in_process("regions", "check", office.pack).code == 0
    for wrong in ("in/{month}", "in/{period", "in/{period}/{}", "in/{period:02}"):
        office.set_up(put("inbox: none", f'inbox: "{wrong}"'))
        said = in_process("regions", "check", office.pack)
        assert said.code == 10 and "路径里只能用 {period}" in said.err and wrong in said.err, said


def test_run_and_validate_read_the_inbox_of_their_period(office: Office) -> None:
    write(office.folder / "inbox" / PERIOD / "part.parquet", month())
    said = in_process("validate", office.pack, "--period", PERIOD, "--json")
    assert json.loads(said.out)["rows"] == 5
    said = in_process("validate", office.pack, "--period", "2025-09")
    assert said.code == 11 and "inbox/2025-09" in said.err


# --- nights that end badly


def one_line(said: Any, code: int, told: str, office: Office) -> None:
    """One line on stderr, nothing on stdout, and the whole sentence in the log with its code."""
    assert (said.code, said.out) == (code, "") and told in said.err and said.err.count("\n") == 1, said
    last = logged(office)[-1]
    assert " ERROR " in last and said.err.strip() in last and last.endswith(f"（退出码 {code}）")


def test_missing_empty_and_broken_inboxes(office: Office) -> None:
    one_line(night(office, "--period", PERIOD), 11, "输入不存在", office)
    (office.folder / "inbox" / PERIOD).mkdir(parents=True)
    one_line(night(office), 11, "没有 .parquet 文件", office)
    broken = office.folder / "inbox" / PERIOD / "part.parquet"
    broken.write_bytes(b"PAR1")
    one_line(night(office), 11, str(broken), office)
    write(broken, [])
    one_line(night(office, "--input", broken), 11, "没有任何记录", office)
    assert not list(office.home.glob("*/*/manifest.json"))


def test_a_region_that_is_being_run_is_no_alarm(office: Office) -> None:
    write(office.folder / "inbox" / PERIOD / "part.parquet", month())
    with occupied(office.home, "small-dip"):
        one_line(night(office), 14, "正由另一进程运行", office)


def test_a_broken_pack_is_logged_where_the_region_has_run(office: Office, tmp_path: Path) -> None:
    (office.out / "pack").mkdir(parents=True)  # the folder's name is all that a broken pack still has
    office.set_up(put("method: dip", "method: luck"))
    said = night(office)
    assert said.code == 10 and "只能是" in said.err
    assert (office.out / "pack" / "nightly.log").read_text(encoding="utf-8").count("只能是") == 1
    said = in_process("nightly", "no-such-region", "--out", tmp_path / "elsewhere")
    assert said.code == 10 and not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [(RuntimeError("person-A"), 1, "内部错误：RuntimeError"), (KeyboardInterrupt(), 130, "中断：已按要求停止"),
     (PermissionError(13, "denied", "/srv/x"), 11, "文件操作失败：/srv/x")],
)  # fmt: skip
def test_what_nobody_foresaw_is_logged_without_its_text(
    error: BaseException, code: int, told: str, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.delenv("DRGDIP_DEBUG", raising=False)
    monkeypatch.setattr(nightly, "run_month", fails)
    one_line(night(office, "--period", PERIOD), code, told, office)
    assert "person-A" not in "\n".join(logged(office))


def test_a_log_that_cannot_be_written_stops_the_night(office: Office) -> None:
    (office.home / "nightly.log").mkdir(parents=True)
    said = night(office, "--period", PERIOD)
    assert said.code == 11 and "nightly.log" in said.err and said.err.count("\n") == 1


def test_the_log_turns_over_and_stays_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of about 250 bytes, files of 600: two lines a file, of which three old ones stay."""
    monkeypatch.setattr(nightly, "LOG_BYTES", 600)
    monkeypatch.setattr(nightly, "LOG_FILES", 3)
    for number in range(20):
        nightly.log(tmp_path / "home", logging.INFO, f"第 {number} 夜\n" + "x" * 200)
    files = sorted(path.name for path in (tmp_path / "home").iterdir())
    assert files == ["nightly.log", "nightly.log.1", "nightly.log.2", "nightly.log.3"]
    for name in files:
        path = tmp_path / "home" / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.stat().st_size <= 600
        assert all(
            re.match(r"\d{4}-\d\d-\d\dT\S+ INFO \d+ 第 \d+ 夜 x", line)
            for line in path.read_text().splitlines()
        )
    assert "第 19 夜" in (tmp_path / "home" / "nightly.log").read_text(encoding="utf-8")


def test_a_night_in_a_process_of_its_own_is_private_and_quiet(office: Office) -> None:
    said = in_subprocess("nightly", office.pack, "--out", office.out, "--period", PERIOD)
    assert said.code == 11 and said.out == "" and said.err.count("\n") == 1
    assert stat.S_IMODE((office.home / "nightly.log").stat().st_mode) == 0o600
    assert stat.S_IMODE(office.home.stat().st_mode) == 0o700


# --- docs/cron.md


PAGE = (ROOT / "docs" / "cron.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_every_command_line_of_the_page_parses() -> None:
    command = typer.main.get_command(app)
    lines = [line for kind in ("sh", "crontab", "ini") for block in blocks(kind) for line in block.splitlines()
             if "drgdip nightly demo" in line]  # fmt: skip
    assert len(lines) == 3
    for line in lines:
        words = shlex.split(line.split("drgdip nightly", 1)[1].split(">>")[0])
        context = command.commands["nightly"].make_context("nightly", words)  # type: ignore[attr-defined]
        assert context.params["region"] == "demo-rate" and str(context.params["out"]).endswith("out")
    assert {line.strip() for line in lines} & {line.strip() for line in blocks("sh")[0].splitlines()}


def test_crontab_line_and_units_have_their_form() -> None:
    (crontab,) = blocks("crontab")
    (entry,) = [line for line in crontab.splitlines() if not re.match(r"\w+=", line)]
    fields = entry.split(maxsplit=5)
    assert fields[:5] == ["0", "2", "*", "*", "*"] and fields[5].startswith("cd /srv/drgdip && ")
    assert entry.endswith("|| [ $? -eq 14 ]") and "%" not in entry  # cron reads % as a line break
    service, timer = (configparser.ConfigParser(strict=False, interpolation=None) for _ in range(2))
    for parser, text in zip((service, timer), blocks("ini"), strict=True):
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read_string(text)
    assert service["Service"]["SuccessExitStatus"] == "14" and service["Service"]["Type"] == "oneshot"
    assert (
        timer["Timer"]["OnCalendar"].startswith("*-*-* 02:00:00") and timer["Timer"]["Persistent"] == "true"
    )


def test_the_page_tells_the_line_the_log_and_the_codes_as_they_are() -> None:
    (line,) = blocks("text")
    form = nightly.Night("demo-rate", PERIOD, "425a570b8bdd", True, {"rows_in": 6000, "paid": 5974, "refused": 23,
                         "held": 3, "fund_fen": 25840156_08}, "x", 12, 36480_55, 20).line()  # fmt: skip
    assert line.strip() == form
    assert f"旧的留 {nightly.LOG_FILES} 个" in PAGE and nightly.LOG_BYTES == 1_000_000 and nightly.LOG in PAGE
    assert nightly.STRAY == 100 and "百分之一" in PAGE
    codes = {int(code) for row in re.findall(r"^\| ([\d、]+) \|", PAGE, re.M) for code in row.split("、")}
    assert codes == {0, 1, 2, 10, 11, 12, 13, 14, 130}
