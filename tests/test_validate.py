"""Every named check at its border, one door for every row, and nothing that depends on the batch."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pandera.polars as pa_polars
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groupers.codes import CodeTables
from pipeline.contracts import check_discharges, completed
from pipeline.errors import AuditBroken, UsageMistake
from pipeline.findings import ALL, BY_CODE, DOOR_NAMES, document
from pipeline.pack import CodesEntry
from pipeline.region import FOREVER, Hospital, load_region
from pipeline.schemes import drg_scheme
from pipeline.tables import DISCHARGE_SCHEMA, DISCHARGES, MONEY_COLUMNS
from pipeline.validate import Validated, Yardstick, validate
from pipeline.yardstick import period_days, yardstick
from tests.test_drg_trace import small_book

NONE = np.zeros(0, dtype=np.int64)
# small_book knows I21.900 I50.900 J96.000 E11.900 D25.900 …; K30.x00x002 stands in the scheme only.
TABLES = CodeTables(
    diagnosis_names=dict.fromkeys(
        ("I21.900", "I10.x00", "E11.900", "C61.x00", "C53.900", "A00.000", "B95.000", "I10.x03"), ""
    ),
    procedure_names=dict.fromkeys(("36.0600", "00.0101"), ""),
    procedure_classes={},
    restricted_dx=frozenset({"A00.000"}),
    restricted_px=frozenset(),
    clinical_dx={"I10.x02": "I10.x03", "I10.x03": "I10.x00", "I21.900": "E11.900"},
    clinical_px={"36.0700": "36.0600"},
    sex_limited_dx=(("C61", "1"), ("C53", "2")),
)
D = dt.date
DEFAULT: dict[str, Any] = {
    "case_id": "S1", "hospital_id": "H1", "person_id": "P1", "insurance_type": "310", "sex": "1", "age_years": 40,
    "admission_date": D(2025, 10, 1), "discharge_date": D(2025, 10, 5), "settlement_date": D(2025, 10, 5),
    "discharge_way": "1", "place": "local", "dx_codes": ["I10.x00"], "px_codes": [],
    **dict.fromkeys(MONEY_COLUMNS, 0), "total_fee_fen": 900_00, "pool_fund_fen": 540_00, "personal_paid_fen": 360_00,
}  # fmt: skip
REVERSAL = {
    "reverses": "S0", "total_fee_fen": -900_00, "pool_fund_fen": -540_00, "personal_paid_fen": -360_00,
}  # fmt: skip


def measure(
    repeated: list[int] | None = None,
    conflicting: list[int] | None = None,
    clinical: tuple[CodesEntry, ...] = (),
    period_by: str = "settlement_date",
) -> Yardstick:
    """H1 always; H2 only from 3 to 20 October; H3 away from 5 to 9 October."""
    region = load_region("demo-rate")
    hospitals = [
        ("H1", D(2025, 1, 1), FOREVER),
        ("H2", D(2025, 10, 3), D(2025, 10, 20)),
        ("H3", D(2025, 1, 1), D(2025, 10, 4)),
        ("H3", D(2025, 10, 10), FOREVER),
    ]
    pack = region.pack.model_copy(
        update={"period_by": period_by, **({"codes": list(clinical)} if clinical else {})}
    )
    region = dataclasses.replace(
        region, pack=pack, hospitals=tuple(Hospital(h, h, "三级", "综合", "A", a, b) for h, a, b in hospitals)
    )
    book = dataclasses.replace(
        small_book(),
        exclusions={"K30.x00x002": "1"},
        dx_not_for_grouping={"B95.000": ""},
        px_not_for_grouping={"00.0101": ""},
    )
    return yardstick(
        region,
        [drg_scheme(region.pack.scheme[0], book)],
        TABLES,
        "2025-10",
        np.array(repeated or [], np.int64),
        np.array(conflicting or [], np.int64),
    )


def batch_of(*rows: dict[str, Any]) -> pa.RecordBatch:
    filled = [{"case_id": f"S{n}", **DEFAULT, **row} for n, row in enumerate(rows, start=1)]
    return pa.RecordBatch.from_pylist(filled, DISCHARGE_SCHEMA)


def run(*rows: dict[str, Any], by: Yardstick | None = None) -> Validated:
    return validate(batch_of(*rows), 0, by or measure())


def codes_of(found: Validated) -> list[tuple[int, str, str, str]]:
    return [
        (row["input_row"], row["code"], row["column"], row["value"]) for row in found.findings.to_pylist()
    ]


# --- each named check: (finding, values that provoke it, column, value shown) and values that just do not

PROVOKED: list[tuple[str, dict[str, Any], str, str]] = [
    ("missing_value", {"insurance_type": None}, "insurance_type", "`insurance_type`（险种）"),
    ("missing_value", {"total_fee_fen": None}, "total_fee_fen", "`total_fee_fen`（医疗费总额）"),
    ("missing_value", {"case_id": ""}, "case_id", "`case_id`（结算ID）"),
    ("missing_value", {"person_id": ""}, "person_id", "`person_id`（人员编号（已脱敏））"),
    ("missing_value", {"discharge_date": None}, "discharge_date", "`discharge_date`（出院日期）"),
    ("oversized_text", {"department": "科" * 67}, "department", "科" * 20),  # 201 bytes
    ("oversized_text", {"person_id": "P" * 201}, "person_id", "`person_id`"),
    ("bad_character", {"case_id": "S\x00"}, "case_id", "`case_id`"),
    ("bad_character", {"hospital_id": "H1\n"}, "hospital_id", "`hospital_id`"),
    ("missing_principal", {"dx_codes": None}, "dx_codes", ""),
    ("missing_principal", {"dx_codes": []}, "dx_codes", ""),
    ("missing_principal", {"dx_codes": [" ", "I10.x00"]}, "dx_codes", ""),
    ("missing_principal", {"dx_codes": [None, "I10.x00"]}, "dx_codes", ""),
    ("unknown_principal", {"dx_codes": ["Q99.999", "I10.x00"]}, "dx_codes", "Q99.999"),
    ("unknown_sex", {"sex": "9"}, "sex", "9"),
    ("unknown_sex", {"sex": ""}, "sex", ""),
    ("impossible_age", {"age_years": 151}, "age_years", "151岁"),
    ("impossible_age", {"age_years": -1}, "age_years", "-1岁"),
    ("impossible_age", {"age_years": 0, "age_days": 367}, "age_years", "0岁"),
    ("impossible_age", {"age_years": 30, "age_days": -1}, "age_years", "30岁"),
    ("newborn_without_days", {"age_years": 0}, "age_days", ""),
    ("dates_reversed", {"discharge_date": D(2025, 9, 30)}, "discharge_date", "2025-10-01 → 2025-09-30"),
    ("negative_money", {"drug_fee_fen": -1}, "drug_fee_fen", "`drug_fee_fen` -1 分"),
    ("absurd_amount", {"pool_fund_fen": 10_000_000_001}, "pool_fund_fen", "10000000001"),
    ("absurd_amount", {**REVERSAL, "total_fee_fen": -10_000_000_001}, "total_fee_fen", "-10000000001"),
    ("too_many_codes", {"dx_codes": ["I10.x00"] * 101}, "dx_codes", "101"),
    ("too_many_codes", {"px_codes": ["36.0600"] * 101}, "px_codes", "101"),
    ("unknown_hospital", {"hospital_id": "H9"}, "hospital_id", "H9"),
    ("unknown_insurance_type", {"insurance_type": "999"}, "insurance_type", "999"),
    ("other_period", {"settlement_date": D(2025, 11, 1)}, "settlement_date", "2025-11-01"),
    ("hospital_not_in_force", {"hospital_id": "H2", "discharge_date": D(2025, 10, 2)}, "hospital_id", "H2"),
    ("hospital_not_in_force", {"hospital_id": "H2", "discharge_date": D(2025, 10, 21)}, "hospital_id", "H2"),
    ("hospital_not_in_force", {"hospital_id": "H3", "discharge_date": D(2025, 10, 9)}, "hospital_id", "H3"),
    ("restricted_principal", {"dx_codes": ["A00.000"]}, "dx_codes", "A00.000"),
    ("not_for_grouping_principal", {"dx_codes": ["B95.000"]}, "dx_codes", "B95.000"),
    ("not_for_grouping_procedure", {"px_codes": ["00.0101"]}, "px_codes", "00.0101"),
    ("unknown_code", {"dx_codes": ["I10.x00", "Q99.999"]}, "dx_codes", "Q99.999"),
    ("unknown_procedure", {"px_codes": ["36.0600", "99.9999"]}, "px_codes", "99.9999"),
    ("code_form", {"dx_codes": ["i10.X00"]}, "dx_codes", "i10.X00→I10.x00"),
    ("code_form", {"px_codes": [" 36.0600"]}, "px_codes", " 36.0600→36.0600"),
    ("empty_code", {"dx_codes": ["I10.x00", None]}, "dx_codes", ""),
    ("empty_code", {"px_codes": [""]}, "px_codes", ""),
    ("sex_conflict", {"dx_codes": ["I10.x00", "C53.900"]}, "dx_codes", "C53.900"),
    ("sex_conflict", {"dx_codes": ["C61.x00"], "sex": "2"}, "dx_codes", "C61.x00"),
    (
        "sex_conflict",
        {"dx_codes": ["I10.x00", "C53.111"]},
        "dx_codes",
        "C53.111",
    ),  # by prefix, though unknown
    ("secondary_duplicate", {"dx_codes": ["I10.x00", "E11.900", "I10.x00"]}, "dx_codes", "I10.x00"),
    ("identity_broken", {"total_fee_fen": 900_01}, "total_fee_fen", "1"),
    ("part_over_total", {"drug_fee_fen": 900_01}, "drug_fee_fen", "`drug_fee_fen` 90001 分"),
    ("zero_day_stay", {"discharge_date": D(2025, 10, 1)}, "discharge_date", "0"),
    ("settled_before_discharge", {"settlement_date": D(2025, 10, 4)}, "settlement_date", "2025-10-04"),
    ("unknown_discharge_way", {"discharge_way": "6"}, "discharge_way", "6"),
    ("unknown_place", {"place": "abroad"}, "place", "abroad"),
]


@pytest.mark.parametrize(("code", "values", "column", "shown"), PROVOKED)
def test_a_row_that_breaks_a_check_is_found(
    code: str, values: dict[str, Any], column: str, shown: str
) -> None:
    found = run({}, values)
    assert (1, code, column, shown) in codes_of(found)
    assert not [row for row in codes_of(found) if row[0] == 0]
    row = next(row for row in found.findings.to_pylist() if row["code"] == code)
    assert row["severity"] == BY_CODE[code].door
    assert shown[:60] in row["message"] or "{}" not in BY_CODE[code].message


NOT_PROVOKED: list[tuple[str, dict[str, Any]]] = [
    ("oversized_text", {"department": "科" * 66 + "ab"}),  # 200 bytes
    ("impossible_age", {"age_years": 150}),
    ("impossible_age", {"age_years": 0, "age_days": 366}),
    ("impossible_age", {"age_years": 88, "age_days": 32_460}),  # the public cases give adults their days too
    ("newborn_without_days", {"age_years": 0, "age_days": 0}),
    ("newborn_without_days", {"age_years": 1}),
    ("dates_reversed", {"discharge_date": D(2025, 10, 1)}),
    ("negative_money", {"drug_fee_fen": 0}),
    ("negative_money", {"drug_fee_fen": None}),
    ("absurd_amount", {"pool_fund_fen": 10_000_000_000}),
    ("too_many_codes", {"dx_codes": ["I10.x00"] * 100}),
    ("other_period", {"settlement_date": D(2025, 10, 31), "discharge_date": D(2025, 9, 30),
                      "admission_date": D(2025, 9, 1)}),
    ("hospital_not_in_force", {"hospital_id": "H2", "discharge_date": D(2025, 10, 3)}),
    ("hospital_not_in_force", {"hospital_id": "H2", "discharge_date": D(2025, 10, 20)}),
    ("hospital_not_in_force", {"hospital_id": "H3", "discharge_date": D(2025, 10, 4)}),
    ("hospital_not_in_force", {"hospital_id": "H3", "discharge_date": D(2025, 10, 10)}),
    ("restricted_principal", {"dx_codes": ["I10.x00", "A00.000"]}),
    ("not_for_grouping_procedure", {"px_codes": ["36.0600", "00.0101"]}),
    ("unknown_procedure", {"px_codes": ["68.4900"]}),  # in a list of the scheme only
    ("sex_conflict", {"dx_codes": ["C61.x00"]}),
    ("secondary_duplicate", {"dx_codes": ["I10.x00", "E11.900"]}),
    ("identity_broken", {"total_fee_fen": 900_01, "hospital_borne_fen": 1}),  # the law of the list, DESIGN §3
    ("part_over_total", {"drug_fee_fen": 900_00}),
    ("settled_before_discharge", {}),
    ("unknown_discharge_way", {"discharge_way": None}),
    ("missing_value", {"hospital_borne_fen": None, "px_codes": None, "reverses": None}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "values"), NOT_PROVOKED)
def test_a_row_at_the_border_of_a_check_is_not_found(code: str, values: dict[str, Any]) -> None:
    assert code not in [row[1] for row in codes_of(run(values))]


def test_every_finding_of_the_table_is_provoked_here_or_belongs_to_a_later_stage() -> None:
    here = {code for code, *_ in PROVOKED} | {"mapped_code", "duplicate_case_id", "repeated_row"}
    later = {"reversal_of_refused", "second_reversal", "no_terms", "no_weight", "no_rate", "no_coefficient",
             "no_reference", "no_amount", "no_fee", "separate_over_total", "out_of_scope", "case_review",
             "reversal_without_original", "reversal_unlike", "review_over_quota",
             "already_paid", "late_discharge"}  # fmt: skip
    assert {finding.code for finding in ALL} == here | later
    assert len({finding.code for finding in ALL}) == len(ALL)
    for finding in ALL:
        assert f"| `{finding.code}` | {DOOR_NAMES[finding.door]} |" in document()


# --- doors


def test_a_sound_row_goes_on_unchanged() -> None:
    found = run({"dx_codes": ["I10.x00", "E11.900"], "px_codes": ["36.0600"], "drug_fee_fen": None})
    assert codes_of(found) == []
    row = found.passed.to_pylist()[0]
    assert (row.pop("input_row"), row.pop("stay_days")) == (0, 4)  # from 1 to 5 October
    assert row == batch_of({"dx_codes": ["I10.x00", "E11.900"], "px_codes": ["36.0600"], "drug_fee_fen": None})\
        .to_pylist()[0]  # fmt: skip
    assert found.arrivals.to_pylist()[0]["door"] == "on"


def test_a_refusal_beats_a_hold_and_a_warning_closes_no_door() -> None:
    held = {"settlement_date": D(2025, 11, 1)}
    found = run(
        held, {**held, "sex": "9"}, {"place": "abroad"}, {**held, "hospital_id": "H2", "discharge_date": D(2025, 10, 2)},
        {"sex": "9", "age_years": 151, "insurance_type": None},
    )  # fmt: skip
    assert [(row["door"], row["code"]) for row in found.arrivals.to_pylist()] == [
        ("hold", "other_period"),
        ("refuse", "unknown_sex"),
        ("on", None),
        ("hold", "other_period"),
        ("refuse", "missing_value"),  # the first of the table of findings
    ]
    assert found.passed.column("input_row").to_pylist() == [2]


def test_a_first_diagnosis_that_is_empty_refuses_although_later_ones_exist() -> None:
    found = run({"dx_codes": ["", "I10.x00"]}, {"dx_codes": ["I10.x00", ""]})
    assert [row["door"] for row in found.arrivals.to_pylist()] == ["refuse", "on"]
    assert found.passed.column("dx_codes").to_pylist() == [["I10.x00"]]


def test_a_principal_known_to_the_scheme_alone_goes_on_and_stays_first() -> None:
    found = run({"dx_codes": ["K30.x00x002", "I10.x00"]})
    assert codes_of(found) == []
    assert found.passed.column("dx_codes").to_pylist() == [["K30.x00x002", "I10.x00"]]


def test_a_restricted_principal_stays_first() -> None:
    assert run({"dx_codes": ["A00.000", "I10.x00"]}).passed.column("dx_codes").to_pylist() == [
        ["A00.000", "I10.x00"]
    ]


def test_rows_that_share_a_case_id_are_refused_where_the_input_says() -> None:
    by = measure(repeated=[11], conflicting=[10, 13])
    found = validate(batch_of({}, {}, {}, {}), 10, by)
    doors = [(row["input_row"], row["door"], row["code"]) for row in found.arrivals.to_pylist()]
    assert doors == [
        (10, "refuse", "duplicate_case_id"), (11, "refuse", "repeated_row"), (12, "on", None),
        (13, "refuse", "duplicate_case_id"),
    ]  # fmt: skip


def test_a_reversal_takes_its_originals_case_as_it_was() -> None:
    ill = {
        "dx_codes": None,
        "sex": "9",
        "age_years": 0,
        "discharge_way": "6",
        "discharge_date": D(2025, 10, 1),
    }
    found = run({**REVERSAL, **ill}, {**REVERSAL, "dx_codes": ["Q99.999"]})
    assert [row["door"] for row in found.arrivals.to_pylist()] == ["on", "on"]
    assert {row[1] for row in codes_of(found)} <= {"unknown_code"}
    # Without `reverses` the same rows are refused; what is not clinical is checked of a reversal too.
    assert {row["door"] for row in run({**REVERSAL, "reverses": None}).arrivals.to_pylist()} == {"refuse"}
    assert run({**REVERSAL, "hospital_id": "H9"}).arrivals.to_pylist()[0]["code"] == "unknown_hospital"


def test_an_empty_reverses_is_none() -> None:
    found = run({"reverses": ""}, {"reverses": "", "sex": "9"})
    assert [row["door"] for row in found.arrivals.to_pylist()] == ["on", "refuse"]
    assert found.passed.column("reverses").to_pylist() == [None]


def test_a_day_outside_the_calendar_is_refused_and_not_a_crash() -> None:
    batch = batch_of({}, {}, {})
    for name in ("admission_date", "discharge_date", "settlement_date"):
        days = pa.array([2**31 - 1, -(2**31), 20_362], pa.int32()).cast(pa.date32())  # the last: 2025-10-01
        batch = batch.set_column(batch.schema.get_field_index(name), name, days)
    doors = [(row["door"], row["code"]) for row in validate(batch, 0, measure()).arrivals.to_pylist()]
    assert doors == [("refuse", "missing_value"), ("refuse", "missing_value"), ("on", None)]


def test_person_numbers_stand_in_no_finding() -> None:
    person = "110101199003071234"
    found = run(
        *({**values, "person_id": person + "9" * length} for _, values, *_ in PROVOKED for length in (0, 300))
    )
    text = "".join(str(row) for row in found.findings.to_pylist())
    assert person[:10] not in text


def test_the_period_is_by_the_column_that_the_pack_names() -> None:
    row = {"discharge_date": D(2025, 10, 31), "settlement_date": D(2025, 11, 3)}
    assert run(row, by=measure(period_by="discharge_date")).arrivals.to_pylist()[0]["door"] == "on"
    assert run(row).arrivals.to_pylist()[0]["code"] == "other_period"


@pytest.mark.parametrize("period", ["2025-13", "2025-00", "202510", "2025-1", "abc", "0000-01"])
def test_a_period_that_is_none_is_a_usage_mistake(period: str) -> None:
    with pytest.raises(UsageMistake, match="结算期写法不对"):
        period_days(period)


def test_the_days_of_a_period() -> None:
    assert period_days("2024-02") == (D(2024, 2, 1), D(2024, 2, 29))


# --- independence of the batch

ROW = st.sampled_from([{}, *(values for _, values, *_ in PROVOKED if len(values.get("dx_codes") or []) < 50)])


@settings(max_examples=25, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=12), st.data())
def test_findings_and_doors_do_not_depend_on_the_batch(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    by = measure(repeated=[3], conflicting=[5], clinical=CLINICAL)
    batch = batch_of(*rows)
    whole = validate(batch, 0, by)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=3)) | {0, len(rows)})
    parts = [validate(batch.slice(a, b - a), a, measure([3], [5], CLINICAL)) for a, b in zip(cuts, cuts[1:])]  # noqa: B905, RUF007
    for name in ("findings", "arrivals", "passed"):
        joined = [row for part in parts for row in getattr(part, name).to_pylist()]
        assert joined == getattr(whole, name).to_pylist()


def test_every_row_has_one_door_and_only_open_ones_are_passed() -> None:
    found = run(*(values for _, values, *_ in PROVOKED))
    arrivals = found.arrivals.to_pylist()
    assert [row["input_row"] for row in arrivals] == list(range(len(PROVOKED)))
    on = [row["input_row"] for row in arrivals if row["door"] == "on"]
    assert found.passed.column("input_row").to_pylist() == on
    worst = {row["input_row"] for row in found.findings.to_pylist() if row["severity"] != "warn"}
    assert worst == {row["input_row"] for row in arrivals if row["door"] != "on"}


def test_a_batch_without_rows_has_empty_results() -> None:
    found = validate(pa.RecordBatch.from_pylist([], DISCHARGE_SCHEMA), 7, measure())
    assert [found.passed.num_rows, found.findings.num_rows, found.arrivals.num_rows] == [0, 0, 0]


# --- 国临版 → 医保版

CLINICAL = (
    CodesEntry.model_validate({"from": "2025-01-01", "default": "insurance", "clinical": ["H1"], "source": "本测试用"}),
    CodesEntry.model_validate({"from": "2025-10-03", "default": "insurance", "clinical": [], "source": "本测试用"}),
    CodesEntry.model_validate({"from": "2025-10-06", "default": "clinical", "insurance": ["H2"], "source": "本测试用"}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("hospital", "day", "mapped"),
    [("H1", 2, True), ("H1", 3, False), ("H1", 5, False), ("H1", 6, True), ("H2", 10, False), ("H3", 3, False),
     ("H3", 10, True)],
)  # fmt: skip
def test_codes_are_mapped_only_for_hospitals_that_declare_it_on_that_day(
    hospital: str, day: int, mapped: bool
) -> None:
    row = {"hospital_id": hospital, "discharge_date": D(2025, 10, day), "settlement_date": D(2025, 10, 20)}
    found = run({**row, "dx_codes": ["I10.x03"], "px_codes": ["36.0600"]}, by=measure(clinical=CLINICAL))
    assert found.passed.column("dx_codes").to_pylist() == [["I10.x00"] if mapped else ["I10.x03"]]
    assert ("mapped_code" in [row[1] for row in codes_of(found)]) is mapped


def test_mapping_is_one_step_and_names_both_codes() -> None:
    row = {"discharge_date": D(2025, 10, 2), "dx_codes": ["i10.X02", "E11.900"], "px_codes": ["36.0700"]}
    found = run(row, by=measure(clinical=CLINICAL))
    # I10.x02 → I10.x03, which is a key itself and must not go on to I10.x00; E11.900 is no key and stays.
    assert found.passed.column("dx_codes").to_pylist() == [["I10.x03", "E11.900"]]
    assert found.passed.column("px_codes").to_pylist() == [["36.0600"]]
    assert codes_of(found) == [
        (0, "mapped_code", "px_codes", "36.0700→36.0600"),
        (0, "mapped_code", "dx_codes", "I10.x02→I10.x03"),
        (0, "code_form", "dx_codes", "i10.X02→I10.x02"),
    ]
    message = found.findings.to_pylist()[1]["message"]
    assert message == "I10.x02→I10.x03（国临版→医保版，按对照表转换一次）"


# --- the contract


def test_what_got_past_validation_is_stopped_by_the_contract() -> None:
    passed = run({}).passed
    at = passed.schema.get_field_index("sex")
    with pytest.raises(AuditBroken, match="表 `discharges` 不合约定"):
        check_discharges(passed.set_column(at, "sex", pa.array(["9"])))
    with pytest.raises(AuditBroken):
        check_discharges(passed.set_column(at, "sex", pa.array([1], pa.int32())))
    at = passed.schema.get_field_index("hospital_id")
    with pytest.raises(AuditBroken):
        check_discharges(passed.set_column(at, "hospital_id", pa.nulls(1, pa.string())))


def test_pandera_passes_a_lazy_frame_unseen() -> None:
    # DESIGN §2, fact 4: why the contract is checked on collected frames only.
    contract = pa_polars.DataFrameSchema(
        {"sex": pa_polars.Column(pl.String, pa_polars.Check.isin(["1", "2"]))}
    )
    contract.validate(pl.LazyFrame({"sex": ["9"]})).collect()
    with pytest.raises(Exception, match="isin"):
        contract.validate(pl.DataFrame({"sex": ["9"]}))


def test_a_batch_is_completed_with_the_columns_that_its_file_lacks() -> None:
    batch = pa.RecordBatch.from_pylist([{"case_id": "1"}], pa.schema([("case_id", pa.string())]))
    found = completed(batch)
    assert found.schema.names == [column.name for column in DISCHARGES]
    assert [field.type for field in found.schema] == [column.type for column in DISCHARGES]
