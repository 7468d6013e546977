"""The tables at the borders: names, Arrow types, nullability and meaning of every column.

Source of the discharges contract: 医疗保障基金结算清单 (interface 4101/2304).
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

CODES = pa.list_(pa.string())
MOST_FEN = 10_000_000_000  # one hundred million yuan: more is a unit slip, not a bill
CODED = pa.list_(pa.dictionary(pa.int32(), pa.string()))  # the same column, read without touching strings


@dataclass(frozen=True)
class Column:
    """One column of a contract. `required` means the file must have it; `filled` that no row may lack it."""

    name: str
    type: pa.DataType
    required: bool
    filled: bool
    meaning: str


def _must(name: str, kind: pa.DataType, meaning: str) -> Column:
    return Column(name, kind, True, True, meaning)


def _may(name: str, kind: pa.DataType, meaning: str, required: bool = False) -> Column:
    return Column(name, kind, required, False, meaning)


_TEXT, _INT, _FEN, _DAY = pa.string(), pa.int32(), pa.int64(), pa.date32()

DISCHARGES: tuple[Column, ...] = (
    _must("case_id", _TEXT, "结算ID"),
    _must("hospital_id", _TEXT, "定点医药机构编号"),
    _must("person_id", _TEXT, "人员编号（已脱敏）"),
    _must("insurance_type", _TEXT, "险种"),
    _must("sex", _TEXT, "性别"),
    _must("age_years", _INT, "年龄（岁）"),
    _may("age_days", _INT, "不足一岁的天龄", required=True),
    _may("birth_weight_g", _INT, "新生儿出生体重（克）", required=True),
    _may("admission_weight_g", _INT, "新生儿入院体重（克）"),
    _must("admission_date", _DAY, "入院日期"),
    _must("discharge_date", _DAY, "出院日期"),
    _must("settlement_date", _DAY, "结算日期"),
    _may("discharge_way", _TEXT, "离院方式", required=True),
    _may("care_type", _TEXT, "住院医疗类型"),
    _may("treatment_kind", _TEXT, "治疗类别"),
    _may("department", _TEXT, "出院科别"),
    _may("dx_codes", CODES, "诊断编码，首位为主要诊断", required=True),
    _may("px_codes", CODES, "手术操作编码，首位为主要手术", required=True),
    _may("icu_hours", _INT, "重症监护时长（小时）"),
    _may("ventilator_hours", _INT, "呼吸机使用时长（小时）"),
    _must("total_fee_fen", _FEN, "医疗费总额"),
    _must("ownpay_fee_fen", _FEN, "全自费金额"),
    _must("overlimit_fee_fen", _FEN, "超限价自付"),
    _must("firstpay_fee_fen", _FEN, "先行自付"),
    _must("deductible_fen", _FEN, "起付线"),
    _must("pool_fund_fen", _FEN, "统筹基金支出"),
    _must("serious_illness_fund_fen", _FEN, "大病/大额支出"),
    _must("medical_aid_fund_fen", _FEN, "医疗救助支出"),
    _must("other_fund_fen", _FEN, "其他基金支出"),
    _must("personal_paid_fen", _FEN, "个人负担总金额"),
    _may("drug_fee_fen", _FEN, "药品费"),
    _may("consumable_fee_fen", _FEN, "耗材费"),
    _may("service_fee_fen", _FEN, "医疗服务费"),
    _must("place", _TEXT, "就医地类别"),
    _may("reverses", _TEXT, "被冲销的结算ID", required=True),
    _may("insured_area", _TEXT, "参保地"),
    _may("separate_items_fen", _FEN, "除外支付金额"),
    _may("tcm_fee_fen", _FEN, "中医治疗费"),
    _may("hospital_borne_fen", _FEN, "医院负担金额"),
    _may("new_tech_flag", pa.bool_(), "新药新技术标志"),
    _may("ward_transfers", _INT, "转科次数"),
)

DISCHARGE_SCHEMA = pa.schema([(column.name, column.type) for column in DISCHARGES])
MONEY_COLUMNS = tuple(column.name for column in DISCHARGES if column.name.endswith("_fen"))

# One row per discharge, input order. `rule` is the `seq` met; null when ungrouped.
GROUPED_SCHEMA = pa.schema(
    [
        ("case_id", pa.string()),
        ("mdc", pa.string()),
        ("adrg", pa.string()),
        ("drg", pa.string()),
        ("status", pa.string()),  # grouped | ambiguous | ungrouped
        ("severity", pa.string()),  # mcc | cc | none
        ("rule", pa.int32()),
    ]
)
