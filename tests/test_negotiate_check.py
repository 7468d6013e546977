"""What comes back from the panels with mistakes: every complaint by sheet and cell, all at once, nothing taken."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from conftest import in_process
from negotiation_fixtures import GROUPS, Edit, filled, propose, region_of, run_of, w01_rows

from pipeline.negotiate_check import Checked, Proposed, check_filled
from pipeline.negotiate_history import read_history
from pipeline.negotiate_present import Present, day_of, present_of
from pipeline.negotiate_read import read_filled
from pipeline.negotiate_sheet import write_template
from pipeline.region import load_region


@dataclass(frozen=True)
class Ground:
    """A region of W01's weights and the sheet for its panels."""

    folder: Path
    region: Path
    present: Present
    template: Path

    def checked(self, name: str, edit: Edit) -> Checked:
        return check_filled(
            read_filled(filled(self.template, self.folder / f"{name}.xlsx", edit)), self.present
        )

    def checked_csv(self, *lines: str) -> Checked:
        path = self.folder / "p.csv"
        path.write_text(
            "\n".join(["group_code,proposed_weight,reason,panel,lock", *lines, ""]), encoding="utf-8"
        )
        return check_filled(read_filled(path), self.present)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("check")
    region = region_of(folder)
    seen = read_history([run_of(folder, "2025-10", w01_rows())], "demo-rate")
    present = present_of(load_region(str(region)), day_of(seen, None))
    write_template(folder / "t.xlsx", present, seen)
    return Ground(folder, region, present, folder / "t.xlsx")


# What is written into which cell of sheet MDCB (row 5 is BB11 at 0.80, row 7 BB21 at 2.50; the others as the demo
# pack has them), the code of the complaint, the cell, and what it says.
SLIPS: dict[str, tuple[dict[str, object], str, str, str]] = {
    "text for a number": ({"H5": "零点八"}, "not_a_number", "H5", "建议权重应为数，实为 `零点八`"),
    "a decimal comma": ({"H6": "6,5"}, "not_a_number", "H6", "实为 `6,5`"),
    "below nothing": ({"H7": -2.5, "I7": "x"}, "limits", "H7", "建议权重 -2.5 应大于零"),
    "nothing": ({"H8": 0, "I8": "x"}, "limits", "H8", "建议权重 0 应大于零"),
    "absurd": ({"H9": 1000, "I9": "x"}, "limits", "H9", "建议权重 1000 高于上限 100"),
    "below the limit": ({"H10": 0.0099, "I10": "x"}, "limits", "H10", "低于下限 0.01"),
    "changed too much": ({"H11": 9, "I11": "x"}, "limits", "H11", "比现行权重 5.7547 变动 +56.39%，超过 30%"),
    "no reason": ({"H12": 4.8}, "no_reason", "I12", "缺理由：4.4043 改为 4.8，变动超过 5%"),
    "too many digits": ({"H13": "8.60001"}, "digits", "H13", "有 5 位小数，应至多 4 位"),
    "a lock of another word": ({"J14": "锁"}, "lock", "J14", "锁定应为是、否或空着，实为 `锁`"),
    "a formula": ({"H15": "=1+1"}, "formula", "H15", "建议权重是公式或错误值"),
    "a long reason": ({"I16": "长" * 201}, "long_reason", "I16", "理由超过 200 个字"),
    "another name": ({"B17": "另一个病组"}, "changed", "B17", "名称被改动"),
    "other cases": ({"C18": 99}, "changed", "C18", "例数被改动：应为 `0`，实为 `99`"),
    "another present weight": ({"F19": 9.9}, "changed", "F19", "现行权重被改动"),
    "a reason by formula": ({"I20": '="x"'}, "formula", "I20", "是公式或错误值；请粘贴为文字"),
}  # fmt: skip


def write(cells: dict[str, object]) -> Edit:
    def edit(book: openpyxl.Workbook) -> None:
        for cell, value in cells.items():
            book["MDCB"][cell] = value

    return edit


@pytest.fixture(scope="module")
def all_at_once(ground: Ground) -> Checked:
    return ground.checked(
        "slips", write({cell: value for cells, *_ in SLIPS.values() for cell, value in cells.items()})
    )


