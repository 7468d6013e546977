"""The decision list of special case review: taken whole or not at all, every complaint by its cell."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from pipeline.decision_list import HEADERS, Known, read_decisions
from pipeline.decisions import Decision
from pipeline.errors import InputError

TITLES = tuple(titles[0] for titles in HEADERS.values())
KNOWN = {
    "44999867044524413": Known("2025-10"), "A2": Known("2025-10"), "A3": Known("2025-09"),
    "TURNED": Known("2025-10", "已被冲销"), "AWAY": Known("2025-10", "属于地区 `far`（2025-10），不是 `demo`"),
}  # fmt: skip
GOOD = [
    ["44999867044524413", "按项目", "", "1", "王某", "2025-11-05", "长期住院", "单议1号"],
    ["A2", "调整", "12,345.60", "2", "王某", "2025/11/5", "多学科", ""],
    ["A3", "不予", "", "", "李某", "2025年11月6日", "费用合理", ""],
]


def known(case_ids: Collection[str]) -> Mapping[str, Known]:
    return {case_id: KNOWN[case_id] for case_id in case_ids if case_id in KNOWN}


def csv_of(folder: Path, rows: list[list[str]], header: tuple[str, ...] = TITLES) -> Path:
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [list(header), *rows]]
    path = folder / "list.csv"
    path.write_text("\n".join([*quoted, ""]), encoding="utf-8")
    return path


def xlsx_of(folder: Path, rows: list[list[Any]], name: str = "评议决定表") -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = name
    sheet.append(["特例单议评议决定表"])
    sheet.append([])
    for row in [list(TITLES), *rows]:
        sheet.append(row)
    path = folder / "list.xlsx"
    book.save(path)
    return path


def complaint(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_decisions(path, known)
    assert caught.value.exit_code == 11
    return str(caught.value)


WANTED = [
    Decision("44999867044524413", "by_item", None, 1, "王某", dt.date(2025, 11, 5), "长期住院", "单议1号"),
    Decision("A2", "adjusted", 1_234_560, 2, "王某", dt.date(2025, 11, 5), "多学科", ""),
    Decision("A3", "rejected", None, 0, "李某", dt.date(2025, 11, 6), "费用合理", ""),
]


def test_a_sound_csv_is_taken_as_it_stands(tmp_path: Path) -> None:
    assert read_decisions(csv_of(tmp_path, GOOD), known) == WANTED


def test_a_sound_workbook_says_the_same_with_dates_and_numbers_as_cells(tmp_path: Path) -> None:
    typed: list[list[Any]] = [list(row) for row in GOOD]
    typed[0][3:6] = [1, "王某", dt.date(2025, 11, 5)]
    typed[1][2:6] = [12345.6, 2.0, "王某", dt.datetime(2025, 11, 5)]
    assert read_decisions(xlsx_of(tmp_path, typed), known) == WANTED


def test_headers_may_be_english_in_any_order_among_others(tmp_path: Path) -> None:
    header = (
        "备注",
        "document",
        "reason",
        "date",
        "reviewer",
        "rank",
        "adjusted_yuan",
        "decision",
        "case_id",
    )
    rows = [["x", *reversed(row)] for row in GOOD]
    rows[1][7] = "adjusted"
    assert read_decisions(csv_of(tmp_path, rows, header), known) == WANTED


# What is put into which cell of the second row, and the complaint.
SLIPS: dict[str, tuple[int, str, str]] = {
    "no case": (0, "", "「结算ID」是空的"),
    "unknown case": (0, "A9", "「结算ID」不认识：`A9` 不在本地区任何一期的现行批次中"),
    "another region's case": (0, "AWAY", "「结算ID」不能单议：`AWAY` 属于地区 `far`（2025-10），不是 `demo`"),
    "reversed case": (0, "TURNED", "不能单议：`TURNED` 已被冲销"),
    "case twice": (0, "A3", "「结算ID」与第 3 行重复"),
    "no decision": (1, "", "「决定」应为按项目、调整、不予，实为 ``"),
    "unknown word": (1, "同意", "「决定」应为按项目、调整、不予，实为 `同意`"),
    "amount for by item": (1, "按项目", "「调整后支付标准（元）」决定为按项目的不填金额，实为 `12,345.60`"),
    "amount for a rejection": (1, "不予", "「调整后支付标准（元）」决定为不予的不填金额"),
    "no amount": (2, "", "「调整后支付标准（元）」是空的；决定为调整的"),
    "text for a number": (2, "一万二", "「调整后支付标准（元）」应为大于零、不超过一亿、至多两位小数的元，实为 `一万二`"),
    "three decimals": (2, "1.005", "至多两位小数的元，实为 `1.005`"),
    "a decimal comma": (2, "12345,60", "实为 `12345,60`"),
    "nothing": (2, "0.00", "应为大于零"),
    "below nothing": (2, "-5", "应为大于零"),
    "too much": (2, "100,000,000.01", "不超过一亿"),
    "an exponent": (2, "1e4", "实为 `1e4`"),
    "no rank": (3, "", "「排名」应为 1、2、3…的整数，实为 ``"),
    "half a rank": (3, "1.5", "「排名」应为 1、2、3…的整数，实为 `1.5`"),
    "rank nought": (3, "0", "「排名」应为 1、2、3…的整数，实为 `0`"),
    "rank twice": (3, "１", "「排名」的 1 与第 2 行重复"),
    "no reviewer": (4, " ", "「评议人」是空的"),
    "no date": (5, "", "「评议日期」是空的"),
    "no such day": (5, "2025-02-30", "「评议日期」应写作 2025-10-20，实为 `2025-02-30`"),
    "a serial number for a day": (5, "45966", "「评议日期」应写作 2025-10-20，实为 `45966`"),
    "no reason": (6, "", "「评议理由」是空的"),
    "a novel": (6, "长" * 201, "「评议理由」超过 200 个字"),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("make", [csv_of, xlsx_of])
def test_a_slip_is_named_by_its_cell(slip: str, make: Callable[..., Path], tmp_path: Path) -> None:
    place, cell, message = SLIPS[slip]
    rows = [list(row) for row in GOOD]
    rows[1][place] = cell
    said = complaint(make(tmp_path, rows))
    line, sheet = (3, "list.csv") if make is csv_of else (5, "评议决定表")
    if make is xlsx_of:
        message = re.sub("与第 2 行", "与第 4 行", message)
    # of two equal cells the later one is complained of
    later = {"case twice": (line + 1, message.replace("第 3 行", f"第 {line} 行"))}
    number, message = later.get(slip, (line, message))
    assert "有 1 处错误，一行也没有导入" in said and f"{sheet} 第 {number} 行" in said and message in said, (
        said
    )


def test_an_id_that_excel_rounded_is_never_matched(tmp_path: Path) -> None:
    # 44999867044524416 is a sound id of somebody else: Excel keeps fifteen digits of what was typed.
    rows: list[list[Any]] = [list(row) for row in GOOD]
    rows[0][0] = 44999867044524416
    KNOWN["44999867044524416"] = Known("2025-10")
    try:
        said = complaint(xlsx_of(tmp_path, rows))
    finally:
        del KNOWN["44999867044524416"]
    assert "第 4 行「结算ID」是数字格式" in said and "有 1 处错误" in said


def test_formulas_are_not_computed(tmp_path: Path) -> None:
    rows: list[list[Any]] = [list(row) for row in GOOD]
    rows[1][2] = "=6000*2"
    assert "第 5 行「调整后支付标准（元）」是公式；请粘贴为数值" in complaint(xlsx_of(tmp_path, rows))


def test_all_complaints_come_at_once_up_to_twenty_and_their_number(tmp_path: Path) -> None:
    # 3 slips in each of 10 rows: unknown case, no reviewer, no reason; ranks differ.
    rows = [[f"Z{number}", "按项目", "", str(number + 1), "", "2025-11-05", "", ""] for number in range(10)]
    said = complaint(csv_of(tmp_path, rows))
    assert "有 30 处错误" in said and said.count("「") == 20 and "其余 10 处从略" in said
    assert len(said) < 1500


def test_a_table_that_is_no_list_is_refused(tmp_path: Path) -> None:
    assert "里没有决定" in complaint(csv_of(tmp_path, []))
    assert "里没有决定" in complaint(csv_of(tmp_path, GOOD, tuple(f"列{number}" for number in range(8))))
    short = [row[:6] for row in GOOD]
    assert "表头缺 评议理由、文书号" in complaint(csv_of(tmp_path, short, TITLES[:6]))
    assert "多列 评议人" in complaint(csv_of(tmp_path, GOOD, (*TITLES, "评议人")))
    (tmp_path / "list.csv").write_bytes(b"PK\x03\x04 no workbook")
    assert "工作簿读不出来" in complaint(tmp_path / "list.csv")
    assert "评议决定表文件读不出来" in complaint(tmp_path / "absent.csv")


def test_rows_without_anything_are_passed_over_and_breaks_become_blanks(tmp_path: Path) -> None:
    rows = [GOOD[0], [""] * 8, [*GOOD[1][:6], "多\n学科", ""]]
    assert [one.reason for one in read_decisions(csv_of(tmp_path, rows), known)] == ["长期住院", "多 学科"]
