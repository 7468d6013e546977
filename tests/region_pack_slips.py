# ruff: noqa: E501
"""Broken copies of the demo pack: one slip each, and what the sentence about it says. One slip a line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline.accounts import COLUMNS as ACCOUNT_COLUMNS
from pipeline.period_amounts import COLUMNS as AMOUNT_COLUMNS
from pipeline.region import config_root
from tests.pricing_rule_packs import published_pack

DEMO = config_root() / "regions" / "demo-rate"


def copied(tmp_path: Path) -> Path:
    """A copy of the demo pack, to be broken."""
    return Path(shutil.copytree(DEMO, tmp_path / "broken"))


Edit = Callable[[Path], None]


def edit(file: str, old: str, new: str, count: int = 1) -> Edit:
    def change(folder: Path) -> None:
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {file}: the test changes nothing"
        (folder / file).write_text(text.replace(old, new, count), encoding="utf-8")

    return change


def pack(old: str, new: str) -> Edit:
    return edit("region.yaml", old, new)


def weights(*lines: str) -> Edit:
    """weights-2025.csv with lines added."""

    def change(folder: Path) -> None:
        with (folder / "weights-2025.csv").open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))

    return change


def written(file: str, content: bytes | str) -> Edit:
    def change(folder: Path) -> None:
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def together(*edits: Edit) -> Edit:
    def change(folder: Path) -> None:
        for one in edits:
            one(folder)

    return change


def budgets(*lines: str, header: str = "insurance_type,year,fund,version,reason,source") -> Edit:
    """budgets.csv with these lines alone."""
    return written("budgets.csv", "".join(f"{line}\n" for line in (header, *lines)))


def accounts(*lines: str) -> Edit:
    """accounts.csv with these lines alone."""
    return written("accounts.csv", "".join(f"{line}\n" for line in (",".join(ACCOUNT_COLUMNS), *lines)))


def amounts(line: str) -> Edit:
    """period_amounts.csv with this line alone."""
    return written("period_amounts.csv", f"{','.join(AMOUNT_COLUMNS)}\n{line}\n")


LINED = "insurance_type,budget_line,year,fund,version,reason,source"
SCOPED = pack(
    "\nsettlement:",
    """
scope:
  - from: 2025-01-01
    rules:
      - {name: 异地, place: [country], treatment: include, budget_line: 异地}
    source: 示范取值