def test_all_slips_are_told_at_once_and_nothing_else(all_at_once: Checked) -> None:
    told = [(one.sheet, one.cell, one.code) for one in all_at_once.complaints]
    assert sorted(told) == sorted(("MDCB", cell, code) for _, code, cell, _ in SLIPS.values())


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_told_by_its_cell(all_at_once: Checked, name: str) -> None:
    _, _, cell, message = SLIPS[name]
    (found,) = (one for one in all_at_once.complaints if one.cell == cell)
    assert message in found.message and found.line.startswith(f"MDCB!{cell}：")


def test_the_change_at_the_edge_needs_no_reason_and_is_allowed(ground: Ground) -> None:
    """2.50 + 5 % = 2.625 exactly needs none; + 30 % = 3.25 exactly is allowed, 3.2501 is not."""
    edges = {"2.625,": [], "2.6251,": ["no_reason"], "3.25,x": [], "3.2501,x": ["limits"]}
    assert {
        cells: [one.code for one in ground.checked_csv(f"BB21,{cells},,").complaints] for cells in edges
    } == edges


def test_a_sound_sheet_is_taken_as_it_stands(ground: Ground) -> None:
    found = ground.checked(
        "sound", propose({"BB21": {"proposed": "２.6", "lock": "是"}, "AA19": {"reason": " 不变 "}})
    )
    assert found.complaints == ()
    assert found.proposals["BB21"] == Proposed(Decimal("2.6"), "", True)
    assert found.proposals["AA19"] == Proposed(None, "不变", False)
    assert found.cases is not None and [found.cases[code] for code in GROUPS] == [1000, 3000, 200]


def swap_code(book: openpyxl.Workbook) -> None:
    book["MDCB"]["A5"] = "ZZ99"


def group_on_two(book: openpyxl.Workbook) -> None:
    for column, value in enumerate(("BB11", book["MDCB"]["B5"].value, 3000, None, None, 0.8), start=1):
        book["MDCA"].cell(40, column).value = value


def twice(book: openpyxl.Workbook) -> None:
    for column in range(1, 7):
        book["MDCB"].cell(200, column).value = book["MDCB"].cell(5, column).value


def copy_sheet(book: openpyxl.Workbook) -> None:
    book.copy_worksheet(book["MDCB"]).title = "MDCB (2)"


def spoil_header(book: openpyxl.Workbook) -> None:
    book["MDCB"]["H4"] = "新权重"


def two_headers(book: openpyxl.Workbook) -> None:
    book["MDCB"]["K4"] = "锁定"


def other_sheet(book: openpyxl.Workbook) -> None:
    book.create_sheet("备忘")["A1"] = "会议记录"


def retouch(book: openpyxl.Workbook) -> None:
    book["核对"]["C15"] = "7"


def lose_code(book: openpyxl.Workbook) -> None:
    book["MDCB"]["A5"] = None


STRUCTURE: dict[str, tuple[Edit, list[tuple[str, str, str]]]] = {
    "an unknown group, so one is missing": (
        swap_code, [("unknown_group", "MDCB!A5", "`ZZ99` 不是本地区现行权重表里的病组"), ("missing_group", "MDCB", "缺病组 `BB11`")]),
    "no code": (lose_code, [("no_code", "MDCB!A5", "编码是空的"), ("missing_group", "MDCB", "缺病组 `BB11`")]),
    "two panels on one group": (
        group_on_two, [("other_panel", "MDCA!A40", "`BB11` 属于表 MDCB"), ("two_panels", "MDCB!A5", "与 MDCA!A40 重复，两个专家组")]),
    "a group twice": (twice, [("twice", "MDCB!A200", "`BB11` 与 A5 重复，同一病组有两行")]),
    "a sheet copied": (copy_sheet, [("copied_sheet", "MDCB (2)", "复制出来的表")]),
    "a sheet lost": (lambda book: book.remove(book["MDCB"]), [("no_sheet", "MDCB", "缺这张表（72 个病组）")]),
    "a header spoilt": (spoil_header, [("header", "MDCB!A4", "表头不符：缺 建议权重")]),
    "a header twice": (two_headers, [("header", "MDCB!A4", "表头不符：有多列 锁定")]),
    "a sheet of no panel": (other_sheet, [("header", "备忘", "没有表头")]),
    "the stamp lost": (lambda book: book.remove(book["核对"]), [("no_stamp", "核对", "缺这张表，认不出是哪一版")]),
}  # fmt: skip


