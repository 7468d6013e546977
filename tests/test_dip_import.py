"""An agency's catalogue: every row is taken, becomes a subtype, or is refused with its line and the reason."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from groupers.codes import load_code_tables
from groupers.dip.catalogue import Catalogue
from groupers.dip.import_cells import Cells, Refusal
from groupers.dip.import_file import ImportReport, import_catalogue
from groupers.dip.load import load_catalogue
from groupers.scheme import SchemeError

CITY = Path(__file__).parents[2] / "shared" / "facts" / "dip" / "city_catalogue_sample_92.csv"

HEAD = "dip_code,dx4,dx4_name(YB),px_as_stored,px_fixed,px_name(YB),treatment_type,score,note,coef_level3,coef_level2,coef_level1"
# The shapes of a real city's file: plain, base disease, suffix rows, a code that lost its zero, `.x`.
SAMPLE = [
    "A04.9C,A04.9,细菌性肠道感染,,,,保守治疗,22.42,基层病种,1,1,1",
    "A41.9C,A41.9,脓毒症,,,,保守治疗,101.31,,1,0.73,",
    "A41.9C-1,A41.9,脓毒症,,,,保守治疗,101.31,严重并发症/合并症,1.61,1.12,",
    "A41.9C-2,A41.9,脓毒症,,,,保守治疗,101.31,极严重并发症/合并症,,1.44,",
    "A41.9D001,A41.9,脓毒症,3.3101,03.3101,腰椎穿刺术,诊断性操作,130.82,,1,0.72,",
    "A46.xC,A46.x,丹毒,,,,保守治疗,68.57,,1,0.67,0.39",
]


def as_csv(folder: Path, *lines: str, head: str = HEAD, encoding: str = "utf-8") -> Path:
    file = folder / "目录.csv"
    file.write_bytes("\n".join([head, *lines, ""]).encode(encoding))
    return file


def as_xlsx(folder: Path, rows: Sequence[Sequence[object]], merged: Sequence[str] = ()) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    for cells in merged:
        book.active.merge_cells(cells)
    file = folder / "目录.xlsx"
    book.save(file)
    return file


def taken_in(
    folder: Path, file: Path, mapping: Mapping[str, str] | None = None
) -> tuple[ImportReport, Catalogue]:
    report = import_catalogue(file, "city", folder / "city", mapping)
    assert report.rows == report.taken + report.auxiliary + report.refused
    return report, load_catalogue(str(folder / "city"))


def told(report: ImportReport, outcome: str = "refused") -> dict[int, str]:
    return {row.line: row.detail for row in report.details if row.outcome == outcome}


def refused(folder: Path, *lines: str, head: str = HEAD) -> dict[int, str]:
    """The refusals of these rows, which stand from line 3 on; line 2 is a sound row that is always taken."""
    good = "A46.xC,A46.x,丹毒,,,,保守治疗,68.57,,1,0.67,0.39" if head == HEAD else "G,A46.x,,保守治疗,1"
    report, catalogue = taken_in(folder, as_csv(folder, good, *lines, head=head))
    assert catalogue.core[0].dx4 == "A46.x"
    return told(report)


def refusal(folder: Path, file: Path, mapping: Mapping[str, str] | None = None) -> str:
    with pytest.raises(SchemeError) as caught:
        import_catalogue(file, "city", folder / "city", mapping)
    assert "\n" not in str(caught.value)
    assert not (folder / "city").exists()
    assert not list(folder.glob(".city-*"))
    return str(caught.value)


# --- the shapes of a city's file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_city_file_is_taken_whole(tmp_path: Path, encoding: str) -> None:
    report, catalogue = taken_in(tmp_path, as_csv(tmp_path, *SAMPLE, encoding=encoding))
    assert (report.rows, report.taken, report.auxiliary, report.refused) == (6, 4, 2, 0)
    assert [row.row for row in catalogue.core] == ["A04.9C", "A41.9C", "A41.9D001", "A46.xC"]
    assert catalogue.core[0].flags == {"基层病种"}
    assert catalogue.core[2].name == "脓毒症：腰椎穿刺术"
    assert str(catalogue.core[1].score) == "101.31"
    # Blank is unknown: A41.9C has no coefficient at 一级.
    assert {level: str(c) for (row, level), c in catalogue.coefficients.items() if row == "A41.9C"} == {
        "三级": "1", "二级": "0.73",
    }  # fmt: skip
    severe, extreme = catalogue.auxiliary.subtypes
    assert (severe.subtype, severe.row, severe.text) == ("A41.9C-1", "A41.9C", "severity == mcc")
    assert severe.coefficients == {"三级": 16100, "二级": 11200, "一级": None}
    assert extreme.coefficients == {"三级": None, "二级": 14400, "一级": None}
    assert catalogue.auxiliary.lists == {extreme.text.split()[-1]: {"待补"}}


def test_the_lost_zero_comes_back_and_is_reported(tmp_path: Path) -> None:
    report, catalogue = taken_in(tmp_path, as_csv(tmp_path, *SAMPLE), {"principal_px": "px_as_stored"})
    assert catalogue.core[2].principal_px == "03.3101"
    assert (report.repaired, told(report, "taken")[6]) == (1, "已修复 `3.3101` → `03.3101`")


def test_what_is_absent_is_marked_and_never_comes_into_force(tmp_path: Path) -> None:
    file = as_csv(tmp_path, *SAMPLE)
    _, catalogue = taken_in(tmp_path, file)
    manifest = catalogue.manifest
    assert (manifest.title, manifest.source, manifest.effective_from) == (
        "待补",
        "待补",
        dt.date(9999, 12, 31),
    )
    about = {"title": "示范市目录", "effective_from": dt.date(2026, 1, 1)}
    import_catalogue(file, "city", tmp_path / "second", None, about)
    second = load_catalogue(str(tmp_path / "second")).manifest
    assert (second.title, second.effective_from, second.issuer) == ("示范市目录", dt.date(2026, 1, 1), "待补")


def test_the_report_file_tells_every_line(tmp_path: Path) -> None:
    taken_in(tmp_path, as_csv(tmp_path, *SAMPLE, "=X,Q99.99,,,,,保守治疗,1,,,,"))
    with (tmp_path / "city" / "import-report.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["行号"] for row in rows] == [str(line) for line in range(2, 9)]
    assert [row["结果"] for row in rows] == [
        "收入病种", "收入病种", "收为辅助分型", "收为辅助分型", "收入病种", "收入病种", "拒收",
    ]  # fmt: skip
    assert rows[-1]["病种编码"] == "'=X"  # stays text in Excel


def test_a_workbook_of_chinese_headers_and_numbers_is_taken(tmp_path: Path) -> None:
    rows = [
        ["DIP病种编码", "主要诊断编码", "主要手术操作编码（ICD-9-CM-3）", "相关手术操作编码", "治疗方式", "分值",
         "备注", "是否基层病种", "三级医院系数", "次均费用"],
        ["1001", "A41.9", 3.3101, None, "诊断性操作", 130.82, None, "否", 1, 13082.5],
        [1002, "A41.9", 3.31, None, "诊断性操作", 0.1 + 0.2, None, "是", 0.73, None],
        ["1003", "A41.9", "34.0401", "03.3101/33.2403", "治疗性操作", 200, "重点监控", None, None, None],
    ]  # fmt: skip
    report, catalogue = taken_in(tmp_path, as_xlsx(tmp_path, rows))
    # 03.31 → 03.3100 is in the code table, `3.31` is not: zeros lost on both sides.
    assert [row.principal_px for row in catalogue.core] == ["03.3101", "03.3100", "34.0401"]
    assert [str(row.score) for row in catalogue.core] == ["130.82", "0.3", "200"]
    assert catalogue.core[0].mean_cost_fen == 1308250
    assert [row.flags for row in catalogue.core] == [frozenset(), {"基层病种"}, frozenset()]
    assert catalogue.core[2].related == (frozenset({"03.3101", "33.2403"}),)
    assert "备注未使用：重点监控" in told(report, "taken")[4]
    assert set(catalogue.coefficients) == {("1001", "三级"), ("1002", "三级")}


def test_pooled_rows_stand_beside_core_rows(tmp_path: Path) -> None:
    head = "dip_code,dx4,px,class,score,病种类型"
    report, catalogue = taken_in(
        tmp_path,
        as_csv(
            tmp_path, "C1,A15.0,,保守治疗,9,核心病种", "P1,A15,,手术,9,综合病种", "P2,A15,,保守治疗,9,综合",
            "P3,A15,,相关手术组,9,综合", "P4,A15,33.2403,手术,9,综合", head=head,
        ),
    )  # fmt: skip
    assert [(row.row, row.dx3, row.pooled_class) for row in catalogue.pooled] == [("P2", "A15", "内科诊疗")]
    lines = told(report)
    assert "第 3、5 行的全键" in lines[3] and "第 3、5 行的全键" in lines[5]
    assert "综合病种不应写手术操作编码" in lines[6]


@pytest.mark.parametrize(
    ("dx4", "px", "code", "procedure"),
    [
        ("Ａ38．Ｘ", "", "A38.x", ""),  # full width, filler in upper case
        (" a 41.9 ", "44.1300X001", "A41.9", "44.1300x001"),
        ("A419", "４４．１３００ｘ００１", "A41.9", "44.1300x001"),
        ("A38", "", "A38.x", ""),
        ("A41.9", "66.6100x07", "A41.9", "66.6100x007"),  # as printed in DIP1376 of the national library
        ("A41.9", "47.01", "A41.9", "47.0100"),  # as printed in DIP1115
        ("A41.9", '"=""03.3101"""', "A41.9", "03.3101"),  # ="03.3101", how a CSV keeps zeros
    ],
)  # fmt: skip
def test_what_has_one_reading_is_repaired(
    tmp_path: Path, dx4: str, px: str, code: str, procedure: str
) -> None:
    file = as_csv(tmp_path, f"Ｒ1,{dx4},{px},,９.５", head="dip_code,dx4,px,class,score")
    report, catalogue = taken_in(tmp_path, file)
    (row,) = catalogue.core
    assert (row.row, row.dx4, row.principal_px, str(row.score)) == ("R1", code, procedure, "9.5")
    assert report.repaired == 1


