# ruff: noqa: E501
"""A small DIP pack with a catalogue of its own, and broken copies of it: one slip each, one a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from groupers.dip.write import write_catalogue

MANIFEST = {
    "name": "small", "kind": "dip", "title": "小目录", "issuer": "测试", "document": "无",
    "effective_from": "2025-01-01", "source": "本测试",
}  # fmt: skip
# Codes of the code tables: A15.0 with 33.2403 诊断性操作. C3 has no score; C2 no coefficient at 一级, C1 none at 三级.
TABLES = {
    "core.csv": [
        ("C1", "A15.0", "", "", "保守治疗", "93.08", "9308.50", "", "肺结核"),
        ("C2", "A15.0", "33.2403", "", "诊断性操作", "85.69", "", "基层病种", "灌洗"),
        ("C3", "A15.1", "", "", "保守治疗", "", "", "", "肺结核，培养"),
    ],
    "exclusions.csv": [("Z38", "活产婴儿")],
    "coefficients.csv": [
        ("C1", "一级", "0.8"),
        ("C1", "三级", ""),
        ("C2", "一级", ""),
        ("C2", "三级", "1.1"),
    ],
}
SEVERE = {"auxiliary.csv": [("C1-1", "C1", "own", "severity == mcc", "1.61", "重")]}

REGION = """name: small-dip
title: 小城
version: "1"
method: dip
inbox: none
period_by: settlement_date
pricing_by: discharge_date
insurance_types: {"310": 职工, "390": 居民}
place_codes: {"1": local}
levels: [一级, 二级, 三级]
digits: {weight: 2, rate: 2, coefficient: 4, points: 4, source: 测试取值}
rounding: {unit: fen, direction: half_away_from_zero, source: 测试取值}
scheme: [{from: 2025-01-01, source: 测试取值, name: SCHEME}]
codes: [{from: 2025-01-01, source: 测试取值, default: insurance}]
weights: [{from: 2025-01-01, source: 测试取值, file: catalogue, scheme: SCHEME}]
point_values: [{from: 2025-01-01, source: 测试取值, values: {"310": 10.5, "390": 10}}]
reference_prices: [{from: 2025-01-01, source: 测试取值, values: {"310": 11, "390": 10}}]
coefficients: [{from: 2025-01-01, source: 测试取值, by_level: {一级: 0.8, 二级: 0.9, 三级: 1.1}}]
base_groups: [{from: 2025-01-01, source: 测试取值, strategy: fixed_coefficient, value: 0.85, flag: 基层病种}]
ratio:
  - from: 2025-01-01
    source: 测试取值
    reference: without_coefficient
    low: {threshold: 0.5, inclusive: true, family: deviation, by_coefficient: true}
    high: [{threshold: 2, inclusive: false, family: deviation_excess, plus: one}]
off_path:
  - from: 2025-01-01
    source: 测试取值
    ungrouped: {treatment: share_of_benchmark, share: 0.7}
    excluded: {treatment: by_item}
