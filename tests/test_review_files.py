"""Special case review end to end on the embedded month: applications out, decisions in, the month again, the notice."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import PERIOD, ROOT, Finished, bytes_of, in_process, run_month

from pipeline.decisions import Decision, store
from pipeline.identity import code_version
from pipeline.ledger import open_ledger
from pipeline.region import load_region
from pipeline.review import candidates
from pipeline.review_workbook import _sheet_names

SAMPLE = ROOT / "data" / "samples" / "demo-rate"
AS_UTF8 = "csv:Text - txt - csv (StarCalc):44,34,76,1"
HEADER = "结算ID,决定,调整后支付标准（元）,排名,评议人,评议日期,评议理由,文书号"


@dataclass(frozen=True)
class Reviewed:
    """The month before and after three decisions; `cases` are the first three candidates."""

    before: Finished
    after: Finished
    folder: Path
    cases: list[dict[str, Any]]
    imported: str

    def scored(self, run: Finished) -> dict[str, dict[str, Any]]:
        return {row["case_id"]: row for row in run.table("scored").to_pylist()}


@pytest.fixture(scope="module")
def source(rows: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small month, its last plain row refused: of unknown sex."""
    turned = set(rows["reverses"].drop_null().to_pylist())
    made = rows.to_pylist()
    lost = next(row for row in reversed(made) if not row["reverses"] and row["case_id"] not in turned)
    lost["sex"] = "9"
    path = tmp_path_factory.mktemp("source") / "month.parquet"
    pq.write_table(pa.Table.from_pylist(made, rows.schema), path)
    return path


@pytest.fixture(scope="module")
def reviewed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Reviewed:
    return review(source, tmp_path_factory.mktemp("review"))


def review(source: Path, folder: Path) -> Reviewed:
    """The whole way: run, export, decide on the first three, import twice, run again."""
    before = run_month(source, folder / "out")
    said = in_process(
        "review", "export", "--region", "demo-rate", "--period", PERIOD, "--runs", folder / "out",
        "--out", folder / "apply.xlsx",
    )  # fmt: skip
    assert said.code == 0, said.err
    cases = candidates(before.folder, load_region("demo-rate")).head(3).to_dicts()
    (folder / "list.csv").write_text("\n".join([
        HEADER,
        f"{cases[0]['case_id']},按项目,,1,王某,2025-11-05,长期住院,单议1号",
        f"{cases[1]['case_id']},调整,\"30,000.00\",2,王某,2025-11-05,合并烧伤,单议1号",
        f"{cases[2]['case_id']},不予,,3,王某,2025-11-05,费用合理,单议1号", "",
    ]), encoding="utf-8")  # fmt: skip
    words = ("review", "import", "demo-rate", folder / "list.csv", "--by", "李某", "--runs", folder / "out")
    said = in_process(*words)
    assert said.code == 0, said.err
    again = in_process(*words)
    assert again.code == 0 and again.out.startswith("这些决定已经导入过，没有变化")
    after = run_month(source, folder / "out")
    return Reviewed(before, after, folder, cases, said.out)


# --- candidates


def test_candidates_are_those_whom_a_loop_finds(reviewed: Reviewed) -> None:
    # review of demo-rate: 60 days or more, or F above twice S; its groups are not held for review.
    found = candidates(reviewed.before.folder, load_region("demo-rate"))
    scored = reviewed.before.table("scored").to_pylist()
    turned = {row["reverses"] for row in scored if row["reverses"]}
    wanted = {}
    for row in scored:
        if row["reverses"] or row["case_id"] in turned or row["family"] in ("by_item", "actual"):
            continue
        fee, standard = row["total_fee_fen"], row["standard_fen"]
        told = [f"住院 {row['stay_days']} 天（满 60 天）"] if row["stay_days"] >= 60 else []
        told += ["费用超过支付标准的 2 倍"] if fee > 2 * standard else []
        if told:
            own = row["total_fee_fen"] - row["pool_fund_fen"]
            wanted[row["case_id"]] = (fee - standard, "；".join(told), fee - own - row["fund_fen"])
    rows = found.to_dicts()
    assert {
        row["case_id"]: (row["at_stake_fen"], row["reasons"], row["fund_more_fen"]) for row in rows
    } == wanted
    assert len(wanted) > 10 and any(row["reverses"] for row in scored)
    stakes = [row["at_stake_fen"] for row in rows]
    assert stakes == sorted(stakes, reverse=True)


