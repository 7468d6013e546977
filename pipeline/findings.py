"""Every finding a row can have: code, door, column, Chinese title and message. The docs are made from here.

`refuse`: the row does not go on. `hold`: it is offered again in the next run. `warn`: it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl
import pyarrow as pa

from pipeline.words import DOOR_NAMES

Door = Literal["refuse", "hold", "warn"]
LONGEST_SHOWN = 60  # characters of a value in a message

FINDINGS_SCHEMA = pa.schema(
    [
        ("input_row", pa.int64()),
        ("case_id", pa.string()),
        ("hospital_id", pa.string()),
        ("code", pa.string()),
        ("severity", pa.string()),  # refuse | hold | warn
        ("column", pa.string()),
        ("value", pa.string()),
        ("message", pa.string()),
    ]
)


@dataclass(frozen=True)
class Finding:
    """One kind of finding. `{}` in the message stands for the value found."""

    code: str
    door: Door
    column: str
    title: str
    message: str


def _refuse(code: str, column: str, title: str, message: str) -> Finding:
    return Finding(code, "refuse", column, title, message)


def _hold(code: str, column: str, title: str, message: str) -> Finding:
    return Finding(code, "hold", column, title, message)


def _warn(code: str, column: str, title: str, message: str) -> Finding:
    return Finding(code, "warn", column, title, message)


ALL: tuple[Finding, ...] = (
    _refuse("missing_value", "*", "必填项为空", "必填项 {} 为空；请补齐后重新申报"),
    _refuse("oversized_text", "*", "文本过长", "文本超过 200 个字符：{}；请更正后重新申报"),
    _refuse("bad_character", "*", "含控制字符", "标识中含不可见的控制字符：{}；请更正后重新申报"),
    _refuse("missing_principal", "dx_codes", "缺主要诊断", "没有主要诊断；请补填主要诊断后重新申报"),
    _refuse("unknown_principal", "dx_codes", "主要诊断不认识", "主要诊断 {} 不在编码表与分组方案中；请核对编码版本后更正"),
    _refuse("unknown_sex", "sex", "性别不明", "性别应为 1 或 2，实为 {}；请更正"),
    _refuse("impossible_age", "age_years", "年龄不可能", "年龄应在 0 至 150 岁，不足一岁的天龄应在 0 至 366 天，实为 {}；请更正"),
    _refuse("newborn_without_days", "age_days", "不足一岁缺天龄", "年龄 0 岁但没有天龄；请补填天龄"),
    _refuse("dates_reversed", "discharge_date", "日期颠倒", "出院早于入院：{}；请更正日期"),
    _refuse("negative_money", "*", "金额为负", "非冲销记录的金额为负：{}；冲销须填被冲销的结算ID"),
    _refuse("absurd_amount", "total_fee_fen", "金额异常", "金额超过一亿元：{} 分；请核对单位是否为分"),
    _refuse("too_many_codes", "dx_codes", "编码过多", "诊断或手术编码超过 100 个，实有 {} 个；请核对导出"),
    _refuse("unknown_hospital", "hospital_id", "医院不认识", "医院 {} 不在地区参数的医院表中；请核对编号或补医院表"),
    _refuse("unknown_insurance_type", "insurance_type", "险种不认识", "险种 {} 不在地区参数中；请核对险种代码"),
    _refuse("duplicate_case_id", "case_id", "结算ID重复且内容不同", "同一结算ID有内容不同的多行，全部退回；请确认哪一行有效"),
    _refuse("repeated_row", "case_id", "整行重复", "与另一行完全相同，只计一次；无需处理，请检查导出"),
    _refuse("already_paid", "case_id", "已在别的月份结算", "同一结算ID已在 {} 结算发布；请核对是否重复申报"),
    _refuse("reversal_of_refused", "reverses", "被冲销的记录已退回", "被冲销的 {} 已被退回，冲销随之退回；请一并更正"),
    _refuse("second_reversal", "reverses", "重复冲销", "{} 已被另一条记录冲销；请核对"),
    _refuse("no_terms", "discharge_date", "无适用参数", "定价日期 {} 没有适用的地区参数；请补参数后重跑"),
    _refuse("no_weight", "group_code", "病组无权重", "病组 {} 没有权重或分值，不能按零计；请补表后重跑"),
    _refuse("no_rate", "insurance_type", "无费率或系数", "医院、险种 {} 没有费率或系数；请补参数后重跑"),
    _refuse("no_coefficient", "group_code", "病种无系数", "医院、病种 {} 在该级别没有系数，空白即未知，不能按 1 计；请补目录系数后重跑"),
    _refuse("no_reference", "group_code", "无参照标准", "病组 {} 没有参照标准（例均费用为空或为零），无法判断倍率；请补表后重跑"),
    _refuse("no_amount", "group_code", "无定额或床日标准", "医院、病组 {} 没有定额、床日标准或倍率规则；请补地区参数后重跑"),
    _refuse("no_fee", "total_fee_fen", "费用为零", "医疗费总额为 {} 分，不能按费用比例分担基金；请核对费用"),
    _refuse("separate_over_total", "separate_items_fen", "除外支付大于总额", "除外支付金额比医疗费总额多 {} 分；请核对两项金额后重新申报"),
    _refuse("out_of_scope", "place", "不在本支付范围", "按地区参数的 scope，医院 {} 的这一例不由本地区按病种结算；请走原渠道"),
    _hold("case_review", "group_code", "待单议", "病组 {} 按地区参数须逐例评议；有评议结果后再算"),
    _hold("other_period", "settlement_date", "不属本期", "日期 {} 不在本期内；留待所属月份"),
    _hold("hospital_not_in_force", "hospital_id", "医院当日未定点", "医院 {} 在出院日期尚未定点或已退出；补医院表后下期再算"),
    _hold("reversal_without_original", "reverses", "冲销找不到原记录", "本批和已发布的月份都没有被冲销的 {}；找到原记录后下期再算"),
    _hold("reversal_unlike", "reverses", "冲销金额与原记录不符", "与被冲销的 {} 金额不是相反数；核对后下期再算"),
    _warn("restricted_principal", "dx_codes", "灰码作主要诊断", "主要诊断 {} 是灰码；按原码分组，请医院改用明确编码"),
    _warn("not_for_grouping_principal", "dx_codes", "主要诊断不作分组", "主要诊断 {} 列在不作分组名单；请医院核对主诊断选择"),
    _warn("not_for_grouping_procedure", "px_codes", "主要手术不作分组", "主要手术操作 {} 列在不作分组名单；请医院核对"),
    _warn("unknown_code", "dx_codes", "诊断不在编码表", "诊断 {} 不在编码表中，按不认识处理；请核对编码版本"),
    _warn("unknown_procedure", "px_codes", "手术不在编码表", "手术操作 {} 不在编码表中，按不认识处理；请核对编码版本"),
    _warn("mapped_code", "*", "国临版已转医保版", "{}（国临版→医保版，按对照表转换一次）"),
    _warn("code_form", "*", "编码书写不规范", "编码已按规范形式读取：{}；请医院规范书写"),
    _warn("empty_code", "*", "空编码", "编码列表中有空元素，已略去；请检查导出"),
    _warn("sex_conflict", "dx_codes", "诊断与性别矛盾", "诊断 {} 与性别不符；请医院核对"),
    _warn("secondary_duplicate", "dx_codes", "诊断重复", "诊断 {} 重复填写；不影响分组，请规范填写"),
    _warn("identity_broken", "total_fee_fen", "金额不平", "总额与基金、个人、医院负担之和相差 {} 分；请核对"),
    _warn("part_over_total", "*", "分项大于总额", "分项金额大于医疗费总额：{}；请核对"),
    _warn("zero_day_stay", "discharge_date", "当日入出院", "入院与出院同日；住院天数为 0，床日按 1 天计"),
    _warn("late_discharge", "settlement_date", "迟到的记录", "日期 {} 所属月份已发布，转入本期结算"),
    _warn("settled_before_discharge", "settlement_date", "先结算后出院", "结算日期早于出院日期：{}；请核对"),
    _warn("unknown_discharge_way", "discharge_way", "离院方式不认识", "离院方式应为 1 2 3 4 5 9，实为 {}；请核对"),
    _warn("review_over_quota", "case_id", "特例单议超限额", "评议同意，但超过特例单议限额，仍按原标准结算：{}"),
    _warn("unknown_place", "place", "就医地不认识", "就医地类别应为 local、province、country，实为 {}；请核对"),
)  # fmt: skip

BY_CODE = {finding.code: finding for finding in ALL}
RANK = {finding.code: rank for rank, finding in enumerate(ALL)}


def messages(code: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Findings of one kind. `rows` has input_row, case_id, hospital_id, column, value; yields FINDINGS_SCHEMA."""
    finding = BY_CODE[code]
    value = pl.col("value").str.slice(0, LONGEST_SHOWN)
    text = pl.format(finding.message, value) if "{}" in finding.message else pl.lit(finding.message)
    return rows.select(
        "input_row",
        pl.col("case_id").str.slice(0, LONGEST_SHOWN),
        pl.col("hospital_id").str.slice(0, LONGEST_SHOWN),
        pl.lit(code).alias("code"),
        pl.lit(finding.door).alias("severity"),
        "column",
        value,
        text.fill_null(finding.title).alias("message"),
    )


def document() -> str:
    """docs/findings.md: the same table for people. Written in Chinese, since settlement staff read it."""
    lines = [
        "# 校验发现一览",
        "",
        "本页由 `python -m pipeline.findings` 生成，与程序中的定义逐字一致。",
        "退回：不进入分组与付费；暂挂：下次运行再算；提示：照常进入。",
        "",
        "| 代码 | 去向 | 列 | 名称 | 给医院的说明 |",
        "|---|---|---|---|---|",
    ]
    for finding in ALL:
        shown = finding.message.replace("{}", "‹值›").replace("|", "\\|")
        lines.append(
            f"| `{finding.code}` | {DOOR_NAMES[finding.door]} | `{finding.column}` | {finding.title} | {shown} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
