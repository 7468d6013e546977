"""The Chinese words for the codes in our tables, each once; light, so that `explain` starts quickly."""

from __future__ import annotations

DOOR_NAMES = {"refuse": "退回", "hold": "暂挂", "warn": "提示"}
ROLE_NAMES = {"lead": "牵头", "member": "成员"}  # in an alliance (医共体)
PAID_DOORS = {"paid": "本期结算", "refused": "退回", "held": "暂挂"}
FAMILY_NAMES = {
    "normal": "正常", "actual": "据实", "as_normal": "按标准", "factor": "按系数", "excess_share": "超额分担",
    "keep_excess": "超额据实", "minus_fixed": "扣减倍数", "cap": "封顶", "points": "按实际费用折点",
    "linear_add": "超额加点", "deduct": "扣减基数折点", "deviation": "偏差折算", "deviation_excess": "偏差超额",
    "share_of_benchmark": "按费用折分", "affine": "分段折算", "fixed_amount": "定额", "bed_day": "按床日",
    "table_weight": "按表列权重", "fixed_weight": "按固定权重", "share_of_fee": "按费用比例", "by_item": "按项目",
    "special_by_item": "特例单议按项目", "special_adjusted": "特例单议核定",
}  # fmt: skip

DECISION_NAMES = {"by_item": "按项目", "adjusted": "调整", "rejected": "不予"}
OUTCOME_NAMES = {
    "applied": "按决定执行", "refused_quota": "超限额，未执行", "rejected": "不予单议", "case_not_found": "本期没有可执行的病例",
}  # fmt: skip

# What the words of the tables are called where cases are paid by disease and score.
DIP_WORDS = {"病例组合指数（CMI）": "例均分值", "病组": "病种", "权重": "分值", "费率": "点值"}
CLASS_NAMES = {
    "low": "低倍率", "high": "高倍率", "normal": "正常", "ungrouped": "未入组", "ambiguous": "歧义组",
    "special": "单列病组", "excluded": "不按病种付费", "special_review": "特例单议",
}  # fmt: skip


def worded(text: str, kind: str) -> str:
    """A text of the tables in the words of a kind of scheme (drg | dip)."""
    if kind == "dip":
        for word, other in DIP_WORDS.items():
            text = text.replace(word, other)
    return text


def yuan_text(fen: int) -> str:
    """Fen as yuan with two decimals, by integer division: -5 is `-0.05`."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"
