"""Accepting weights: one version more in the pack, published months recomputed by it, and the way back; all by hand.

The small DIP pack of ledger_fixtures: C1 is 93.08 points, a case of H1 is 93.08 × 0.8 × 10.5 = 781.872 yuan, the fund pays
S − 300. With C1 at 100 points it is 100 × 0.8 × 10.5 = 840 yuan, with 98 points 823.20 yuan.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import in_process
from negotiation_fixtures import region_of, run_of, w01_rows

from pipeline import weight_version
from pipeline.errors import InputError, UserError
from pipeline.region import load_region
from pipeline.rerun import months_priced_on
from pipeline.terms import resolve
from tests.ledger_fixtures import Office, case, region_folder
from tests.region_pack_slips_dip import put

MEETING = ("--minutes", "示医保谈〔2025〕3号", "--held", "2025-06-20", "--by", "王五", "--panel", "内科组")
LATER = ("--minutes", "示医保谈〔2025〕4号", "--held", "2025-08-20", "--by", "王五", "--panel", "内科组")
THIRD_MEETING = ("--minutes", "5号", "--held", "2025-09-01", "--by", "王五", "--panel", "内科组")
DAY = "2025-07-15"
FIRST, SECOND, THIRD, FOURTH = (f"weights-{DAY}-{number}.csv" for number in (1, 2, 3, 4))


def table(path: Path, c1: str, c2: str = "85.69") -> Path:
    path.write_text(f"drg,weight\nC1,{c1}\nC2,{c2}\n", encoding="utf-8")
    return path


def said(*words: object) -> dict[str, Any]:
    done = in_process("negotiate", *words, "--json")
    assert done.code == 0, done.err
    return dict(json.loads(done.out))


def refused(code: int, *words: object) -> str:
    done = in_process("negotiate", *words)
    assert done.code == code, (done.out, done.err)
    assert "Traceback" not in done.err
    return done.err


def texts(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.startswith(".")
    }  # fmt: skip


# --- a published month, a change, the way back, another change


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """July published: a case of H1 on the 10th and on the 20th."""
    folder = tmp_path_factory.mktemp("apply")
    (folder / "pack").mkdir()
    made = Office(folder)
    made.publish(made.run("2025-07", cases("07")).run)
    return made


def cases(month: str) -> list[dict[str, Any]]:
    return [case(f"{month}-{day}", f"2025-{month}-{day}") for day in (10, 20)]


@pytest.fixture(scope="module")
def story(office: Office) -> dict[str, Any]:
    """Every step once: apply, rerun, undo, rerun, the next month, another version on the same day, rerun."""
    folder, words = office.folder, ("--region", office.pack, "--out", office.out)
    steps: dict[str, Any] = {"before": (folder / "pack" / "region.yaml").read_text(encoding="utf-8")}
    one, two = table(folder / "one.csv", "100"), table(folder / "two.csv", "98")
    steps["apply"] = said("apply", one, *words, "--from", DAY, *MEETING)
    steps["applied"] = (folder / "pack" / "region.yaml").read_text(encoding="utf-8")
    steps["again"] = said("apply", one, *words, "--from", DAY, *MEETING)
    steps["rerun"] = rerun(office)
    steps["same day"] = refused(2, "apply", two, *words, "--from", DAY, *LATER)
    steps["undo"] = said("undo", FIRST, *words, *LATER)
    steps["undo again"] = said("undo", FIRST, *words, *LATER)
    steps["gone"] = refused(2, "apply", one, *words, "--from", DAY, *MEETING)
    steps["rerun undone"] = rerun(office)
    steps["adjustments"] = office.sql("SELECT sum(difference_fen), count(*) FROM adjustment")
    steps["august"] = office.publish(office.run("2025-08", cases("08")).run).publication_id
    steps["replace"] = said("apply", two, *words, "--from", DAY, *LATER, "--replaces", "catalogue")
    steps["rerun replaced"] = rerun(office)
    steps["third"] = said("apply", one, *words, "--from", DAY, *THIRD_MEETING, "--replaces", SECOND)
    steps["undo third"] = said("undo", THIRD, *words, *LATER)
    return steps


def rerun(office: Office) -> tuple[int, str]:
    """July made final anew: recomputed − published, and the run."""
    names = ("--by", "甲", "--rechecked-by", "丙", "--approved-by", "乙")
    words = ("--from", "2025-07", "--to", "2025-07", *names, "--out", office.out, "--json")
    done = in_process("rerun", office.pack, *words)
    assert done.code == 0, done.err
    (month,) = json.loads(done.out)["months"]
    return month["recomputed_fen"] - month["published_fen"], month["run"]


def test_the_version_is_one_entry_and_one_table_more(office: Office, story: dict[str, Any]) -> None:
    done = story["apply"]
    assert (done["fresh"], done["file"], done["from"], done["changed"]) == (True, FIRST, DAY, 1)
    assert (
        done["source"]
        == "谈判会议纪要 示医保谈〔2025〕3号（2025-06-20）；专家组：内科组；采纳：王五；总分值未核对"
    )
    assert (office.folder / "pack" / FIRST).read_bytes() == (office.folder / "one.csv").read_bytes()
    was, now = story["before"].splitlines(), story["applied"].splitlines()
    (place,) = [number for number, line in enumerate(was) if line.startswith("weights:")]
    assert now[place].startswith(was[place][:-1]) and now[place].endswith("]")
    assert now[:place] + now[place + 1 :] == was[:place] + was[place + 1 :]


def test_once_more_does_nothing_and_says_so(story: dict[str, Any]) -> None:
    assert (story["again"]["fresh"], story["again"]["file"]) == (False, FIRST)
    assert (story["undo again"]["fresh"], story["undo again"]["file"]) == (False, "catalogue")
    assert "采纳过，后来被代替了" in story["gone"]


def test_published_months_with_cases_on_its_days_are_named(office: Office, story: dict[str, Any]) -> None:
    """By the cases' pricing dates: the 10th and the 20th of July."""
    assert (story["apply"]["months"], story["apply"]["days"]) == (["2025-07"], [[DAY, None]])
    days = [(dt.date(2025, 7, first), dt.date(2025, 7, last)) for first, last in ((1, 9), (11, 19), (21, 31))]
    assert months_priced_on(office.region, days, office.out, None) == []
    touched = [(dt.date(2025, 7, 11), dt.date(2025, 7, 20))]
    assert months_priced_on(office.region, [*days, *touched], office.out, None) == ["2025-07"]