def test_applications_are_one_sheet_per_hospital_and_a_csv_of_all(reviewed: Reviewed) -> None:
    book = openpyxl.load_workbook(reviewed.folder / "apply.xlsx")
    with (reviewed.folder / "apply.csv").open(encoding="utf-8-sig", newline="") as file:
        twin = list(csv.DictReader(file))
    hospitals = sorted({row["机构编号"] for row in twin})
    assert book.sheetnames == ["申报汇总", *hospitals, "评议决定表"]
    for hospital in hospitals:
        sheet = book[hospital]
        header = [cell.value for cell in sheet[3]]
        own = [row for row in twin if row["机构编号"] == hospital]
        listed = list(sheet.iter_rows(min_row=4, max_row=3 + len(own), values_only=True))
        places = {
            title: header.index(title)
            for title in ("结算ID", "费用减标准", "符合的申请条件", "申请（是/否）")
        }
        assert [row[places["结算ID"]] for row in listed] == [row["结算ID"] for row in own]
        assert [f"{row[places['费用减标准']]:.2f}" for row in listed] == [row["费用减标准"] for row in own]
        assert all(row[places["申请（是/否）"]] is None for row in listed)
        assert sheet.data_validations.dataValidation[0].formula1 == '"是,否"'
    form = book["评议决定表"]
    assert [cell.value for cell in form[4]] == HEADER.split(",")
    assert form["A5"].number_format == "@"  # an id typed here stays text


def test_one_hospital_alone_and_the_same_bytes_twice(reviewed: Reviewed, tmp_path: Path) -> None:
    hospital = reviewed.cases[0]["hospital_id"]
    for name in ("a", "b"):
        said = in_process(
            "review", "export", reviewed.before.folder, "--hospital", hospital, "--out", tmp_path / f"{name}.xlsx", "--json"
        )  # fmt: skip
        assert said.code == 0, said.err
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").sheetnames == ["申报汇总", hospital, "评议决定表"]
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == json.loads(said.out)["cases"]


def test_ids_that_are_no_sheet_names_are_numbered() -> None:
    assert _sheet_names(["H1", "H2"]) == ["H1", "H2"]
    for strange in ("h1", "a/b", "x" * 32, "History", "", "申报汇总"):
        assert _sheet_names(["H1", strange]) == ["医院1", "医院2"]


def test_no_person_is_named_in_any_file(reviewed: Reviewed) -> None:
    persons = set(reviewed.before.table("validated").column("person_id").to_pylist())
    texts = [(reviewed.folder / "apply.csv").read_text(encoding="utf-8")]
    with zipfile.ZipFile(reviewed.folder / "apply.xlsx") as book:
        texts += [book.read(name).decode() for name in book.namelist()]
    assert not persons & {word for text in texts for word in re.findall(r"\w+", text)}


# --- the month with decisions


