"""From history to sheet to new weights: what the template says, W01 and W02 by the command line, every refusal."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from conftest import Finished, in_process
from negotiation_fixtures import GROUPS, W01_PROPOSAL, filled, propose, region_of, row_of, run_of, w01_rows

from pipeline.errors import InputError, UsageMistake
from pipeline.negotiate_history import Seen, read_history
from pipeline.negotiate_present import present_of
from pipeline.region import load_region


@dataclass(frozen=True)
class Table:
    """A region, its finished run, the sheet made of them, and the sheet filled in as W01 has it."""

    folder: Path
    region: Path
    run: Path
    template: Path
    proposal: Path

    def words(self, *more: object) -> tuple[object, ...]:
        return (self.proposal, "--region", self.region, *more)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    folder = tmp_path_factory.mktemp("w01")
    region, run = region_of(folder), run_of(folder, "2025-10", w01_rows())
    template = folder / "t.xlsx"
    said = in_process("negotiate", "template", region, "--history", run, "--out", template)
    assert said.code == 0, said.err
    assert "26 张" in said.out and "4,200 例" in said.out
    assert "规定用 12 个月的历史，现为 1 个月" in said.out
    return Table(folder, region, run, template, filled(template, folder / "w01.xlsx", propose(W01_PROPOSAL)))


# --- the history


def test_a_reversal_takes_its_original_out_wherever_in_the_window(tmp_path: Path) -> None:
    first = run_of(tmp_path, "2025-09", [
        {"case_id": "1", "group_code": "AA19", "total_fee_fen": 10_000},
        {"case_id": "2", "group_code": "AA19", "total_fee_fen": 30_000},
        {"case_id": "3", "group_code": "AA19", "total_fee_fen": 99_999},
    ])  # fmt: skip
    second = run_of(tmp_path, "2025-10", [
        {"case_id": "4", "group_code": "AA19", "total_fee_fen": -99_999, "reverses": "3"},
        {"case_id": "5", "group_code": "BB11", "total_fee_fen": -500, "reverses": "before"},
        {"case_id": "6", "group_code": "BB21", "total_fee_fen": 700},
    ])  # fmt: skip
    seen = read_history([second, first], "demo-rate")
    assert seen.groups == {"AA19": Seen(2, 40_000, 10_000**2 + 30_000**2), "BB21": Seen(1, 700, 490_000)}
    assert (seen.orphans, seen.periods, seen.runs) == (1, ("2025-09", "2025-10"), ("r2025-09", "r2025-10"))
    # Mean 200 yuan, deviations ±100: σ 100, CV 0.5; one case alone does not vary; no case has no CV.
    assert (seen.of("AA19").cv, seen.of("BB21").cv, seen.of("BB11").cv) == (
        Decimal("0.5000"),
        Decimal("0.0000"),
        None,
    )


HISTORY_SLIPS = {
    "a period twice": ("2025-10", "demo-rate", UsageMistake, "同一结算期给了两次：2025-10"),
    "another region": ("2025-09", "far", UsageMistake, "属于 `far`，给出的地区是 `demo-rate`"),
}


@pytest.mark.parametrize("name", HISTORY_SLIPS)
def test_a_history_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    period, region, error, told = HISTORY_SLIPS[name]
    good = run_of(tmp_path / "good", "2025-10", [])
    with pytest.raises(error) as caught:
        read_history([good, run_of(tmp_path / "bad", period, [], region)], "demo-rate")
    assert told in str(caught.value)


def test_an_altered_run_is_no_history(tmp_path: Path) -> None:
    run = run_of(tmp_path, "2025-10", w01_rows()[:5])
    run_of(tmp_path / "other", "2025-10", w01_rows()[:4])
    shutil.copy(tmp_path / "other" / "run-2025-10" / "scored.parquet", run / "scored.parquet")
    with pytest.raises(InputError, match="已有成果被改动"):
        read_history([run], "demo-rate")
    with pytest.raises(UsageMistake, match="不是已完成的批次"):
        read_history([tmp_path], "demo-rate")


# --- the template


def test_the_sheet_says_cases_cost_cv_and_both_weights(table: Table) -> None:
    """Σ cost = 13.0 + 22.5 + 5.5 million = 41 million yuan, Σ w·n = 4100: a mean of 10,000 yuan is a weight of 1."""
    book = openpyxl.load_workbook(table.template)
    wanted = {
        "AA19": (1000, 13_000, Decimal("0.0769"), Decimal("1.2"), Decimal("1.3")),
        "BB11": (3000, 7_500, 0, Decimal("0.8"), Decimal("0.75")),
        "BB21": (200, 27_500, 0, Decimal("2.5"), Decimal("2.75")),
    }
    for code, numbers in wanted.items():
        sheet, row = row_of(book, code)
        assert sheet.title == f"MDC{code[0]}"
        assert tuple(Decimal(str(sheet.cell(row, column).value)) for column in range(3, 8)) == tuple(
            map(Decimal, numbers)
        )
        assert [sheet.cell(row, column).value for column in (8, 9, 10)] == [
            None
        ] * 3  # for the panels to fill in
    sheet, row = row_of(book, "AA29")  # never seen
    assert [sheet.cell(row, column).value for column in (3, 4, 5, 7)] == [0, None, None, None]


def test_every_weight_that_prices_a_case_is_on_one_sheet_and_no_other(table: Table) -> None:
    """The demo pack pays 0000 by a fixed weight and UQY by item: their weights are not negotiated."""
    with (table.region / "weights-2025.csv").open(encoding="utf-8") as file:
        printed = {row["drg"] for row in csv.DictReader(file)}
    book = openpyxl.load_workbook(table.template, read_only=True)
    listed = [
        row[0] for sheet in book.worksheets if sheet.title.startswith("MDC") or sheet.title == "其他"
        for row in sheet.iter_rows(min_row=5, max_col=1, values_only=True) if row[0] not in (None, "合计")
    ]  # fmt: skip
    assert "0000" in printed and set(listed) == printed - {"0000", "UQY"} and len(listed) == len(set(listed))
    assert book.sheetnames[0] == "说明" and book.sheetnames[-1] == "核对"


def test_a_catalogue_s_diseases_are_listed_by_chapter() -> None:
    region = load_region("demo-dip")
    present = present_of(region, region.pack.weights[0].from_)
    # demo-dip-2025/core.csv: DIP3 is A02.0 at 572.7007.
    assert (present.groups["DIP3"].panel, present.groups["DIP3"].present) == ("A", Decimal("572.7007"))
    assert all(len(panel) == 1 and panel.isupper() for panel in present.panels) and len(present.groups) > 6000


def test_the_same_history_gives_the_same_bytes(table: Table, tmp_path: Path) -> None:
    said = in_process(
        "negotiate", "template", table.region, "--history", table.run, "--out", tmp_path / "t.xlsx"
    )
    assert said.code == 0 and (tmp_path / "t.xlsx").read_bytes() == table.template.read_bytes()


def test_a_real_run_by_its_period(finished: Finished, tmp_path: Path) -> None:
    out = tmp_path / "t.xlsx"
    said = in_process(
        "negotiate",
        "template",
        "demo-rate",
        "--history",
        "2025-10",
        "--runs",
        finished.out,
        "--out",
        out,
        "--json",
    )
    assert said.code == 0, said.err
    told = json.loads(said.out)
    # Cases paid by weight: those scored, less reversals and what they cancel, less 0000 and UQY.
    rows = finished.table("scored").to_pylist()
    gone = {row["reverses"] for row in rows if row["reverses"]}
    kept = [row for row in rows if not row["reverses"] and row["case_id"] not in gone]
    assert told["cases"] == sum(row["group_code"] not in ("0000", "UQY") for row in kept) > 0
    assert in_process("negotiate", "check", out, "--region", "demo-rate").code == 0


# --- W01 and W02


def test_w02_the_check_tells_what_a_larger_total_takes_from_every_rate(table: Table) -> None:
    said = in_process("negotiate", "check", *table.words("--gross", "49200000"))
    assert said.code == 0, said.err
    assert "全部：总权重 4,100.0000 → 4,160.0000（相差 +60.0000，+1.46%），改动 3 个病组" in said.out
    assert "每一权重只值原来的 98.5577%（12000.00 → 11826.92 元）" in said.out
    told = json.loads(in_process("negotiate", "check", *table.words("--gross", "49200000", "--json")).out)
    assert told["rates"] == {"before": "12000.00", "after": "11826.92"} and told["changed"] == 3


def rescaled(table: Table, folder: Path, *more: object, file: Path | None = None) -> dict[str, str]:
    said = in_process(
        "negotiate", "rescale", file or table.proposal, "--region", table.region, "--history", table.run,
        "--out", folder / "w.csv", *more,
    )  # fmt: skip
    assert said.code == 0, said.err
    with (folder / "w.csv").open(encoding="utf-8") as opened:
        return {row["drg"]: row["weight"] for row in csv.DictReader(opened)}


def test_w01_by_the_command_line_as_a_weights_file(table: Table, tmp_path: Path) -> None:
    """1.2813, 0.7688, 2.5625; what nobody was paid for is scaled too: AA29 1 × 0.98557692; 0000 is not negotiated."""
    weights = rescaled(table, tmp_path)
    assert [weights[code] for code in GROUPS] == ["1.2813", "0.7688", "2.5625"]
    assert (weights["AA29"], weights["0000"]) == ("0.9856", "0.2665")
    before = (table.region / "weights-2025.csv").read_text(encoding="utf-8").splitlines()
    after = (tmp_path / "w.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in after] == [line.split(",")[0] for line in before]
    pack = Path(shutil.copytree(table.region, tmp_path / "pack"))
    shutil.copy(tmp_path / "w.csv", pack / "weights-2025.csv")
    assert load_region(str(pack)).tables.weights["weights-2025.csv"]["AA19"] == Decimal("1.2813")


def test_the_residue_is_placed_and_both_tables_are_shown(table: Table, tmp_path: Path) -> None:
    report = tmp_path / "r.xlsx"
    weights = rescaled(table, tmp_path, "--place-residue", "--report", report)
    assert [weights[code] for code in GROUPS] == ["1.2811", "0.7688", "2.5625"]  # −2 × 1000 last digits
    book = openpyxl.load_workbook(report)
    header, proof = (
        [cell.value for cell in row] for row in book["总权重核算"].iter_rows(min_row=4, max_row=5)
    )
    told = dict(zip(header, proof, strict=True))
    assert (told["现行总权重"], told["提议总权重"], told["缩放后总权重"], told["归位后总权重"]) == (
        4100,
        4160,
        4100.2,
        4100,
    )
    assert (told["系数（分数）"], told["系数"], told["余数"], told["未归位"], told["归位"]) == (
        "205/208",
        "0.98557692",
        -0.2,
        0,
        "AA19 -2",
    )
    rows = {row[0]: row for row in book["权重对照"].iter_rows(values_only=True)}
    assert rows["AA19"][4:] == (1.2, 1.3, None, 1.2813, 1.2811, "+6.76%")  # 0.0811 ÷ 1.2 = 6.758…%


def test_within_each_mdc(table: Table, tmp_path: Path) -> None:
    """MDCA is taken back whole; MDCB (2400 + 500) ÷ (2340 + 520) = 145/143: 0.790909…, 2.636363…"""
    said = in_process(
        "negotiate",
        "rescale",
        *table.words("--history", table.run, "--scope", "mdc", "--out", tmp_path / "w.csv", "--json"),
    )
    assert said.code == 0, said.err
    proofs = {one["scope"]: one for one in json.loads(said.out)["proofs"]}
    assert (proofs["MDCA"]["factor"], proofs["MDCB"]["factor"], proofs["MDCC"]["factor"]) == (
        "12/13",
        "145/143",
        "1",
    )
    weights = rescaled(table, tmp_path, "--scope", "mdc")
    assert [weights[code] for code in GROUPS] == ["1.2000", "0.7909", "2.6364"]


def test_a_lock_on_the_sheet_is_honoured(table: Table, tmp_path: Path) -> None:
    """(4100 − 520) ÷ (1300 + 2340) = 179/182, as in test_invariance."""
    wanted = {**W01_PROPOSAL, "BB21": {"proposed": 2.6, "lock": "是"}}
    file = filled(table.template, tmp_path / "l.xlsx", propose(wanted))
    assert [rescaled(table, tmp_path, file=file)[code] for code in GROUPS] == ["1.2786", "0.7671", "2.6000"]


def test_the_csv_form_says_the_same(table: Table, tmp_path: Path) -> None:
    file = tmp_path / "w01.csv"
    file.write_text(
        "group_code,proposed_weight,reason,panel,lock\nAA19,1.30,费用上涨,甲组,\nBB11,０.78,,乙组,否\nBB21,2.6,,乙组,\n",
        encoding="utf-8-sig",
    )
    assert [rescaled(table, tmp_path, file=file)[code] for code in GROUPS] == ["1.2813", "0.7688", "2.5625"]
    said = in_process("negotiate", "check", file, "--region", table.region)
    assert said.code == 0 and "没有错误" in said.out and "--history" in said.out
    said = in_process("negotiate", "check", file, "--region", table.region, "--history", table.run)
    assert "4,100.0000 → 4,160.0000" in said.out


def test_a_catalogue_s_scores_become_a_weights_file(tmp_path: Path) -> None:
    """DIP3 572.7007 × 2 cases, DIP4 619.0706 × 1: DIP3 to 600 needs f = 1764.472 ÷ 1819.0706 = 0.96998544…"""
    rows = [
        {"case_id": str(number), "group_code": "DIP3" if number else "DIP4", "total_fee_fen": 500_000}
        for number in range(3)
    ]
    run = run_of(tmp_path, "2025-10", rows, "demo-dip")
    file = tmp_path / "p.csv"
    file.write_text("group_code,proposed_weight,reason,panel,lock\nDIP3,600,,,\n", encoding="utf-8")
    said = in_process(
        "negotiate", "rescale", file, "--region", "demo-dip", "--history", run, "--out", tmp_path / "w.csv"
    )
    assert said.code == 0 and "系数 0.96998544" in said.out and "总分值" in said.out, said.err
    with (tmp_path / "w.csv").open(encoding="utf-8") as opened:
        weights = {row["drg"]: row["weight"] for row in csv.DictReader(opened)}
    # 600 × 0.96998544… = 581.99126…; 619.0706 × 0.96998544… = 600.48946…
    assert (weights["DIP3"], weights["DIP4"]) == ("581.9913", "600.4895")


def test_a_catalogue_s_mistakes_are_told_in_its_words(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text("group_code,proposed_weight,reason,panel,lock\nDIP3,六百,,,\n", encoding="utf-8")
    said = in_process("negotiate", "check", file, "--region", "demo-dip")
    assert said.code == 11 and "p.csv!B2：建议分值应为数，实为 `六百`" in said.out


# --- what is refused


def test_an_impossible_lock_is_refused_and_nothing_is_written(table: Table, tmp_path: Path) -> None:
    wanted = {code: {**W01_PROPOSAL[code], "lock": "是"} for code in GROUPS}
    file = filled(table.template, tmp_path / "l.xlsx", propose(wanted))
    out = tmp_path / "w.csv"
    said = in_process(
        "negotiate", "rescale", file, "--region", table.region, "--history", table.run, "--out", out
    )
    assert said.code == 11 and "4160.0000" in said.err and "4100.0000" in said.err and not out.exists()


def usage_slips(table: Table, tmp_path: Path) -> Iterator[tuple[tuple[object, ...], int, str]]:
    history = ("--history", table.run)
    other = run_of(tmp_path / "other", "2025-10", w01_rows()[1:])
    yield (
        ("check", *table.words("--gross", "4,920")),
        2,
        "--gross 应为大于零、至多两位小数的元，不带逗号，实为 `4,920`",
    )
    yield ("rescale", *table.words(*history, "--out", tmp_path / "w.xlsx")), 2, "--out 应是 .csv 文件"
    yield (
        ("rescale", *table.words(*history, "--out", table.region / "weights-2025.csv")),
        2,
        "结果会盖掉输入文件",
    )
    yield ("template", table.region, *history, "--out", tmp_path / "t.csv"), 2, "--out 应是 .xlsx 文件"
    yield ("template", table.region, *history, "--at", "2025-13-01"), 2, "--at 写法不对"
    yield ("template", table.region, *history, "--at", "2019-01-01"), 10, "没有当日的参数"
    yield ("template", table.region, "--history", "2025-10", "--runs", tmp_path), 2, "没有批次"
    yield ("check", tmp_path / "none.xlsx", "--region", table.region), 11, "谈判表文件读不出来"
    yield ("rescale", *table.words("--history", other, "--out", tmp_path / "w.csv")), 11, "历史与谈判表不符："


def test_every_misuse_is_one_sentence(table: Table, tmp_path: Path) -> None:
    for words, code, told in usage_slips(table, tmp_path):
        said = in_process("negotiate", *words)
        assert (said.code, told in said.err, said.err.count("\n")) == (code, True, 1), (words, said)
    assert not (tmp_path / "w.csv").exists()