@pytest.mark.parametrize("name", STRUCTURE)
def test_a_workbook_taken_apart_is_told(ground: Ground, name: str) -> None:
    edit, wanted = STRUCTURE[name]
    found = ground.checked("structure", edit).complaints
    assert [(one.code, one.line.split("：")[0]) for one in found] == [
        (code, where) for code, where, _ in wanted
    ]
    assert all(message in one.message for one, (_, _, message) in zip(found, wanted, strict=True))


def test_a_stamp_retouched_is_found_by_its_fingerprint(ground: Ground) -> None:
    codes = {one.code for one in ground.checked("stamp", retouch).complaints}
    assert "altered_stamp" in codes


def test_a_sheet_of_other_weights_or_another_region_is_told(ground: Ground, tmp_path: Path) -> None:
    pack = region_of(tmp_path)
    path = pack / "weights-2025.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("BB21,2.50", "BB21,2.51"), encoding="utf-8")
    said = in_process("negotiate", "check", ground.template, "--region", pack)
    assert said.code == 11 and "核对：是另一版权重的表（weights-2025.csv" in said.out
    said = in_process("negotiate", "check", ground.template, "--region", "demo-points")
    assert said.code == 11 and "是地区 `demo-rate` 的表，给出的地区是 `demo-points`" in said.out


def test_an_error_value_without_formula_is_no_empty_cell(ground: Ground) -> None:
    """#REF! pasted as a value: the reader yields nothing for it, and nothing would mean the present weight."""
    (found,) = ground.checked("error", write({"H5": "#REF!"})).complaints
    assert (found.sheet, found.cell, found.code) == ("MDCB", "H5", "formula")


CSV_SLIPS: dict[str, tuple[tuple[str, ...], list[tuple[str, str]]]] = {
    "one group by two panels": (("BB21,2.6,,甲组,", "BB21,2.5,,乙组,"), [("two_panels", "A3")]),
    "one group twice by one panel": (("BB21,2.6,,甲组,", "BB21,2.5,,甲组,"), [("twice", "A3")]),
    "unknown, text, lock, reason": (
        ("ZZ,1,,,", "BB11,a,,,", "BB21,2.6,,,y", "AA19,1.3,,,"),
        [("unknown_group", "A2"), ("not_a_number", "B3"), ("lock", "E4"), ("no_reason", "C5")]),
    "a group that is not negotiated": (("0000,0.3,x,,",), [("unknown_group", "A2")]),
    "a formula": (("BB21,=2+0.6,,,",), [("formula", "B2")]),
}  # fmt: skip


@pytest.mark.parametrize("name", CSV_SLIPS)
def test_a_csv_is_judged_by_the_same_rules(ground: Ground, name: str) -> None:
    lines, wanted = CSV_SLIPS[name]
    assert [(one.code, one.cell) for one in ground.checked_csv(*lines).complaints] == wanted


def test_a_csv_without_its_columns_is_told(ground: Ground, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("group_code,weight\nBB21,2.6\n", encoding="utf-8")
    (found,) = check_filled(read_filled(path), ground.present).complaints
    assert found.code == "header" and "缺 建议权重、理由、panel、锁定" in found.message


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("p.xlsx", b"PK\x03\x04 broken", "工作簿读不出来"),
        ("p.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "谈判表文件是旧版 xls"),
        ("p.pdf", b"%PDF-1.7\0\0", "谈判表文件不是 xlsx，也不是 CSV"),
        ("p.csv", b"group_code,proposed_weight,reason,panel,lock\n", "谈判表里没有病组"),
    ],
)
def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    said = in_process("negotiate", "check", tmp_path / name, "--region", "demo-rate")
    assert (said.code, said.err.count("\n")) == (11, 1) and told in said.err