def test_decisions_change_their_cases_and_nothing_else(reviewed: Reviewed) -> None:
    before, after = reviewed.scored(reviewed.before), reviewed.scored(reviewed.after)
    by_item, adjusted, rejected = (case["case_id"] for case in reviewed.cases)
    assert {name for name in before if before[name] != after[name]} == {by_item, adjusted} and set(
        before
    ) == set(after)
    assert rejected not in {by_item, adjusted}
    own = {
        name: before[name]["total_fee_fen"] - before[name]["pool_fund_fen"] for name in (by_item, adjusted)
    }
    fee = before[by_item]["total_fee_fen"]
    assert (after[by_item]["standard_fen"], after[by_item]["fund_fen"]) == (fee, fee - own[by_item])
    assert (after[adjusted]["standard_fen"], after[adjusted]["fund_fen"]) == (
        3_000_000,
        3_000_000 - own[adjusted],
    )
    more = sum(after[name]["fund_fen"] - before[name]["fund_fen"] for name in own)
    manifests = [
        json.loads((run.folder / "manifest.json").read_text()) for run in (reviewed.before, reviewed.after)
    ]
    old, new = (manifest["totals"]["fund_fen"] for manifest in manifests)
    assert new - old == more != 0
    assert manifests[0]["audits"] == manifests[1]["audits"] and len(manifests[1]["audits"]) == 15
    assert manifests[0]["run"] != manifests[1]["run"]