def test_the_rerun_pays_the_difference_of_the_cases_from_that_day_on(story: dict[str, Any]) -> None:
    """One of two cases goes from 781.87 to 840.00, so the fund from 963.74 to 540.00 + 481.87 = 1021.87.

    0.95 of it is paid, of which 0.05 is withheld, each rounded: 963.74 × 0.95 = 915.553 → 915.55, 45.7775 → 45.78, due
    869.77; 1021.87 × 0.95 = 970.7765 → 970.78, 48.539 → 48.54, due 922.24.
    """
    assert story["rerun"][0] == 922_24 - 869_77


def test_undo_is_another_version_and_the_adjustments_come_to_nothing(
    office: Office, story: dict[str, Any]
) -> None:
    """What held before is the catalogue's own scores; August pays its own two cases and nothing of July."""
    undo = story["undo"]
    assert (undo["file"], undo["replaces"], undo["from"], undo["changed"]) == ("catalogue", FIRST, DAY, 1)
    assert undo["source"] == (
        f"撤销 {FIRST}：谈判会议纪要 示医保谈〔2025〕4号（2025-08-20）；恢复 catalogue；专家组：内科组；采纳：王五"
    )
    assert story["rerun undone"][0] == 869_77 - 922_24
    assert story["adjustments"] == [(0, 2)]
    assert office.payments(story["august"]) == {("H1", "310"): 869_77}
    assert (office.folder / "pack" / FIRST).is_file()  # history stays
    office.verify()


def test_a_version_in_its_place_on_the_same_day(office: Office, story: dict[str, Any]) -> None:
    """98 points: the fund pays 523.20; 1005.07 × 0.95 = 954.8165 → 954.82, 47.741 → 47.74, due 907.08."""
    assert f"{DAY} 起已有 `{FIRST}`" in story["same day"] and f"--replaces {FIRST}" in story["same day"]
    assert (story["replace"]["file"], story["replace"]["replaces"]) == (SECOND, "catalogue")
    assert story["replace"]["months"] == ["2025-07", "2025-08"]
    assert story["rerun replaced"][0] == 907_08 - 869_77
    rows = pq.read_table(office.home / "2025-07" / story["rerun replaced"][1] / "scored.parquet").to_pylist()
    assert {str(row["discharge_date"]): row["weight"] for row in rows} == {
        "2025-07-10": Decimal("93.08"),
        "2025-07-20": Decimal(98),
    }


