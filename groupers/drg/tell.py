"""Tell a trace in Chinese, step by step, as a hospital's DRG office reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from groupers.drg.rulebook import RuleBook
from groupers.drg.rules import Always, Compare, Hits, Member
from groupers.drg.trace import ClauseFinding, LiteralFinding, MdcTrial, Trace

_SIGNS = {"==": "=", "!=": "≠", "<=": "≤", ">=": "≥", "<": "<", ">": ">"}
_SEVERITY_NAMES = {"mcc": "MCC", "cc": "CC", "none": "无"}
_NEED_NAMES = {"mcc": "要求 MCC", "mcc_or_cc": "要求 MCC 或 CC", "none": "不要求合并症"}
_COLUMN_NAMES = {
    "age_years": "年龄（岁）", "age_days": "天龄（天）", "birth_weight_g": "出生体重（克）",
    "admission_weight_g": "入院体重（克）", "stay_days": "住院天数", "icu_hours": "重症监护时长（小时）",
    "ventilator_hours": "呼吸机使用时长（小时）", "sex": "性别", "discharge_way": "离院方式",
    "care_type": "住院医疗类型", "treatment_kind": "治疗类别", "department": "出院科别",
}  # fmt: skip
_VALUE_NAMES = {("sex", "1"): "男", ("sex", "2"): "女"}
_SIDES = {"dx": "诊断", "px": "手术"}


def tell(trace: Trace, book: RuleBook, dx_names: Mapping[str, str], px_names: Mapping[str, str]) -> list[str]:
    """A trace in Chinese, one sentence per step. A code without a name is shown alone."""
    speech = _Speech(book, dx_names, px_names)
    lines = [speech.codes_read(trace)]
    lines += [speech.mdc_trial(trial, trace) for trial in trace.tried]
    lines.append(speech.decision(trace))
    lines += speech.severity(trace)
    if trace.drgs_tried:
        lines.append(speech.drg_choice(trace))
    lines += speech.near_misses(trace)
    return lines


@dataclass(frozen=True)
class _Speech:
    """Names for the sentences of one book."""

    book: RuleBook
    dx_names: Mapping[str, str]
    px_names: Mapping[str, str]

    def codes_read(self, trace: Trace) -> str:
        parts = []
        for side, first, others in (
            ("dx", trace.principal_dx, trace.other_dx),
            ("px", trace.principal_px, trace.other_px),
        ):
            parts.append(
                f"主要{_SIDES[side]} {self.code(side, first)}" if first else f"没有{_SIDES[side]}编码"
            )
            if others:
                named = "、".join(self.code(side, code) for code in others)
                parts.append(f"其他{_SIDES[side]} {len(others)} 个：{named}")
        return "读入：" + "；".join(parts)

    def mdc_trial(self, trial: MdcTrial, trace: Trace) -> str:
        head = f"{self.mdc(trial.mdc)}："
        if not trial.entered:
            return head + self.clauses([c for c in trial.clauses if not c.met]) + "，不进入"
        entered = head + self.clauses(trial.clauses) + "，进入"
        here = trace.decided_by is not None and trace.decided_by.mdc == trial.mdc
        return entered if here else f"{entered}，但其中没有一条规则满足，继续试下一个 MDC"

    def decision(self, trace: Trace) -> str:
        rule = trace.decided_by
        if rule is None:
            return f"所有 MDC 都没有满足的规则，无法入组，记为 {trace.drg}"
        why = self.clauses(trace.clauses)
        if rule.kind == "adrg":
            return f"规则 {rule.seq} 满足：{why}，归入 ADRG {self.adrg(rule.group)}"
        where = "未进入时的歧义规则" if rule.kind == "ambiguous_outside" else "歧义规则"
        into = f"归入歧义组 {rule.group}"
        if trace.mdc != rule.mdc and trace.mdc:
            into += f"（属 {self.mdc(trace.mdc)}）"
        before = "" if rule.kind == "ambiguous_outside" else "，且排在前面的规则都不满足"
        return f"规则 {rule.seq}（{rule.mdc} {where}）满足：{why}{before}，{into}"

    def severity(self, trace: Trace) -> list[str]:
        lines = []
        for other in (other for other in trace.others if other.severity != "none"):
            line = f"其他诊断 {self.code('dx', other.code)} 是 {_SEVERITY_NAMES[other.severity]}"
            if other.excluded:
                line += f"，但与主要诊断同在排除表 {other.table}，不计"
            elif other.decided:
                line += "，计入，由它决定严重程度"
            else:
                line += "，计入"
            lines.append(line)
        plain = sum(other.severity == "none" for other in trace.others)
        if plain:
            lines.append(f"{'其余' if lines else '全部'} {plain} 个其他诊断不是 MCC 或 CC")
        return [*lines, f"本例严重程度：{_SEVERITY_NAMES[trace.severity]}"]

    def drg_choice(self, trace: Trace) -> str:
        parts = [
            f"{trial.drg.drg} {_NEED_NAMES[trial.drg.needs]}，{'符合' if trial.accepted else '不符合'}"
            for trial in trace.drgs_tried
        ]
        chosen = trace.drgs_tried[-1].drg
        return f"ADRG {trace.adrg} 内按编码顺序：{'；'.join(parts)}，归入 DRG {chosen.drg} {chosen.name}"

    def near_misses(self, trace: Trace) -> list[str]:
        if not trace.near_misses:
            return []
        shown, count = len(trace.near_misses), trace.near_miss_count
        lines = [f"只差一个条件的规则有 {count} 条" + (f"，列出前 {shown} 条" if shown < count else "")]
        for near in trace.near_misses:
            at = f"未进入 {near.rule.mdc}，因" if near.at_entry else ""
            lines.append(
                f"规则 {near.rule.seq}（ADRG {self.adrg(near.rule.group)}）：{at}{self.clauses([near.missing])}"
            )
        return lines

    def code(self, side: str, code: str) -> str:
        return f"{code} {(self.dx_names if side == 'dx' else self.px_names).get(code, '')}".rstrip()

    def mdc(self, mdc: str) -> str:
        return f"{mdc} {self.book.mdc_names.get(mdc, '')}".rstrip()

    def adrg(self, adrg: str) -> str:
        return f"{adrg} {self.book.adrg_names.get(adrg, '')}".rstrip()

    def clauses(self, clauses: Iterable[ClauseFinding]) -> str:
        return "；".join(self.clause(clause) for clause in clauses)

    def clause(self, clause: ClauseFinding) -> str:
        """What speaks for a clause that is met, or all that is wrong with one that is not."""
        told = [finding for finding in clause.literals if finding.met] or clause.literals
        return "，".join(self.finding(finding) for finding in told)

    def finding(self, finding: LiteralFinding) -> str:
        """The fact as it is in the case; a fact that a rule forbids is marked so."""
        atom, forbidden = finding.literal.atom, finding.holds and finding.literal.negated
        if isinstance(atom, Always):
            fact = "无条件"
        elif isinstance(atom, Compare):
            fact = self.comparison(atom, finding)
        elif isinstance(atom, Hits):
            named = "、".join(self.book.list_names.get(name, name) for name in finding.found)
            suits = "符合" if finding.holds else "不符合"
            fact = f"名单族 {atom.family} 命中 {len(finding.found)} 个" + (f"（{named}）" if named else "")
            fact += f"，{suits} {_SIGNS[atom.comparison]} {atom.value}"
        elif isinstance(atom, Member):
            where = f"名单 {atom.list_name} {self.book.list_names.get(atom.list_name, '')}".rstrip()
            fact = self.membership(finding, atom.subject, f"在{where} 中")
        else:
            fact = self.membership(finding, atom.subject, f"以 {atom.prefix} 开头")
        return f"{fact}（规则要求相反）" if forbidden else fact

    def membership(self, finding: LiteralFinding, subject: str, predicate: str) -> str:
        which, side = subject.rsplit("_", 1)
        noun = {"principal": "主要", "other": "其他", "any": ""}[which] + _SIDES[side]
        if not finding.looked_at:
            return f"没有{noun}"
        if finding.holds:
            return f"{noun} {'、'.join(self.code(side, code) for code in finding.found)} {predicate}"
        if which == "principal":
            return f"{noun} {self.code(side, finding.looked_at[0])} 不{predicate}"
        return f"各{noun}都不{predicate}"

    def comparison(self, atom: Compare, finding: LiteralFinding) -> str:
        name = _COLUMN_NAMES[atom.column]
        if not finding.found:
            return f"缺{name}，无从比较"
        value, limit = (
            _VALUE_NAMES.get((atom.column, text), text) for text in (finding.found[0], str(atom.value))
        )
        suits = "符合" if finding.holds else "不符合"
        return f"{name}为 {value}，{suits} {_SIGNS[atom.comparison]} {limit}"
