"""A scheme on disk is proved before it is used; what is wrong with it is one sentence that names the place."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupers.codes import load_code_tables, normal_form, odd_codes
from groupers.dip.load import load_catalogue
from groupers.drg.rulebook import load_rulebook
from groupers.drg.rules import (
    NUMBERS,
    TEXTS,
    Always,
    Compare,
    Hits,
    Member,
    Prefix,
    SignedAtom,
    parse_condition,
)
from groupers.scheme import (
    SchemeError,
    data_root,
    load_manifest,
    scheme_folder,
    scheme_names,
    seal,
    sealed_files,
)

MANIFEST = """name: small
kind: drg
title: 小方案
issuer: 测试
document: 无
effective_from: 2025-01-01
source: 本测试
"""
TABLES = {
    "rules.csv": "seq,mdc,kind,group,variant,condition\n"
    "1,MDCF,enter,,,principal_dx in heart\n"
    "2,MDCF,adrg,FB1,,main_px in stent\n"
    "3,MDCF,ambiguous,FQY,,operation_px in stent\n",
    "dx_lists.csv": "list,code\nheart,I21.900\nheart,I10.x00\n",
    "px_lists.csv": "list,code\nstent,36.0600\n",
    "severity.csv": "code,severity,exclusion_table\nI50.900,mcc,9\n",
    "exclusions.csv": "principal_dx,exclusion_table\nI21.900,9\n",
    "drg.csv": "drg,adrg,needs,name\nFB11,FB1,mcc,支架伴\nFB15,FB1,none,支架\n",
    "adrg.csv": "adrg,name\nFB1,支架\n",
    "mdc.csv": "mdc,name\nMDCF,循环系统疾病\n",
    "families.csv": "family,list,name\n",
    "not_for_grouping.csv": "kind,code,name\ndx,B95.000,链球菌\npx,00.0100,超声\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "small"
    place.mkdir()
    for name, text in TABLES.items():
        (place / name).write_text(text, encoding="utf-8")
    (place / "scheme.yaml").write_text(MANIFEST, encoding="utf-8")
    seal(place)
    return place


def refusal(folder: Path) -> str:
    with pytest.raises(SchemeError) as caught:
        load_rulebook(str(folder))
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- sealed files


@pytest.mark.parametrize("name", scheme_names())
def test_every_shipped_scheme_verifies(name: str) -> None:
    manifest, files = sealed_files(scheme_folder(name))
    assert manifest.name == name
    assert set(files) == {file.name for file in scheme_folder(name).glob("*.csv")}
    {"drg": load_rulebook, "dip": load_catalogue}[manifest.kind](name)


@pytest.mark.parametrize("version", sorted(path.name for path in (data_root() / "codes").iterdir()))
def test_every_shipped_code_table_verifies(version: str) -> None:
    manifest, files = sealed_files(data_root() / "codes" / version, "codes.yaml")
    assert (manifest.kind, manifest.name) == ("codes", version)
    assert set(files) == {file.name for file in (data_root() / "codes" / version).glob("*.csv")}


def test_a_small_scheme_loads(folder: Path) -> None:
    book = load_rulebook(str(folder))
    assert book.dx_lists == {"heart": {"I21.900", "I10.x00"}}
    assert book.severity == {"I50.900": ("mcc", "9")}
    assert [drg.drg for drg in book.drgs] == ["FB11", "FB15"]
    assert (book.dx_not_for_grouping, book.px_not_for_grouping) == (
        {"B95.000": "链球菌"},
        {"00.0100": "超声"},
    )


def test_one_altered_byte_is_refused_with_both_hashes(folder: Path) -> None:
    before = (folder / "dx_lists.csv").read_bytes()
    after = before.replace(b"I21.900", b"I21.901")
    (folder / "dx_lists.csv").write_bytes(after)
    message = refusal(folder)
    assert str(folder / "dx_lists.csv") in message
    assert hashlib.sha256(before).hexdigest()[:12] in message
    assert hashlib.sha256(after).hexdigest()[:12] in message
    assert "drgdip schemes seal" in message
    assert seal(folder) == len(TABLES)
    assert load_rulebook(str(folder)).dx_lists["heart"] == {"I21.901", "I10.x00"}


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "drg.csv").unlink()
    assert f"方案缺文件：{folder / 'drg.csv'}" in refusal(folder)
    seal(folder)
    assert "方案缺少表 `drg.csv`" in refusal(folder)


def test_an_unknown_scheme_names_those_at_hand() -> None:
    with pytest.raises(SchemeError, match=r"分组方案不存在：`chs-9`；现有方案：.*chs-drg-2\.0"):
        load_rulebook("chs-9")


def test_sealing_keeps_what_stands_behind_the_list_of_files(folder: Path) -> None:
    path = folder / "scheme.yaml"
    path.write_text(
        path.read_text(encoding="utf-8") + 'choices:\n  ambiguous: "off"\n  ungrouped: QY00\n',
        encoding="utf-8",
    )
    (folder / "mdc.csv").write_text("mdc,name\nMDCF,循环\n", encoding="utf-8")
    seal(folder)
    seal(folder)  # a second time changes nothing more
    book = load_rulebook(str(folder))
    assert (book.choices.ambiguous, book.choices.ungrouped) == ("off", "QY00")
    assert book.mdc_names == {"MDCF": "循环"}
    assert path.read_text(encoding="utf-8").count("files:") == 1


def test_sealing_needs_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(SchemeError, match="方案说明文件不存在"):
        seal(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kind: drg", "kind: drug", "项 `kind`"),
        ("title: 小方案\n", "", "项 `title`"),
        ("issuer: 测试", "isuer: 测试", "项 `issuer`"),
        ("effective_from: 2025-01-01", "effective_from: soon", "项 `effective_from`"),
        ("source: 本测试", "source: [", "读不出来"),
        ("source: 本测试", "source: 本测试\nchoices: {ambiguous: both}", "项 `choices.ambiguous`"),
    ],
)
def test_a_manifest_is_a_closed_form(folder: Path, old: str, new: str, expected: str) -> None:
    path = folder / "scheme.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    message = refusal(folder)
    assert expected in message
    assert str(path) in message


def test_a_scheme_of_another_kind_is_refused(folder: Path) -> None:
    path = folder / "scheme.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("kind: drg", "kind: dip"), encoding="utf-8")
    assert "是 dip 方案，这里需要 DRG 方案" in refusal(folder)


# --- tables


@pytest.mark.parametrize(
    ("table", "old", "new", "expected"),
    [
        ("drg.csv", "drg,adrg,needs", "drg,adrg,need", "表 `drg.csv` 的列应为 drg,adrg,needs,name，实为 drg,adrg,need,name"),
        ("drg.csv", "FB15,FB1,none,支架", "FB15,FB1,none", "表 `drg.csv` 第 3 行应有 4 列，实有 3 列"),
        ("mdc.csv", "循环系统疾病", "循环,系统", "表 `mdc.csv` 第 2 行应有 2 列，实有 3 列"),
        ("drg.csv", "FB15,", "FB11,", "表 `drg.csv` 的 `FB11` 出现两次"),
        ("severity.csv", "I50.900,mcc,9\n", "I50.900,mcc,9\nI50.900,cc,8\n", "表 `severity.csv` 的 `I50.900` 出现两次"),
        ("exclusions.csv", "I21.900,9\n", "I21.900,9\nI21.900,8\n", "表 `exclusions.csv` 的 `I21.900` 出现两次"),
        ("adrg.csv", "FB1,支架\n", "FB1,支架\nFB1,支架二\n", "表 `adrg.csv` 的 `FB1` 出现两次"),
        ("severity.csv", ",mcc,", ",MCC,", "`I50.900`：severity 应为 cc 或 mcc，实为 `MCC`"),
        ("drg.csv", ",mcc,", ",cc,", "`FB11`：needs 应为 none、mcc_or_cc、mcc 之一，实为 `cc`"),
        ("drg.csv", "FB15,FB1,none,支架\n", "", "规则 2：ADRG `FB1` 没有不要求合并症的 DRG"),
        ("rules.csv", "2,MDCF,adrg", "1,MDCF,adrg", "规则 1 出现两次"),
        ("rules.csv", "2,MDCF,adrg", "2a,MDCF,adrg", "seq 应为不大于 999999999 的整数，实为 `2a`"),
        ("rules.csv", "MDCF,adrg", "MDCF,group", "规则 2 的 kind 不认识：`group`；可用：enter、adrg"),
        ("rules.csv", "1,MDCF,enter,,,principal_dx in heart\n", "", "规则 2：每个 MDC 须以且只以一条 enter 规则开头"),
        ("rules.csv", "3,MDCF,ambiguous,FQY,,operation_px in stent\n", "3,MDCF,enter,,,always\n", "规则 3：每个 MDC 须以"),
        (
            "rules.csv", "3,MDCF,ambiguous", "3,MDCG,enter,,,always\n4,MDCF,ambiguous",
            "规则 4：MDCF 的规则不相连",
        ),
        ("rules.csv", "in heart", "in hart", "规则 1 引用的名单不存在：`hart`"),
        ("rules.csv", "main_px in stent", "main_px in heart", "规则 2 引用的名单不存在：`heart`"),
        ("rules.csv", "main_px in stent", "hits trauma >= 2", "规则 2 引用的名单族不完整：`trauma`"),
        ("rules.csv", "main_px in stent", "any_dx startswith p07", "规则 2 的前缀 `p07` 不是规范形式"),
        ("rules.csv", "main_px in stent", "main_px within stent", "规则 2 的条件读不懂：`main_px within stent`"),
        ("dx_lists.csv", "I10.x00", "I10.X00", "表 `dx_lists.csv` 的编码 `I10.X00` 不是规范形式，应为 `I10.x00`"),
        ("dx_lists.csv", "I10.x00", " I10.x00", "的编码 ` I10.x00` 不是规范形式"),
        ("dx_lists.csv", "I10.x00", "", "的编码 `` 不是规范形式"),
        ("px_lists.csv", "36.0600", "３６.0600", "表 `px_lists.csv` 的编码"),
        ("severity.csv", "I50", "i50", "表 `severity.csv` 的编码 `i50.900` 不是规范形式"),
        ("exclusions.csv", "I21", "i21", "表 `exclusions.csv` 的编码 `i21.900` 不是规范形式"),
        ("not_for_grouping.csv", "B95", "b95", "表 `not_for_grouping.csv` 的编码 `b95.000` 不是规范形式"),
        ("families.csv", "family,list,name\n", "family,list\n", "表 `families.csv` 的列应为 family,list,name"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_decide_every_case_is_refused(
    folder: Path, table: str, old: str, new: str, expected: str
) -> None:
    text = (folder / table).read_text(encoding="utf-8")
    assert old in text
    (folder / table).write_text(text.replace(old, new, 1), encoding="utf-8")
    seal(folder)
    assert expected in refusal(folder)


def test_a_table_in_another_encoding_is_one_sentence(folder: Path) -> None:
    (folder / "mdc.csv").write_bytes("mdc,name\nMDCF,循环系统疾病\n".encode("gb18030"))
    seal(folder)
    assert "表 `mdc.csv` 读不出来" in refusal(folder)
    (folder / "mdc.csv").write_bytes(
        b"mdc,name\nMDCF," + b"x" * 200_000 + b"\n"
    )  # beyond the csv module's field
    seal(folder)
    assert "表 `mdc.csv` 读不出来" in refusal(folder)


def test_a_code_table_in_place_of_a_scheme_and_the_reverse(tmp_path: Path, folder: Path) -> None:
    place = tmp_path / "codes" / "small"
    place.mkdir(parents=True)
    for file in folder.iterdir():
        (place / file.name.replace("scheme.yaml", "codes.yaml")).write_bytes(file.read_bytes())
    with pytest.raises(SchemeError, match="这里需要编码表"):
        load_code_tables("small", tmp_path)


# --- the rule language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("always", ((SignedAtom(Always()),),)),
        ("not always", ((SignedAtom(Always(), True),),)),
        ("principal_dx in dx-1.a", ((SignedAtom(Member("principal_dx", "dx-1.a")),),)),
        ("any_dx startswith P07.", ((SignedAtom(Prefix("any_dx", "P07.")),),)),
        ("birth_weight_g <= 999", ((SignedAtom(Compare("birth_weight_g", "<=", 999)),),)),
        ("age_days > -1", ((SignedAtom(Compare("age_days", ">", -1)),),)),
        ("sex != 2", ((SignedAtom(Compare("sex", "!=", "2")),),)),
        ("treatment_kind == 2.1", ((SignedAtom(Compare("treatment_kind", "==", "2.1")),),)),
        ("hits trauma >= 2", ((SignedAtom(Hits("trauma", ">=", 2)),),)),
        (
            "main_px in a and not other_px in b",
            ((SignedAtom(Member("main_px", "a")),), (SignedAtom(Member("other_px", "b"), True),)),
        ),
        (
            " ( any_px in a  or not sex == 1 )  and always ",
            ((SignedAtom(Member("any_px", "a")), SignedAtom(Compare("sex", "==", "1"), True)), (SignedAtom(Always()),)),
        ),
        (
            "(age_days < 29 or hits f == 0) and (always or always)",
            (
                (SignedAtom(Compare("age_days", "<", 29)), SignedAtom(Hits("f", "==", 0))),
                (SignedAtom(Always()), SignedAtom(Always())),
            ),
        ),
    ],
)  # fmt: skip
def test_conditions_are_read(text: str, expected: object) -> None:
    assert parse_condition(text) == expected


@pytest.mark.parametrize("column", NUMBERS)
@pytest.mark.parametrize("comparison", ["==", "!=", "<=", ">=", "<", ">"])
def test_every_number_is_compared_by_every_comparison(column: str, comparison: str) -> None:
    assert parse_condition(f"{column} {comparison} 7") == ((SignedAtom(Compare(column, comparison, 7)),),)


@pytest.mark.parametrize("column", TEXTS)
def test_texts_are_only_equal_or_not(column: str) -> None:
    assert parse_condition(f"{column} == 7") == ((SignedAtom(Compare(column, "==", "7")),),)
    with pytest.raises(SchemeError, match="只用 == 或 !="):
        parse_condition(f"{column} < 7", 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "规则 9 的条件读不懂：``"),
        ("alway", "规则 9 的条件读不懂：`alway`"),
        ("always and", "规则 9 的条件读不懂：`always and`"),
        ("always or always", "规则 9 的条件读不懂：`always or always`"),
        ("not not always", "规则 9 的条件读不懂：`not always`"),
        ("not (always or always)", "规则 9 的条件读不懂：`(always or always)`"),
        ("(always and always)", "规则 9 的条件读不懂：`always and always`"),
        ("(always", "规则 9 的条件读不懂：`(always`"),
        ("first_dx in heart", "规则 9 的主语不认识：`first_dx`；可用：principal_dx"),
        ("age_years startswith 1", "规则 9 的主语不认识：`age_years`"),
        ("age >= 17", "规则 9 的比较不成立：`age >= 17`"),
        ("age_years >= old", "规则 9 的比较不成立：`age_years >= old`"),
        ("age_years >= 1.5", "规则 9 的比较不成立：`age_years >= 1.5`"),
        ("age_years = 17", "规则 9 的条件读不懂：`age_years = 17`"),
        ("hits trauma >= two", "规则 9 的条件读不懂：`hits trauma >= two`"),
        ("__import__('os') in heart", "规则 9 的条件读不懂"),
    ],
)
def test_what_is_not_the_language_is_refused_with_rule_and_part(text: str, expected: str) -> None:
    with pytest.raises(SchemeError) as caught:
        parse_condition(text, 9)
    assert expected in str(caught.value)


@given(st.lists(st.text(st.sampled_from("Xx+aA10. \n\u3000Ｘ*"), max_size=6), max_size=4))
def test_odd_codes_are_exactly_those_that_normal_form_changes(codes: list[str]) -> None:
    assert odd_codes(codes) == [code for code in codes if not code or normal_form(code) != code]


def test_the_manifest_of_the_national_scheme_names_its_document() -> None:
    manifest = load_manifest(scheme_folder("chs-drg-2.0"))
    # Source: 国家医疗保障局办公室，医保办发〔2024〕9号.
    assert (manifest.document, manifest.issuer) == ("医保办发〔2024〕9号", "国家医疗保障局")
