"""The Chinese words for the codes in our tables, each once; light, so that `explain` starts quickly."""

from __future__ import annotations

DOOR_NAMES = {"refuse": "退回", "hold": "暂挂", "warn": "提示"}
PAID_DOORS = {"paid": "本期结算", "refused": "退回", "held": "暂挂"}
FAMILY_NAMES = {
    "normal": "正常", "actual": "据实", "as_normal": "按标准", "factor": "按系数", "excess_share": "超额分担",
    "keep_excess": "超额据实", "minus_fixed": "扣减倍数", "cap": "封顶",
    "table_weight": "按表列权重", "fixed_weight": "按固定权重", "share_of_fee": "按费用比例", "by_item": "按项目",
}  # fmt: skip


def yuan_text(fen: int) -> str:
    """Fen as yuan with two decimals, by integer division: -5 is `-0.05`."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"
