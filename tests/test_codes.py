"""The normal form of codes, and the code tables."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupers.codes import LONGEST_CODE, load_code_tables, normal_form
from groupers.drg.rulebook import load_rulebook
from groupers.scheme import SchemeError, seal

TABLES = load_code_tables("yb-2.0")
CODES = sorted({*TABLES.diagnosis_names, *TABLES.procedure_names})


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("i10.X00X002", "I10.x00x002"),  # DESIGN §3
        ("I10.x00x002", "I10.x00x002"),
        (" I10.x00x002\t", "I10.x00x002"),
        ("I10 .x00", "I10.x00"),
        ("Ｉ１０．ｘ００", "I10.x00"),
        ("Ｉ１０．Ｘ００", "I10.x00"),
        ("\u3000I10.x00\u200b\ufeff", "I10.x00"),
        ("x59.900", "X59.900"),  # chapter XX begins with X, which is no filler there
        ("X59.900X001", "X59.900x001"),
        ("a01.002+g01*", "A01.002+G01*"),
        ("A18.004+x59*", "A18.004+X59*"),  # after a dagger the chapter letter stands again
        ("37.8X00X001", "37.8x00x001"),
        ("M8000/3", "M8000/3"),
        ("", ""),
        ("  \u3000", ""),
        ("不是编码", "不是编码"),
    ],
)
def test_normal_form(written: str, normal: str) -> None:
    assert normal_form(written) == normal


@given(st.one_of(st.text(max_size=70), st.text(st.sampled_from("Xx+aZ0159.*/ Ｘｘ\u3000"), max_size=20)))
def test_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)


@given(st.sampled_from(CODES), st.data())
def test_spellings_of_a_real_code_come_back_to_it(code: str, data: st.DataObject) -> None:
    wide = {ord(char): ord(char) + 0xFEE0 for char in string.ascii_letters + string.digits + ".+*"}
    letters = "".join(
        data.draw(st.sampled_from((char, char.swapcase(), char.translate(wide)))) for char in code
    )
    blanks = data.draw(st.sampled_from(("", " ", "\u3000", "\u200b")))
    assert normal_form(blanks + blanks.join(letters) + blanks) == code


def test_every_code_of_every_shipped_table_is_in_normal_form() -> None:
    book = load_rulebook("chs-drg-2.0")
    shipped = [
        *CODES, *TABLES.clinical_dx, *TABLES.clinical_dx.values(), *TABLES.clinical_px,
        *TABLES.clinical_px.values(), *book.known_dx, *book.known_px, *book.dx_not_for_grouping,
        *book.px_not_for_grouping, *(prefix for prefix, _ in TABLES.sex_limited_dx),
    ]  # fmt: skip
    assert [code for code in shipped if normal_form(code) != code] == []
    assert len(shipped) > 90_000
    # Upper-casing would destroy these: more than ten thousand codes hold the filler.
    assert sum(code.upper() != code for code in CODES) > 10_000


def test_a_text_too_long_for_a_code_is_left_alone() -> None:
    text = "i10.X" + " " * LONGEST_CODE
    assert normal_form(text) == text
    assert max(len(code) for code in CODES) <= LONGEST_CODE


def test_sex_limits_come_from_the_table() -> None:
    # Source: WHO ICD-10 volume 2, categories limited to one sex: C61 prostate to men, C53 cervix to women.
    assert TABLES.sex_limit("C61.x00") == "1"
    assert TABLES.sex_limit("C53.900") == "2"
    assert TABLES.sex_limit("I10.x00") is None
    men, women = ({prefix for prefix, sex in TABLES.sex_limited_dx if sex == one} for one in ("1", "2"))
    assert not any(a.startswith(b) or b.startswith(a) for a in men for b in women)


# --- tables on disk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "codes" / "small"
    place.mkdir(parents=True)
    for name, text in {
        "diagnosis.csv": "code,name,restricted\nI10.x00,高血压,0\nI21.900,心梗,1\n",
        "procedure.csv": "code,name,class,restricted\n36.0600,支架,介入治疗,0\n",
        "clinical_diagnosis.csv": "clinical,insurance\nI10.x01,I10.x00\n",
        "clinical_procedure.csv": "clinical,insurance\n",
        "sex_limited.csv": "prefix,sex,name\nC61,1,前列腺\n",
    }.items():
        (place / name).write_text(text, encoding="utf-8")
    (place / "codes.yaml").write_text(
        "name: small\nkind: codes\ntitle: 小\nissuer: 测试\ndocument: 无\n"
        "effective_from: 2025-01-01\nsource: 本测试\n",
        encoding="utf-8",
    )
    seal(place, "codes.yaml")
    return tmp_path


def test_a_small_code_table_loads(root: Path) -> None:
    tables = load_code_tables("small", root)
    assert tables.restricted_dx == {"I21.900"}
    assert tables.procedure_classes == {"36.0600": "介入治疗"}
    assert tables.clinical_dx == {"I10.x01": "I10.x00"}


@pytest.mark.parametrize(
    ("table", "row", "expected"),
    [
        ("diagnosis.csv", "I10.x00,又一个,1", "表 `diagnosis.csv` 的 `I10.x00` 出现两次"),
        ("procedure.csv", "36.0600,又一个,手术,0", "表 `procedure.csv` 的 `36.0600` 出现两次"),
        ("clinical_diagnosis.csv", "I10.x01,I21.900", "表 `clinical_diagnosis.csv` 的 `I10.x01` 出现两次"),
        (
            "clinical_procedure.csv",
            "36.06X0,36.0600",
            "表 `clinical_procedure.csv` 的编码 `36.06X0` 不是规范形式",
        ),
        ("diagnosis.csv", "i11.x00,高心病,0", "应为 `I11.x00`"),
    ],
)
def test_a_code_that_repeats_or_can_never_be_met_is_refused(
    root: Path, table: str, row: str, expected: str
) -> None:
    place = root / "codes" / "small"
    path = place / table
    path.write_text(path.read_text(encoding="utf-8") + row + "\n", encoding="utf-8")
    with pytest.raises(SchemeError, match="方案文件被改动"):
        load_code_tables("small", root)
    seal(place, "codes.yaml")
    with pytest.raises(SchemeError) as caught:
        load_code_tables("small", root)
    assert expected in str(caught.value)


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(SchemeError, match="编码表版本不存在：`yb-9`"):
        load_code_tables("yb-9")


def test_the_mapping_chains_and_names_codes_of_both_editions() -> None:
    # DESIGN §3: 249 diagnosis and 4 procedure codes exist in both versions; 77 entries chain.
    chains = sum(target in TABLES.clinical_dx for target in TABLES.clinical_dx.values())
    chains += sum(target in TABLES.clinical_px for target in TABLES.clinical_px.values())
    assert chains == 77
    assert sum(code in TABLES.diagnosis_names for code in TABLES.clinical_dx) == 249
    assert sum(code in TABLES.procedure_names for code in TABLES.clinical_px) == 4