def test_undo_of_a_version_that_replaced_one_brings_that_one_back(
    office: Office, story: dict[str, Any]
) -> None:
    assert story["third"]["file"] == THIRD
    undone = story["undo third"]
    assert (undone["file"], undone["replaces"], undone["changed"]) == (FOURTH, THIRD, 1)
    assert (office.folder / "pack" / FOURTH).read_bytes() == (office.folder / "two.csv").read_bytes()
    pack = office.region.pack
    assert [one.file for one in pack.weights] == ["catalogue", FIRST, "catalogue", SECOND, THIRD, FOURTH]
    assert [one.file for one in pack.standing_weights] == ["catalogue", FOURTH]


def test_the_run_its_case_and_the_difference_name_the_version(office: Office, story: dict[str, Any]) -> None:
    july = story["rerun"][1]
    manifest = json.loads((office.home / "2025-07" / july / "manifest.json").read_text(encoding="utf-8"))
    assert [(one["in_force_from"], one["file"]) for one in manifest["weights"]] == [
        ("2025-01-01", "catalogue"),
        (DAY, FIRST),
    ]
    told = in_process("explain", "07-20", "--out", office.out, "--run", july).out
    assert f"权重出自 {FIRST}（{DAY} 起）：谈判会议纪要 示医保谈〔2025〕3号（2025-06-20）" in told
    told = in_process("explain", "07-10", "--out", office.out, "--run", july).out
    assert "权重出自 病种目录（2025-01-01 起）" in told
    first = office.sql("SELECT run_id FROM publication WHERE period = '2025-07' AND version = 1")[0][0]
    found = in_process("diff", office.pack, first, july, "--out", office.out)
    assert f"权重 catalogue（2025-01-01 起） → catalogue（2025-01-01 起）、{FIRST}（{DAY} 起）" in found.out
    assert "分值改变 1 例：核定统筹基金 +58.13 元" in found.out  # 540.00 − 481.87


# --- the versions of a pack


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The small pack, nothing published, its scores in a file as staff would have it."""
    (tmp_path / "small").mkdir()
    region_folder(tmp_path / "small", put("file: catalogue", "file: scores.csv"))
    table(tmp_path / "small" / "scores.csv", "93.08")
    return tmp_path / "small"


def weights_on(folder: Path, *days: str) -> list[str]:
    """The score of C1 on days."""
    region = load_region(f"{folder}/")
    found = (resolve(region, dt.date.fromisoformat(day), dt.date.fromisoformat(day))[0] for day in days)
    return [str((one.weights or {})["C1"]) for one in found]


def test_of_several_versions_the_last_that_stands_holds(small: Path, tmp_path: Path) -> None:
    words = ("--region", f"{small}/", "--out", tmp_path / "out")
    for number, (day, weight, more) in enumerate((
        ("2025-07-01", "91", ()),
        ("2025-04-01", "92", ()),  # between two: it ends when the later one begins
        ("2025-08-01", "94", ("--replaces", "weights-2025-07-01-1.csv")),  # put off by a month
    )):  # fmt: skip
        file = table(tmp_path / f"{number}.csv", weight)
        done = said(
            "apply", file, *words, "--from", day, "--minutes", f"{number}号", "--held", "2025-03-01", "--by", "王",
            "--panel", "甲", *more,
        )  # fmt: skip
        if number == 1:
            assert done["days"] == [["2025-04-01", "2025-06-30"]]
    # The first is gone from July too: April's holds on; what changes by the third begins where the first began.
    assert done["days"] == [["2025-07-01", None]]
    days = ("2025-03-31", "2025-04-01", "2025-07-01", "2025-08-01")
    assert weights_on(small, *days) == ["93.08", "92", "92", "94"]
    assert [one.file for one in load_region(f"{small}/").pack.weights] == [
        "scores.csv", "weights-2025-04-01-1.csv", "weights-2025-07-01-1.csv", "weights-2025-08-01-1.csv",
    ]  # fmt: skip


# --- the total weight


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo pack with the weights of W01."""
    return region_of(tmp_path_factory.mktemp("w01"))


@pytest.fixture
def pack(copied: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(copied, tmp_path / "pack"))


def changed(pack: Path, target: Path, **weights: str) -> Path:
    """The pack's table with other weights."""
    lines = (pack / "weights-2025.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    target.write_text(
        "".join(
            f"{code},{weights[code]}\n" if (code := line.split(",")[0]) in weights else line for line in lines
        ),
        encoding="utf-8",
    )
    return target


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("history"), "2025-06", w01_rows())


