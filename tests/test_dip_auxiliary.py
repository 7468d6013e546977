"""Auxiliary subtypes: every band edge of DESIGN §5, highest wins, unknown is null, equal to the slow twin."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groupers.dip.auxiliary import FAMILIES, AuxiliaryTables, auxiliary_of, default_auxiliary
from groupers.dip.charlson import load_charlson
from groupers.dip.subtypes import Subtypes
from groupers.drg.engine import Grouper
from groupers.drg.rulebook import RuleBook
from groupers.scheme import SchemeError, data_root, load_manifest
from tests.reference.auxiliary_case import auxiliary_case
from tests.reference.strategies import as_table, discharges, rulebooks
from tests.test_drg_trace import small_book

Case = dict[str, Any]
SMALL = small_book()  # I50.900 mcc (excluded under I21.900), J96.000 mcc, E11.900 cc
WELL: Case = {"dx_codes": ["K35.800"], "discharge_way": "1", "age_years": 40, "stay_days": 5}
many = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def tables_of(*rows: str, lists: str = "tumour,C\n") -> AuxiliaryTables:
    header = "subtype,row,family,condition,coefficient,name\n"
    text = header + "".join(f"{row}\n" for row in rows)
    return auxiliary_of(
        {"auxiliary.csv": text.encode(), "auxiliary_lists.csv": f"list,prefix\n{lists}".encode()}
    )


def evaluate(
    tables: AuxiliaryTables,
    cases: list[Case],
    rows: list[str | None] | None = None,
    levels: list[str | None] | None = None,
    book: RuleBook | None = SMALL,
) -> list[Case]:
    subtypes = Subtypes(tables.subtypes, tables.lists, book)
    found = subtypes.evaluate(
        as_table(cases),
        pa.array(rows or ["R1"] * len(cases), pa.string()),
        None if levels is None else pa.array(levels, pa.string()),
    )
    return found.to_pylist()


def met(family: str, **case: Any) -> list[str]:
    """The subtypes of one family of the national table that a case meets."""
    tables = default_auxiliary()
    own = {subtype.subtype for subtype in tables.subtypes if subtype.family == family}
    [found] = evaluate(tables, [WELL | case])
    return [code for code in found["aux_met"] if code in own]


# --- the band edges of DESIGN §5


@pytest.mark.parametrize(
    ("years", "days", "expected"),
    [
        (0, 0, ["AGE1"]), (0, 28, ["AGE1"]), (0, 29, ["AGE2"]), (0, 365, ["AGE2"]), (0, 366, []),
        (0, None, []), (1, None, ["AGE3"]), (1, 0, ["AGE3"]), (1, 28, ["AGE3"]), (6, None, ["AGE3"]),
        (7, None, ["AGE4"]), (17, None, ["AGE4"]), (18, None, []), (65, None, []), (66, None, ["AGE5"]),
        (None, 10, []), (0, -1, []),
    ],
)  # fmt: skip
def test_age_bands(years: int | None, days: int | None, expected: list[str]) -> None:
    # DESIGN §5: 0–28 d, 29–365 d with age_years 0, 1–6, 7–17, ≥66; platforms send 0 days for older patients.
    assert met("age", age_years=years, age_days=days) == expected


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (None, []), (0, []), (47, []), (48, ["ICU1"]), (191, ["ICU1"]), (192, ["ICU2"]), (359, ["ICU2"]),
        (360, ["ICU3"]), (743, ["ICU3"]), (744, ["ICU4"]), (10_000, ["ICU4"]),
    ],
)  # fmt: skip
def test_icu_bands_count_whole_days(hours: int | None, expected: list[str]) -> None:
    # DESIGN §5: 2–7, 8–14, 15–30, ≥31 days: 2·24 = 48, 8·24 = 192, 15·24 = 360, 31·24 = 744 hours.
    assert met("icu", icu_hours=hours) == expected


@pytest.mark.parametrize(
    ("way", "stay", "dx", "expected"),
    [
        ("5", 0, ["K35.800"], ["SEV1"]), ("5", 3, ["K35.800"], ["SEV1"]), ("5", 4, ["K35.800"], ["SEV2"]),
        ("5", 4, ["K35.800", "J96.000"], ["SEV2"]), ("5", None, ["K35.800"], []),
        ("1", 3, ["K35.800", "J96.000"], ["SEV3"]), ("1", 3, ["K35.800", "E11.900"], ["SEV4"]),
        ("1", 3, ["K35.800", "E11.900", "J96.000"], ["SEV3"]), ("1", 3, ["K35.800"], ["SEV5"]),
        (None, 3, ["K35.800"], ["SEV5"]), ("1", 3, ["J96.000"], ["SEV5"]),
        ("1", 3, ["K35.800", "I50.900"], ["SEV3"]), ("1", 3, ["I21.900", "I50.900"], ["SEV5"]),
    ],
)  # fmt: skip
def test_severity_of_cases_without_tumour(
    way: str | None, stay: int | None, dx: list[str], expected: list[str]
) -> None:
    # DESIGN §5: death ≤3 d / >3 d, severe = MCC, moderate = CC, mild; §4.4: an excluded MCC does not count.
    case = {"discharge_way": way, "stay_days": stay, "dx_codes": dx}
    assert (met("severity", **case), met("tumour", **case)) == (expected, [])


@pytest.mark.parametrize(
    ("way", "stay", "dx", "expected"),
    [
        ("5", 3, ["C34.100"], ["TUM1"]), ("5", 4, ["C34.100"], ["TUM2"]), ("1", 4, ["C34.100"], ["TUM6"]),
        ("1", 4, ["C34.100", "C78.700"], ["TUM3", "TUM6"]), ("1", 4, ["C34.100", "J96.000"], ["TUM4"]),
        ("1", 4, ["D09.000", "E11.900"], ["TUM5"]), ("1", 4, ["D48.900"], ["TUM6"]),
        ("1", 4, ["C78.700", "C34.100"], ["TUM6"]),
    ],
)  # fmt: skip
def test_tumour_severity_takes_the_place_of_severity(
    way: str, stay: int, dx: list[str], expected: list[str]
) -> None:
    # data/codes/dip-auxiliary/codes.yaml: demo content; tumours are C00–C97, D00–D09, D37–D48.
    case = {"discharge_way": way, "stay_days": stay, "dx_codes": dx}
    assert (met("tumour", **case), met("severity", **case)) == (expected, [])


def test_benign_tumour_is_none_in_severity() -> None:
    assert met("severity", dx_codes=["D25.900"]) == ["SEV5"]  # codes.yaml: D10–D36 按非肿瘤


@pytest.mark.parametrize(
    ("others", "band"),
    [
        ([], "CCI0"), (["I10.x00"], "CCI0"),
        (["J44.900"], "CCI1"),  # 1
        (["J44.900", "I50.900"], "CCI1"), (["N18.900"], "CCI1"),  # 1 + 1; 2
        (["N18.900", "J44.900"], "CCI2"),  # 2 + 1 = 3
        (["N18.900", "G81.900"], "CCI2"),  # 2 + 2 = 4
        (["N18.900", "G81.900", "J44.900"], "CCI3"),  # 5
    ],
)  # fmt: skip
def test_cci_bands(others: list[str], band: str) -> None:
    # DESIGN §5: CCI 0 / 1–2 / 3–4 / ≥5; weights of the paper's 17 categories.
    assert met("cci", dx_codes=["K35.800", *others]) == [band]


# --- the Charlson index


PAPER = {  # Quan 2005, table 1, ICD-10 column, in the paper's own ranges; `.x` is the whole category
    "mi": "I21.x I22.x I25.2",
    "chf": "I09.9 I11.0 I13.0 I13.2 I25.5 I42.0 I42.5-I42.9 I43.x I50.x P29.0",
    "pvd": "I70.x I71.x I73.1 I73.8 I73.9 I77.1 I79.0 I79.2 K55.1 K55.8 K55.9 Z95.8 Z95.9",
    "cevd": "G45.x G46.x H34.0 I60.x-I69.x",
    "dementia": "F00.x-F03.x F05.1 G30.x G31.1",
    "cpd": "I27.8 I27.9 J40.x-J47.x J60.x-J67.x J68.4 J70.1 J70.3",
    "rheumatic": "M05.x M06.x M31.5 M32.x-M34.x M35.1 M35.3 M36.0",
    "pud": "K25.x-K28.x",
    "liver_mild": "B18.x K70.0-K70.3 K70.9 K71.3-K71.5 K71.7 K73.x K74.x K76.0 K76.2-K76.4 K76.8 K76.9 Z94.4",
    "diabetes": "E10.0 E10.1 E10.6 E10.8 E10.9 E11.0 E11.1 E11.6 E11.8 E11.9 E12.0 E12.1 E12.6 E12.8 E12.9 "
    "E13.0 E13.1 E13.6 E13.8 E13.9 E14.0 E14.1 E14.6 E14.8 E14.9",
    "diabetes_complicated": "E10.2-E10.5 E10.7 E11.2-E11.5 E11.7 E12.2-E12.5 E12.7 E13.2-E13.5 E13.7 "
    "E14.2-E14.5 E14.7",
    "plegia": "G04.1 G11.4 G80.1 G80.2 G81.x G82.x G83.0-G83.4 G83.9",
    "renal": "I12.0 I13.1 N03.2-N03.7 N05.2-N05.7 N18.x N19.x N25.0 Z49.0-Z49.2 Z94.0 Z99.2",
    "malignancy": "C00.x-C26.x C30.x-C34.x C37.x-C41.x C43.x C45.x-C58.x C60.x-C76.x C81.x-C85.x C88.x "
    "C90.x-C97.x",
    "liver_severe": "I85.0 I85.9 I86.4 I98.2 K70.4 K71.1 K72.1 K72.9 K76.5-K76.7",
    "metastatic": "C77.x-C80.x",
    "aids": "B20.x-B22.x B24.x",
}  # fmt: skip


def spelled_out(ranges: str) -> set[str]:
    """`I42.5-I42.9` as five prefixes, `C77.x-C80.x` as four categories."""
    found = set()
    for text in ranges.split():
        low, _, high = text.partition("-")
        first, last = (end.replace(".x", "") for end in (low, high or low))
        tail = 1 if "." in first else 2
        numbers = range(int(first[-tail:]), int(last[-tail:]) + 1)
        found |= {f"{first[:-tail]}{number:0{tail}}" for number in numbers}
    return found


def test_prefixes_and_weights_are_the_papers() -> None:
    charlson = load_charlson()
    assert {name: set(prefixes) for name, prefixes in charlson.prefixes.items()} == {
        name: spelled_out(ranges) for name, ranges in PAPER.items()
    }
    weights = [category.weight for category in charlson.categories]
    assert weights == [1] * 10 + [2] * 4 + [3, 6, 6]  # Charlson 1987


def index(*dx: str) -> int:
    tables = tables_of(*(f"N{n},,cci,cci == {n},1.{n:02},CCI {n}" for n in range(30)))
    [found] = evaluate(tables, [{"dx_codes": list(dx)}])
    return int(found["aux_met"][0][1:])


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ("I21.900 I22.000", 1),  # one category counts once
        ("I25.200x001", 1), ("I25.100x001", 0),  # only the old infarction of I25
        ("K74.100", 1), ("K74.100 K72.900", 3),  # mild liver gives way to severe
        ("E11.900", 1), ("E11.200x001", 2), ("E11.900 E11.200x001", 2),  # as does simple diabetes
        ("C34.100", 2), ("C78.000", 6), ("C34.100 C78.000", 6),  # and a malignancy to its metastases
        ("C44.900", 0), ("C86.000", 0), ("B23.000", 0),  # not in the table: skin, later categories
        ("B20.000", 6), ("J44.900 I50.900 N18.900 C78.000", 10),  # 1 + 1 + 2 + 6
        ("K70.301+I98.2*", 3),  # cirrhosis with varices: I98.2 is severe and supersedes K70.3
        ("E05.900x004+I43.8*", 1), ("A52.104+F02.8*", 1),
        ("i21.900", 1), (" Ｉ21.900", 1), ("", 0),
    ],
)  # fmt: skip
def test_charlson_index(others: str, expected: int) -> None:
    assert index("K35.800", *(others.split() if others.strip() else [""])) == expected


def test_principal_diagnosis_is_no_comorbidity() -> None:
    assert (index("C78.000"), index("C78.000", "J44.900"), index()) == (0, 1, 0)


# --- what of several met counts


def test_highest_of_several_counts_and_all_are_listed() -> None:
    baby = WELL | {"age_years": 0, "age_days": 28, "icu_hours": 48, "dx_codes": ["P07.000", "J96.000"]}
    [found] = evaluate(default_auxiliary(), [baby])
    # The table: AGE1 1.30, SEV3 1.20, ICU1 1.15, CCI0 1.00.
    assert found == {
        "aux_coefficient": 13000, "aux_subtype": "AGE1", "aux_met": ["AGE1", "SEV3", "ICU1", "CCI0"],
        "own_coefficient": None, "own_subtype": None, "own_unknown": False, "own_met": [],
    }  # fmt: skip


def test_of_equal_coefficients_the_first_in_the_table_is_named() -> None:
    tables = tables_of("B,,age,age_years >= 1,1.2,b", "A,,icu,icu_days >= 2,1.20,a")
    [found] = evaluate(tables, [{"age_years": 5, "icu_hours": 48}])
    assert (found["aux_subtype"], found["aux_coefficient"]) == ("B", 12000)


def test_one_met_below_one_counts_and_none_met_is_one() -> None:
    tables = tables_of("A,,age,age_years >= 66,0.7125,a")
    found = evaluate(tables, [{"age_years": 66}, {"age_years": 65}, {}])
    assert [row["aux_coefficient"] for row in found] == [7125, 10000, 10000]
    assert [row["aux_subtype"] for row in found] == ["A", None, None]
    assert [row["aux_met"] for row in found] == [["A"], [], []]


def test_unknown_coefficient_of_a_met_subtype_makes_the_result_unknown() -> None:
    tables = tables_of("A,,age,age_years >= 66,9.9,a", "B,,icu,icu_days >= 2,,b")
    found = evaluate(tables, [{"age_years": 70, "icu_hours": 48}, {"age_years": 70}, {"icu_hours": 48}])
    assert [(row["aux_coefficient"], row["aux_subtype"]) for row in found] == [
        (None, "B"), (99000, "A"), (None, "B"),
    ]  # fmt: skip


CITY = tables_of(
    "A41.9C-1,A41.9C,own,severity == cc,三级=1.61;二级=1.12;一级=,严重",
    "A41.9C-2,A41.9C,own,severity == mcc,二级=1.44,极严重",
    "ALL,,severity,severity == cc,1.2,中度",
)
SICK = {"dx_codes": ["A41.900", "E11.900"]}  # cc
WORSE = {"dx_codes": ["A41.900", "J96.000"]}  # mcc


@pytest.mark.parametrize(
    ("case", "row", "level", "aux", "own", "own_met"),
    [
        # aux: what multiplies; own: coefficient, subtype, unknown of what replaces
        (SICK, "A41.9C", "三级", 12000, (16100, "A41.9C-1", False), ["A41.9C-1"]),
        (SICK, "A41.9C", "二级", 12000, (11200, "A41.9C-1", False), ["A41.9C-1"]),
        (SICK, "A41.9C", "一级", 12000, (None, "A41.9C-1", True), ["A41.9C-1"]),  # a blank level
        (SICK, "A41.9C", None, 12000, (None, "A41.9C-1", True), ["A41.9C-1"]),
        (SICK, "K35.8C", "三级", 12000, (None, None, False), []),  # the suffix is of another row
        (WORSE, "A41.9C", "二级", 10000, (14400, "A41.9C-2", False), ["A41.9C-2"]),
        (
            WORSE,
            "A41.9C",
            "三级",
            10000,
            (None, "A41.9C-2", True),
            ["A41.9C-2"],
        ),  # the cell has no such level
        (SICK, None, "三级", 10000, (None, None, False), []),
        (SICK, "0000", "三级", 10000, (None, None, False), []),  # ungrouped: no score to price
    ],
)
def test_severity_suffix_of_a_city_row_replaces(
    case: Case, row: str | None, level: str | None, aux: int, own: tuple[Any, ...], own_met: list[str]
) -> None:
    # facts/dip/city_catalogue_sample_92.csv: A41.9C-1 1.61 (level 3), 1.12 (level 2), blank (level 1); its base
    # row A41.9C has 1 and 0.73, and 1.12 is what a level 2 hospital gets, not 0.73 × 1.12.
    [found] = evaluate(CITY, [case], [row], [level])
    assert (found["aux_coefficient"], found["aux_met"]) == (aux, ["ALL"] if aux == 12000 else [])
    assert (found["own_coefficient"], found["own_subtype"], found["own_unknown"]) == own
    assert found["own_met"] == own_met


def test_highest_of_several_replacing_counts_and_an_unknown_one_hides_all() -> None:
    tables = tables_of(
        "A,R1,own,age_years >= 1,三级=1.3;二级=1.3,a",
        "B,R1,own,age_years >= 2,三级=1.5;二级=1.3,b",
        "C,R1,own,age_years >= 3,二级=0.8;三级=,c",
    )
    cases = [{"age_years": years} for years in (1, 2, 2, 3, 3)]
    found = evaluate(tables, cases, None, ["三级", "三级", "二级", "二级", "三级"])
    assert [(row["own_coefficient"], row["own_subtype"], row["own_unknown"]) for row in found] == [
        (13000, "A", False), (15000, "B", False), (13000, "A", False), (13000, "A", False), (None, "C", True),
    ]  # fmt: skip
    assert [row["own_met"] for row in found] == [
        ["A"],
        ["A", "B"],
        ["A", "B"],
        ["A", "B", "C"],
        ["A", "B", "C"],
    ]
    assert {row["aux_coefficient"] for row in found} == {10000}


# --- the tables


def test_national_table_says_that_its_coefficients_are_a_demo() -> None:
    notes = " ".join(load_manifest(data_root() / "codes" / "dip-auxiliary", "codes.yaml").notes)
    assert "系数一律是示范值" in notes
    tables = default_auxiliary()
    assert {subtype.family for subtype in tables.subtypes} == set(FAMILIES) - {"own"}
    assert all(subtype.name.startswith("示范") for subtype in tables.subtypes if subtype.family == "tumour")


def test_asks_only_for_the_columns_that_conditions_name() -> None:
    asked = tables_of("A,,icu,icu_days >= 2,1.1,a", "B,,cci,cci > 3,1.1,b")
    assert Subtypes(asked.subtypes, asked.lists).columns == ("dx_codes", "icu_hours")
    tables = default_auxiliary()
    assert Subtypes(tables.subtypes, tables.lists, SMALL).columns == (
        "age_days", "age_years", "discharge_way", "dx_codes", "icu_hours", "stay_days",
    )  # fmt: skip


GOOD = "A,,age,age_years >= 66,1.1,a"


@pytest.mark.parametrize(
    ("rows", "lists", "told"),
    [
        (["A,,old,always,1.1,a"], "", "family 不认识：`old`"),
        ([GOOD, "A,,age,always,1.1,b"], "", "`A` 没有编码或出现两次"),
        ([",,age,always,1.1,b"], "", "没有编码"),
        ([GOOD, "B,,age,age_years >= 66,1.2,b"], "", "`A` 与 `B` 的病种和条件相同"),
        (["A,,age,age >= 66,1.1,a"], "", "比较不成立：`age >= 66`；数值列 age_years"),
        (["A,,age,,1.1,a"], "", "条件读不懂"),
        (["A,,age,main_px in tumour,1.1,a"], "", "主语不认识：`main_px`"),
        (["A,,tumour,principal_dx in tumor,1.1,a"], "tumour,C\n", "名单不存在：`tumor`"),
        (["A,,tumour,principal_dx startswith c34,1.1,a"], "", "应为 `C34`"),
        ([GOOD], "tumour,c34\n", "应为 `C34`"),
        (["A,,own,hits trauma >= 2,1.1,a"], "", "没有名单族"),
        (["A,,own,severity == heavy,1.1,a"], "", "severity 应为 none、cc、mcc 之一"),
        (["A,,own,severity > 1,1.1,a"], "", "比较不成立"),
        (["A,,own,always,0,a"], "", "大于 0"),
        (["A,,own,always,-1.2,a"], "", "大于 0"),
        (["A,,own,always,1.23456,a"], "", "小数不超过 4 位"),
        (["A,,own,always,十,a"], "", "实为 `十`"),
        (["A,,own,always,三级=1.1;三级=1.2,a"], "", "写了两次"),
        (["A,,own,always,=1.1,a"], "", "没写级别"),
    ],
)
def test_a_mistake_in_the_table_is_one_sentence(rows: list[str], lists: str, told: str) -> None:
    with pytest.raises(SchemeError) as error:
        tables_of(*rows, lists=lists)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_subtype_of_a_row_that_the_catalogue_lacks_is_refused() -> None:
    files = {
        "auxiliary.csv": b"subtype,row,family,condition,coefficient,name\nA,K35.8C,own,always,1.1,a\n",
        "auxiliary_lists.csv": b"list,prefix\n",
    }
    assert len(auxiliary_of(files, {"K35.8C"}).subtypes) == 1
    with pytest.raises(SchemeError, match=r"病种 `K35\.8C` 不在目录里"):
        auxiliary_of(files, {"K35.9C"})


def test_severity_without_a_drg_scheme_is_refused() -> None:
    tables = tables_of("A,,severity,severity == mcc,1.1,a")
    with pytest.raises(SchemeError, match="没有指明 DRG 方案"):
        Subtypes(tables.subtypes, tables.lists)


# --- the twin


@many
@given(st.data())
def test_severity_alone_is_the_severity_of_grouping(data: st.DataObject) -> None:
    book = data.draw(rulebooks())
    cases = data.draw(st.lists(discharges(book), min_size=1, max_size=8))
    table, grouper = as_table(cases).combine_chunks(), Grouper(book)
    alone = grouper.severity(table.to_batches()[0].column("dx_codes"))
    names = [("none", "cc", "mcc")[rank] for rank in alone]
    assert names == grouper.group(table).column("severity").to_pylist()


DX = (
    "I50.900",
    "J96.000",
    "E11.900",
    "E11.200",
    "C34.100",
    "C78.000",
    "K74.100",
    "K70.301+I98.2*",
    "A09.x00",
)
PX = ("92.2400", "99.2500", "47.0100")
ATOMS = (
    "always", "severity == mcc", "severity == cc", "severity != none", "cci >= 3", "cci == 0", "cci < 2",
    "icu_days >= 2", "icu_days <= 7", "icu_days != 8", "age_years >= 66", "age_days <= 28", "age_years == 0",
    "discharge_way == 5", "discharge_way != 5", "sex == 2", "stay_days > 3",
    "principal_dx in tumour", "other_dx in tumour", "any_dx in spread", "other_dx in spread",
    "any_px in cure", "principal_px in cure", "other_px startswith 9", "any_dx startswith C7",
    "principal_dx startswith E11.2",
)  # fmt: skip
LISTS = "tumour,C\ntumour,D0\nspread,C78\nspread,C\ncure,92.2\ncure,99.25\n"
COEFFICIENTS = ("", "1", "1.0", "1.2", "0.8", "9999.9999", "三级=1.3;二级=", "一级=1.1;三级=1.1")


@st.composite
def auxiliary_tables(draw: st.DrawFn) -> AuxiliaryTables:
    literal = st.builds(
        lambda no, atom: f"not {atom}" if no else atom,
        st.sampled_from([False, False, True]),
        st.sampled_from(ATOMS),
    )
    either = st.lists(literal, min_size=2, max_size=3).map(lambda parts: f"({' or '.join(parts)})")
    condition = st.lists(st.one_of(literal, literal, either), min_size=1, max_size=3).map(" and ".join)
    key = st.tuples(st.sampled_from(["", "", "R1", "R2"]), condition)
    keys = draw(st.lists(key, min_size=0, max_size=7, unique=True))
    coefficients = draw(st.lists(st.sampled_from(COEFFICIENTS), min_size=len(keys), max_size=len(keys)))
    return tables_of(
        *(
            f"S{n},{row},own,{text},{cell},s"
            for n, ((row, text), cell) in enumerate(zip(keys, coefficients, strict=True))
        ),
        lists=LISTS,
    )


def codes(known: tuple[str, ...], most: int) -> st.SearchStrategy[list[str | None] | None]:
    lists = st.lists(st.sampled_from((*known, "", None)), max_size=most)
    return st.one_of(lists, lists, lists, st.none())


CASES = st.fixed_dictionaries(
    {
        "dx_codes": codes(DX, 6),
        "px_codes": codes(PX, 3),
        "age_years": st.sampled_from([None, 0, 1, 65, 66]),
        "age_days": st.sampled_from([None, 0, 28, 29]),
        "icu_hours": st.sampled_from([None, 0, 47, 48, 191, 192, 216]),
        "stay_days": st.sampled_from([None, 0, 3, 4]),
        "discharge_way": st.sampled_from([None, "1", "5"]),
        "sex": st.sampled_from([None, "1", "2"]),
    }
)
PLACED = st.tuples(
    CASES, st.sampled_from([None, "0000", "R1", "R2", "R3"]), st.sampled_from([None, "三级", "二级", "九级"])
)


@many
@given(auxiliary_tables(), st.lists(PLACED, max_size=12), st.booleans())
def test_evaluation_agrees_with_the_twin(
    tables: AuxiliaryTables, placed: list[tuple[Case, str | None, str | None]], with_levels: bool
) -> None:
    levels = [level if with_levels else None for *_, level in placed]
    expected = [
        auxiliary_case(tables, SMALL, load_charlson(), case, row, level)
        for (case, row, _), level in zip(placed, levels, strict=True)
    ]
    cases, rows = [case for case, *_ in placed], [row for _, row, _ in placed]
    assert evaluate(tables, cases, rows, levels if with_levels else None) == expected


@settings(many, max_examples=15)
@given(auxiliary_tables(), st.lists(PLACED, min_size=1, max_size=10), st.data())
def test_a_case_does_not_depend_on_order_split_or_encoding(
    tables: AuxiliaryTables, placed: list[tuple[Case, str | None, str | None]], data: st.DataObject
) -> None:
    cases, rows, levels = (list(column) for column in zip(*placed, strict=True))
    alone = evaluate(tables, cases, rows, levels)
    order = data.draw(st.permutations(range(len(cases))))
    shuffled = evaluate(
        tables, [cases[at] for at in order], [rows[at] for at in order], [levels[at] for at in order]
    )
    assert shuffled == [alone[at] for at in order]
    batch = as_table(cases).combine_chunks().to_batches()[0]
    coded = batch.column("dx_codes")
    texts = coded.values if pa.types.is_dictionary(coded.values.type) else coded.values.dictionary_encode()
    dx = pa.ListArray.from_arrays(coded.offsets, texts, mask=coded.is_null())
    batch = batch.set_column(batch.schema.get_field_index("dx_codes"), "dx_codes", dx)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(cases)), max_size=3)) | {0, len(cases)})
    parts = [batch.slice(low, high - low) for low, high in pairwise(cuts)]
    subtypes = Subtypes(tables.subtypes, tables.lists, SMALL)
    chunks = [
        pa.chunked_array(
            [pa.array(column[low:high], pa.string()).dictionary_encode() for low, high in pairwise(cuts)],
            pa.dictionary(pa.int32(), pa.string()),
        )
        for column in (rows, levels)
    ]
    assert subtypes.evaluate(pa.Table.from_batches(parts), *chunks).to_pylist() == alone


def test_result_is_written_to_parquet_and_an_empty_batch_keeps_its_types(tmp_path: Path) -> None:
    tables = default_auxiliary()
    subtypes = Subtypes(tables.subtypes, tables.lists, SMALL)
    found = subtypes.evaluate(as_table([WELL, WELL | {"age_years": 70}]), pa.array(["R1", "R1"]))
    empty = subtypes.evaluate(as_table([]), pa.array([], pa.string()))
    assert empty.num_rows == 0
    assert empty.schema == found.schema
    pq.write_table(pa.concat_tables([found, empty]), tmp_path / "aux.parquet")
    assert pq.read_table(tmp_path / "aux.parquet").to_pylist() == found.to_pylist()