settlement:""",
)


def alliances(*lines: str) -> Edit:
    """alliances.csv with these lines, each `alliance,hospital,role,from,to`."""
    cells = [line.split(",") for line in lines]
    rows = [f"{one[0]},医共体{one[0]},{','.join(one[1:])},示范取值" for one in cells]
    return written(
        "alliances.csv", "\n".join(["alliance_id,alliance_name,hospital_id,role,from,to,source", *rows, ""])
    )


def by_group(table: str, key: str = "by_group_hospital") -> Edit:
    """A table of coefficients beside those by level."""
    return together(
        written("coefficients.csv", table),
        pack("    by_level: {一级", f"    {key}: coefficients.csv\n    by_level: {{一级"),
    )


# Standards that the city prints stand in for weights, rates and coefficients.
PUBLISHED = written("region.yaml", json.dumps(published_pack(), ensure_ascii=False))
HIGH = "- {weight_le: 1.0, threshold: 3.0, inclusive: true, family: excess_share, base: 1.0, share: 0.7}"
TAIL = "      - {threshold: 1.8, inclusive: true"
SHARED = "family: excess_share, base: 1.0, share: 0.7}"
LEVELS_390 = '      "390": {一级: 4950, 二级: 6600, 三级: 9000}\n'
HOSPITAL = "H44990200004,示范市中医院,二级,甲等,449902,2020-01-01,"
SECOND = "  - from: 2025-07-01\n    by_level"
LEAD, OTHER = "H44990400006", "H44990400010"

# what is broken → (how, what the one sentence says)
SLIPS: dict[str, tuple[Edit, tuple[str, ...]]] = {
    # versions of the weights
    "a version that replaces none": (pack("weights:\n  - from: 2025-01-01\n", "weights:\n  - from: 2025-01-01\n    replaces: weights-2025.csv\n"),
                                     ("region.yaml", "weights 中 2025-01-01 起的一项代替 `weights-2025.csv`", "前面没有这一版")),
    # dates
    "gap": (pack("coefficients:\n  - from: 2025-01-01\n", "coefficients:\n  - from: 2025-01-01\n    to: 2025-06-28\n"),
            ("region.yaml", "`coefficients`", "日期有空档", "2025-06-28", "2025-07-01")),
    "overlap": (pack("coefficients:\n  - from: 2025-01-01\n", "coefficients:\n  - from: 2025-01-01\n    to: 2025-07-01\n"),
                ("region.yaml", "`coefficients`", "日期重叠", "2025-07-01")),
    "two entries of one day": (pack(SECOND, SECOND.replace("07-01", "01-01")), ("`coefficients`", "日期重叠", "2025-01-01")),
    "an entry that ends before it begins": (pack("settlement:\n  - from: 2025-01-01\n", "settlement:\n  - from: 2025-01-01\n    to: 2024-12-31\n"),
                                            ("`settlement.0`", "截止日期 2024-12-31 早于起始日期 2025-01-01")),
    "no such day": (pack("scheme:\n  - from: 2025-01-01", "scheme:\n  - from: 2025-02-30"), ("第 ", "没有这一天 `2025-02-30`")),
    "a date that is a word": (pack("scheme:\n  - from: 2025-01-01", "scheme:\n  - from: 去年"), ("`scheme.0.from`", "须为日期", "去年")),
    # form
    "unknown key": (pack("    prepay_ratio: 0.95", "    prepay_ratios: 0.95"), ("`settlement.0.prepay_ratios`", "不认识的项")),
    "missing key": (pack("    deposit_rate: 0.05\n", ""), ("`settlement.0.deposit_rate`", "缺少此项")),
    "missing source": (pack("    source: 医保办发〔2024〕9号\n", ""), ("`scheme.0.source`", "缺少此项")),
    "empty source": (pack("source: 医保办发〔2024〕9号", 'source: ""'), ("`scheme.0.source`", "至少写 4 个字")),
    "a key twice": (pack("    prepay_ratio: 0.95", "    prepay_ratio: 0.95\n    prepay_ratio: 0.90"), ("重复的项 `prepay_ratio`",)),
    "a number twice as text and number": (pack(LEVELS_390, LEVELS_390 + LEVELS_390.replace('"', "")), ("重复的项 `390`",)),
    "YAML that does not parse": (pack("levels: [一级", "levels: [[一级"), ("region.yaml", "读不出来", "第 ")),
    "YAML that nests without end": (written("region.yaml", b"a: " + b"[" * 200_000), ("region.yaml", "读不出来")),
    "not text": (written("region.yaml", b"\xff\xfe\x00"), ("region.yaml", "读不出来")),
    "an empty file": (written("region.yaml", ""), ("region.yaml", "须为键与值的表")),
    "YAML that makes objects": (pack("name: demo-rate", "name: !!python/object/apply:os.getcwd []"), ("region.yaml", "读不出来")),
    # numbers
    "a word for a number": (pack("share: 0.7", "share: 七成"), ("`ratio.0.high.0.share`", "须为十进制数", "七成")),
    "a truth value for a number": (pack("share: 0.7", "share: yes"), ("`ratio.0.high.0.share`", "须为十进制数")),
    "infinity": (pack("threshold: 0.4", "threshold: .inf"), ("不是十进制数 `.inf`",)),
    "an octal number": (pack("一级: 6900", "一级: 06700"), ("不是十进制数 `06700`",)),
    "a number in sixties": (pack("一级: 6900", "一级: 69:00"), ("不是十进制数 `69:00`",)),
    "a threshold with too many digits": (pack("threshold: 0.4", "threshold: 0.40001"), ("`ratio.0.low.threshold`", "小数位数超出上限 4 位", "0.40001")),
    "a rate with more digits than published": (pack("一级: 6900", "一级: 6900.00001"), ("费率 6900.00001", "4 位")),
    "a coefficient with more digits than published": (pack("H44990200004: 0.9200", "H44990200004: 0.92001"), ("系数 0.92001", "4 位")),
    "a coefficient of nothing": (pack("by_level: {一级: 1.0000", "by_level: {一级: 0"), ("`coefficients.0.by_level.一级`", "须大于 0")),
    "a rate of nothing": (pack("一级: 6900", "一级: 0"), ("`rates.0.values.310.一级`", "须大于 0")),
    "a negative rate": (pack("一级: 6900", "一级: -6900"), ("`rates.0.values.310.一级`", "须大于 0", "-6900")),
    "a rate in fen": (pack("三级: 11500", "三级: 1150000"), ("`rates.0.values.310.三级`", "超出可精确计算的上限 100000")),
    "a hospital's coefficient in percent": (pack("H44990200004: 0.9200", "H44990200004: 92"), ("by_hospital.H44990200004", "超出可精确计算的上限 10")),
    "a prepay ratio in percent": (pack("prepay_ratio: 0.95", "prepay_ratio: 95"), ("`settlement.0.prepay_ratio`", "上限 1")),
    "a share above one": (pack("share: 0.7", "share: 70"), ("`ratio.0.high.0.share`", "上限 1")),
    # rules
    "a family without its share": (pack(SHARED, "family: excess_share}"), ("`ratio.0.high.0`", "excess_share 缺 share")),
    "a family without its factor": (pack(SHARED, "family: minus_fixed}"), ("`ratio.0.high.0`", "minus_fixed 缺 factor")),
    "an unknown family": (pack(SHARED, "family: generous}"), ("`ratio.0.high.0.family`", "只能是", "generous")),
    "an unknown strategy": (pack("strategy: lowest_level_rate", "strategy: cheapest"), ("`base_groups.0.strategy`", "只能是", "cheapest")),
    "a cap without its value": (pack("strategy: lowest_level_rate", "strategy: capped_coefficient"), ("`base_groups.0`", "capped_coefficient 缺 value")),
    "a level's rate without its level": (pack("strategy: lowest_level_rate", "strategy: rate_of_level"), ("`base_groups.0`", "rate_of_level 缺 level")),
    "a fixed weight without weight": (pack("fixed_weight, weight: 0.2}", "fixed_weight}"), ("`off_path.0.ungrouped`", "fixed_weight 缺 weight")),
    "a share of the fee without share": (pack("fixed_weight, weight: 0.2}", "share_of_fee}"), ("`off_path.0.ungrouped`", "share_of_fee 缺 share")),
    "weights of another scheme": (pack("    scheme: chs-drg-2.0", "    scheme: chs-drg-1.1"), ("权重表与分组方案不符", "`chs-drg-2.0`", "`chs-drg-1.1`")),
    # tables beside it
    "a group twice": (weights("AA19,2"), ("weights-2025.csv", "表中重复", "`AA19`")),
    "a weight that is text": (weights("ZZZZ,一点二"), ("weights-2025.csv", "不是数", "`ZZZZ`", "一点二")),
    "a weight with a decimal comma": (weights('ZZZZ,"0,9258"'), ("weights-2025.csv", "不是数", "0,9258")),
    "a weight of nothing": (weights("ZZZZ,0"), ("weights-2025.csv", "权重须大于零", "`ZZZZ`")),
    "a negative weight": (weights("ZZZZ,-1"), ("weights-2025.csv", "权重须大于零", "-1")),
    "a blank weight": (weights("ZZZZ,"), ("weights-2025.csv", "不是数", "`ZZZZ`")),
    "a weight that is not a number": (weights("ZZZZ,NaN"), ("weights-2025.csv", "`ZZZZ`", "NaN")),
    "a weight beyond the exact range": (weights("ZZZZ,1000.0001"), ("weights-2025.csv", "超出可精确计算的上限 1000")),
    "a weight with more digits than published": (weights("ZZZZ,1.00001"), ("weights-2025.csv", "小数位数超出公布位数", "1.00001", "4 位")),
    "a short line": (weights("ZZZZ"), ("weights-2025.csv", "表中缺列", "行不足 2 列")),
    "an endless cell": (weights('"' + "长" * 140_000 + '",1'), ("weights-2025.csv", "读不出来")),
    "another header": (edit("weights-2025.csv", "drg,weight", "组,权重"), ("weights-2025.csv", "表头不符", "drg,weight", "组,权重")),
    "no weights file": (lambda folder: (folder / "weights-2025.csv").unlink(), ("weights-2025.csv", "读不出来", "FileNotFoundError")),
    "weights in GB18030": (written("weights-2025.csv", "drg,weight,名称\nAA19,1,心脏\n".encode("gb18030")), ("weights-2025.csv", "读不出来")),
    "overlapping rows of a hospital": (edit("hospitals.csv", HOSPITAL, f"{HOSPITAL}2025-06-30\n{HOSPITAL.replace('2020-01-01', '2025-06-30')}"),
                                       ("hospitals.csv", "医院表日期重叠", "`H44990200004`", "2025-06-30")),
    "a hospital's bad date": (edit("hospitals.csv", "449902,2020-01-01", "449902,2020/01/01"), ("hospitals.csv", "医院表日期有误", "2020/01/01")),
    "a hospital that ends before it begins": (edit("hospitals.csv", HOSPITAL, f"{HOSPITAL}2019-12-31"), ("hospitals.csv", "`H44990200004`", "2019-12-31")),
    "a hospital without an id": (edit("hospitals.csv", HOSPITAL, HOSPITAL.removeprefix("H44990200004")), ("hospitals.csv", "编号不得为空")),
    "coefficients under another header": (by_group("group_code,place,coefficient\nAA19,x,1\n"), ("coefficients.csv", "表头不符", "group_code,level,coefficient")),
    "a coefficient twice": (by_group(f"group_code,hospital_id,coefficient\nAA19,{LEAD},1\nAA19,{LEAD},1\n"), ("coefficients.csv", "表中重复", f"`AA19` `{LEAD}`")),
    "a coefficient in percent": (by_group("group_code,level,coefficient\nAA19,一级,92\n", "by_group_level"), ("coefficients.csv", "系数超出可精确计算的上限 10", "`AA19、一级`", "92")),
    "a printed standard twice": (together(PUBLISHED, written("standards.csv", "group_code,level,standard_yuan\nAA19,一级,1\nAA19,一级,2\n")), ("standards.csv", "表中重复", "`AA19` `一级`")),
    # alliances.csv
    "an alliance of an unknown hospital": (alliances("A1,H1,lead,2025-01-01,"), ("alliances.csv", "医共体表有误", "`A1` 的 `H1`", "须在 hospitals.csv 中")),
    "a role that is none": (alliances(f"A1,{LEAD},boss,2025-01-01,"), ("alliances.csv", "医共体表有误", "（boss）", "role 须为 lead 或 member")),
    "an alliance without an id": (alliances(f",{LEAD},lead,2025-01-01,"), ("alliances.csv", "医共体表有误")),
    "a hospital in two alliances": (alliances(f"A1,{LEAD},lead,2025-01-01,", f"A2,{LEAD},lead,2025-06-01,"), ("alliances.csv", f"`{LEAD}` 在同一天属于两个医共体（2025-06-01 起）")),
    "an alliance with two leads": (alliances(f"A1,{LEAD},lead,2025-01-01,", f"A1,{OTHER},lead,2025-06-01,"), ("alliances.csv", "`A1` 在同一天有两家牵头医院（2025-06-01 起）")),
    "an alliance whose lead leaves first": (alliances(f"A1,{LEAD},lead,2025-01-01,2025-06-30", f"A1,{OTHER},member,2025-01-01,"), ("alliances.csv", f"`A1` 在 `{OTHER}` 加入的某些日子没有牵头医院")),
    "an alliance's bad date": (alliances(f"A1,{LEAD},lead,今年,"), ("alliances.csv", "医共体表日期有误", "今年")),
    # budgets.csv
    "budgets under another header": (budgets(header="insurance_type,year,fund_yuan,version,reason,source"), ("budgets.csv", "表头不符", "应为 insurance_type,year,fund,version,reason,source", "fund_yuan")),
    "budgets with a column more": (budgets(header="insurance_type,year,fund,version,reason,source,note"), ("budgets.csv", "表头不符", "source,note")),
    "a version left out of a line": (budgets("310,,2025,1,1,,示范取值", "310,异地,2025,1,2,追加,示范取值", header=LINED), ("budgets.csv 第 3 行", "险种 `310（单列 异地）` 2025 年此处应为 1")),
    "a fund with commas and no quotes": (budgets("310,2025,170,000,000.00,1,,示范取值"), ("budgets.csv", "表中多列", "第 2 行多于 6 列", "请加引号")),
    "a budget of an unknown type": (budgets("320,2025,1,1,,示范取值"), ("budgets.csv 第 2 行", "险种 `320` 不在 insurance_types（310、390）中")),
    "a budget of a two-digit year": (budgets("310,25,1,1,,示范取值"), ("budgets.csv 第 2 行", "年度应为四位数字，实为 `25`")),
    "a budget that is text": (budgets("310,2025,一亿,1,,示范取值"), ("budgets.csv 第 2 行", "基金 `一亿` 读不懂")),
    "a budget of nothing": (budgets("310,2025,0.00,1,,示范取值"), ("budgets.csv 第 2 行", "基金 `0.00` 读不懂；应为大于零")),
    "a negative budget": (budgets("310,2025,-1,1,,示范取值"), ("budgets.csv 第 2 行", "基金 `-1` 读不懂")),
    "a blank budget": (budgets("310,2025,,1,,示范取值"), ("budgets.csv 第 2 行", "基金 `` 读不懂")),
    "a budget with three decimals": (budgets("310,2025,1.005,1,,示范取值"), ("budgets.csv 第 2 行", "`1.005`", "至多两位小数")),
    "a budget with a decimal comma": (budgets('310,2025,"1,5",1,,示范取值'), ("budgets.csv 第 2 行", "基金 `1,5` 读不懂")),
    "a budget beyond the exact range": (budgets("310,2025,1000000000000,1,,示范取值"), ("budgets.csv 第 2 行", "不到一万亿")),
    "a version that is no whole number": (budgets("310,2025,1,1.0,,示范取值"), ("budgets.csv 第 2 行", "版本应为 1、2、3…，实为 `1.0`")),
    "a first version that is not 1": (budgets("310,2025,1,2,年中调整,示范取值"), ("budgets.csv 第 2 行", "版本为 2", "2025 年此处应为 1")),
    "a version left out": (budgets("310,2025,1,1,,示范取值", "310,2025,2,3,年中调整,示范取值"), ("budgets.csv 第 3 行", "版本为 3", "此处应为 2")),
    "a version twice": (budgets("310,2025,1,1,,示范取值", "390,2025,1,1,,示范取值", "310,2025,2,1,,示范取值"), ("budgets.csv 第 4 行", "版本为 1", "此处应为 2", "另加一行")),
    "an adjustment without reason": (budgets("310,2025,1,1,,示范取值", "310,2025,2,2, ,示范取值"), ("budgets.csv 第 3 行", "没有写 reason", "版本 2")),
    "a budget without source": (budgets("310,2025,1,1,,"), ("budgets.csv 第 2 行", "source 至少写 4 个字")),
    # review
    "a review of nobody": (pack("    stay_days_ge: 60\n    fee_over_standard_gt: 2\n", "    new_tech: false\n"), ("`review.0`", "没有写申请条件，至少写一个：stay_days_ge、fee_over_standard_gt、fee_ge_yuan、new_tech、ward_transfers_ge")),
    "a review without quota": (pack("    quota_share: 0.05\n", ""), ("`review.0.quota_share`", "缺少此项")),
    "a quota in percent": (pack("quota_share: 0.05", "quota_share: 5"), ("`review.0.quota_share`", "上限 1")),
    "a stay of no days": (pack("stay_days_ge: 60", "stay_days_ge: 0"), ("`review.0.stay_days_ge`", "不得小于 1")),
    "a fee in fen": (pack("stay_days_ge: 60", "fee_ge_yuan: 100000001"), ("`review.0.fee_ge_yuan`", "上限 100000000")),
    # the rest of the rules
    "a base coefficient in percent": (pack("strategy: lowest_level_rate", "strategy: fixed_coefficient\n    value: 92"), ("`base_groups.0`", "系数 92 超出可精确计算的上限 10")),
    "an inbox with another brace": (pack("inbox: samples/demo-rate", 'inbox: "samples/{month}"'), ("路径里只能用 {period}", "`samples/{month}`")),
    # accounts and amounts: what would be found only when a month is paid
    "an account of nobody": (accounts("H9,户名,银行,1,2025-01-01,,示范取值"), ("accounts.csv 第 2 行", "`H9` 既不是本地区的医院也不是险种")),
    "an account without a number": (accounts("310,户名,银行,,2025-01-01,,示范取值"), ("第 2 行", "缺户名、开户行、账号或出处")),
    "an account from no day": (accounts("310,户名,银行,1,去年,,示范取值"), ("第 2 行", "日期读不懂")),
    "two accounts on one day": (accounts("310,户名,银行,1,2025-01-01,,示范取值", "310,户名,银行,2,2025-07-01,,示范取值"), ("第 3 行", "`310` 在 2025-07-01 已有另一个账户")),
    "an amount of no kind": (amounts("fine,H44990200004,310,2025-10,1,x,y"), ("period_amounts.csv 第 2 行", "类别应为", "`fine`")),
    "an amount of nobody": (amounts("audit_deduction,H9,310,2025-10,1,x,y"), ("第 2 行", "医院或险种不认识：`H9`")),
    "an amount in tenths of a fen": (amounts("audit_deduction,H44990200004,310,2025-10,1.005,x,y"), ("第 2 行", "金额读不懂：`1.005`")),
    "an amount of a thirteenth month": (amounts("audit_deduction,H44990200004,310,2025-13,1,x,y"), ("第 2 行", "月份应写作 2025-10，实为 `2025-13`")),
    "classes of a case by item": (pack("UQY: {treatment: by_item}", "UQY: {treatment: by_item, classes: true}"), ("`off_path.0.groups.UQY`", "by_item 不判倍率，不写 classes")),
}  # fmt: skip

# What loads but cannot be used: `regions check` lists it as an error.
CHECKED: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "a group without a weight": (edit("weights-2025.csv", "\nAA29,1\n", "\n"), ("权重", "没有价格：AA29", "请补权重")),
    "a weight of no group": (weights("ZZ99,1"), ("不属于方案 chs-drg-2.0：ZZ99",)),
    "a base group of no scheme": (pack("groups: [BU25", "groups: [BU99"), ("不属于方案 chs-drg-2.0 的组：BU99",)),
    "a hospital of unknown level": (edit("hospitals.csv", "示范市中医院,二级", "示范市中医院,二甲"), ("H44990200004", "`二甲` 不在 levels")),
    "an insurance type without rates": (pack(LEVELS_390, ""), ("390", "没有费率或系数")),
    "a level without a rate": (pack("二级: 6600, ", ""), ("二级 390 没有费率或系数",)),
    "a deposit above the national limit": (pack("deposit_rate: 0.05", "deposit_rate: 0.0501"), ("比例 0.0501 超过国家上限 0.05",)),
    "a high threshold not above the low one": (pack(TAIL, TAIL.replace("1.8", "0.4")), ("高倍率界限不大于低倍率界限",)),
    "weight bands that do not rise": (pack("{weight_le: 4.0,", "{weight_le: 1.0,"), ("两段的权重界限与级别完全相同",)),
    "a last band with an edge": (pack(TAIL, TAIL.replace("{threshold", "{weight_le: 9.0, threshold")), ("各须有一段不写 weight_le",)),
    "a band after the one without an edge": (pack("{weight_le: 1.0, ", "{"), ("两段的权重界限与级别完全相同",)),
    "a low payment below nothing": (pack("family: actual}", "family: minus_fixed, factor: 0.1}"), ("费用趋于零时的支付为 -0.1 倍标准",)),
    "a high payment below nothing": (pack(SHARED, "family: minus_fixed, factor: 3.5}"), ("界限处的支付为 -0.5 倍标准，小于零",)),
    "a review above the national limit": (pack("quota_share: 0.05", "quota_share: 0.0501"), ("2025-01-01 起的 review", "特例单议比例 0.0501 超过国家上限 0.05（")),
    "a budget line that no scope names": (budgets("310,,2025,1,1,,示范取值", "390,,2025,1,1,,示范取值", "310,跨省,2025,1,1,,示范取值", header=LINED), ("budgets.csv", "2025 年的预算单列 跨省 在 scope 里没有（budget_line），没有病例会用它")),
    "weights too small to divide by": (together(pack("digits:\n  weight: 4", "digits:\n  weight: 9"), edit("weights-2025.csv", "\nAA29,1\n", "\nAA29,0.000000001\n"), pack("一级: 6900", "一级: 0.0001")), ("最小的权重（分值）、费率（参照点值）过小",)),
}  # fmt: skip

# What a person should look at, beside what the demo pack is told anyway: the warning as a whole.
NO_BUDGETS = "没有年度预算，年度清算、预算进度要用；请补 budgets.csv"
WARNED: dict[str, tuple[Edit, str]] = {
    "no budgets": (lambda folder: (folder / "budgets.csv").unlink(), NO_BUDGETS),
    "a table of budgets without a row": (budgets(), NO_BUDGETS),
    "a year in which a type has no budget": (
        budgets("310,2025,1,1,,示范取值", "390,2025,1,1,,示范取值", "310,2026,1,1,,示范取值"),
        "2026 年只有部分险种的预算，缺 390 居民，其年度清算、预算进度算不出；请补一行"),
    "a budget line without a budget": (
        together(SCOPED, budgets("310,,2025,1,1,,示范取值", "390,,2025,1,1,,示范取值", "310,异地,2025,1,1,,示范取值", header=LINED)),
        "2025 年的预算单列 `异地` 缺险种 390 的预算，其病例已不占本险种的总额，清算时没有预算可分；请在 budgets.csv 补一行"),
    "hospitals promised more than there is": (
        together(budgets("310,2025,1000,1,,示范取值", "390,2025,1,1,,示范取值"),
                 written("hospital_budgets.csv", "hospital_id,insurance_type,year,fund,source\n"
                         "H44990200004,310,2025,600,示范取值\nH44990400006,310,2025,400.01,示范取值\n")),
        "2025 年险种 310 各医院的预算合计 1000.01 元，超过本险种的 1000.00 元；请核对"),
    "a coefficient of a hospital that is not there": (
        pack("H44990200004: 0.9200", "H44990200004: 0.9200, H9: 1"), "系数表中的医院当日不在医院表：H9；请核对编号"),
}  # fmt: skip
