"""The platform's own tables become the discharges contract: values, joins, findings, order and bytes.

Formats and joins: DESIGN §3 and facts/platform_fields.csv (notes); amounts are worked out beside each case.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import pipeline.platform
from pipeline.errors import InputError, UsageMistake
from pipeline.platform import Conversion, convert_platform
from pipeline.tables import DISCHARGE_SCHEMA

PLACES = {"1": "local", "2": "local", "3": "province", "4": "country"}
ERRORS = Path(__file__).parent / "errors"
Row = dict[str, str | None]
Tables = dict[str, list[Row]]


def settlement(case: str, **changes: str | None) -> Row:
    """One settlement whose own sums hold: 1000.00 = 700.00 fund + 300.00 personal."""
    row: Row = {
        "setl_id": case,
        "fixmedins_code": "H0010",
        "psn_no": "p1",
        "insutype": "310",
        "gend": "1",
        "brdy": "1957-11-02",
        "age": "67.0",
        "setl_time": "2025-10-05 09:00:00",
        "med_type": "21",
        "medfee_sumamt": "1000.00",
        "fulamt_ownpay_amt": "50.00",
        "overlmt_selfpay": "0",
        "preselfpay_amt": "20.00",
        "inscp_scp_amt": "930.00",
        "act_pay_dedc": "100.00",
        "hifp_pay": "600.00",
        "cvlserv_pay": "10.00",
        "hifes_pay": "20.00",
        "hifmi_pay": "30.00",
        "hifob_pay": "5.00",
        "maf_pay": "25.00",
        "oth_pay": "10.00",
        "hosp_part_amt": None,
        "fund_pay_sumamt": "700.00",
        "psn_part_amt": "300.00",
        "pay_loc": "2",
        "insuplc": "320101",
        "refd_setl_flag": "0",
        "init_setl_id": None,
    }
    return row | changes


def listed(case: str, **changes: str | None) -> Row:
    row: Row = {
        "setl_id": case,
        "adm_time": "2025-10-01 08:00:00",
        "dscg_time": "2025-10-04 10:30:00",
        "act_ipt_days": "3",
        "dscg_way": "1",
        "ipt_med_type": "1",
        "trt_type": "2.1",
        "dscg_caty": "心内科",
        "nwb_age": None,
        "nwb_bir_wt": None,
        "nwb_adm_wt": None,
        "vent_used_dura": None,
    }
    return row | changes


def diagnosis(case: str, code: str | None, main: str | None = "0") -> Row:
    return {"setl_id": case, "diag_code": code, "maindiag_flag": main}


def procedure(case: str, code: str | None, kind: str | None = "2") -> Row:
    return {"setl_id": case, "oprn_oprt_code": code, "oprn_oprt_type": kind}


def icu(case: str, duration: str | None) -> Row:
    return {"setl_id": case, "scs_cutd_sum_dura": duration}


def one_case(changes: Mapping[str, str | None] = {}, on_list: Mapping[str, str | None] = {}) -> Tables:
    return {
        "settlement": [settlement("S1", **changes)],
        "list": [listed("S1", **on_list)],
        "diagnosis": [diagnosis("S1", "I21.000", "1")],
    }


def write_csv(path: Path, rows: list[Row], encoding: str = "utf-8") -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def write_tables(folder: Path, tables: Tables, form: str = "utf-8") -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in tables.items():
        if form == "parquet":
            schema = pa.schema([(column, pa.string()) for column in rows[0]])
            pq.write_table(pa.Table.from_pylist(rows, schema), folder / f"{name}.parquet")
        else:
            write_csv(folder / f"{name}.csv", rows, form)
    return folder


def convert(tmp_path: Path, tables: Tables, form: str = "utf-8") -> tuple[list[dict], list[dict], Conversion]:
    folder = write_tables(tmp_path / "in", tables, form)
    done = convert_platform(folder, tmp_path / "out", PLACES)
    rows = pa.concat_tables([pq.read_table(file) for file in done.files])
    assert rows.schema.equals(DISCHARGE_SCHEMA)
    assert rows.num_rows == done.rows
    return rows.to_pylist(), done.findings.to_pylist(), done


def codes(findings: list[dict]) -> list[tuple[str, str, str | None]]:
    return [(row["code"], row["column"], row["value"]) for row in findings]


def test_one_case_has_every_contract_column(tmp_path: Path) -> None:
    tables = one_case(
        {}, {"vent_used_dura": "1/13/24", "nwb_bir_wt": "3200", "nwb_adm_wt": "3100", "nwb_age": "9"}
    )
    tables["diagnosis"] = [
        diagnosis("S1", "E11.900"),
        diagnosis("S1", "I21.000", "1"),
        diagnosis("S1", "I10.x00x002"),
    ]
    tables["procedure"] = [procedure("S1", "88.5500"), procedure("S1", "36.0700", "主要")]
    # 0/10/40 + 0/13/30 = 24 h 10 min = 24 h; floored row by row it would be 10 + 13 = 23
    tables["icu"] = [icu("S1", "0/10/40"), icu("S1", "0/13/30")]
    (row,), findings, _ = convert(tmp_path, tables)
    expected = dict.fromkeys(DISCHARGE_SCHEMA.names) | {
        "case_id": "S1",
        "hospital_id": "H0010",
        "person_id": "p1",
        "insurance_type": "310",
        "sex": "1",
        "age_years": 67,
        "age_days": 9,
        "birth_weight_g": 3200,
        "admission_weight_g": 3100,
        "admission_date": dt.date(2025, 10, 1),
        "discharge_date": dt.date(2025, 10, 4),
        "settlement_date": dt.date(2025, 10, 5),
        "discharge_way": "1",
        "care_type": "1",
        "treatment_kind": "2.1",
        "department": "心内科",
        "dx_codes": ["I21.000", "E11.900", "I10.x00x002"],
        "px_codes": ["36.0700", "88.5500"],
        "icu_hours": 24,
        "ventilator_hours": 37,  # facts/platform_fields.csv: 1/13/24 = 37 h, floored
        "total_fee_fen": 100000,
        "ownpay_fee_fen": 5000,
        "overlimit_fee_fen": 0,
        "firstpay_fee_fen": 2000,
        "deductible_fen": 10000,
        "pool_fund_fen": 60000,
        "serious_illness_fund_fen": 3500,  # hifmi 30.00 + hifob 5.00
        "medical_aid_fund_fen": 2500,
        "other_fund_fen": 4000,  # cvlserv 10.00 + hifes 20.00 + oth 10.00
        "personal_paid_fen": 30000,
        "place": "local",
        "insured_area": "320101",
    }
    assert row == expected
    assert findings == []


AMOUNTS: list[tuple[str, int | None]] = [
    ("1234.5", 123450),
    ("1,234.50", 123450),
    ("-3.10", -310),
    ("1234", 123400),
    (" 12.00 ", 1200),
    ("１２．３４", 1234),
    ("1.2000", 120),
    (".5", 50),
    ("+7.05", 705),
    ("0.29", 29),  # 0.29 * 100 is 28.999… in binary floating point
    ("99999999999999.99", 9999999999999999),  # the largest decimal(16,2)
    ("1.2e3", None),
    ("12,34.5", None),
    ("1.234", None),
    ("1234,567.00", None),
    ("12元", None),
    ("1.", None),
    ("-", None),
    ("100,000,000,000,000.00", None),  # 15 digits: no decimal(16,2)
]
DATES: list[tuple[str, dt.date | None]] = [
    ("2025-10-03 14:22:01", dt.date(2025, 10, 3)),
    ("2025-10-03", dt.date(2025, 10, 3)),
    ("20251003", dt.date(2025, 10, 3)),
    ("2025/10/3", dt.date(2025, 10, 3)),
    ("2025/10/3 9:05", dt.date(2025, 10, 3)),
    ("2025-10-03T14:22:01.000", dt.date(2025, 10, 3)),
    ("20251003142201", dt.date(2025, 10, 3)),
    ("2025-02-30", None),
    ("20251303", None),
    ("2025-10-03 25:00:00", None),
    ("45933", None),  # an Excel day number
    ("03/10/2025", None),
    ("2025-10-03 16:00:00Z", None),  # in Beijing this is the next day
]
NUMBERS: list[tuple[str, str, str, int | None]] = [
    ("nwb_bir_wt", "3200.0", "birth_weight_g", 3200),
    ("nwb_bir_wt", "3.2", "birth_weight_g", None),
    ("nwb_bir_wt", "3000,2500", "birth_weight_g", None),
    ("nwb_age", "０", "age_days", 0),
    ("nwb_age", "3天", "age_days", None),
    ("vent_used_dura", "0/0/59", "ventilator_hours", 0),
    ("vent_used_dura", "0/37/0", "ventilator_hours", 37),
    ("vent_used_dura", "37", "ventilator_hours", None),
    ("vent_used_dura", "1天13小时", "ventilator_hours", None),
]
Spelled = dict[str, tuple[dict, list[dict]]]


@pytest.fixture(scope="module")
def spelled(tmp_path_factory: pytest.TempPathFactory) -> Spelled:
    """Every spelling in a case of its own, all converted at once: its row and its findings."""
    settlements = {f"amount [{text}]": {"act_pay_dedc": text} for text, _ in AMOUNTS}
    settlements |= {f"date [{text}]": {"setl_time": text} for text, _ in DATES}
    lists = {f"{field} [{text}]": {field: text} for field, text, *_ in NUMBERS}
    cases = [*settlements, *lists]
    columns = {field: None for field, *_ in NUMBERS}
    tables: Tables = {
        "settlement": [settlement(case, **settlements.get(case, {})) for case in cases],
        "list": [listed(case, **columns | lists.get(case, {})) for case in cases],
        "diagnosis": [diagnosis(case, "I21.000", "1") for case in cases],
    }
    rows, findings, _ = convert(tmp_path_factory.mktemp("spelled"), tables)
    assert [row["case_id"] for row in rows] == cases
    return {
        row["case_id"]: (row, [one for one in findings if one["case_id"] == row["case_id"]]) for row in rows
    }


@pytest.mark.parametrize(("text", "fen"), AMOUNTS)
def test_amounts(spelled: Spelled, text: str, fen: int | None) -> None:
    row, findings = spelled[f"amount [{text}]"]
    assert row["deductible_fen"] == fen
    assert codes(findings) == ([] if fen is not None else [("bad_value", "act_pay_dedc", text)])


@pytest.mark.parametrize(("text", "day"), DATES)
def test_dates(spelled: Spelled, text: str, day: dt.date | None) -> None:
    row, findings = spelled[f"date [{text}]"]
    assert row["settlement_date"] == day
    assert codes(findings) == ([] if day else [("bad_value", "setl_time", text)])


@pytest.mark.parametrize(("field", "text", "column", "value"), NUMBERS)
def test_numbers(spelled: Spelled, field: str, text: str, column: str, value: int | None) -> None:
    row, findings = spelled[f"{field} [{text}]"]
    assert row[column] == value
    assert codes(findings) == ([] if value is not None else [("bad_value", field, text)])


def test_age_is_floored(tmp_path: Path) -> None:
    (row,), findings, _ = convert(tmp_path, one_case({"age": "67.9"}))
    assert row["age_years"] == 67  # a cast would round to 68
    assert findings == []


def test_unreadable_part_of_a_sum_is_not_zero(tmp_path: Path) -> None:
    (row,), findings, _ = convert(tmp_path, one_case({"oth_pay": "x", "fund_pay_sumamt": None}))
    assert row["other_fund_fen"] is None
    assert codes(findings) == [("bad_value", "oth_pay", "x")]


def test_absent_parts_of_a_sum_are_zero(tmp_path: Path) -> None:
    tables = one_case()
    for name in ("cvlserv_pay", "hifes_pay", "oth_pay", "hifob_pay", "fund_pay_sumamt"):
        del tables["settlement"][0][name]
    tables["settlement"][0]["hifmi_pay"] = None
    (row,), findings, _ = convert(tmp_path, tables)
    assert (row["other_fund_fen"], row["serious_illness_fund_fen"], findings) == (0, 0, [])


def test_reversal_names_its_original_only_with_the_flag(tmp_path: Path) -> None:
    tables: Tables = {
        "settlement": [
            settlement("S2", refd_setl_flag="1", init_setl_id="S1", act_pay_dedc="-100.00"),
            settlement("S3", refd_setl_flag="0", init_setl_id="S1"),
            settlement("S4", refd_setl_flag="1"),
            settlement("S5", refd_setl_flag="是", init_setl_id="S1"),
        ],
        "list": [listed(case) for case in ("S2", "S3", "S4", "S5")],
        "diagnosis": [diagnosis(case, "I21.000", "1") for case in ("S2", "S3", "S4", "S5")],
    }
    rows, findings, _ = convert(tmp_path, tables)
    assert [row["reverses"] for row in rows] == ["S1", None, None, None]
    assert rows[0]["deductible_fen"] == -10000
    assert [(row["case_id"], row["code"]) for row in findings] == [("S5", "bad_value"), ("S4", "no_original")]


def test_place_goes_through_the_code_table(tmp_path: Path) -> None:
    cases = {"S1": "1", "S2": "3", "S3": "4", "S4": "9"}
    tables: Tables = {
        "settlement": [settlement(case, pay_loc=code) for case, code in cases.items()],
        "list": [listed(case) for case in cases],
        "diagnosis": [diagnosis(case, "I21.000", "1") for case in cases],
    }
    rows, findings, _ = convert(tmp_path, tables)
    assert [row["place"] for row in rows] == ["local", "province", "country", "9"]
    assert codes(findings) == [("unknown_place", "pay_loc", "9")]


@pytest.mark.parametrize(
    ("rows", "dx", "code"),
    [
        ([("A", "0"), ("B", "1"), ("C", None)], ["B", "A", "C"], None),
        ([("A", "0"), ("B", "0")], ["", "A", "B"], "no_principal_flag"),
        ([("A", "1"), ("B", "1")], ["", "A", "B"], "several_principals"),
        ([("A", "1"), ("A", "1"), ("B", "0")], ["A", "A", "B"], None),  # exported twice, but one principal
        ([("A", "0"), (None, "1")], ["", "A"], None),  # the flagged row has no code
        ([], [""], "no_principal_flag"),
    ],
)
def test_principal_diagnosis(
    tmp_path: Path, rows: list[tuple[str | None, str | None]], dx: list[str], code: str | None
) -> None:
    tables = one_case()
    tables["settlement"].append(settlement("S2"))
    tables["list"].append(listed("S2"))
    tables["diagnosis"] += [diagnosis("S2", *row) for row in rows]
    discharges, findings, _ = convert(tmp_path, tables)
    assert discharges[0]["dx_codes"] == ["I21.000"]
    assert discharges[1]["dx_codes"] == dx
    assert codes(findings) == (
        [] if code is None else [(code, "maindiag_flag", None if code[0] == "n" else "2")]
    )


def test_procedures_without_one_principal_keep_file_order(tmp_path: Path) -> None:
    tables = one_case()
    tables["settlement"].append(settlement("S2"))
    tables["list"].append(listed("S2"))
    tables["diagnosis"].append(diagnosis("S2", "I21.000", "1"))
    tables["procedure"] = [
        procedure("S1", "A"),
        procedure("S2", "X"),
        procedure("S1", "B"),
        procedure("S2", "Y", "1"),
        procedure("S2", "Z", "1"),
    ]
    rows, findings, _ = convert(tmp_path, tables)
    assert [row["px_codes"] for row in rows] == [["A", "B"], ["Y", "X", "Z"]]
    assert [(row["case_id"], row["code"]) for row in findings] == [
        ("S1", "no_principal_flag"),
        ("S2", "several_principals"),
    ]


def test_one_unreadable_icu_stay_leaves_the_sum_unknown(tmp_path: Path) -> None:
    tables = one_case()
    tables["icu"] = [icu("S1", "1/0/0"), icu("S1", None), icu("S1", "12h")]
    (row,), findings, _ = convert(tmp_path, tables)
    assert row["icu_hours"] is None
    assert [(item["case_id"], item["code"], item["value"]) for item in findings] == [
        ("S1", "bad_value", None),
        ("S1", "bad_value", "12h"),
    ]


def test_equal_list_rows_count_once_and_different_ones_not_at_all(tmp_path: Path) -> None:
    tables: Tables = {
        "settlement": [settlement("S1"), settlement("S2"), settlement("S3")],
        "list": [
            listed("S2"),
            listed("S1"),
            listed("S2", dscg_time="2025-10-05", act_ipt_days="4"),
            listed("S1"),
        ],
        "diagnosis": [diagnosis(case, "I21.000", "1") for case in ("S1", "S2", "S3")],
    }
    rows, findings, _ = convert(tmp_path, tables)
    assert [row["discharge_date"] for row in rows] == [dt.date(2025, 10, 4), None, None]
    assert [row["admission_date"] for row in rows] == [dt.date(2025, 10, 1), None, None]
    assert [(row["case_id"], row["code"]) for row in findings] == [
        ("S3", "no_list_row"),
        ("S1", "two_list_rows"),
        ("S2", "two_list_rows"),
    ]


def test_settlements_are_written_or_named_as_not_inpatient(tmp_path: Path) -> None:
    kinds = ["11", "21", "22", "23", "24", "51", "52", None, "14"]
    tables: Tables = {
        "settlement": [settlement(f"S{place}", med_type=kind) for place, kind in enumerate(kinds)],
        "list": [listed(f"S{place}") for place in range(len(kinds))],
        "diagnosis": [diagnosis(f"S{place}", "I21.000", "1") for place in range(len(kinds))],
    }
    rows, findings, _ = convert(tmp_path, tables)
    assert [row["case_id"] for row in rows] == ["S1", "S2", "S3", "S4", "S5", "S6"]
    assert codes(findings) == [
        ("not_inpatient", "med_type", "11"),
        ("not_inpatient", "med_type", None),
        ("not_inpatient", "med_type", "14"),
    ]


def test_duplicate_settlements_stay_for_validation_to_judge(tmp_path: Path) -> None:
    tables = one_case()
    tables["settlement"] *= 2
    rows, findings, _ = convert(tmp_path, tables)
    assert len(rows) == 2 and rows[0] == rows[1] and findings == []


def test_orphans_are_named_and_counted_when_many(tmp_path: Path) -> None:
    tables = one_case()
    tables["list"].append(listed("X1"))
    tables["diagnosis"] += [diagnosis(f"X{place}", "I10") for place in range(1001)]
    tables["icu"] = [icu("X1", "0/1/0")]
    rows, findings, _ = convert(tmp_path, tables)
    assert [row["case_id"] for row in rows] == ["S1"]
    assert [(row["case_id"], row["code"], row["value"]) for row in findings] == [
        ("X1", "orphan_row", "list"),
        (None, "orphan_row", "diagnosis"),
        ("X1", "orphan_row", "icu"),
    ]
    assert findings[1]["message"].endswith("行数：1001")


@pytest.mark.parametrize(
    ("settled", "on_list", "code"),
    [
        # born 1957-11-02, admitted 2025-10-01: 67 years completed
        ({"age": "69"}, {}, "age_mismatch"),
        ({"age": "66"}, {}, None),
        ({}, {"act_ipt_days": "4"}, "stay_mismatch"),  # 1 to 4 October are 3 days
        ({}, {"dscg_time": "2025-10-01", "act_ipt_days": "1"}, None),
        ({"inscp_scp_amt": "930.01"}, {}, "scope_mismatch"),  # 1000 - 50 - 0 - 20 = 930
        ({"fund_pay_sumamt": "700.01"}, {}, "fund_sum_mismatch"),  # 600 + 10 + 20 + 30 + 5 + 25 + 10 = 700
    ],
)
def test_fields_that_only_check_others(
    tmp_path: Path, settled: Mapping[str, str], on_list: Mapping[str, str], code: str | None
) -> None:
    rows, findings, _ = convert(tmp_path, one_case(settled, on_list))
    assert len(rows) == 1
    assert [row["code"] for row in findings] == ([code] if code else [])
    if code == "fund_sum_mismatch":
        assert findings[0]["message"].endswith("700.01 元，应为 700.00 元")


def test_certificate_numbers_never_reach_a_finding(tmp_path: Path) -> None:
    certificate = "11010519491231002X"
    _, findings, _ = convert(
        tmp_path, one_case({"age": certificate, "pay_loc": certificate, "maf_pay": "z" * 99})
    )
    assert [row["code"] for row in findings] == ["bad_value", "bad_value", "unknown_place"]
    assert certificate[:12] not in str(findings)
    assert findings[0]["value"] == "z" * 60


def many_cases(count: int) -> Tables:
    """Cases whose order in the four tables differs; ids repeat no pattern of their places."""
    ids = [f"{place * 7919 % count:08d}" for place in range(count)]
    return {
        "settlement": [settlement(case, medfee_sumamt=f"{int(case)}.07", inscp_scp_amt=None) for case in ids],
        "list": [listed(case) for case in reversed(ids)],
        "diagnosis": [
            diagnosis(case, code, main)
            for code, main in (("E11", "0"), ("I21", "1"), ("I10", "0"))
            for case in ids
        ],
        "procedure": [procedure(case, "36.07", "1") for case in sorted(ids) if int(case) % 2],
    }


def bytes_of(done: Conversion) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in done.files}


def test_encodings_and_parquet_give_the_same_bytes(tmp_path: Path) -> None:
    tables = many_cases(300)
    # in GB18030 these bytes are no UTF-8, so the file says itself what it is
    tables["settlement"][5]["act_pay_dedc"] = "一百元"
    made = {}
    for form in ("utf-8", "utf-8-sig", "gb18030", "parquet"):
        folder = write_tables(tmp_path / form, tables, form)
        made[form] = convert_platform(folder, tmp_path / f"{form}-out", PLACES)
    first = made["utf-8"]
    assert first.rows == 300 and first.findings.num_rows == 1
    row = pq.read_table(first.files[0]).slice(7, 1).to_pylist()[0]
    assert row["department"] == "心内科"
    for form, done in made.items():
        assert bytes_of(done) == bytes_of(first), form
        assert done.findings.equals(first.findings), form


def test_4000_rows_keep_settlement_file_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.platform, "CASES_AT_ONCE", 600)  # 7 slices; two files of row groups
    monkeypatch.setattr(pipeline.platform, "GROUPS_PER_FILE", 4)
    tables = many_cases(4_000)
    folder = write_tables(tmp_path / "one", tables)
    done = convert_platform(folder, tmp_path / "one-out", PLACES)
    assert [file.name for file in done.files] == ["discharges-00000.parquet", "discharges-00001.parquet"]
    rows = pa.concat_tables([pq.read_table(file) for file in done.files])
    ids = [str(row["setl_id"]) for row in tables["settlement"]]
    assert rows["case_id"].to_pylist() == ids
    assert rows["total_fee_fen"].to_pylist() == [int(case) * 100 + 7 for case in ids]
    assert rows["dx_codes"].to_pylist() == [["I21", "E11", "I10"]] * 4_000
    assert rows["px_codes"].to_pylist() == [["36.07"] if int(case) % 2 else [] for case in ids]
    assert done.findings.num_rows == 0

    # the same rows cut into a folder of files, in byte order of their names, both kinds mixed
    split = write_tables(
        tmp_path / "split", {name: tables[name] for name in ("list", "diagnosis", "procedure")}
    )
    parts = split / "setl_d"
    parts.mkdir()
    write_csv(parts / "a.csv", tables["settlement"][:1401], "gb18030")
    write_tables(parts, {"b": tables["settlement"][1401:2400]}, "parquet")
    write_csv(parts / "c.csv", tables["settlement"][2400:])
    again = convert_platform(split, tmp_path / "split-out", PLACES)
    assert bytes_of(again) == bytes_of(done)


def test_parquet_columns_of_other_types_read_as_text(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "in", one_case())
    (folder / "settlement.csv").unlink()
    table = pa.Table.from_pylist([settlement("0001", brdy="1957-11-02")])
    stamp = pa.array([dt.datetime(2025, 10, 5, 23, 59, 59)], pa.timestamp("us"))
    money = pa.array(["1000.00"]).cast(pa.decimal128(16, 2))
    table = table.set_column(table.schema.get_field_index("setl_time"), "SETL_TIME", stamp)
    table = table.set_column(table.schema.get_field_index("medfee_sumamt"), "medfee_sumamt", money)
    pq.write_table(table, folder / "settlement.parquet")
    done = convert_platform(folder, tmp_path / "out", PLACES)
    (row,) = pq.read_table(done.files[0]).to_pylist()
    assert (row["case_id"], row["total_fee_fen"], row["settlement_date"]) == (
        "0001",
        100000,
        dt.date(2025, 10, 5),
    )


def test_empty_settlement_table_gives_an_empty_contract_file(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "in", one_case())
    (folder / "settlement.csv").write_text(",".join(settlement("S1")))
    done = convert_platform(folder, tmp_path / "out", PLACES)
    assert done.rows == 0
    assert pq.read_schema(done.files[0]).equals(DISCHARGE_SCHEMA)


def spoil(folder: Path, code: str) -> None:
    """Make the mistake that tests/errors/<code>/case.yaml describes."""
    if code == "platform_missing_column":
        row = settlement("S1")
        del row["medfee_sumamt"]
        write_csv(folder / "settlement.csv", [row])
    elif code == "platform_missing_table":
        (folder / "diagnosis.csv").unlink()
    else:
        (folder / "diagnosis.csv").write_bytes(b"PK\x03\x04\x14\x00\x06\x00\xff\xfe\x80")


@pytest.mark.parametrize("code", ["platform_missing_column", "platform_missing_table", "platform_not_text"])
def test_error_museum(tmp_path: Path, code: str) -> None:
    case = yaml.safe_load((ERRORS / code / "case.yaml").read_text(encoding="utf-8"))
    folder = write_tables(tmp_path / "in", one_case())
    spoil(folder, code)
    with pytest.raises(InputError) as caught:
        convert_platform(folder, tmp_path / "out", PLACES)
    assert caught.value.exit_code == case["exit_code"]
    assert re.search(case["message"], str(caught.value)), str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]  # nothing at target, nothing left beside it


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("diagnosis.csv", "setl_id,diag_code,maindiag_flag\nS1,张三\n", "第 2 行应有 3 列，实有 2 列"),
        ("diagnosis.csv", 'setl_id,diag_code,maindiag_flag\nS1,A,"1\nS2,B,1\nS3,张三,1\n', "不成对的引号"),
        ("diagnosis.csv", "", "空的"),
        ("diseinfo.csv", "setl_id,diag_code,maindiag_flag\n", "有多份"),
        ("procedure.xlsx", "PK", "只能是 .csv 或 .parquet"),
        ("icu.parquet", "not parquet", "不是可读的 Parquet"),
        ("icu.csv", "setl_id,scs_cutd_sum_dura,SCS_CUTD_SUM_DURA\n", "重复的字段"),
    ],
)
def test_unusable_files_are_one_clear_error(tmp_path: Path, name: str, content: str, message: str) -> None:
    folder = write_tables(tmp_path / "in", one_case())
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        convert_platform(folder, tmp_path / "out", PLACES)
    assert "张三" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_text_that_is_both_encodings_is_never_guessed(tmp_path: Path) -> None:
    # 一千 in GB18030 is D2 BB C7 A7, which is also the UTF-8 of U+04BB U+01E7
    tables = one_case({}, {"dscg_caty": "一千"})
    with pytest.raises(InputError, match="按 UTF-8 和 GB18030 都读得通"):
        convert(tmp_path, tables, "gb18030")
    write_tables(tmp_path / "in", tables, "utf-8-sig")
    done = convert_platform(tmp_path / "in", tmp_path / "out", PLACES)
    assert pq.read_table(done.files[0])["department"].to_pylist() == ["一千"]


def test_line_ends_inside_quotes_are_no_mistake(tmp_path: Path) -> None:
    (row,), findings, _ = convert(tmp_path, one_case({}, {"dscg_caty": "心内科\n二病区"}))
    assert row["department"] == "心内科\n二病区"
    assert findings == []


def test_spoilt_settlement_ids_stop_the_conversion(tmp_path: Path) -> None:
    tables = one_case()
    tables["settlement"] = [settlement("4.10E+17")] * 1001
    with pytest.raises(InputError, match=r"4\.10E\+17` 共 1001 行"):
        convert(tmp_path, tables)


def test_memory_limit_must_be_readable(tmp_path: Path) -> None:
    assert pipeline.platform._engine_share("4GiB") == 3 * 1024**3  # three quarters of 4 GiB
    folder = write_tables(tmp_path / "in", one_case())
    with pytest.raises(UsageMistake, match="内存上限应写成"):
        convert_platform(folder, tmp_path / "out", PLACES, memory_limit="four")


def test_existing_output_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="输出位置已有内容"):
        convert(tmp_path, one_case())
    assert (tmp_path / "out" / "mine.txt").read_text() == "x"


def test_crash_leaves_nothing_at_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(pipeline.platform, "_slice", crash)
    with pytest.raises(RuntimeError):
        convert(tmp_path, one_case())
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