def test_files_of_the_outcome_are_told_column_by_column(reviewed: Reviewed) -> None:
    page = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    for name in ("review_outcome.parquet", "review_quota.parquet"):
        assert not (reviewed.before.folder / name).exists()  # no decision, no file
        section = page.split(f"### `{name}`")[1].split("\n### ")[0]
        told = set(re.findall(r"`(\w+)`", section))
        assert set(pq.read_schema(reviewed.after.folder / name).names) <= told
    (quota,) = reviewed.after.table("review_quota").to_pylist()
    cases = json.loads((reviewed.after.folder / "manifest.json").read_text())["totals"]["cases"]
    assert (quota["discharges"], quota["quota"]) == (cases, cases * 5 // 100)
    assert {row["case_id"]: row["outcome"] for row in reviewed.after.table("review_outcome").to_pylist()} == {
        case["case_id"]: outcome
        for case, outcome in zip(reviewed.cases, ("applied", "applied", "rejected"), strict=True)
    }


def test_decisions_on_other_months_leave_the_run_as_it_was(
    reviewed: Reviewed, source: Path, tmp_path: Path
) -> None:
    strange = Decision("of another month", "by_item", None, 1, "王某", dt.date(2025, 11, 5), "长期住院", "")
    home = tmp_path / "demo-rate"
    home.mkdir()
    with open_ledger(home, "demo-rate", code_version()) as ledger:
        store(ledger, [strange], "f", "李某")
    other = run_month(source, tmp_path)
    assert other.folder.name == reviewed.before.folder.name
    assert bytes_of(other.folder) == bytes_of(reviewed.before.folder)


def test_a_case_once_decided_is_no_candidate_any_more(reviewed: Reviewed) -> None:
    left = set(candidates(reviewed.after.folder, load_region("demo-rate"))["case_id"].to_list())
    by_item, adjusted, rejected = (case["case_id"] for case in reviewed.cases)
    assert not {by_item, adjusted} & left and rejected in left


def test_explain_tells_the_decision(reviewed: Reviewed) -> None:
    adjusted = reviewed.cases[1]
    said = in_process("explain", adjusted["case_id"], "--out", reviewed.folder / "out")
    old = adjusted["standard_fen"]
    for text in ("决定：调整（评议人 王某，2025-11-05，文书 单议1号）", "理由：合并烧伤", "评议核定的支付标准 = 30000.00 元",
                 f"支付标准：{old // 100}.{old % 100:02d} 元 → 30000.00 元", "第 2 例，限额"):  # fmt: skip
        assert text in said.out
    said = in_process("explain", reviewed.cases[2]["case_id"], "--out", reviewed.folder / "out")
    assert (
        "决定：不予" in said.out
        and "结果：不予单议" in said.out
        and "→" not in said.out.split("四、特例单议")[1]
    )


def test_hospital_workbook_has_a_sheet_of_special_cases(reviewed: Reviewed) -> None:
    path = Path("hospitals") / f"{reviewed.cases[0]['hospital_id']}.xlsx"
    before, after = (openpyxl.load_workbook(run.folder / path) for run in (reviewed.before, reviewed.after))
    assert "特例单议" not in before.sheetnames
    found = [cell.value for cell in after["特例单议"]["A"]]
    assert reviewed.cases[0]["case_id"] in found


@pytest.mark.slow
def test_a_published_month_takes_new_decisions_as_a_rerun(
    source: Path, reviewed: Reviewed, tmp_path: Path
) -> None:
    month = run_month(source, tmp_path, "--by", "赵某")
    out = ("--out", tmp_path)
    for words in (
        ("recheck", "demo-rate", month.folder.name, "--by", "钱某", *out),
        ("publish", "demo-rate", month.folder.name, "--approved-by", "孙某", *out),
        ("review", "import", "demo-rate", reviewed.folder / "list.csv", "--by", "李某", "--runs", tmp_path),
        ("rerun", "demo-rate", "--from", PERIOD, "--to", PERIOD, "--by", "赵某", *out),
    ):
        said = in_process(*words)
        assert said.code == 0, said.err
    again = Finished(
        source, tmp_path, month.folder.parent / (month.folder.parent / "current").read_text().strip()
    )
    assert again.folder != month.folder
    assert reviewed.scored(again) == reviewed.scored(reviewed.after)
    assert again.table("review_outcome").equals(reviewed.after.table("review_outcome"))


# --- the notice


def test_notice_counts_and_pays_by_hospital(reviewed: Reviewed, tmp_path: Path) -> None:
    said = in_process("review", "notice", reviewed.after.folder, "--out", tmp_path / "notice.xlsx")
    assert said.code == 0, said.err
    with (tmp_path / "notice.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["机构编号"]: row for row in csv.DictReader(file)}
    after = reviewed.scored(reviewed.after)
    for number, case in enumerate(reviewed.cases):
        same = [one for one in reviewed.cases if one["hospital_id"] == case["hospital_id"]]
        row = rows[case["hospital_id"]]
        assert int(row["申请例数"]) == len(same)
        if number < 2:
            paid = sum(after[one["case_id"]]["fund_fen"] for one in same if one is not reviewed.cases[2])
            assert row["基金支付"] == f"{paid // 100}.{paid % 100:02d}"
    assert sum(int(row["通过例数"]) for row in rows.values()) == 2
    assert sum(int(row["不予单议"]) for row in rows.values()) == 1
    book = openpyxl.load_workbook(tmp_path / "notice.xlsx")
    assert book.sheetnames == ["特例单议公示表", "限额", "按申请条件"]
    text = " ".join(str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row)
    assert not [case["case_id"] for case in reviewed.cases if case["case_id"] in text]
    quota = [cell.value for cell in book["限额"][4]]
    assert quota[7:9] == [2, quota[5] - 2] and quota[5] == quota[4] // 20  # 5 %


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not here")
def test_libreoffice_reads_the_same_numbers(reviewed: Reviewed, tmp_path: Path) -> None:
    in_process("review", "notice", reviewed.after.folder, "--out", tmp_path / "notice.xlsx")
    shutil.copy(tmp_path / "notice.csv", tmp_path / "twin.csv")
    subprocess.run(
        ["soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/profile", "--convert-to",
         AS_UTF8, "--outdir", tmp_path, tmp_path / "notice.xlsx"], check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    with (tmp_path / "notice.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row and re.match(r"H\d", row[0])]
    with (tmp_path / "twin.csv").open(encoding="utf-8-sig", newline="") as file:
        twin = list(csv.reader(file))[1:]

    def numbers(found: list[list[str]]) -> list[list[object]]:
        return [[*row[:2], *(Decimal(cell.replace(",", "")) for cell in row[2:])] for row in found]

    assert numbers(rows) == numbers(twin)


@pytest.mark.slow
def test_the_embedded_month_whole(tmp_path: Path) -> None:
    # 5,950 cases, reversals −1: floor(5,950 × 0.05) = 297
    reviewed = review(SAMPLE, tmp_path)
    (quota,) = reviewed.after.table("review_quota").to_pylist()
    assert (quota["discharges"], quota["quota"]) == (5_950, 297)
    assert json.loads((reviewed.after.folder / "manifest.json").read_text())["totals"]["cases"] == 5_950


# --- what is not there


MISTAKES: dict[str, tuple[Callable[[Reviewed, Path], list[object]], int, str]] = {
    "no run": (lambda _, tmp: ["export", tmp, "--out", tmp / "a.xlsx"], 2, "不是已完成的批次"),
    "no period": (lambda _, tmp: ["export", "--region", "demo-rate", "--out", tmp / "a.xlsx"], 2, "请给出批次文件夹"),
    "no run of the period": (
        lambda _, tmp: ["export", "--region", "demo-rate", "--period", "2025-01", "--runs", tmp, "--out", tmp / "a.xlsx"],
        2, "没有批次"),
    "no workbook": (lambda r, tmp: ["export", r.before.folder, "--out", tmp / "a.csv"], 2, "--out 应是 .xlsx 文件"),
    "no such hospital": (
        lambda r, tmp: ["export", r.before.folder, "--hospital", "H9", "--out", tmp / "a.xlsx"], 2, "医院不认识：`H9`"),
    "another region": (
        lambda r, tmp: ["export", r.before.folder, "--region", "demo-dip", "--out", tmp / "a.xlsx"], 2, "批次与地区不符"),
    "no decisions": (lambda r, tmp: ["notice", r.before.folder, "--out", tmp / "a.xlsx"], 2, "批次没有特例单议的决定"),
    "nobody imports": (
        lambda r, tmp: ["import", "demo-rate", r.folder / "list.csv", "--by", " ", "--runs", tmp], 2, "--by 是空的"),
    "unknown cases": (
        lambda r, tmp: ["import", "demo-rate", r.folder / "list.csv", "--by", "李某", "--runs", tmp], 11, "有 3 处错误"),
    "another region's cases": (
        lambda r, _: ["import", "demo-points", r.folder / "list.csv", "--by", "李某", "--runs", r.folder / "out"], 11,
        "属于地区 `demo-rate`（2025-10），不是 `demo-points`"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(mistake: str, reviewed: Reviewed, tmp_path: Path) -> None:
    words, code, message = MISTAKES[mistake]
    said = in_process("review", *words(reviewed, tmp_path))
    assert (said.code, said.out) == (code, "") and message in said.err and said.err.count("\n") == 1
    assert (
        not list(tmp_path.glob("*.xlsx"))
        and not (reviewed.folder / "out" / "demo-points" / "decisions").exists()
    )


def test_reversals_and_refused_rows_cannot_be_decided(reviewed: Reviewed, tmp_path: Path) -> None:
    scored = reviewed.before.table("scored").to_pylist()
    turned = next(row for row in scored if row["reverses"])
    payment = pl.DataFrame(reviewed.before.table("case_payment"))
    paid = payment.filter(pl.col("door") == "paid")["case_id"]
    lost = payment.filter((pl.col("door") == "refused") & ~pl.col("case_id").is_in(paid.implode()))[
        "case_id"
    ][0]
    rows = [
        f"{case_id},按项目,,{rank},王某,2025-11-05,理由,"
        for rank, case_id in enumerate((turned["case_id"], turned["reverses"], lost), start=1)
    ]
    (tmp_path / "list.csv").write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    said = in_process(
        "review", "import", "demo-rate", tmp_path / "list.csv", "--by", "李某", "--runs", reviewed.folder / "out"
    )  # fmt: skip
    assert said.code == 11 and "有 3 处错误" in said.err
    for text in ("是冲销记录", "已被冲销", "本期已退回"):
        assert text in said.err
