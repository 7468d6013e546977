"""Tell in Chinese which auxiliary subtypes (辅助分型) a discharge meets, and which of them counts.

One case at a time, from the evaluated columns, so that nothing is decided twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from groupers.dip.auxiliary import COEFFICIENT_DIGITS, AuxiliaryTables, Subtype
from groupers.drg.rules import Always, Compare, Condition, Hits, Member, SignedAtom

NONE_MET = "未满足任何辅助分型，系数 1"
SHOWN_PREFIXES = 6
HOURS_PER_DAY = 24
_SIGNS = {"==": "为", "!=": "不为", "<=": " ≤", ">=": " ≥", "<": " <", ">": " >"}
_OPPOSITE = {"==": "!=", "!=": "==", "<=": ">", ">=": "<", "<": ">=", ">": "<="}
_COLUMNS = {
    "age_years": ("年龄", "岁"), "age_days": ("天龄", "天"), "birth_weight_g": ("出生体重", "克"),
    "admission_weight_g": ("入院体重", "克"), "stay_days": ("住院", "天"), "icu_hours": ("重症监护", "小时"),
    "ventilator_hours": ("使用呼吸机", "小时"), "icu_days": ("重症监护天数（满 24 小时计 1 天）", ""), "cci": ("合并症指数（CCI）", ""),
    "sex": ("性别", ""), "discharge_way": ("离院方式", ""), "care_type": ("住院医疗类型", ""),
    "treatment_kind": ("治疗类别", ""), "department": ("出院科别", ""), "severity": ("并发症合并症程度", ""),
}  # fmt: skip
_VALUES = {
    ("sex", "1"): "男", ("sex", "2"): "女",
    ("discharge_way", "1"): "医嘱离院", ("discharge_way", "2"): "医嘱转院", ("discharge_way", "3"): "转社区",
    ("discharge_way", "4"): "非医嘱离院", ("discharge_way", "5"): "死亡", ("discharge_way", "9"): "其他",
    ("care_type", "1"): "住院", ("care_type", "2"): "日间手术",
    ("severity", "mcc"): "严重（MCC）", ("severity", "cc"): "一般（CC）", ("severity", "none"): "无",
}  # fmt: skip
_SUBJECTS = {
    "principal_dx": "主要诊断", "other_dx": "其他诊断", "any_dx": "诊断",
    "principal_px": "主要手术操作", "other_px": "其他手术操作", "any_px": "手术操作",
}  # fmt: skip


def tell_subtypes(tables: AuxiliaryTables, facts: Mapping[str, Any]) -> list[str]:
    """The auxiliary subtypes of one case, one sentence per step.

    `facts` holds the columns of `Subtypes.evaluate` and `level` (the hospital's, or None). What else it holds of
    the case (contract columns; severity, cci) is quoted beside the condition that looks at it; dx_codes and
    px_codes are lists of codes in normal form.
    """
    return _Speech(tables, facts).lines()


@dataclass(frozen=True)
class _Speech:
    tables: AuxiliaryTables
    facts: Mapping[str, Any]

    def lines(self) -> list[str]:
        aux, own = self.met("aux_met"), self.met("own_met")
        if not aux and not own:
            return [NONE_MET]
        lines = [self.subtype(one) for one in aux]
        lines += self.highest(aux, "aux", "与级别系数相乘")
        if own and not aux:
            lines.append("未满足与级别系数相乘的辅助分型，系数 1")
        lines += [self.subtype(one) for one in own]
        lines += self.highest(own, "own", "取代“级别系数 × 辅助系数”，不与级别系数相乘；两者不同时按高的定价")
        return lines

    def met(self, column: str) -> list[Subtype]:
        codes = frozenset(self.facts.get(column) or ())
        return [subtype for subtype in self.tables.subtypes if subtype.subtype in codes]

    def highest(self, met: list[Subtype], kind: str, use: str) -> list[str]:
        """Which of the subtypes met counts, and why."""
        if not met:
            return []
        chosen, coefficient = self.facts[f"{kind}_subtype"], self.facts[f"{kind}_coefficient"]
        if coefficient is None:
            return [
                f"辅助分型 {chosen} 的系数未公布，无从知道哪个最高，本例不能定价（no_coefficient）；请补系数"
            ]
        if len(met) == 1:
            return [f"计 {chosen}，系数 {_plain(coefficient)}，{use}"]
        equal = sum(one.coefficient_at(self.facts.get("level")) == coefficient for one in met)
        why = f"其中 {equal} 个同为最高，取目录中在前的" if equal > 1 else "取系数最高的"
        return [f"同时满足 {len(met)} 个，{why} {chosen}，系数 {_plain(coefficient)}，{use}"]

    def subtype(self, subtype: Subtype) -> str:
        level = self.facts.get("level")
        coefficient = subtype.coefficient_at(level)
        value = "未公布" if coefficient is None else _plain(coefficient)
        of_level = f"{level or '级别不明的'}医院系数" if subtype.replacing else "系数"
        kind = "取代型" if subtype.replacing else ""
        head = f"满足{kind}辅助分型 {f'{subtype.subtype} {subtype.name}'.rstrip()}（{of_level} {value}）"
        return f"{head}：{self.condition(subtype.condition)}"

    def condition(self, condition: Condition) -> str:
        """What the case met, clause by clause; where one of several forms is enough, all are named."""
        return "；".join(" 或 ".join(self.literal(literal) for literal in clause) for clause in condition)

    def literal(self, literal: SignedAtom) -> str:
        atom, negated = literal.atom, literal.negated
        if isinstance(atom, Always):
            return "从不" if negated else "无条件"
        if isinstance(atom, Compare):
            return self.comparison(atom, negated)
        assert not isinstance(atom, Hits), "auxiliary conditions have no families"
        subject = _SUBJECTS[atom.subject]
        if isinstance(atom, Member):
            prefixes = tuple(sorted(self.tables.lists[atom.list_name]))
            more = " 等" if len(prefixes) > SHOWN_PREFIXES else ""
            listed = f"名单 {atom.list_name}（{'、'.join(prefixes[:SHOWN_PREFIXES])}{more}）"
        else:
            prefixes, listed = (atom.prefix,), f" {atom.prefix} "
        where = f"在{listed}中" if isinstance(atom, Member) else f"以{listed}开头"
        if negated:
            return f"没有{subject}{where}"
        found = [code for code in self.codes(atom.subject) if code.startswith(prefixes)]
        seen = f"（本例 {'、'.join(dict.fromkeys(found))}）" if found else ""
        return f"{subject}{where}{seen}"

    def codes(self, subject: str) -> list[str]:
        which, side = subject.split("_")
        listed = [code for code in self.facts.get(f"{side}_codes") or () if code]
        return {"principal": listed[:1], "other": listed[1:], "any": listed}[which]

    def comparison(self, atom: Compare, negated: bool) -> str:
        name, unit = _COLUMNS[atom.column]
        sign = _OPPOSITE[atom.comparison] if negated else atom.comparison
        missing = (
            "或没有记录" if negated else ""
        )  # a comparison with a missing value is false, its `not` true
        gap = (
            "" if (atom.column, str(atom.value)) in _VALUES else " "
        )  # numbers stand apart from Chinese words
        told = f"{name}{_SIGNS[sign]}{gap}{self.value(atom.column, atom.value)} {unit}".rstrip()
        own = self.own(atom.column)
        return f"{told}{missing}" if own is None else f"{told}（本例 {self.value(atom.column, own)}）"

    def own(self, column: str) -> Any:
        hours = self.facts.get("icu_hours")
        if column == "icu_days" and hours is not None:
            return hours // HOURS_PER_DAY
        return self.facts.get(column)

    @staticmethod
    def value(column: str, value: Any) -> str:
        return _VALUES.get((column, str(value)), str(value))


def _plain(ten_thousandths: int) -> str:
    """`13000` as `1.3`."""
    number = Decimal(ten_thousandths).scaleb(-COEFFICIENT_DIGITS).normalize()
    return f"{number:f}"