def test_a_procedure_known_as_it_stands_is_not_touched(tmp_path: Path) -> None:
    # 04.2x05 is in the code table: the extension is not lengthened to x005.
    _, catalogue = taken_in(
        tmp_path, as_csv(tmp_path, "R1,B02.2,04.2x05,手术,1", head="dip_code,dx4,px,class,score")
    )
    assert catalogue.core[0].principal_px == "04.2x05"


def test_what_has_two_readings_is_refused() -> None:
    # Invented table: `4.05` may have lost its first zero only, or zeros on both sides.
    names = {"04.05": "一", "04.0500": "二"}
    tables = replace(load_code_tables(), procedure_names=names)
    with pytest.raises(Refusal, match=r"`4\.05` 不在编码表内"):
        Cells(tables).procedure("4.05")
    del names["04.05"]
    assert Cells(tables).procedure("4.05") == "04.0500"


# --- rows that cannot be taken


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("X,Q99.99,,,,,保守治疗,1,,,,", "诊断编码 `Q99.99` 不在编码表内"),
        ("X,A41.900,,,,,保守治疗,1,,,,", "是完整的诊断编码，病种应写四位亚目 `A41.9`"),
        ("X,A41,,,,,保守治疗,1,,,,", "只有三位，类目下还分亚目"),
        ("X,,,,,,保守治疗,1,,,,", "诊断编码为空"),
        (",A41.9,,,,,保守治疗,1,,,,", "病种编码为空"),
        ("X,A41.9,,,99.9999,,手术,1,,,,", "手术操作编码 `99.9999` 不在编码表内"),
        ("X,A41.9,,,03.3101+99.9999,,诊断性操作,1,,,,", "手术操作编码 `99.9999` 不在编码表内"),
        ("X,A41.9,,,,,保守治疗,,,,,", "分值为空"),
        ("X,A41.9,,,,,保守治疗,0,,,,", "分值 应为大于 0 的数，实为 `0`"),
        ("X,A41.9,,,,,保守治疗,-5,,,,", "分值 应为大于 0 的数"),
        ("X,A41.9,,,,,保守治疗,NaN,,,,", "分值 应为大于 0 的数，实为 `NaN`"),
        ("X,A41.9,,,,,保守治疗,约 50,,,,", "分值 应为大于 0 的数，实为 `约 50`"),
        ("X,A41.9,,,,,保守治疗,1,,0,,", "三级系数 应为大于 0 的数"),
        ("X,A41.9,,,,,保守治疗,1,,1.23456,,", "三级系数 的小数最多 4 位"),
        ("X,A41.9,,,,,手术,1,,,,", "治疗方式为 手术，却没有手术操作编码"),
        ("X,A41.9,,,,,中医,1,,,,", "治疗方式 `中医` 不认识"),
        ("X,A41.9,,,,,保守治疗,1,基层病种；非基层病种,,,", "标识自相矛盾：既说是基层病种，又说不是"),
        ("X,A41.9,,,,,保守治疗,=H2*2,,,,", "`score` 是公式，不是数值"),
        ("X,A41.9,,,,,保守治疗", "该行只有 7 格，少于表头"),
        ("X,A41.9,,,,,保守治疗,1,严重并发症/合并症,1,,", "诊断与手术相同的基本行没有收入"),
        ("X,A46.x,,,,,保守治疗,1,严重并发症/合并症,1,,", "辅助分型的分值 `1` 与基本行（第 2 行 `A46.xC`）的 `68.57` 不同"),
        ("X,A46.x,,,,,保守治疗,68.57,轻微并发症,1,,", "备注 `轻微并发症` 的触发条件不知道"),
        ("A46.xC,A46.x,丹毒,,,,保守治疗,68.57,,1,0.67,0.39", "与第 2 行完全相同，只收一次"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_taken_says_why(tmp_path: Path, line: str, reason: str) -> None:
    lines = refused(tmp_path, line)
    assert list(lines) == [3]
    assert reason in lines[3]


def test_equal_full_keys_that_differ_are_all_refused_in_any_order(tmp_path: Path) -> None:
    pair = ["X,A41.9,,,,,保守治疗,1,,,,", "Y,A41.9,,,,,保守治疗,2,,,,"]
    for number, lines in enumerate((pair, pair[::-1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        said = refused(folder, *lines)
        assert list(said) == [3, 4]
        assert all("第 3、4 行的全键" in reason for reason in said.values())


def test_one_code_for_two_diseases_refuses_both(tmp_path: Path) -> None:
    said = refused(tmp_path, "X,A41.9,,,,,保守治疗,1,,,,", "X,A41.5,,,,,保守治疗,2,,,,")
    assert all("第 3、4 行的病种编码相同而内容不同" in said[line] for line in (3, 4))


def test_a_flag_column_against_the_note_is_a_contradiction(tmp_path: Path) -> None:
    head = "dip_code,dx4,px,class,score,备注,是否基层病种"
    file = as_csv(tmp_path, "X,A41.9,,,1,基层病种,否", "Y,A46.x,,,1,基层病种,是", head=head)
    report, catalogue = taken_in(tmp_path, file)
    assert "标识自相矛盾" in told(report)[2]
    assert catalogue.core[0].flags == {"基层病种"}


def test_a_phrase_of_the_city_gets_its_trigger_by_mapping(tmp_path: Path) -> None:
    file = as_csv(tmp_path, *SAMPLE)
    mapping = {"severity:极严重并发症/合并症": "severity == mcc and icu_hours >= 48"}
    _, catalogue = taken_in(tmp_path, file, mapping)
    assert catalogue.auxiliary.subtypes[1].text == "severity == mcc and icu_hours >= 48"
    assert not catalogue.auxiliary.lists


# --- workbooks as they come


def test_a_formula_is_refused_even_where_a_result_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "目录.xlsx"
    book = xlsxwriter.Workbook(str(file), {"strings_to_formulas": False})
    sheet = book.add_worksheet()
    for row, cells in enumerate(
        [
            ["dip_code", "dx4", "分值", "别的"],
            ["X", "A41.9", None, 1],
            ["Y", "A41.5", 3, None],
            ["Z", "A41.2", 4, 1],
        ],
        start=2,
    ):
        sheet.write_row(row, 1, cells)
    sheet.write_formula("D4", "=1+1", None, 2)
    sheet.write_formula("E5", "=1+1", None, 2)  # a column that is not used may hold formulas
    book.close()
    report, catalogue = taken_in(tmp_path, file)
    assert told(report) == {4: "`分值` 是公式，不是数值；请在 Excel 中复制后选择性粘贴为数值，再导入"}
    assert [row.row for row in catalogue.core] == ["Y", "Z"]


def test_a_merged_header_under_a_title_is_read(tmp_path: Path) -> None:
    rows = [
        ["示范市按病种分值付费病种目录", *[None] * 6],
        ["病种编码", "诊断编码", "手术操作编码", "分值", "级别系数", None, None],
        [None, None, None, None, "三级", "二级", "一级"],
        ["X", "A41.9", None, 10, 1, 0.9, None],
        [None] * 7,
        ["Y", "A41.5", None, 20, 1, 0.8, 0.7],
        [None, None, None, 30, 1, 0.8, 0.7],
    ]
    merged = ["A1:G1", "A2:A3", "B2:B3", "C2:C3", "D2:D3", "E2:G2"]
    report, catalogue = taken_in(tmp_path, as_xlsx(tmp_path, rows, merged))
    assert {key: str(value) for key, value in catalogue.coefficients.items()} == {
        ("X", "三级"): "1", ("X", "二级"): "0.9",
        ("Y", "三级"): "1", ("Y", "二级"): "0.8", ("Y", "一级"): "0.7",
    }  # fmt: skip
    assert list(told(report)) == [7]  # numbered as Excel numbers them; the blank line is no row
    assert report.rows == 3
    assert report.notes == ("表头之上的第 1 行未读",)


def test_a_first_row_that_speaks_of_a_score_is_no_second_header(tmp_path: Path) -> None:
    file = as_csv(tmp_path, "X,A41.9,分值", "Y,A41.5,", head="dip_code,dx4,别的")
    report, catalogue = taken_in(tmp_path, file)
    assert [row.row for row in catalogue.core] == ["X", "Y"]
    assert (report.rows, catalogue.core[0].score) == (2, None)  # no column of scores: none is asked for


def test_three_hundred_columns_are_read_and_the_unused_told(tmp_path: Path) -> None:
    extra = [f"列{number}" for number in range(296)]
    rows = [
        ["病种编码", "诊断编码", *extra, "手术操作编码", "分值"],
        ["X", "A41.9", *range(296), "33.2403", 7.5],
    ]
    report, catalogue = taken_in(tmp_path, as_xlsx(tmp_path, rows))
    (row,) = catalogue.core
    assert (row.principal_px, str(row.score), row.treatment_class) == ("33.2403", "7.5", "诊断性操作")
    assert report.notes[0].startswith("296 列未使用：列0、列1")


def test_two_columns_of_one_name_are_not_guessed_between(tmp_path: Path) -> None:
    file = as_csv(tmp_path, "X,A41.9,1,2", head="dip_code,dx4,分值,分值")
    assert "第 3、4 列的表头都是 `分值`" in refusal(tmp_path, file)


@pytest.mark.parametrize(
    ("content", "mapping", "said"),
    [
        (b"a,b\n1,2\n", None, "找不到表头"),
        (b"", None, "找不到表头"),
        (b"dip_code,dx4\nX,A41.9\n", {"dx4": "\xe8"}, "找不到表头"),
        (b"dip_code,dx4\nX,A41.9\n", {"score": "分"}, "`score` 指向 `分`，表 `目录.csv` 没有这一列；现有：dip_code、dx4"),
        (b"dip_code,dx4\nX,A41.9\n", {"points": "x"}, "`points` 不认识"),
        (b"dip_code,dx4\nX,Q99.99\n", None, "1 行没有一行可收为病种；第 2 行：诊断编码 `Q99.99`"),
        (b"dip_code,dx4\n", None, "0 行没有一行可收为病种"),
        (b'dip_code,dx4\n"X,A41.9\n', None, "读不懂"),
        (b"\x00\x01", None, "不是 xlsx，也不是 CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", None, "旧版 xls"),
        (b"PK\x03\x04 no archive", None, "工作簿读不出来"),
        (b"dip_code,dx4\nX,A41.9\xff\n", None, "既不是 UTF-8 也不是 GB18030"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_catalogue_is_one_sentence(
    tmp_path: Path, content: bytes, mapping: dict[str, str] | None, said: str
) -> None:
    file = tmp_path / "目录.csv"
    file.write_bytes(content)
    assert said in refusal(tmp_path, file, mapping)


def test_an_existing_scheme_is_never_written_over(tmp_path: Path) -> None:
    file = as_csv(tmp_path, *SAMPLE)
    taken_in(tmp_path, file)
    before = (tmp_path / "city" / "core.csv").read_bytes()
    with pytest.raises(SchemeError, match="方案文件夹已存在"):
        import_catalogue(file, "city", tmp_path / "city", {"score": ""})
    assert (tmp_path / "city" / "core.csv").read_bytes() == before


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    file = as_csv(tmp_path, *SAMPLE)
    for name in ("one", "two"):
        import_catalogue(file, "city", tmp_path / name)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert one == two


# --- the real sample


@pytest.mark.shared
@pytest.mark.skipif(not CITY.is_file(), reason="../shared is not in a user's clone")
@pytest.mark.parametrize("column", ["px_fixed", "px_as_stored"])
def test_all_92_rows_of_the_city_sample_are_taken_as_they_say(tmp_path: Path, column: str) -> None:
    with CITY.open(encoding="utf-8", newline="") as file:
        facts = list(csv.DictReader(file))
    report, catalogue = taken_in(tmp_path, CITY, {"principal_px": column})
    suffixed = [fact for fact in facts if "-" in fact["dip_code"]]
    assert (report.rows, report.taken, report.auxiliary, report.refused) == (
        92,
        92 - len(suffixed),
        len(suffixed),
        0,
    )
    assert len(suffixed) == 5
    plain = [fact for fact in facts if fact not in suffixed]
    assert [
        (row.row, row.dx4, row.principal_px, row.treatment_class, row.score, row.related)
        for row in catalogue.core
    ] == [
        (
            f["dip_code"],
            f["dx4"],
            f["px_fixed"],
            f["treatment_type"],
            type(catalogue.core[0].score)(f["score"]),
            (),
        )
        for f in plain
    ]
    assert {row.row for row in catalogue.core if row.flags} == {f["dip_code"] for f in plain if f["note"]}
    levels = {"三级": "coef_level3", "二级": "coef_level2", "一级": "coef_level1"}
    assert {key: float(value) for key, value in catalogue.coefficients.items()} == {
        (f["dip_code"], level): float(f[name]) for f in plain for level, name in levels.items() if f[name]
    }
    assert [(one.subtype, one.row, one.name) for one in catalogue.auxiliary.subtypes] == [
        (f["dip_code"], f["dip_code"].rpartition("-")[0], f["note"]) for f in suffixed
    ]
    assert report.repaired == (0 if column == "px_fixed" else 4)  # 3.3101 three times, 3.9102 once
