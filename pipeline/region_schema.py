"""The JSON Schema of a region pack, for editors: completion and checking while `region.yaml` is written."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pipeline.pack import Pack

SCHEMA_FILE = "region.schema.json"
# What an editor shows beside a key; the whole format is told in docs/region.md.
TITLES = {
    "name": "地区名", "title": "全称，印在结算单上", "version": "参数版本", "method": "结算方法", "inbox": "收件箱",
    "period_by": "按哪个日期归入结算期", "pricing_by": "按哪个日期选用参数", "insurance_types": "险种代码与名称",
    "place_codes": "就医地代码", "levels": "医院级别，由低到高", "digits": "公布的小数位数", "rounding": "取整",
    "scheme": "分组方案", "codes": "医院上传的编码版本", "weights": "权重表", "rates": "费率，元／权重",
    "point_scale": "点数尺度与全市次均费用", "point_values": "点值，元／点", "reference_prices": "参照点值",
    "standards": "公布的支付标准", "coefficients": "系数", "base_groups": "基础病组", "ratio": "高低倍率",
    "off_path": "不走正常计价的病例", "scope": "纳入范围", "special_rules": "特殊情形", "bed_day": "床日",
    "separate_items": "除外支付", "fund_share": "从支付标准到统筹基金", "settlement": "月度结算", "review": "特例单议",
    "clearing": "年度清算", "to_supply": "草稿：本市还要补的",
    "from": "从哪天起（含当天）", "to": "到哪天止（含当天）", "source": "出处：文件名、文号或条款", "unverified": "未核实：来历与疑问",
    "threshold": "界限 K，倍数", "inclusive": "正好等于界限的算不算", "family": "怎样付", "weight_le": "权重不超过",
    "reference": "参照标准", "low": "低倍率", "high": "高倍率", "beyond": "极高倍率", "treatment": "怎样付",
    "scale": "每 1 权重几点", "area_mean_cost": "全市次均费用 A，元／权重", "values": "各险种的数", "strategy": "怎样同价",
    "alliance": "医共体", "overspend_share": "超支由医共体承担的比例", "lead_due_workdays": "拨付牵头医院的工作日数",
    "member_due_workdays": "牵头医院拨付成员的工作日数",
    "by_level": "级别系数", "by_hospital": "机构系数", "quota_share": "特例单议最多占出院病例的比例", "stay_days_ge": "住院满多少天可申请",
    "fee_over_standard_gt": "费用超过支付标准多少倍可申请",
    "fee_ge_yuan": "费用满多少元可申请", "new_tech": "用了新药新耗材可申请", "ward_transfers_ge": "转科满多少次可申请",
    "pace": "预算进度（序时进度）", "watch_over": "超过序时进度多少为预警", "alarm_over": "超过序时进度多少为警戒",
    "negotiation": "权重谈判", "weight_min": "权重下限", "weight_max": "权重上限", "change_max": "比现行权重至多变动多少",
    "replaces": "代替前面的哪一版（它的 file）", "reason_over": "变动超过多少须写理由", "history": "历史窗口", "months": "月数",
    "bands": "结余留用、合理超支分担", "bands_measure": "F 与 S 各是什么",
    "prepay_ratio": "预拨比例", "deposit_rate": "质量保证金比例",
}  # fmt: skip


def region_schema() -> dict[str, Any]:
    """JSON Schema of `region.yaml`, keys titled in Chinese where they have a title."""
    schema: dict[str, Any] = _titled(Pack.model_json_schema(by_alias=True))
    return {**schema, "title": "drgdip 地区参数 region.yaml"}


@cache
def schema_text() -> str:
    """The schema as it lies in `configs`."""
    return json.dumps(region_schema(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _titled(node: Any) -> Any:
    """The same schema with Chinese titles in place of pydantic's, and without the docstrings of the code."""
    if isinstance(node, list):
        return [_titled(part) for part in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _titled(part) for key, part in node.items()
        if not (key in ("title", "description") and isinstance(part, str))
    }  # fmt: skip
    for name, part in kept.get("properties", {}).items():
        if name in TITLES:
            part["title"] = TITLES[name]
    return kept
