"""What conversion noticed in the platform's tables: one row per finding, in words for settlement staff."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

FINDINGS_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("case_id", "hospital_id", "code", "column", "value", "message")]
)
LONGEST_VALUE = 60

_AMOUNT = "不是金额（元，至多两位小数），该值作空处理，请在源表改正"
_DATE = "不是日期，该值作空处理，请在源表改正"
_WHOLE = "不是整数，该值作空处理，请在源表改正"
_DURATION = "不是“天/小时/分钟”的时长，该值作空处理，请在源表改正"
_AGE = "不是年龄（岁），该值作空处理，请在源表改正"

# Doubts of platform_doubts.sql; {0} is found, {1} expected.
_DOUBTS: dict[tuple[str, str], str] = {
    ("no_list_row", "setl_id"): "结算清单表中没有这笔结算，入出院时间等为空，请补传清单",
    (
        "two_list_rows",
        "setl_id",
    ): "结算清单表中有 {0} 行，{1} 种内容；内容相同只计一次，不同则都不采用，请删去多余的行",
    ("no_principal_flag", "maindiag_flag"): "没有标为主要诊断的行，首位诊断留空，请补主诊断标志",
    (
        "several_principals",
        "maindiag_flag",
    ): "有 {0} 个不同的主要诊断，应为 {1} 个，首位诊断留空，请只留一个主诊断标志",
    ("no_principal_flag", "oprn_oprt_type"): "没有标为主要手术的行，按表中次序取首条，请核对",
    (
        "several_principals",
        "oprn_oprt_type",
    ): "有 {0} 个不同的主要手术，应为 {1} 个，取表中最先的一个，请核对",
    ("bad_value", "refd_setl_flag"): "退费结算标志应为 {1}，按未退费处理，请在源表改正：{0}",
    ("no_original", "init_setl_id"): "退费结算没有原结算ID，无法冲销，请补上",
    ("unknown_place", "pay_loc"): "支付地点类别不在地区配置的代码表中，请补代码表或改正源表：{0}",
    ("age_mismatch", "age"): "年龄与出生日期相差超过一岁，请核对：年龄 {0}，按出生日期 {1}",
    ("stay_mismatch", "act_ipt_days"): "实际住院天数与入出院日期不符，请核对：{0} 天，按日期 {1} 天",
    ("scope_mismatch", "inscp_scp_amt"): (
        "符合政策范围金额应等于总额减全自费、超限价和先行自付，请核对：{0} 元，应为 {1} 元"
    ),
    ("fund_sum_mismatch", "fund_pay_sumamt"): "基金支付总额应等于各项基金之和，请核对：{0} 元，应为 {1} 元",
}

_TABLES_ZH = {"list": "结算清单表", "diagnosis": "诊断表", "procedure": "手术操作表", "icu": "重症监护表"}


def findings(
    case_id: pa.Array, hospital_id: pa.Array, code: str, column: str, value: pa.Array, message: pa.Array | str
) -> pa.Table:
    """Return findings of one code and column; `value` cut to 60 characters, long digit runs blotted out.

    A row shifted by a stray comma can put a person's certificate number into any column.
    """
    rows = len(case_id)
    return pa.table(
        [
            pc.cast(case_id, pa.string()),
            pc.cast(hospital_id, pa.string()),
            pa.repeat(code, rows),
            pa.repeat(column, rows),
            _shown(value),
            pa.repeat(message, rows) if isinstance(message, str) else message,
        ],
        schema=FINDINGS_SCHEMA,
    )


def unreadable(text: pa.Table, parsed: pa.Table) -> list[pa.Table]:
    """Findings `bad_value`: cells of `text` that hold something where `parsed` (same rows) holds nothing."""
    found = []
    for name in parsed.schema.names:
        if text[name].null_count == parsed[name].null_count:
            continue
        rows = text.filter(pc.and_(pc.is_valid(text[name]), pc.is_null(parsed[name])))
        found.append(
            findings(
                rows["setl_id"], rows["fixmedins_code"], "bad_value", name, rows[name], _kind(name, parsed)
            )
        )
    return found


def _kind(name: str, parsed: pa.Table) -> str:
    if name == "vent_used_dura":
        return _DURATION
    if name == "age":
        return _AGE
    kind = parsed.schema.field(name).type
    return _DATE if pa.types.is_date(kind) else _AMOUNT if pa.types.is_int64(kind) else _WHOLE


def unreadable_icu(stays: pa.Table) -> pa.Table:
    """Findings `bad_value`: intensive-care rows whose duration is missing or unreadable."""
    rows = stays.filter(pc.is_null(stays["minutes"]))
    message = "重症监护时长为空或不是“天/小时/分钟”，该病例的重症监护时长作空处理，请在源表改正"
    field = "scs_cutd_sum_dura"
    return findings(rows["setl_id"], rows["fixmedins_code"], "bad_value", field, rows[field], message)


def not_inpatient(rows: pa.Table) -> pa.Table:
    """Findings `not_inpatient`: settlements left out, one each."""
    message = "医疗类别不是住院（21、22、23、24、51、52），未转入；如为住院，请改正医疗类别"
    return findings(
        rows["setl_id"], rows["fixmedins_code"], "not_inpatient", "med_type", rows["med_type"], message
    )


def doubts(rows: pa.Table) -> list[pa.Table]:
    """Findings of platform_doubts.sql, grouped by code and field."""
    found = []
    for (code, field), message in _DOUBTS.items():
        some = rows.filter(pc.and_(pc.equal(rows["code"], code), pc.equal(rows["field"], field)))
        if some.num_rows:
            # an id is named in case_id already; its digits do not belong into a value
            value = pa.nulls(some.num_rows, pa.string()) if field == "setl_id" else some["found"]
            words = _filled(message, some["found"], some["expected"])
            found.append(findings(some["setl_id"], some["fixmedins_code"], code, field, value, words))
    unknown = rows.num_rows - sum(table.num_rows for table in found)
    if unknown:
        raise AssertionError(f"platform_doubts.sql yields {unknown} rows without a message")
    return found


def _filled(message: str, found: pa.ChunkedArray, expected: pa.ChunkedArray) -> pa.ChunkedArray:
    sides = {"{0}": found, "{1}": expected}
    pieces = [piece for piece in re.split(r"(\{[01]\})", message) if piece]
    columns = [
        pc.fill_null(_shown(sides[piece]), "") if piece in sides else pa.repeat(piece, len(found))
        for piece in pieces
    ]
    return pc.binary_join_element_wise(*columns, "")


def _shown(value: pa.ChunkedArray) -> pa.ChunkedArray:
    blotted = pc.replace_substring_regex(
        pc.cast(value, pa.string()), pattern="[0-9]{15,}[0-9Xx]?", replacement="（长数字）"
    )
    return pc.utf8_slice_codeunits(blotted, 0, LONGEST_VALUE)


def orphans(rows: pa.Table) -> list[pa.Table]:
    """Findings `orphan_row`: rows of the other tables without a settlement; counted where there are many."""
    found = []
    for source, name in _TABLES_ZH.items():
        some = rows.filter(pc.equal(rows["source"], source))
        if not some.num_rows:
            continue
        count = pc.cast(some["rows"], pa.string())
        message = pc.binary_join_element_wise(
            f"{name}中的行在结算表中没有对应的结算，未转入，请核对结算ID，行数：", count, ""
        )
        nothing = pa.nulls(some.num_rows, pa.string())
        value = pa.repeat(source, some.num_rows)
        found.append(findings(some["setl_id"], nothing, "orphan_row", "setl_id", value, message))
    return found