fund_share: [{from: 2025-01-01, source: 测试取值, method: difference}]
settlement: [{from: 2025-01-01, source: 测试取值, prepay_ratio: 0.95, deposit_rate: 0.05}]
"""
HOSPITALS = """hospital_id,name,level,class,county,from,to
H1,镇卫生院,一级,甲等,449900,2020-01-01,
H3,人民医院,三级,甲等,449900,2020-01-01,
"""
BUDGETS = """insurance_type,year,fund,version,reason,source
310,2025,1000000,1,,测试取值
390,2025,1000000,1,,测试取值
"""

Edit = Callable[[str], str]


def small_pack(
    folder: Path, edit: Edit = lambda text: text, tables: dict[str, list[tuple[str, ...]]] | None = None
) -> str:
    """The pack and its catalogue on disk; its name for a command. `edit` changes region.yaml, `tables` the catalogue."""
    write_catalogue(folder / "catalogue", MANIFEST, TABLES | (tables or {}))
    (folder / "region.yaml").write_text(
        edit(REGION).replace("SCHEME", f"{folder}/catalogue"), encoding="utf-8"
    )
    (folder / "hospitals.csv").write_text(HOSPITALS, encoding="utf-8")
    (folder / "budgets.csv").write_text(BUDGETS, encoding="utf-8")
    return f"{folder}/"


def put(old: str, new: str) -> Edit:
    def change(text: str) -> str:
        assert old in text, f"{old!r} is not in the pack: the test changes nothing"
        return text.replace(old, new, 1)

    return change


def both(*edits: Edit) -> Edit:
    def change(text: str) -> str:
        for edit in edits:
            text = edit(text)
        return text

    return change


BY_LEVEL = "by_level: {一级: 0.8, 二级: 0.9, 三级: 1.1}"
GROUP_LEVEL = put(BY_LEVEL, "by_group_level: catalogue")
RATES = 'rates: [{from: 2025-01-01, source: 测试取值, values: {"310": {一级: 6900}}}]\n'
POINTS = 'point_values: [{from: 2025-01-01, source: 测试取值, values: {"310": 10.5, "390": 10}}]\n'
DEVIATION, EXCESS = "family: deviation, by_coefficient: true", "family: deviation_excess, plus: one"
STRATEGY = "strategy: fixed_coefficient, value: 0.85"

# what is broken → (how, what the one sentence says)
SLIPS: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "rates in a DIP pack": (put(POINTS, POINTS + RATES), ("method 为 dip，不用 rates",)),
    "no point value": (put(POINTS, ""), ("method 为 dip，缺 point_values",)),
    "point values in a rate pack": (put("method: dip", "method: rate"), ("method 为 rate",)),
    "an unknown method": (put("method: dip", "method: drg"), ("`method`", "只能是", "drg")),
    "a DRG scheme": (lambda text: text.replace("SCHEME", "chs-drg-2.0"), ("结算方法与分组方案不符", "`dip`", "`chs-drg-2.0` 是 DRG")),
    "two ways of coefficients": (put(BY_LEVEL, f"{BY_LEVEL}, by_group_level: catalogue"), ("`coefficients.0`", "只能取一种")),
    "no way of coefficients": (put(f", {BY_LEVEL}", ""), ("`coefficients.0`", "至少写一种")),
    "deviation that does not say whether by coefficient": (put(DEVIATION, "family: deviation"), ("`ratio.0.low`", "deviation 缺 by_coefficient")),
    "deviation_excess without plus": (put(EXCESS, "family: deviation_excess"), ("`ratio.0.high.0`", "deviation_excess 缺 plus")),
    "deviation_excess with another plus": (put("plus: one", "plus: two"), ("`ratio.0.high.0.plus`", "只能是", "two")),
    "a share of the benchmark without share": (put("share_of_benchmark, share: 0.7", "share_of_benchmark"), ("`off_path.0.ungrouped`", "share_of_benchmark 缺 share")),
    "an item by coefficient": (put("treatment: by_item", "treatment: by_item, by_coefficient: true"), ("`off_path.0.excluded`", "by_item 不用 by_coefficient")),
    "a rate of base groups": (put(STRATEGY, "strategy: lowest_level_rate"), ("没有费率", "lowest_level_rate")),
    "a point value of nothing": (put('"310": 10.5', '"310": 0'), ("`point_values.0.values.310`", "须大于 0")),
    "a point value with more digits than published": (put('"310": 10.5', '"310": 10.505'), ("10.505", "2 位")),
    "no fund share": (put("fund_share: [{from: 2025-01-01, source: 测试取值, method: difference}]\n", ""), ("（全文）", "缺 fund_share")),
    "a tie breaker that is none": (put("name: SCHEME}", "name: SCHEME, tie_breakers: [luck]}"), ("`scheme.0.tie_breakers.0`", "只能是")),
}  # fmt: skip

# What loads but cannot be used: (how, what the error says).
CHECKED: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "a weight for cases without a row": (both(GROUP_LEVEL, put("share_of_benchmark, share: 0.7", "fixed_weight, weight: 50")), ("off_path.ungrouped", "`fixed_weight` 要乘系数")),
    "excluded cases without a treatment": (put("    excluded: {treatment: by_item}\n", ""), ("没有价格：excluded",)),
    "a bound not beyond the high one": (put("    high:", "    beyond: {threshold: 2, inclusive: false, family: as_normal}\n    high:"), ("极高倍率界限不大于高倍率界限",)),
    "a review above the limit of DIP": (put("settlement:", "review: [{from: 2025-01-01, source: 测试取值, quota_share: 0.0051, new_tech: true}]\nsettlement:"), ("2025-01-01 起的 review", "特例单议比例 0.0051 超过国家上限 0.005（")),
    "rows that no tie breaker tells apart": (put("name: SCHEME}", "name: SCHEME, tie_breakers: [], conservative: any}"), ("2025-01-01 起的 tie_breakers", "优先次序（空）分不出先后的病种有 1 对，如 C1 与 C2", "请在末尾加 catalogue_order")),
    "an insurance type without a point value": (put(', "390": 10}}]\nreference', "}}]\nreference"), ("390", "没有费率或系数")),
    "numbers that do not fit": (put("weight: 2, rate: 2, coefficient: 4, points: 4", "weight: 9, rate: 6, coefficient: 8, points: 6"), ("超出可精确计算",)),
}  # fmt: skip

# What a person should look at: (how, the whole warnings that it adds).
BLANK_SCORE = "目录有 1 个病种没有分值，其病例将退回：C3；请补目录或在 off_path 中另定"
WARNED: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "a sound pack": (lambda text: text, (BLANK_SCORE,)),
    # C2 is a base group with a coefficient of its own; C1 is blank at 三级; no hospital is of 二级
    "blank coefficients": (GROUP_LEVEL, (BLANK_SCORE, "目录有 1 个病种在三级没有系数，其病例将退回：C1；请补目录系数")),
    "blank coefficients and nothing paid alike": (both(GROUP_LEVEL, put(STRATEGY, "strategy: none")), (
        BLANK_SCORE, "目录有 1 个病种在一级没有系数，其病例将退回：C2；请补目录系数", "目录有 1 个病种在三级没有系数，其病例将退回：C1；请补目录系数")),
    "a flag of no row": (put("flag: 基层病种", "flag: 日间"), (BLANK_SCORE, "没有带 flag `日间` 的病种，同价不会用到；请核对标识")),
    "a named row needs no score": (put("excluded: {", "groups: {C3: {treatment: by_item}}\n    excluded: {"), ()),
    # W·x·a ÷ (W·c·a) at x = 0.5: 0.5 ÷ 0.8 = 0.625 and 0.5 ÷ 1.1 = 0.4545, whatever a point is worth
    "low deviation without coefficient": (put("by_coefficient: true", "by_coefficient: false"), (
        BLANK_SCORE, "系数 0.8 的医院，界限处的支付由 1 倍标准跳到 0.625 倍标准（界限属于本档）", "系数 1.1 的医院，界限处的支付由 1 倍标准跳到 0.4545 倍标准（界限属于本档）")),
    # F ÷ S = 0.5 × Q ÷ (P·c): Q ÷ P is 11 ÷ 10.5 for 310 and 1 for 390
    "actual fees by insurance type": (put(DEVIATION, "family: actual"), (
        BLANK_SCORE,
        "险种 310 系数 0.8 的医院，界限处的支付由 1 倍标准跳到 0.6548 倍标准（界限属于本档）",
        "险种 310 系数 1.1 的医院，界限处的支付由 1 倍标准跳到 0.4762 倍标准（界限属于本档）",
        "险种 390 系数 0.8 的医院，界限处的支付由 1 倍标准跳到 0.625 倍标准（界限属于本档）",
        "险种 390 系数 1.1 的医院，界限处的支付由 1 倍标准跳到 0.4545 倍标准（界限属于本档）")),
    # W·c·a at the bound, from W·(5 − 2 + 1)·c·a = 4·S just below
    "a last bound paid as normal": (put("    high:", "    beyond: {threshold: 5, inclusive: false, family: as_normal}\n    high:"), (
        BLANK_SCORE, "界限处的支付由 4 倍标准跳到 1 倍标准（界限不属于本档）")),
}  # fmt: skip