def test_the_command_lists_fifty_and_counts_all(ground: Ground, tmp_path: Path) -> None:
    """60 rows of MDCB with a word for a lock; --json has all of them."""
    file = filled(ground.template, tmp_path / "many.xlsx", write({f"J{row}": "锁" for row in range(5, 65)}))
    said = in_process("negotiate", "check", file, "--region", ground.region)
    assert said.code == 11 and len(said.out.splitlines()) == 50 and said.out.startswith("MDCB!J5：锁定应为")
    assert said.err.startswith("输入：谈判表有 60 处错误：") and "以上列出前 50 处" in said.err
    said = in_process("negotiate", "check", file, "--region", ground.region, "--json")
    listed = json.loads(said.out)["complaints"]
    assert said.code == 11 and len(listed) == 60
    assert listed[59] == {
        "code": "lock",
        "sheet": "MDCB",
        "cell": "J64",
        "message": "锁定应为是、否或空着，实为 `锁`；请更正",
    }
    out = tmp_path / "w.csv"
    said = in_process(
        "negotiate",
        "rescale",
        file,
        "--region",
        ground.region,
        "--history",
        ground.folder / "run-2025-10",
        "--out",
        out,
    )
    assert said.code == 11 and not out.exists()


PACK_SLIPS = {
    "limits the wrong way": ("weight_max: 100", "weight_max: 0.01", "weight_max 0.01 应大于 weight_min 0.01"),
    "a reason beyond what is allowed": ("reason_over: 0.05", "reason_over: 0.31", "reason_over 0.31 不得大于 change_max 0.30"),
    "no months of history": ("months: 12", "months: 0", "不得小于 1"),
    "no change allowed": ("change_max: 0.30", "change_max: 0", "须大于 0"),
    "an unknown key": ("weight_min: 0.01", "weight_least: 0.01", "`negotiation.0.weight_least`：不认识的项"),
    "no source": ("    history: {months: 12}\n    source: 示范取值", "    history: {months: 12}", "`negotiation.0.source`：缺少此项"),
}  # fmt: skip


@pytest.mark.parametrize("name", PACK_SLIPS)
def test_a_slip_in_the_pack_s_limits_is_told(tmp_path: Path, name: str) -> None:
    old, new, told = PACK_SLIPS[name]
    pack = region_of(tmp_path)
    text = (pack / "region.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    (pack / "region.yaml").write_text(text.replace(old, new), encoding="utf-8")
    said = in_process("regions", "check", pack)
    assert said.code == 10 and told in said.err


def test_without_limits_in_the_pack_every_change_needs_a_reason(ground: Ground, tmp_path: Path) -> None:
    pack = region_of(tmp_path)
    text = (pack / "region.yaml").read_text(encoding="utf-8")
    (pack / "region.yaml").write_text(text[: text.index("negotiation:")], encoding="utf-8")
    present = present_of(load_region(str(pack)), ground.present.day)
    path = tmp_path / "p.csv"
    path.write_text(
        "group_code,proposed_weight,reason,panel,lock\nBB21,2.5001,,,\nBB11,9,x,,\nAA19,1000.1,x,,\n",
        encoding="utf-8",
    )
    found = check_filled(read_filled(path), present).complaints
    assert [(one.code, one.cell) for one in found] == [("no_reason", "C2"), ("limits", "B4")]


def test_the_page_names_every_kind_of_complaint_that_is_provoked_here() -> None:
    provoked = {code for _, code, _, _ in SLIPS.values()} | {"altered_stamp", "other_region", "other_version"}
    provoked |= {code for _, wanted in STRUCTURE.values() for code, _, _ in wanted}
    provoked |= {code for _, wanted in CSV_SLIPS.values() for code, _ in wanted}
    root = Path(__file__).parent.parent
    page = (
        (root / "docs" / "negotiation.md").read_text(encoding="utf-8").split("## 检查")[1].split("\n## ")[0]
    )
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == provoked
    code = "".join(
        (root / "pipeline" / f"negotiate_{name}.py").read_text(encoding="utf-8") for name in ("check", "read")
    )
    assert not [kind for kind in provoked if f'"{kind}"' not in code]