def test_a_total_that_rounding_moved_is_kept(pack: Path, tmp_path: Path, history: Path) -> None:
    """W01 rescaled: 4100.2 against 4100; 4,200 cases × 0.00005 = 0.21 is what rounding can do."""
    file = changed(pack, tmp_path / "w.csv", AA19="1.2813", BB11="0.7688", BB21="2.5625")
    words = (
        "--region",
        f"{pack}/",
        "--from",
        "2025-07-01",
        *MEETING,
        "--out",
        tmp_path,
        "--history",
        history,
    )
    done = said("apply", file, *words)
    assert done["total"] == {
        "window": "2025-06", "before": "4100.0000", "after": "4100.2000", "rounding": "0.21000", "kept": True,
    }  # fmt: skip
    assert done["source"].endswith("总权重 4100.0000 → 4100.2000（历史 2025-06）") and done["changed"] == 3


def test_a_total_that_is_not_kept_needs_a_reason(pack: Path, tmp_path: Path, history: Path) -> None:
    """The proposal of W01 as it came: 4160 (W02)."""
    file = changed(pack, tmp_path / "w.csv", AA19="1.3000", BB11="0.7800", BB21="2.6000")
    words = ("apply", file, "--region", f"{pack}/", "--from", "2025-07-01", *MEETING, "--out", tmp_path)
    before = texts(pack)
    err = refused(2, *words, "--history", history)
    assert (
        "由 4,100.0000 变为 4,160.0000，相差 +60.0000，超出四舍五入的 0.21" in err and texts(pack) == before
    )
    done = in_process("negotiate", *words, "--history", history, "--total-changed", "新增两家医院")
    assert done.code == 0 and "总权重 4,100.0000 → 4,160.0000，改变 +60.0000" in done.out
    assert "（历史 2025-06），理由：新增两家医院" in load_region(f"{pack}/").pack.weights[-1].source


def test_without_a_history_the_total_is_said_to_be_unproved(pack: Path, tmp_path: Path) -> None:
    file = changed(pack, tmp_path / "w.csv", AA19="1.3000")
    done = in_process(
        "negotiate",
        "apply",
        file,
        "--region",
        f"{pack}/",
        "--from",
        "2025-07-01",
        *MEETING,
        "--out",
        tmp_path,
    )
    assert done.code == 0 and "总权重没有核对：没有给 --history" in done.out
    assert "没有已发布的月份受影响" in done.out and "影响定价日期 2025-07-01 以后 的病例" in done.out
    assert load_region(f"{pack}/").pack.weights[-1].source.endswith("总权重未核对")


# --- what is refused, and leaves every byte


def slips(small: Path, tmp_path: Path) -> Iterator[tuple[str, Path, dict[str, str], int, str]]:
    """name, file, other options, exit code, what is said."""
    good = table(tmp_path / "good.csv", "95")

    def file(name: str, content: str) -> Path:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / name

    yield (
        "another scheme",
        file("1.csv", "drg,weight\nZZ99,1\nC1,95\nC2,1\n"),
        {},
        11,
        "3 个病种中有 1 个不属于",
    )
    yield (
        "a group left out",
        file("2.csv", "drg,weight\nC1,95\n"),
        {},
        11,
        "有 1 个，scores.csv 有 2 个，缺 1 个：C2",
    )
    yield "digits", file("3.csv", "drg,weight\nC1,95.001\nC2,1\n"), {}, 11, "小数位数超出公布位数"
    yield "no number", file("4.csv", "drg,weight\nC1,九十\nC2,1\n"), {}, 11, "不是数"
    yield "twice", file("5.csv", "drg,weight\nC1,95\nC1,95\n"), {}, 11, "已出现过"
    yield "no table", file("6.csv", "code,value\nC1,1\n"), {}, 11, "表头不符"
    (tmp_path / "7.csv").write_bytes("drg,weight,名称\nC1,95,肺炎\nC2,1,肺炎\n".encode("gb18030"))
    yield "not UTF-8", tmp_path / "7.csv", {}, 11, "新权重不是 UTF-8 的 CSV"
    yield "nothing in it", file("8.csv", "\n"), {}, 11, "新权重是空文件"
    yield "a meeting to come", good, {"--held": "2999-12-31"}, 2, "2999-12-31 还没有到"
    yield "nothing new", small / "scores.csv", {}, 2, "完全相同"
    yield "no file", tmp_path / "none.csv", {}, 11, "没有这个文件"
    yield "a day with a version", good, {"--from": "2025-01-01"}, 2, "同一天有两版权重：2025-01-01"
    yield "a day before all", good, {"--from": "2019-01-01"}, 2, "这一天没有参数"
    yield "no day", good, {"--from": "2025-02-30"}, 2, "--from 写法不对"
    yield "no day of the meeting", good, {"--held": "六月"}, 2, "--held 写法不对"
    yield "no number of the minutes", good, {"--minutes": " "}, 2, "--minutes 应为一行文字"
    yield "a name of two lines", good, {"--by": "王\n五"}, 2, "--by 应为一行文字"
    yield "a version that is none", good, {"--replaces": "x.csv"}, 2, "没有这一版权重：`x.csv`"


def test_mistakes_are_one_sentence_and_the_pack_stays(small: Path, tmp_path: Path) -> None:
    before = texts(small)
    given = {
        "--from": "2025-07-01",
        "--minutes": "3号",
        "--held": "2025-06-20",
        "--by": "王",
        "--panel": "甲",
    }
    for name, file, more, code, told in slips(small, tmp_path):
        options = [word for pair in (given | more).items() for word in pair]
        done = in_process("negotiate", "apply", file, "--region", f"{small}/", "--out", tmp_path, *options)
        assert (name, done.code, told in done.err) == (name, code, True), done.err
        assert "Traceback" not in done.err and texts(small) == before, name


def test_a_pack_that_comes_with_the_program_is_copied_first(tmp_path: Path) -> None:
    file = table(tmp_path / "w.csv", "95")
    err = refused(2, "apply", file, "--region", "demo-rate", "--from", "2025-07-01", *MEETING)
    assert "随程序附带的地区参数不能改" in err and "cp -r " in err


def test_the_same_minutes_cannot_bring_another_table(small: Path, tmp_path: Path) -> None:
    words = ("--region", f"{small}/", "--from", "2025-07-01", *MEETING, "--out", tmp_path)
    said("apply", table(tmp_path / "a.csv", "95"), *words)
    before = texts(small)
    assert "采纳过另一张表" in refused(2, "apply", table(tmp_path / "b.csv", "96"), *words)
    assert "没有这一版权重" in refused(2, "undo", "b.csv", "--region", f"{small}/", *MEETING)
    assert "没有更早的一版可以恢复" in refused(2, "undo", "scores.csv", "--region", f"{small}/", *MEETING)
    assert texts(small) == before


# --- all or nothing


def test_a_crash_leaves_the_old_pack_and_starting_again_ends_it(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the table and the entry: the table lies there unused; the same command takes it up."""
    old = load_region(f"{small}/").pack
    words = ("--region", f"{small}/", "--from", "2025-07-01", *MEETING, "--out", tmp_path)
    file = table(tmp_path / "w.csv", "95")

    def killed(target: Path) -> Any:
        if target.name == "region.yaml":
            raise InputError("killed")
        return real(target)

    real = weight_version.appearing
    monkeypatch.setattr(weight_version, "appearing", killed)
    assert "killed" in refused(11, "apply", file, *words)
    monkeypatch.undo()
    assert load_region(f"{small}/").pack == old and (small / "weights-2025-07-01-1.csv").exists()
    other = table(tmp_path / "o.csv", "96")
    assert "没有用到的同名表" in refused(11, "apply", other, *words)
    assert said("apply", file, *words)["file"] == "weights-2025-07-01-1.csv"
    assert (small / "region.yaml").stat().st_mode == (small / "weights-2025-07-01-1.csv").stat().st_mode


def test_what_would_not_read_back_as_one_entry_more_is_not_written(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is proved by reading it, so a slip of the insertion costs nothing."""
    before = texts(small)
    file = table(tmp_path / "w.csv", "95")
    words = ("--region", f"{small}/", "--from", "2025-07-01", *MEETING, "--out", tmp_path)
    for text in (b"version: [", b'version: "2026.1"\n', b""):
        spoilt = before["region.yaml"].replace(b"version:", text + b"version:", 1).decode()
        monkeypatch.setattr(weight_version, "with_entry", lambda *_, made=spoilt: made)
        assert "读出来不是原来的加这一项" in refused(10, "apply", file, *words)
    assert texts(small) == before


def test_two_at_once(small: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "w.csv", "95")
    words = ("--region", f"{small}/", "--from", "2025-07-01", *MEETING, "--out", tmp_path)
    with weight_version.changing(small):
        assert "正由另一进程改动" in refused(14, "apply", file, *words)
    region = load_region(f"{small}/")
    version = weight_version.Version(region.pack.weights[0], None, {}, {})
    with pytest.raises(UserError, match="刚被别人改动"):
        weight_version.write_version(region, "another text", "", version)


def test_a_catalogue_s_scores_above_a_thousand_can_be_a_file(small: Path, tmp_path: Path) -> None:
    """A weight is at most 1000, a score 1,000,000."""
    table(small / "scores.csv", "1500.25")
    assert load_region(f"{small}/").tables.weights["scores.csv"]["C1"] == Decimal("1500.25")
